// unfold train: learns a network and leaves a run folder behind.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "cli/build_info.h"
#include "cli/data_augment.h"
#include "cli/progress.h"
#include "cli/run.h"
#include "cli/run_records.h"
#include "cli/terminal.h"
#include "cli/train_config.h"
#include "cli/train_options.h"
#include "unfold/data/digit.h"
#include "unfold/files.h"
#include "unfold/formats/transfer.h"
#include "unfold/kernels/gemm.h"
#include "unfold/suggest.h"
#include "unfold/train/report.h"
#include "unfold/train/run_folder.h"
#include "unfold/train/run_report.h"
#include "unfold/train/test_results.h"

namespace unfold::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kCheckpointSeconds = 10;

std::atomic<int> stop_signal{0};
void on_signal(int signal) {
  if (stop_signal.exchange(signal)) std::_Exit(128 + signal);  // the second one: at once
}

/// The model of --model FILE, which goes on learning; nothing for a network that begins with fresh weights.
std::optional<Model> begun_model(const TrainFlags& o, const Global& global) {
  if (!is_network(o.model) && std::filesystem::exists(o.model)) {
    if (!o.input.empty())
      throw Error(ErrorKind::usage, "--input is for networks by name: a file's has its own").got(o.model);
    return open_for_images(o.model, o.preprocess, global).model;
  }
  if (!o.preprocess.empty()) {
    throw Error(ErrorKind::usage, "--preprocess is for a model of a file, which goes on learning")
        .got(o.model)
        .hint("a network by name takes the mean and deviation of what it learns from");
  }
  return {};
}

/// One run, new or resumed, from its first line to its report.
class TrainingRun {
 public:
  TrainingRun(const TrainFlags& options, const Global& global)
      : o_(options),
        global_(global),
        out_(text(options.json)),
        progress_(out_,
                  {.mode = mode(options, global),
                   .colour = colour(options.json ? 2 : 1),
                   .width = [fd = options.json ? 2 : 1] { return interactive(fd) ? terminal_width() : 0; },
                   .clock = {}}) {
    say(version_text().substr(0, version_text().find('\n')));
    if (o_.resume.empty()) {
      begin();
    } else {
      go_on();
    }
  }

  int train() {
    std::signal(SIGINT, on_signal);
    std::signal(SIGTERM, on_signal);
    try {
      return run_epochs();
    } catch (const Error& e) {
      progress_.erase();
      if (e.kind() == ErrorKind::diverged) folder_->log("diverged", {{"what", e.what()}});
      throw;
    }
  }

 private:
  int run_epochs() {
    const int64_t epochs = trainer_->recipe().epochs;
    const Clock::time_point start = Clock::now();
    double epoch_seconds = 0;
    // No epoch is begun that would end after --max-time if it takes as long as the one before.
    const auto in_time = [&] {
      return !o_.max_time || epoch_seconds == 0 || seconds_since(start) + epoch_seconds <= *o_.max_time;
    };
    while (trainer_->position().epoch < epochs && !out_of_patience() && !target_met() && in_time()) {
      const Clock::time_point epoch_start = Clock::now();
      while (!trainer_->epoch_done()) {
        trainer_->step();
        show();
        if (stop_signal) return interrupted();
        const Position& at = trainer_->position();
        const bool due = state_.save_every > 0 ? at.step % state_.save_every == 0
                                               : seconds_since(saved_) >= kCheckpointSeconds;
        if (due && !trainer_->epoch_done()) save();
      }
      finish_epoch();
      epoch_seconds = seconds_since(epoch_start);
      if (stop_signal) return interrupted();
    }
    if (target_met()) {
      say("stopped: the validation accuracy that was asked for is reached");
    } else if (trainer_->position().epoch < epochs) {
      say(out_of_patience()
              ? "stopped: no better validation for " + std::to_string(state_.patience) + " epochs"
              : "stopped: another epoch would pass --max-time");
    }
    const int code = report();
    if (o_.target_acc && !target_met()) {
      const double best =
          state_.rows.empty() ? 0 : state_.rows[static_cast<size_t>(state_.best_epoch - 1)].val_acc;
      throw Error(ErrorKind::goal, "the validation accuracy that was asked for was not reached")
          .wanted(std::to_string(*o_.target_acc))
          .got(std::to_string(best))
          .hint("the run is saved; go on with: unfold train --resume " + folder_->path().string() +
                " --epochs N");
    }
    return code;
  }

