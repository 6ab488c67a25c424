// What training shows while it runs: a bar that is rewritten in place, and one permanent line per epoch.
// Text is made by pure functions; Progress decides when it is written, and erases what must go.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

#include "unfold/train/metrics.h"

namespace unfold::cli {

enum class ProgressMode {
  automatic,  ///< bar on a terminal that can move its cursor, plain elsewhere
  bar,        ///< a line rewritten in place, and permanent lines
  plain,      ///< permanent lines only: no carriage return, no escape sequence
  none,       ///< nothing
};

/// "auto", "bar", "plain" or "none"; nothing for any other word.
std::optional<ProgressMode> progress_mode(std::string_view name);

/// What `automatic` means here; other modes stay. `term` is the environment's TERM ("" if unset).
ProgressMode resolve(ProgressMode mode, bool terminal, std::string_view term);

/// Where a pass over a data set stands. A number that is kMissing is not shown.
struct ProgressState {
  int64_t epoch = 0, epochs = 0;
  int64_t step = 0, steps = 0;
  double seconds = 0;  ///< since the pass began
  double images_per_s = kMissing;
  double loss = kMissing, acc = kMissing;  ///< means over the pass so far; acc in 0..1
  double lr = kMissing;
  std::string phase = "Epoch";  ///< "Validate" while the validation split is run
};

/// "Epoch 3/10  [=====>    ]  612/938  1.9s<1.0s  31.9k img/s  loss 0.0712  acc 97.81%  lr 1.0e-3".
/// At most `width` - 1 columns, so that no terminal wraps it: what matters least is left out. A width
/// <= 0 means no limit. ASCII only.
std::string bar_line(const ProgressState& state, int width);

/// The same without the bar: the heartbeat of plain mode.
std::string step_line(const ProgressState& state, int width);

/// "epoch 3/10  loss 0.0689  acc 97.86%  val_loss 0.0512  val_acc 98.44% *best  2.9 s  31.4k img/s
/// lr 1.0e-3", fitted like bar_line.
std::string epoch_line(const EpochRow& row, int64_t total, bool best, int width);

struct ProgressOptions {
  ProgressMode mode = ProgressMode::plain;  ///< resolved
  bool colour = false;                      ///< escape sequences for colour may be written (bar mode only)
  std::function<int()> width;               ///< columns, asked anew for each line; none, or <= 0: no limit
  std::function<double()> clock;            ///< seconds; the steady clock if none is given
};

/// Writes progress to a stream and flushes every line. Not thread-safe: one thread reports.
class Progress {
 public:
  static constexpr double kRedraw = 0.1;  ///< seconds between two drawings of the bar, at least
  static constexpr double kHeartbeat =
      10.0;  ///< seconds of silence after which plain mode gives a sign of life

  Progress(std::ostream& out, ProgressOptions options);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();  ///< erases the bar

  /// A permanent line, at once: call it first thing, with what is about to start.
  void line(std::string_view text);
  /// Call after every step; writes at most every kRedraw (bar) or kHeartbeat (plain) seconds.
  void update(const ProgressState& state);
  /// The permanent line of an epoch that is done.
  void epoch(const EpochRow& row, int64_t total, bool best);
  /// Erases the bar: call before anything else writes to the terminal.
  void erase();

 private:
  int width() const { return options_.width ? options_.width() : 0; }

  /// Columns of the bar still to be covered; a terminal that was made narrower must not wrap the blanks.
  size_t on_screen() const;

  std::ostream& out_;
  ProgressOptions options_;
  size_t drawn_ = 0;      // columns of the bar that is on the screen, 0: none
  double last_ = -1e300;  // when the last line or bar was written
};

}  // namespace unfold::cli
