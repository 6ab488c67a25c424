#include "cli/train_options.h"

#include <algorithm>

#include "cli/preprocess_option.h"
#include "unfold/suggest.h"

namespace unfold::cli {

namespace {

/// What is asked for and would be ignored.
Error meant_for(const char* flag, std::string_view for_what, std::string_view got, std::string_view hint) {
  return Error(ErrorKind::usage, std::string(flag) + " is for " + std::string(for_what)).got(got).hint(hint);
}

}  // namespace

void TrainFlags::set_optimizer(Recipe& r) const {
  OptimizerOptions& o = r.optimizer;
  if (!optimizer.empty()) {
    const std::vector<std::string> names{"sgd", "adam", "adamw"};
    if (std::find(names.begin(), names.end(), optimizer) == names.end())
      throw unknown_name("optimizer", optimizer, names);
    const auto kind = optimizer_named(optimizer);
    if (!lr && kind != o.kind) r.schedule.lr = kind == OptimizerOptions::Kind::sgd ? 0.05 : 3e-3;
    o.kind = kind;
    o.nesterov = o.nesterov && kind == OptimizerOptions::Kind::sgd;
  }
  const std::string_view name = optimizer_name(o.kind);
  const bool sgd = o.kind == OptimizerOptions::Kind::sgd;
  if (nesterov && !sgd) throw meant_for("--nesterov", "SGD", name, "add --optimizer sgd");
  if (momentum && !sgd) throw meant_for("--momentum", "SGD", name, "add --optimizer sgd, or give --betas");
  if (!betas.empty() && sgd) throw meant_for("--betas", "Adam and AdamW", name, "give --momentum");
  if (epsilon && sgd) throw meant_for("--epsilon", "Adam and AdamW", name, "add --optimizer adam");
  if (nesterov) o.nesterov = true;
  if (momentum) o.momentum = *momentum;
  if (!betas.empty()) o.beta1 = betas[0], o.beta2 = betas[1];
  if (epsilon) o.epsilon = *epsilon;
  if (weight_decay) o.weight_decay = *weight_decay;
}

void TrainFlags::set_schedule(Recipe& r) const {
  Schedule& s = r.schedule;
  if (!schedule.empty()) {
    const std::vector<std::string> names{"constant", "cosine", "one-cycle", "step"};
    if (std::find(names.begin(), names.end(), schedule) == names.end()) {
      throw unknown_name("schedule", schedule, names);
    }
    s.kind = schedule_named(schedule);
  }
  if (s.kind != Schedule::Kind::step && (gamma || step_size || !milestones.empty())) {
    throw meant_for(gamma       ? "--gamma"
                    : step_size ? "--step-size"
                                : "--milestones",
                    "the step schedule", schedule_name(s.kind), "add --schedule step");
  }
  if (warmup) s.warmup = *warmup;
  if (gamma) s.gamma = *gamma;
  if (step_size) s.step_size = *step_size;
  s.milestones = milestones;
}

Recipe TrainFlags::recipe(const Model* begun) const {
  Recipe r = default_recipe(begun ? begun->name : model);
  if (begun) {
    r.schedule.lr /= 10;
    r.normalise = false;
    r.augment.flip = r.augment.flip && !begun->preprocessing.digit;
  }
  if (epochs) r.epochs = *epochs;
  if (batch_size) r.batch_size = *batch_size;
  if (lr) r.schedule.lr = *lr;
  if (val_split) r.val_split = *val_split;
  set_optimizer(r);
  set_schedule(r);
  if (label_smoothing) r.label_smoothing = *label_smoothing;
  if (clip_norm) r.clip_norm = *clip_norm;
  if (ema) r.ema = *ema;
  r.freeze = freeze;
  if (augment) r.augment = augmentation_from(*augment);
  if (shift) r.augment.crop = *shift;
  r.seed = seed;
  r.engine = machine.resolved_engine();
  r.numerics = machine.resolved_numerics();
  return r;
}

void TrainFlags::add_to(CLI::App* c) {
  c->add_option(
      "--model", model,
      "lenet5 (default), lenet5-article, resnet20 ...: see 'unfold models'; or a network of your own, "
      "a .json file; or a model file, ONNX file or run folder, which goes on learning");
  c->add_option(
      "--data", data,
      "mnist (default), fashion-mnist, strokes, a .csv or .npz file, a folder of pictures (DIR/CLASS/... or "
      "DIR/train/CLASS/..., DIR/test/CLASS/...), of IDX files, or of CIFAR's binary files");
  c->add_option("--input", input, "CxHxW of the network's input; default: as the network was made for");
  c->add_option("--init-from", init_from,
                "Begin with the weights of this model file, run folder, ONNX file or PyTorch's safetensors, "
                "as far as names and "
                "shapes fit");
  add_preprocess_option(c, preprocess);
  c->add_option("--freeze", freeze,
                "Leave weights as they are: names, or patterns such as 'features.*'; running statistics "
                "still follow the "
                "data, as in PyTorch");
  c->add_flag("--skip-bad", skip_bad, "Leave out pictures that cannot be read, and say which");
  c->add_option(
      "--epochs", epochs,
      "Passes over the training data; this and what has no default below: the model's (--dump-config)");
  c->add_option("--batch-size,--batch", batch_size, "Images per step");
  c->add_option("--lr,--learning-rate", lr, "Learning rate: the constant, the start or the peak");
  c->add_option("--optimizer", optimizer, "adam, adamw or sgd; default: the model's");
  c->add_option("--momentum", momentum, "SGD's momentum; default 0.9");
  c->add_flag("--nesterov", nesterov, "SGD with Nesterov's momentum");
  c->add_option("--betas", betas, "Adam's two decays; default 0.9,0.999")->expected(2)->delimiter(',');
  c->add_option("--epsilon", epsilon, "Added to Adam's denominator; default 1e-8");
  c->add_option("--weight-decay", weight_decay,
                "Added to the gradient, times the weight; adamw: taken off the weights");
  c->add_option("--clip-norm", clip_norm, "Scale a step's whole gradient to this L2 norm where it is longer");
  c->add_option("--schedule", schedule, "constant, cosine, one-cycle, or step (--step-size or --milestones)");
  c->add_option("--warmup", warmup,
                "Epochs, also 0.5, in which the rate rises from a hundredth; one-cycle: of its own rise");
  c->add_option("--step-size", step_size, "step: epochs from one factor --gamma to the next");
  c->add_option("--milestones", milestones, "step: the epochs after which the factor applies, as 60,80")
      ->delimiter(',');
  c->add_option("--gamma", gamma, "step: the factor; default 0.1");
  c->add_option("--label-smoothing", label_smoothing, "Part of each label spread over all classes, as 0.1");
  c->add_option("--ema", ema,
                "Decay of a moving average of the weights, as 0.999, which is then validated and saved");
  c->add_option("--shift", shift, "Move each training image by up to this many pixels: crop of --augment");
  c->add_option(
      "--augment", augment,
      "What chance does to each training image, with commas, in place of the model's own; see below");
  c->add_option("--seed", seed, "Seed of weights, order and shifts; default 0")->check(whole_number);
  machine.add_to(c);
  machine.add_numerics_to(c);
  c->add_option("--val-split", val_split, "Part of the training data held out for validation; default 1/6");
  c->add_option("--patience", patience, "Stop after this many epochs without a better validation; 0: never")
      ->check(CLI::NonNegativeNumber);
  c->add_option("--target-acc", target_acc,
                "Stop once the validation accuracy, 0 to 1, is reached; exit code 6 if it never is")
      ->check(CLI::Range(0.0, 1.0));
  c->add_option("--max-time", max_time, "Seconds; begin no epoch that would end later")
      ->check(CLI::NonNegativeNumber);
  c->add_option("--out", out, "Run folder; default runs/MODEL-N");
  c->add_flag("--force", force, "Replace the run in a folder that is not empty");
  c->add_option("--save-every", save_every, "Steps between checkpoints; default: each epoch and every 10 s")
      ->check(CLI::NonNegativeNumber);
  c->add_flag("--tensorboard", tensorboard,
              "Also write curves as TensorBoard event files, in RUN/tensorboard");
  c->add_flag(
      "--no-replay", no_replay,
      "Record no training replay for the report (networks of at most 16,384 numbers an epoch have one)");
  CLI::Option* go_on = c->add_option(
      "--resume", resume, "Go on with the run in this folder, to the same bits; its settings are kept");
  for (CLI::Option* option : c->get_options()) {  // what would be ignored is refused
    const std::string name = option->get_name();
    if (option != go_on && name != "--help" && name != "--epochs" && name != "--threads" &&
        name != "--target-acc" && name != "--max-time" && name != "--skip-bad")
      go_on->excludes(option);
  }
  c->add_option(
       "--config", config,
       "Settings from a JSON file, by the names of the flags: a run's config.json, for example. What the "
       "command line says counts")
      ->excludes(go_on);
  c->add_flag("--dump-config", dump_config, "Print all settings as such a file, and train nothing")
      ->excludes(go_on);
  c->add_option("--progress", progress, "auto, bar, plain or none");
  c->add_flag("--json", json, "One JSON object on stdout when done; text on stderr");
}

}  // namespace unfold::cli