  bool target_met() const {
    return o_.target_acc && !state_.rows.empty() && state_.rows.back().val_acc >= *o_.target_acc;
  }

  static ProgressMode mode(const TrainFlags& o, const Global& global) {
    const auto named = progress_mode(o.progress);
    if (!named) throw unknown_name("progress mode", o.progress, {"auto", "bar", "plain", "none"});
    if (global.quiet) return ProgressMode::none;
    const char* term = std::getenv("TERM");
    return resolve(*named, interactive(o.json ? 2 : 1), term ? term : "");
  }
  static double seconds_since(Clock::time_point t) {
    return std::chrono::duration<double>(Clock::now() - t).count();
  }
  void say(const std::string& line) {
    if (!global_.quiet && o_.progress != "none") progress_.line(line);
  }

  void begin() {
    const std::optional<Model> begun = begun_model(o_, global_);
    const std::optional<Network> network =
        begun ? std::nullopt : std::optional<Network>(network_called(o_.model));
    const Recipe recipe = checked(o_.recipe(begun ? &*begun : nullptr));
    state_.model = o_.model;
    if (std::filesystem::exists(o_.model) &&
        (begun || std::filesystem::path(o_.model).extension() == ".json"))
      state_.model = std::filesystem::absolute(o_.model).string();
    state_.input = o_.input;
    state_.data = o_.data.empty() ? "mnist" : o_.data;
    const std::vector<std::string> names = dataset_names();
    const bool named = std::find(names.begin(), names.end(), state_.data) != names.end();
    if (!named && std::filesystem::exists(state_.data))
      state_.data = std::filesystem::absolute(state_.data).string();  // --resume may be called elsewhere
    state_.patience = o_.patience;
    state_.save_every = o_.save_every;
    if (!o_.init_from.empty()) state_.init_from = std::filesystem::absolute(o_.init_from).string();
    const std::string name = begun ? std::filesystem::absolute(o_.model).stem().string() : network->name;
    folder_ = RunFolder::create(o_.out, name, o_.force);  // said before anything is downloaded or trained
    try {
      if (begun) {
        data_ = load_data(state_.data, global_, pictures_for(*begun, o_.skip_bad));
        model_ = fitted_to(*begun, data_.train, recipe.seed);
        if (model_.classes.size() != begun->classes.size()) {
          say("the last layer begins anew, for " + std::to_string(model_.classes.size()) +
              " classes in place of " + std::to_string(begun->classes.size()));
        }
      } else {
        const std::optional<Shape> input = shape_of(o_.input);
        const Shape image = input.value_or(network->image);
        data_ = load_data(state_.data, global_, {.h = image[1], .w = image[2], .skip_bad = o_.skip_bad});
        model_ = make_model_for(data_.train, *network, recipe.seed, input);
      }
      take_weights();
      model_.check();  // before an earlier run is given up for one that cannot be saved
      if (data_.train.classes.size() == 1) {
        throw Error(ErrorKind::data, "there is one class only, and nothing to tell apart")
            .where(state_.data)
            .wanted("2 classes or more")
            .got(data_.train.classes[0])
            .hint("of pictures, the folders in --data are the classes: one level deeper?");
      }
      start(recipe);
    } catch (const Error&) {
      folder_->abandon();
      throw;
    }
    folder_->clear();  // only now: an earlier run there outlives a new one that cannot begin
    folder_->write_config(trainer_->recipe(), state_, environment());
    folder_->log("start", {{"model", model_.name}, {"data", model_.trained_on}});
    records_->begin(!o_.no_replay, o_.tensorboard);
    save();  // from here on there is something to resume
  }

  void go_on() {
    folder_ = RunFolder::open(o_.resume);
    Checkpoint checkpoint = load_checkpoint(folder_->checkpoint());
    state_ = checkpoint.state;
    model_ = std::move(checkpoint.model);
    data_ = load_data(state_.data, global_, pictures_for(model_, o_.skip_bad));
    if (data_.train.name != model_.trained_on) {
      throw Error(ErrorKind::data, "the data set is another one than the run began with")
          .where(state_.data)
          .wanted(model_.trained_on)
          .got(data_.train.name);
    }
    Recipe recipe = checkpoint.recipe;
    if (o_.epochs) recipe.epochs = *o_.epochs;
    start(recipe);
    restore(checkpoint, *trainer_);
    const Position& at = trainer_->position();
    folder_->write_config(trainer_->recipe(), state_, environment());
    folder_->log("resume", {{"epoch", std::to_string(at.epoch)}, {"step", std::to_string(at.step)}});
    folder_->write_metrics(state_);
    const std::string note = records_->go_on(at.epoch);
    if (!note.empty()) std::cerr << "note: " << note << std::endl;
    say("resumed " + folder_->path().string() + " at epoch " + std::to_string(at.epoch + 1) + ", step " +
        std::to_string(at.step));
  }

