#include "unfold/train/run_report.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "unfold/files.h"
#include "unfold/formats/json_number.h"
#include "unfold/train/html.h"
#include "unfold/train/recipe_json.h"
#include "unfold/train/replay.h"
#include "unfold/train/test_results.h"

namespace unfold {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr uint64_t kMaxText = uint64_t{1} << 28;  // bytes of a file of text
constexpr int64_t kRatePoints = 240;

/// Where a setting stands in config.json, its name in the report, the optimizers it matters for (the
/// beginning of their names), and whether it is worth a line where it is 0.
constexpr struct {
  const char *place, *label, *optimizer = "";
  bool zero = true;
} kFacts[] = {{"/environment/parameters", "Parameters"},
              {"/environment/training_images", "Training images"},
              {"/environment/validation_images", "Validation images"},
              {"/environment/test_images", "Test images"},
              {"/epochs", "Epochs asked for"},
              {"/batch_size", "Batch size"},
              {"/optimizer", "Optimizer"},
              {"/momentum", "Momentum", "sgd"},
              {"/betas", "Betas", "adam"},
              {"/epsilon", "Epsilon", "adam"},
              {"/lr", "Learning rate"},
              {"/schedule", "Schedule"},
              {"/warmup", "Warm-up, epochs", "", false},
              {"/weight_decay", "Weight decay"},
              {"/label_smoothing", "Label smoothing", "", false},
              {"/clip_norm", "Gradient clipped to norm", "", false},
              {"/ema", "Average of weights, decay", "", false},
              {"/init_from", "Began with the weights of"},
              {"/augment", "Augmentation"},
              {"/val_split", "Part for validation"},
              {"/patience", "Patience, epochs"},
              {"/seed", "Seed"},
              {"/engine", "Engine"},
              {"/numerics", "Numerics"},
              {"/environment/simd", "Vector instructions"},
              {"/environment/threads", "Threads"},
              {"/environment/unfold", "Program"}};

std::string text_of(const fs::path& path) {
  const std::vector<std::byte> bytes = read_file(path, ErrorKind::data, kMaxText);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string value_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return html::significant(value.get<double>(), 6);
  if (!value.is_array()) return value.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string text;
  for (const Json& item : value) text += (text.empty() ? "" : ", ") + value_text(item);
  return text;
}

Json read_config(const fs::path& folder) {
  const auto refuse = [&](const char* what) {
    return Error(ErrorKind::data, what)
        .where(folder.string())
        .wanted("the folder of a run, with config.json")
        .hint("'unfold train' says where its run folder is, e.g. runs/lenet5-1");
  };
  std::error_code code;
  if (!fs::exists(folder, code)) throw refuse("there is no such folder");
  if (!fs::is_directory(folder, code)) throw refuse("this is no folder");
  if (!fs::exists(folder / "config.json", code)) throw refuse("this folder holds no run");
  Json config = Json::parse(text_of(folder / "config.json"), nullptr, false);
  if (!config.is_object()) {
    throw Error(ErrorKind::data, "the run's settings cannot be understood")
        .where((folder / "config.json").string())
        .wanted("a JSON object");
  }
  return config;
}

/// The learning rate between the epochs, by the schedule; nothing if it does not lead through the recorded
/// values (the run was resumed for another number of epochs).
std::vector<std::pair<double, double>> rate_between(const Json& config, const Report& report) {
  std::vector<std::pair<double, double>> points;
  if (report.epochs.empty()) return points;
  try {
    const Schedule schedule = recipe_from_json(config.dump()).schedule;
    const auto images = std::stoll(config.at("environment").at("training_images").get<std::string>());
    const int64_t batch = whole_number<int64_t>(config.at("batch_size")),
                  epochs = whole_number<int64_t>(config.at("epochs"));
    if (images < 1 || batch < 1 || epochs < report.epochs.back().epoch || epochs > 1000000) return points;
    const int64_t steps = (images - 1) / batch + 1, done = report.epochs.back().epoch * steps;
    for (const EpochRow& row : report.epochs) {
      const double wanted = schedule.at(row.epoch * steps - 1, steps, epochs);
      if (!(std::abs(wanted - row.lr) <= 1e-6 * schedule.lr)) return points;
    }
    for (int64_t i = 0; i <= kRatePoints; ++i) {
      const int64_t step = std::min(done - 1, done * i / kRatePoints);
      points.emplace_back(static_cast<double>(step + (step == done - 1)) / static_cast<double>(steps),
                          schedule.at(step, steps, epochs));
    }
  } catch (const std::exception&) {
    points.clear();  // an older or edited config.json: the curve goes straight from epoch to epoch
  }
  return points;
}

}  // namespace

Report read_report(const fs::path& folder) {
  const Json config = read_config(folder);
  Report report;
  const fs::path named = folder.has_filename() ? folder : folder.parent_path();
  report.title = fs::weakly_canonical(named).filename().string();
  const auto setting = [&config](const char* place) {
    const Json::json_pointer at(place);
    return config.contains(at) ? value_text(config.at(at)) : std::string();
  };
  report.model = setting("/model");
  if (fs::path(report.model).extension() == ".json") report.model = fs::path(report.model).stem().string();
  report.dataset = setting("/environment/data_set");
  if (report.dataset == "strokes") {
    report.note = "Trained and tested on strokes: digits drawn by the program itself, not MNIST.";
  }
  for (const auto& fact : kFacts) {
    const std::string value = setting(fact.place);
    if (!value.empty() && setting("/optimizer").starts_with(fact.optimizer) && (fact.zero || value != "0")) {
      report.facts.emplace_back(fact.label, value);
    }
  }
  const fs::path metrics = folder / "metrics.csv", norms = folder / "norms.csv",
                 test = folder / "test.safetensors";
  std::error_code code;
  if (fs::exists(metrics, code)) report.epochs = parse_metrics_csv(text_of(metrics), metrics.string());
  report.best_epoch = best_epoch(report.epochs);
  if (fs::exists(norms, code)) report.norms = parse_norms_csv(text_of(norms), norms.string());
  report.rate = rate_between(config, report);
  if (fs::exists(folder / "replay.jsonl", code)) {
    ReplayText replay = read_replay(folder / "replay.jsonl");
    report.replay = std::move(replay.json);
    report.replay_frames = replay.frames;
  }
  if (fs::exists(test, code)) {
    TestResults results = load_test_results(test);
    report.test_loss = results.loss;
    report.test_accuracy = results.accuracy;
    report.confusion = std::move(results.confusion);
    report.classes = std::move(results.classes);
    report.right = std::move(results.right);
    report.wrong = std::move(results.wrong);
  }
  return report;
}

}  // namespace unfold
