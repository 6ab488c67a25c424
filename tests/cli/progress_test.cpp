#include "cli/progress.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>
#include <vector>

using namespace unfold;
using namespace unfold::cli;

namespace {

ProgressState sample() {
  return {.epoch = 3,
          .epochs = 10,
          .step = 612,
          .steps = 938,
          .seconds = 1.9,
          .images_per_s = 31900,
          .loss = 0.0712,
          .acc = 0.9781,
          .lr = 1e-3};
}

EpochRow sample_row() {
  return {3, 0.0689, 0.9786, 0.0512, 0.9844, 1e-3, 2.9, 0.3, 31400};
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// What a terminal of one line after another shows: '\r' goes back to the first column, text overwrites.
std::vector<std::string> screen(const std::string& bytes) {
  std::vector<std::string> lines(1);
  size_t column = 0;
  for (const char c : bytes) {
    if (c == '\r') {
      column = 0;
    } else if (c == '\n') {
      lines.emplace_back();
      column = 0;
    } else {
      if (lines.back().size() <= column) lines.back().resize(column + 1, ' ');
      lines.back()[column++] = c;
    }
  }
  for (std::string& line : lines) line.erase(line.find_last_not_of(' ') + 1);
  return lines;
}

/// A Progress that writes to a string, at a time the test sets.
struct Bench {
  explicit Bench(ProgressMode mode, int width = 80, bool colour = false)
      : columns(width), progress(out, {mode, colour, [this] { return columns; }, [this] { return now; }}) {}

  std::ostringstream out;
  double now = 100;
  int columns;
  Progress progress;
};

}  // namespace

TEST_CASE("the bar line shows everything where there is room") {
  CHECK(bar_line(sample(), 120) ==
        "Epoch 3/10  [===================>          ]  612/938  1.9s<1.0s  31.9k img/s  loss 0.0712  "
        "acc 97.81%  lr 1.0e-3");
  CHECK(bar_line(sample(), 0) == bar_line(sample(), 200));
}

TEST_CASE("the bar line drops what matters least on a narrow terminal") {
  CHECK(bar_line(sample(), 80) ==
        "Epoch 3/10  [====>  ]  612/938  1.9s<1.0s  31.9k img/s  loss 0.0712  acc 97.81%");
  CHECK(bar_line(sample(), 60) == "Epoch 3/10  [=======>    ]  612/938  1.9s<1.0s  loss 0.0712");
  CHECK(bar_line(sample(), 40) == "Epoch 3/10  [==========>     ]  612/938");
}

TEST_CASE("no line ever wraps: it leaves the last column free, whatever the numbers") {
  ProgressState state = sample();
  EpochRow row = sample_row();
  for (const double scale : {0.0, 1e-9, 1.0, 1e4, 1e9, 1e300, -1e300, (double)INFINITY, (double)NAN}) {
    state.loss = row.train_loss = row.val_loss = scale * 0.07;
    state.images_per_s = row.images_per_s = scale * 3;
    state.seconds = row.seconds = scale * 19;
    state.lr = row.lr = scale * 1e-3;
    for (const int64_t count : {int64_t{0}, int64_t{7}, int64_t{99999}, int64_t{1} << 60}) {
      state.steps = state.epochs = count;
      state.step = state.epoch = row.epoch = count / 2;
      for (int width = 1; width <= 200; ++width) {
        const auto limit = static_cast<size_t>(width - 1);
        REQUIRE(bar_line(state, width).size() <= limit);
        REQUIRE(step_line(state, width).size() <= limit);
        REQUIRE(epoch_line(row, count, true, width).size() <= limit);
        for (const std::string& line : {bar_line(state, width), epoch_line(row, count, true, width)}) {
          REQUIRE(std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c <= '~'; }));
          REQUIRE_FALSE(line.ends_with(' '));
        }
      }
    }
  }
}

TEST_CASE("at 40, 60, 80 and 120 columns a line uses the room it has") {
  for (const int width : {40, 60, 80, 120}) {
    INFO(width);
    CHECK(bar_line(sample(), width).size() >= static_cast<size_t>(width) * 3 / 4);
    CHECK(bar_line(sample(), width).size() < static_cast<size_t>(width));
    CHECK(epoch_line(sample_row(), 10, true, width).size() >= static_cast<size_t>(width) * 3 / 4);
    CHECK(epoch_line(sample_row(), 10, true, width).size() < static_cast<size_t>(width));
  }
}