  /// --init-from
  void take_weights() {
    if (o_.init_from.empty()) return;
    const std::filesystem::path file = model_file_of(o_.init_from);
    const bool onnx = file.extension() == ".onnx";
    const Model other = onnx ? load_model(file).model : Model{};  // what the tensors of its file borrow
    const SafetensorsFile weights = onnx ? state_dict(other.parameters) : read_safetensors(file);
    if (!onnx) check_seal(weights, file.string());
    say("weights from " + file.string() + ":");
    std::istringstream lines(transfer(weights, model_.parameters, file.string()).text());
    for (std::string line; std::getline(lines, line);) say("  " + line);
  }

  void start(const Recipe& recipe) {
    pool_ = std::make_unique<ThreadPool>(o_.machine.resolved_threads());
    trainer_ = std::make_unique<Trainer>(model_, data_.train, recipe, *pool_);
    records_.emplace(*folder_, *trainer_, data_.train, *pool_);
    if ((o_.target_acc || state_.patience > 0) && trainer_->val_images() == 0) {
      throw Error(ErrorKind::usage,
                  std::string(o_.target_acc ? "--target-acc" : "--patience") + " needs validation images")
          .hint("leave out --val-split 0");
    }
    const Recipe& r = trainer_->recipe();
    say(model_.name + ": " + std::to_string(model_.parameters.table().count()) + " parameters; " +
        model_.trained_on + ": " + std::to_string(trainer_->train_images()) + " training, " +
        std::to_string(trainer_->val_images()) + " validation, " + std::to_string(data_.test.size()) +
        " test images");
    char lr[32];
    std::snprintf(lr, sizeof lr, "%.4g", r.schedule.lr);
    say(std::to_string(r.epochs) + " epochs, batch " + std::to_string(r.batch_size) + ", " +
        std::string(optimizer_name(r.optimizer.kind)) + ", lr " + lr + " " +
        std::string(schedule_name(r.schedule.kind)) + ", " +
        (r.augment == Augmentation{} ? "" : augmentation_text(r.augment) + ", ") + "seed " +
        std::to_string(r.seed) + ", " + std::string(engine_name(r.engine)) + " on " + gemm_target() + ", " +
        std::to_string(pool_->threads()) + (pool_->threads() == 1 ? " thread" : " threads"));
    say("run folder: " + folder_->path().string());
    saved_ = Clock::now();
  }

  std::vector<std::pair<std::string, std::string>> environment() const {
    return {{"unfold", version_text().substr(0, version_text().find('\n'))},
            {"simd", gemm_target()},
            {"threads", std::to_string(pool_->threads())},
            {"data_set", model_.trained_on},
            {"parameters", std::to_string(model_.parameters.table().count())},
            {"training_images", std::to_string(trainer_->train_images())},
            {"validation_images", std::to_string(trainer_->val_images())},
            {"test_images", std::to_string(data_.test.size())}};
  }

  void show() {
    const Position& at = trainer_->position();
    const int64_t images = std::min(at.step * trainer_->recipe().batch_size, trainer_->train_images());
    const auto n = static_cast<double>(images);
    ProgressState s;
    s.epoch = at.epoch + 1;
    s.epochs = trainer_->recipe().epochs;
    s.step = at.step;
    s.steps = trainer_->steps_per_epoch();
    s.seconds = at.seconds;
    s.images_per_s = n / std::max(at.seconds, 1e-9);
    s.loss = at.loss_sum / n;
    s.acc = static_cast<double>(at.correct) / n;
    s.lr = trainer_->recipe().schedule.at(at.epoch * s.steps + at.step - 1, s.steps, s.epochs);
    progress_.update(s);
  }

  void save() {
    save_checkpoint(folder_->checkpoint(), *trainer_, state_);
    saved_ = Clock::now();
  }

