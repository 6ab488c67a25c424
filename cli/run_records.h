// What a training run writes after each epoch, beside its models and checkpoint.
#pragma once

#include <optional>
#include <string>

#include "unfold/train/replay.h"
#include "unfold/train/run_folder.h"
#include "unfold/train/tensorboard.h"

namespace unfold::cli {

class RunRecords {
 public:
  /// Of a run in `folder`, whose images for the replay are those of `data`; all must outlive this.
  RunRecords(RunFolder& folder, const Trainer& trainer, const Dataset& data, ThreadPool& pool)
      : folder_(folder), trainer_(trainer), data_(data), pool_(pool) {}

  /// A new run begins, with a replay (if the network is small enough) and event files where asked for.
  void begin(bool replay, bool tensorboard);
  /// The run goes on after `epochs` epochs with what its folder has. Returns what a user should know, or "".
  std::string go_on(int64_t epochs);
  /// The last row of `state` is new.
  void epoch(const RunState& state);

 private:
  RunFolder& folder_;
  const Trainer& trainer_;
  const Dataset& data_;
  ThreadPool& pool_;
  std::optional<ReplayRecorder> replay_;
  std::optional<EventFile> events_;
};

}  // namespace unfold::cli