TEST_CASE("the bar grows from empty to full") {
  ProgressState state = sample();
  state.step = 0;
  CHECK(has(bar_line(state, 120), "[>                             ]  0/938  1.9s  "));
  state.step = 938;
  CHECK(has(bar_line(state, 120), "[==============================]  938/938  1.9s<0.0s"));
  state.step = 2000;  // more than announced: full, not beyond
  CHECK(has(bar_line(state, 120), "[==============================]"));
  state.steps = 0;
  CHECK(has(bar_line(state, 120), "[>                             ]  2000  1.9s  "));
}

TEST_CASE("times, rates and losses keep to a few digits") {
  ProgressState state = sample();
  state.step = 469;
  const auto shown = [&](double seconds) {
    state.seconds = seconds;
    return step_line(state, 0);
  };
  CHECK(has(shown(9.94), "9.9s<9.9s"));
  CHECK(has(shown(9.96), "10s<10s"));
  CHECK(has(shown(59.6), "1m00s<1m00s"));
  CHECK(has(shown(187), "3m07s<3m07s"));
  CHECK(has(shown(7500), "2h05m<2h05m"));
  CHECK(has(shown(4 * 86400 + 3 * 3600), "4d03h<4d03h"));
  state.images_per_s = 7.25;
  CHECK(has(step_line(state, 0), "7.2 img/s"));
  state.images_per_s = 870;
  CHECK(has(step_line(state, 0), "870 img/s"));
  state.images_per_s = 1.21e6;
  CHECK(has(step_line(state, 0), "1.2M img/s"));
  state.loss = 123456;
  CHECK(has(step_line(state, 0), "loss 1.2e+5"));
  state.lr = 2.5e-11;
  CHECK(has(step_line(state, 0), "lr 2.5e-11"));
}

TEST_CASE("the line of an epoch shows everything where there is room") {
  CHECK(epoch_line(sample_row(), 10, true, 120) ==
        "epoch 3/10  loss 0.0689  acc 97.86%  val_loss 0.0512  val_acc 98.44% *best  2.9 s  31.4k img/s  "
        "lr 1.0e-3");
  CHECK(
      epoch_line(sample_row(), 10, false, 0) ==
      "epoch 3/10  loss 0.0689  acc 97.86%  val_loss 0.0512  val_acc 98.44%  2.9 s  31.4k img/s  lr 1.0e-3");
}

TEST_CASE("the line of an epoch keeps the validation accuracy and the mark of the best longest") {
  CHECK(epoch_line(sample_row(), 10, true, 80) ==
        "epoch 3/10  loss 0.0689  val_loss 0.0512  val_acc 98.44% *best  2.9 s");
  CHECK(epoch_line(sample_row(), 10, true, 60) == "epoch 3/10  loss 0.0689  val_acc 98.44% *best  2.9 s");
  CHECK(epoch_line(sample_row(), 10, true, 40) == "epoch 3/10  val_acc 98.44% *best  2.9 s");
}

TEST_CASE("without a validation split nothing speaks of one") {
  EpochRow row = sample_row();
  row.val_loss = row.val_acc = row.val_seconds = kMissing;
  CHECK(epoch_line(row, 10, true, 0) ==
        "epoch 3/10  loss 0.0689  acc 97.86% *best  2.9 s  31.4k img/s  lr 1.0e-3");
  ProgressState state = sample();
  state.loss = state.acc = state.lr = state.images_per_s = kMissing;
  state.phase = "Validate";
  CHECK(step_line(state, 0) == "Validate 3/10  612/938  1.9s<1.0s");
}

TEST_CASE("modes are read by name, and auto means a bar only where a cursor can move") {
  CHECK(progress_mode("auto") == ProgressMode::automatic);
  CHECK(progress_mode("bar") == ProgressMode::bar);
  CHECK(progress_mode("plain") == ProgressMode::plain);
  CHECK(progress_mode("none") == ProgressMode::none);
  CHECK_FALSE(progress_mode("Bar").has_value());
  CHECK(resolve(ProgressMode::automatic, true, "xterm") == ProgressMode::bar);
  CHECK(resolve(ProgressMode::automatic, true, "dumb") == ProgressMode::plain);
  CHECK(resolve(ProgressMode::automatic, true, "") == ProgressMode::plain);
  CHECK(resolve(ProgressMode::automatic, false, "xterm") == ProgressMode::plain);
  CHECK(resolve(ProgressMode::bar, false, "dumb") == ProgressMode::bar);
  CHECK(resolve(ProgressMode::none, true, "xterm") == ProgressMode::none);
}

