// The folder of a training run and the files in it:
//
//   best.safetensors last.safetensors   the model of the best validated and of the last epoch
//   checkpoint.safetensors              to resume from
//   config.json                         every setting, resolved
//   metrics.csv norms.csv               a row per epoch; a row per epoch and layer
//   replay.jsonl                        what the training replay shows, epoch by epoch
//   tensorboard/                        curves as event files, if asked for
//   log.jsonl                           what happened, a JSON object a line
//   confusion_matrix.csv                of the test images, when the run is done
//   test.safetensors report.html        what the test images showed; the page made of all this
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "unfold/train/checkpoint.h"

namespace unfold {

class RunFolder {
 public:
  /// A folder for a new run: `out`, made if missing; if `out` is empty, the next free runs/NAME-N. Throws
  /// usage if the folder is not empty, unless `force`. Throws runtime if files cannot be written there. What
  /// is in it stays until clear().
  static RunFolder create(const std::filesystem::path& out, const std::string& name, bool force);
  /// An existing run. Throws model if there is no checkpoint in it.
  static RunFolder open(const std::filesystem::path& folder);
  /// The folder under `runs` whose model was written last. Throws model, saying how to get one, if there is
  /// none, or none that has finished an epoch.
  static RunFolder newest(const std::filesystem::path& runs = "runs");

  /// Removes the files of a run from the folder: a new one begins.
  void clear() const;
  /// Removes the folders that create() made and in which nothing is: the run did not come to begin.
  void abandon() const;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path best() const { return path_ / "best.safetensors"; }
  std::filesystem::path last() const { return path_ / "last.safetensors"; }
  std::filesystem::path replay() const { return path_ / "replay.jsonl"; }
  std::filesystem::path tensorboard() const { return path_ / "tensorboard"; }
  std::filesystem::path checkpoint() const { return path_ / "checkpoint.safetensors"; }

  /// Appends one event to log.jsonl: {"event": ..., "time": ..., fields...}. Values that are numbers stay
  /// numbers.
  void log(const std::string& event, const std::vector<std::pair<std::string, std::string>>& fields);
  /// Writes config.json from the recipe and further settings.
  void write_config(const Recipe& recipe, const RunState& state,
                    const std::vector<std::pair<std::string, std::string>>& environment) const;
  /// Writes metrics.csv and norms.csv.
  void write_metrics(const RunState& state) const;

 private:
  explicit RunFolder(std::filesystem::path path, std::vector<std::filesystem::path> made = {})
      : path_(std::move(path)), made_(std::move(made)) {}
  std::filesystem::path path_;
  std::vector<std::filesystem::path> made_;  // by create(), the innermost first
};

/// The model of a run's folder, or `path` as it is if that is no folder. Throws model if the run has not
/// finished an epoch, or the folder is none of a run.
std::filesystem::path model_file_of(const std::filesystem::path& path);

/// Where the run that this model file lies in had its data, by config.json: a name or a path. Empty for a
/// file that lies in no run's folder.
std::string data_of_run(const std::filesystem::path& model_file);

}  // namespace unfold
