// What can be said to unfold train.
#pragma once

#include <optional>
#include <string>

#include "cli/run.h"

namespace unfold::cli {

struct TrainFlags {
  std::string model = "lenet5", data, out, resume, progress = "auto", optimizer, schedule, input, init_from,
              preprocess, config;
  std::vector<std::string> freeze;
  std::optional<std::string> augment;
  std::vector<int64_t> milestones;
  std::vector<double> betas;
  std::optional<int64_t> epochs, batch_size, shift, step_size;
  std::optional<double> lr, momentum, epsilon, weight_decay, warmup, gamma, label_smoothing, clip_norm, ema,
      val_split, target_acc, max_time;
  uint64_t seed = 0;
  int64_t patience = 0, save_every = 0;
  bool nesterov = false, skip_bad = false, force = false, json = false, tensorboard = false,
       no_replay = false, dump_config = false;
  MachineOptions machine;

  void add_to(CLI::App* command);
  /// The recipe of a named model with what was asked for in its place; with `begun`, for a model of --model
  /// FILE that goes on learning: a tenth of the learning rate, and its own mean and deviation. Throws usage
  /// for settings that cannot be.
  Recipe recipe(const Model* begun) const;

 private:
  void set_optimizer(Recipe& recipe) const;
  void set_schedule(Recipe& recipe) const;
};

}  // namespace unfold::cli
