// A checkpoint: everything a stopped run needs to go on as if it had never stopped, in one sealed safetensors
// file.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "unfold/formats/model_file.h"
#include "unfold/train/trainer.h"

namespace unfold {

/// What a run remembers beside the trainer's own state.
struct RunState {
  std::string data;                 ///< --data as it was given: a name or a directory
  int64_t patience = 0;             ///< epochs without a better validation before stopping; 0: never
  int64_t save_every = 0;           ///< steps between checkpoints; 0: every epoch, or 10 seconds
  std::vector<EpochRow> rows;       ///< finished epochs
  int64_t best_epoch = 0;           ///< 1 for the first; 0: none yet
  std::vector<NormRow> norms = {};  ///< of the finished epochs, layer by layer
  std::string model = {};           ///< --model: a name, or the absolute path of a network's file
  std::string input = {};           ///< --input as it was given
  std::string init_from = {};       ///< --init-from as an absolute path
};

/// Replaces the file in one step. Holds parameters, optimizer state and steps, position, recipe, numerics
/// key, state. Throws diverged, leaving the old file, if any of it is NaN or infinite.
void save_checkpoint(const std::filesystem::path& path, Trainer& trainer, const RunState& state);

/// What is in a checkpoint before a trainer exists for it.
struct Checkpoint {
  Model model;
  Recipe recipe;
  RunState state;
  Position position;
  std::string numerics_key;
  int64_t optimizer_steps = 0;
  Parameters<float> first_moment, second_moment, averaged;
};

/// Throws model for a file that is damaged, incomplete or no checkpoint.
Checkpoint load_checkpoint(const std::filesystem::path& path, const MakeOp& make = make_op);

/// Puts a trainer made from the checkpoint's model and recipe where the checkpoint stands. Throws model if
/// this build or machine would compute other bits than the run began with (another numerics key).
void restore(const Checkpoint& checkpoint, Trainer& trainer);

}  // namespace unfold
