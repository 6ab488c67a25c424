// The training replay: what a small network looked like after each epoch, in 8 bits a number. A run folder's
// replay.jsonl, which the report shows under a slider; docs/formats.md has its lines.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "unfold/data/dataset.h"
#include "unfold/model.h"
#include "unfold/train/metrics.h"

namespace unfold {

/// Numbers of one frame up to which a network counts as small: those of LeNet-5 are 8,140.
inline constexpr int64_t kReplayNumbers = 16384;
/// About so many epochs of a run are recorded, evenly spread.
inline constexpr int64_t kReplayFrames = 40;

/// Whether a network's training is recorded: its first layer is a convolution, it has no Dropout, and a
/// frame (first filters, maps, confusion matrix) is at most kReplayNumbers.
bool replay_suits(const Model& model);

/// Records frames of one run. Reads the weights and runs one image through a plan of its own: nothing of the
/// training changes.
class ReplayRecorder {
 public:
  /// Begins `file` anew with the network as it is (epoch 0). `image` of `data` is the one whose maps are
  /// kept, `from` says where it is from. All must outlive this.
  ReplayRecorder(std::filesystem::path file, const Model& model, const Dataset& data, int64_t image,
                 std::string_view from, Engine engine, ThreadPool& pool);
  /// Goes on with `file` after `epochs` epochs; later frames are dropped. Throws data if it is not one that a
  /// run of this model wrote.
  ReplayRecorder(std::filesystem::path file, const Model& model, const Dataset& data, int64_t image,
                 Engine engine, ThreadPool& pool, int64_t epochs);
  ~ReplayRecorder();

  /// Appends the frame of epoch `row.epoch` of `epochs` if it is one of those to keep. `validation`: of the
  /// validation images, or of no classes.
  void record(const EpochRow& row, int64_t epochs, const ConfusionMatrix& validation);

 private:
  struct Probe;
  std::string frame(const EpochRow& row, const ConfusionMatrix& validation);
  std::filesystem::path file_;
  std::unique_ptr<Probe> probe_;
};

/// A whole replay as one JSON object, checked: every text has as many bytes as its shape says.
struct ReplayText {
  std::string json;
  int64_t frames = 0;
};

/// Reads replay.jsonl; a last line that was cut off is left out. Throws data, naming the line, if another one
/// cannot be understood.
ReplayText read_replay(const std::filesystem::path& file);

}  // namespace unfold