  void finish_epoch() {
    trainer_->require_finite();  // else a model would be saved that cannot be loaded
    const std::vector<NormRow> norms = trainer_->norms();
    const EpochRow row = trainer_->finish_epoch();
    state_.rows.push_back(row);
    state_.norms.insert(state_.norms.end(), norms.begin(), norms.end());
    state_.best_epoch = best_epoch(state_.rows);
    const bool best = state_.best_epoch == row.epoch;
    {
      const Trainer::Averaged averaged(*trainer_);
      if (best) save_model(folder_->best(), model_);
      save_model(folder_->last(), model_);
      records_->epoch(state_);
    }
    save();
    progress_.epoch(row, trainer_->recipe().epochs, best);
  }

  bool out_of_patience() const {
    return state_.patience > 0 && !state_.rows.empty() &&
           static_cast<int64_t>(state_.rows.size()) - state_.best_epoch >= state_.patience;
  }

  int interrupted() {
    progress_.erase();
    save();
    folder_->log("interrupted", {{"step", std::to_string(trainer_->position().step)}});
    say("interrupted; saved. Go on with: unfold train --resume " + folder_->path().string());
    return kInterrupted;
  }

  /// The test images are looked at once, here, with the best weights.
  int report() {
    progress_.erase();
    const Model best = load_model(folder_->best()).model;
    const Evaluation e = evaluate(best, data_.test, 0, data_.test.size(), trainer_->recipe().engine, *pool_,
                                  trainer_->recipe().numerics);
    write_file(folder_->path() / "confusion_matrix.csv", confusion_csv(e.confusion, best.classes));
    save_test_results(folder_->path() / "test.safetensors", test_results(best, data_.test, e));
    write_file(folder_->path() / "report.html", report_html(read_report(folder_->path())));
    folder_->log("test", {{"accuracy", std::to_string(e.accuracy)}, {"loss", std::to_string(e.loss)}});
    char line[160];
    std::snprintf(line, sizeof line, "test accuracy %.2f%%, loss %.4f (%lld images, weights of epoch %lld)",
                  100 * e.accuracy, e.loss, static_cast<long long>(e.confusion.total()),
                  static_cast<long long>(state_.best_epoch));
    if (o_.json) {
      std::cout << nlohmann::ordered_json{{"accuracy", e.accuracy},
                                          {"loss", e.loss},
                                          {"epochs", state_.rows.size()},
                                          {"best_epoch", state_.best_epoch},
                                          {"data", model_.trained_on},
                                          {"seed", trainer_->recipe().seed},
                                          {"run", folder_->path().string()},
                                          {"model", folder_->best().string()},
                                          {"report", (folder_->path() / "report.html").string()}}
                       .dump()
                << '\n';
    }
    if (!global_.quiet || !o_.json) {
      out_ << line << "\nmodel:  " << folder_->best().string()
           << "\nreport: " << (folder_->path() / "report.html").string() << std::endl;
    }
    return kOk;
  }

  const TrainFlags& o_;
  const Global& global_;
  std::ostream& out_;
  Progress progress_;
  std::optional<RunFolder> folder_;
  DatasetPair data_;
  Model model_;
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<Trainer> trainer_;
  std::optional<RunRecords> records_;
  RunState state_;
  Clock::time_point saved_;
};

}  // namespace

void add_train(CLI::App& app, Global& global) {
  auto o = std::make_shared<TrainFlags>();
  CLI::App* c = app.add_subcommand("train", "Train a network: LeNet-5 on MNIST unless told otherwise");
  o->add_to(c);
  c->footer(std::string("Examples:\n") +
            "  unfold train\n"
            "  unfold train --model lenet5-article --seed 3\n"
            "  unfold train --data fashion-mnist --epochs 20 --out runs/fashion\n"
            "  unfold train --model resnet20 --data my_pictures/\n"
            "  unfold train --config runs/fashion/config.json --seed 1\n"
            "  unfold train --resume runs/fashion\n\n" +
            augmentation_list("--augment"));
  on_run(c, global, [o, c, &global] {
    if (!o->config.empty()) read_config(*c, o->config);
    if (!o->dump_config) return TrainingRun(*o, global).train();
    const std::optional<Model> begun = begun_model(*o, global);
    std::cout << config_text(*c, *o, o->recipe(begun ? &*begun : nullptr));
    return static_cast<int>(kOk);
  });
}

}  // namespace unfold::cli