TEST_CASE("the bar is rewritten in place and gone before a permanent line") {
  Bench bench(ProgressMode::bar);
  bench.progress.line("training lenet5");
  ProgressState state = sample();
  for (state.step = 1; state.step <= 900; ++state.step) {
    bench.now += 0.05;
    bench.progress.update(state);
  }
  std::vector<std::string> shown = screen(bench.out.str());
  REQUIRE(shown.size() == 2);
  CHECK(shown[0] == "training lenet5");
  CHECK(has(shown[1], "Epoch 3/10  ["));

  bench.progress.epoch(sample_row(), 10, true);
  shown = screen(bench.out.str());
  REQUIRE(shown.size() == 3);
  CHECK(shown[1] == epoch_line(sample_row(), 10, true, 80));
  CHECK(shown[2].empty());
}

TEST_CASE("a shorter bar leaves nothing of the longer one") {
  Bench bench(ProgressMode::bar);
  ProgressState state = sample();
  bench.progress.update(state);
  state.loss = state.acc = state.images_per_s = kMissing;
  state.phase = "V";
  state.steps = 5;
  bench.now += 1;
  bench.columns = 40;  // and the terminal was made narrower
  bench.progress.update(state);
  const std::string written = bench.out.str();
  CHECK(written.size() - written.rfind('\r') - 1 <= 39);
  bench.columns = 80;
  bench.now += 1;
  bench.progress.update(sample());
  state.step = 3;
  bench.now += 1;
  bench.progress.update(state);
  CHECK(screen(bench.out.str()).back() == bar_line(state, 80));
  bench.progress.erase();
  CHECK(screen(bench.out.str()).back().empty());
}

TEST_CASE("the bar is drawn at most ten times a second, the first time at once") {
  Bench bench(ProgressMode::bar);
  bench.progress.update(sample());
  CHECK_FALSE(bench.out.str().empty());
  for (int i = 0; i < 2000; ++i) {
    bench.now += 0.001;
    bench.progress.update(sample());
  }
  const std::string written = bench.out.str();
  const auto drawn = std::count(written.begin(), written.end(), '\r');
  CHECK(drawn <= 21);
  CHECK(drawn >= 18);
}

TEST_CASE("the bar is erased when training ends, by an error too") {
  std::ostringstream out;
  {
    Progress progress(out, {ProgressMode::bar, false, [] { return 80; }, {}});
    progress.update(sample());
    CHECK_FALSE(screen(out.str()).back().empty());
  }
  CHECK(screen(out.str()).back().empty());
}

TEST_CASE("plain mode writes whole lines, no carriage return, no escape sequence") {
  Bench bench(ProgressMode::plain, 0, true);
  bench.progress.line("training lenet5");
  for (int i = 0; i < 1000; ++i) {
    bench.now += 0.005;
    bench.progress.update(sample());
  }
  bench.progress.epoch(sample_row(), 10, true);
  CHECK(bench.out.str() == "training lenet5\n" + epoch_line(sample_row(), 10, true, 0) + "\n");
}

TEST_CASE("plain mode gives a sign of life after ten seconds of silence") {
  Bench bench(ProgressMode::plain, 0);
  bench.progress.line("training lenet5");
  for (int i = 0; i < 250; ++i) {
    bench.now += 0.1;
    bench.progress.update(sample());
  }
  const std::string heartbeat =
      "Epoch 3/10  612/938  1.9s<1.0s  31.9k img/s  loss 0.0712  acc 97.81%  lr 1.0e-3\n";
  CHECK(bench.out.str() == "training lenet5\n" + heartbeat + heartbeat);
}

TEST_CASE("colour is written in bar mode only, and only if asked for") {
  Bench plain(ProgressMode::bar), coloured(ProgressMode::bar, 80, true);
  plain.progress.epoch(sample_row(), 10, true);
  coloured.progress.epoch(sample_row(), 10, true);
  CHECK_FALSE(has(plain.out.str(), "\x1b"));
  CHECK(has(coloured.out.str(), "\x1b[1;32m*best\x1b[0m"));
}

TEST_CASE("mode none writes nothing") {
  Bench bench(ProgressMode::none);
  bench.progress.line("training lenet5");
  bench.progress.update(sample());
  bench.now += 100;
  bench.progress.update(sample());
  bench.progress.epoch(sample_row(), 10, true);
  bench.progress.erase();
  CHECK(bench.out.str().empty());
}
