// unfold eval: how good a model is on the test part of a data set.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/preprocess_option.h"
#include "cli/run.h"
#include "unfold/train/run_folder.h"

namespace unfold::cli {
namespace {

constexpr int64_t kMostColumns = 100;  // of a matrix in a terminal; --json has it all

struct EvalFlags {
  std::string model, data, preprocess;
  bool json = false;
  MachineOptions machine;
};

/// Where a model of another program does no better than chance, what it may have wanted in place of what it
/// got, tried on some images.
std::string near_chance(const OpenedModel& opened, const std::string& used, const Dataset& data,
                        double accuracy, Engine engine, ThreadPool& pool) {
  const double chance = 1.0 / static_cast<double>(opened.model.classes.size());
  const double little = (1 - chance) / 10;  // of the way from chance to all right
  if (!opened.assumed || !(accuracy < chance + little)) return {};
  constexpr int64_t kTried = 512;
  const int64_t images = std::min(kTried, data.size());
  std::string best, all;
  double reached = accuracy + little;
  for (const std::string name : kPreprocessNames) {
    if (name == used || (name == "imagenet" && data.image[0] != 3)) continue;
    Model other = opened.model;
    other.preprocessing = preprocessing_named(name, other);
    const double tried = evaluate(other, data, 0, images, engine, pool).accuracy;
    all += (all.empty() ? "" : " and ") + name;
    if (!(tried > reached)) continue;
    reached = tried;
    best = name;
  }
  char percent[64];
  std::snprintf(percent, sizeof percent, "%.1f %% is near chance", 100 * accuracy);
  if (best.empty()) {
    return std::string(percent) + "; --preprocess " + all +
           " are no better: is it trained for these classes, in this order?";
  }
  const std::string near = percent;
  std::snprintf(percent, sizeof percent, "%.1f %% of the first %lld images", 100 * reached,
                static_cast<long long>(images));
  return near + ": did you mean --preprocess " + best + "? With it " + percent + " are right";
}

int run_eval(const EvalFlags& o, const Global& global) {
  const Engine engine = o.machine.resolved_engine();
  const OpenedModel opened = open_for_images(o.model, o.preprocess, global);
  const Model& model = opened.model;
  std::string data = o.data.empty() ? data_of_run(opened.file) : o.data;
  if (data.empty()) data = model.trained_on;
  if (data.empty()) {
    throw Error(ErrorKind::usage, "the model does not say what it was trained on")
        .hint("name a data set with --data");
  }
  const DatasetPair pair = load_data(data, global, pictures_for(model));
  ThreadPool pool(o.machine.resolved_threads());
  const Evaluation e =
      evaluate(model, pair.test, 0, pair.test.size(), engine, pool, o.machine.resolved_numerics());
  const std::string advice =
      near_chance(opened, o.preprocess.empty() ? "unit" : o.preprocess, pair.test, e.accuracy, engine, pool);
  if (!advice.empty()) std::cerr << "note: " << advice << std::endl;
  if (o.json) {
    nlohmann::ordered_json json = {{"model", opened.file.string()},
                                   {"data", pair.test.name},
                                   {"images", e.confusion.total()},
                                   {"accuracy", e.accuracy},
                                   {"loss", e.loss}};
    for (int64_t c = 0; c < e.confusion.classes(); ++c) {
      json["classes"].push_back({{"name", model.classes[static_cast<size_t>(c)]},
                                 {"precision", e.confusion.precision(c)},
                                 {"recall", e.confusion.recall(c)},
                                 {"f1", e.confusion.f1(c)},
                                 {"support", e.confusion.support(c)}});
      auto& row = json["confusion"].emplace_back();
      for (int64_t p = 0; p < e.confusion.classes(); ++p) row.push_back(e.confusion.count(c, p));
    }
    std::cout << json.dump() << '\n';
    return kOk;
  }
  std::cout << pair.test.name << ": " << e.confusion.total() << " test images\naccuracy " << e.accuracy
            << "\nloss     " << e.loss << "\n\n";
  if (!global.quiet) {
    std::cout << class_table(e.confusion, model.classes) << '\n';
    if (e.confusion.classes() <= kMostColumns) std::cout << confusion_table(e.confusion, model.classes);
  }
  return kOk;
}

}  // namespace

void add_eval(CLI::App& app, Global& global) {
  auto o = std::make_shared<EvalFlags>();
  CLI::App* c = app.add_subcommand("eval", "Accuracy and loss of a model on test data, class by class");
  c->add_option("MODEL", o->model, "Model file, ONNX file or run folder; default: the newest run");
  c->add_option("--data", o->data, "Data set; default: what the model was trained on");
  add_preprocess_option(c, o->preprocess);
  o->machine.add_to(c);
  o->machine.add_numerics_to(c);
  c->add_flag("--json", o->json, "JSON on stdout; accuracy is in 0..1");
  c->footer(
      "Examples:\n  unfold eval\n  unfold eval runs/lenet5-1 --json\n  unfold eval model.safetensors --data "
      "mnist\n  unfold eval net.onnx --data mnist --preprocess raw");
  on_run(c, global, [o, &global] { return run_eval(*o, global); });
}

}  // namespace unfold::cli
