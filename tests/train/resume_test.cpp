// A run that is stopped, however that happens, goes on to the same bits; damage never reaches a file.
#include <doctest/doctest.h>

#include <set>

#include "tests/support/fault_run.h"
#include "tests/support/run.h"
#include "unfold/files.h"
#include "unfold/formats/model_file.h"
#include "unfold/train/checkpoint.h"

using namespace unfold;
using namespace unfold::test;
using unfold::testing::TemporaryFolder;

namespace {

constexpr int64_t kSaveEvery = 2;  // steps between checkpoints
constexpr int64_t kSteps = 12;     // an epoch: 192 of 240 images, batch 16

/// The arguments of the run that all these tests stop: with all that a step may have beside its gradient.
std::vector<std::string> run_into(const fs::path& out, const std::string& data) {
  return {"train",
          "--data",
          data,
          "--epochs",
          "4",
          "--batch-size",
          "16",
          "--val-split",
          "0.2",
          "--seed",
          "3",
          "--schedule",
          "step",
          "--step-size",
          "2",
          "--warmup",
          "0.5",
          "--label-smoothing",
          "0.1",
          "--augment",
          "crop:1,mixup:0.4",
          "--clip-norm",
          "1",
          "--ema",
          "0.9",
          "--save-every",
          std::to_string(kSaveEvery),
          "--threads",
          "1",
          "--out",
          out.string()};
}

ProcessResult resume(const fs::path& folder, const std::vector<std::string>& env = {}) {
  return unfold_program({"train", "--resume", folder.string(), "--threads", "1"}, env);
}

/// metrics.csv without the columns that are times.
std::string losses_of(const fs::path& folder) {
  std::string text;
  for (const std::string& line : lines_of(text_of(folder / "metrics.csv"))) {
    size_t end = 0;
    for (int column = 0; column < 6; ++column) end = line.find(',', end + 1);
    text += line.substr(0, end) + "\n";
  }
  return text;
}

/// Every file that is there is whole: what a crash leaves behind can be read.
void check_readable(const fs::path& folder) {
  for (const char* name : {"best.safetensors", "last.safetensors"}) {
    if (fs::exists(folder / name)) CHECK_NOTHROW(load_model(folder / name));
  }
  if (fs::exists(folder / "checkpoint.safetensors")) {
    int64_t made = 0;  // by a program that has operators of its own
    const Checkpoint c = load_checkpoint(folder / "checkpoint.safetensors",
                                         [&](std::string_view type, const Attributes& attributes) {
                                           ++made;
                                           return make_op(type, attributes);
                                         });
    CHECK(made == static_cast<int64_t>(c.model.graph.nodes().size()));
  }
  if (fs::exists(folder / "metrics.csv")) {
    CHECK_NOTHROW(parse_metrics_csv(text_of(folder / "metrics.csv"), "metrics.csv"));
  }
}

int64_t steps_in(const fs::path& folder) {
  const Position at = load_checkpoint(folder / "checkpoint.safetensors").position;
  return at.epoch * kSteps + at.step;
}

/// One run from begin to end, to compare with.
struct Reference {
  TemporaryFolder folder;
  std::string data = small_data(folder.path());
  fs::path run = folder / "whole";
  double seconds = 0;
  Reference() {
    const auto start = std::chrono::steady_clock::now();
    const ProcessResult r = unfold_program(run_into(run, data));
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    CAPTURE(r.err);
    REQUIRE(r.code == 0);
    REQUIRE(steps_in(run) == 4 * kSteps);
  }
};
Reference& reference() {
  static Reference the_reference;
  return the_reference;
}

void check_same_end(const fs::path& folder) {
  const Reference& whole = reference();
  for (const char* name : {"best.safetensors", "last.safetensors"}) {
    CAPTURE(name);
    const std::string bytes = text_of(folder / name);
    CHECK(!bytes.empty());
    CHECK((bytes == text_of(whole.run / name)));
  }
  CHECK(losses_of(folder) == losses_of(whole.run));
  CHECK(text_of(folder / "norms.csv") == text_of(whole.run / "norms.csv"));
  CHECK((text_of(folder / "replay.jsonl") == text_of(whole.run / "replay.jsonl")));
  CHECK(text_of(folder / "confusion_matrix.csv") == text_of(whole.run / "confusion_matrix.csv"));
  for (const auto& entry : fs::directory_iterator(folder)) {
    CHECK(!contains(entry.path().filename().string(), ".tmp-"));
  }
}

/// True once the checkpoint of step `first` is there and `delay` has passed since: a moment within the run.
std::function<bool()> after_checkpoint(const fs::path& folder, std::chrono::microseconds delay) {
  using Clock = std::chrono::steady_clock;
  return [folder, delay, since = Clock::time_point::max()]() mutable {
    if (since == Clock::time_point::max() && fs::exists(folder / "checkpoint.safetensors")) {
      since = Clock::now();
    }
    return since != Clock::time_point::max() && Clock::now() - since >= delay;
  };
}

std::chrono::microseconds moment(Random& random) {
  return std::chrono::microseconds(random.below(static_cast<int64_t>(reference().seconds * 0.7e6) + 1));
}

}  // namespace

TEST_CASE("interrupted at random moments: saved, code 130, and resumed to the same bits") {
  Random random(1, "interrupt");
  int stopped = 0;
  for (int i = 0; i < 4 || (stopped < 2 && i < 30); ++i) {
    const fs::path folder = reference().folder / ("int" + std::to_string(i));
    const int signal = i % 2 ? SIGTERM : SIGINT;
    const int code =
        stop_program(run_into(folder, reference().data), signal, after_checkpoint(folder, moment(random)));
    CAPTURE(code);
    // 0: it was over before the signal came. A signal before training starts ends the program as any other.
    CHECK((code == 130 || code == 0 || code == 128 + signal));
    stopped += code == 130;
    check_readable(folder);
    const ProcessResult r = resume(folder);
    CAPTURE(r.err);
    CHECK(r.code == 0);
    CHECK(contains(r.out, "resumed " + folder.string()));
    check_same_end(folder);
  }
  CHECK(stopped >= 2);
}

TEST_CASE("killed at random moments, some of them while it resumes: the same bits") {
  Random random(2, "kill");
  int killed = 0;
  // A run may be over before its moment comes, on a machine whose speed changes: go on until enough kills
  // struck.
  for (int i = 0; killed < 15 && i < 60; ++i) {
    const fs::path folder = reference().folder / ("kill" + std::to_string(i));
    for (int k = 0; k < 2; ++k) {  // the second time the resumed run is killed
      const auto arguments =
          k == 0 ? run_into(folder, reference().data)
                 : std::vector<std::string>{"train", "--resume", folder.string(), "--threads", "1"};
      const int code = stop_program(arguments, SIGKILL, after_checkpoint(folder, moment(random)));
      CHECK((code == 137 || code == 0));
      killed += code == 137;
      check_readable(folder);
    }
    const ProcessResult r = resume(folder);
    CAPTURE(r.err);
    CHECK(r.code == 0);
    check_same_end(folder);
  }
  CHECK(killed >= 15);
}

TEST_CASE("killed inside the writing of a checkpoint: at most one interval is repeated") {
  // The writes of a run, in order: of each file one open, write, fsync, close, rename.
  const char* faults[] = {"open:7:kill",    "write:9:short",  "write:14:kill", "fsync:11:kill",
                          "rename:10:kill", "rename:21:kill", "close:16:kill", "write:25:short"};
  std::set<int64_t> positions;
  for (const char* fault : faults) {
    CAPTURE(fault);
    std::string name = fault;
    std::replace(name.begin(), name.end(), ':', '-');
    const fs::path folder = reference().folder / name;
    fs::create_directory(folder);
    auto command = run_into(folder, reference().data);
    command.insert(command.begin(), UNFOLD_PROGRAM);
    command.insert(command.end(), {"--progress", "plain"});
    const FaultRun broken = run_with_fault(UNFOLD_FAULT_SHIM, folder, fault, command);
    CAPTURE(broken.output);
    CHECK(broken.struck);
    CHECK(broken.signal == SIGKILL);
    check_readable(folder);
    const int64_t before = steps_in(folder);
    positions.insert(before);
    const ProcessResult r = resume(folder);
    CAPTURE(r.err);
    CHECK(r.code == 0);
    CHECK(contains(r.out, "at epoch " + std::to_string(before / kSteps + 1) + ", step " +
                              std::to_string(before % kSteps)));
    check_same_end(folder);
  }
  CHECK(positions.size() >= 4);  // the faults did strike at different places

  // Killed when a checkpoint is all but in place: what is there is the one of one interval before.
  for (int64_t k : {4, 6}) {
    const fs::path folder = reference().folder / ("interval" + std::to_string(k));
    fs::create_directory(folder);
    auto command = run_into(folder, reference().data);
    command.insert(command.begin(), UNFOLD_PROGRAM);
    // Renames: 1 config.json, 2 replay.jsonl, 3 the checkpoint of step 0, 4 that of step kSaveEvery, ...
    const FaultRun broken =
        run_with_fault(UNFOLD_FAULT_SHIM, folder, "rename:" + std::to_string(k) + ":kill", command);
    CHECK(broken.signal == SIGKILL);
    const int64_t killed_at = (k - 3) * kSaveEvery;
    CHECK(steps_in(folder) == killed_at - kSaveEvery);
  }
}

TEST_CASE("a full disk while a checkpoint is written: said with the file's name, the old one still good") {
  for (const char* fault :
       {"write:12:fail", "open:9:fail", "fsync:13:fail", "rename:8:fail", "close:15:fail"}) {
    CAPTURE(fault);
    std::string name = std::string("full-") + fault;
    std::replace(name.begin(), name.end(), ':', '-');
    const fs::path folder = reference().folder / name;
    fs::create_directory(folder);
    auto command = run_into(folder, reference().data);
    command.insert(command.begin(), UNFOLD_PROGRAM);
    const FaultRun broken = run_with_fault(UNFOLD_FAULT_SHIM, folder, fault, command);
    CAPTURE(broken.output);
    CHECK(broken.struck);
    CHECK(broken.exit_code == 1);
    CHECK(contains(broken.output, "error: " + folder.string()));
    CHECK(contains(broken.output, "\nhint: "));
    check_readable(folder);
    CHECK(steps_in(folder) > 0);
    CHECK(resume(folder).code == 0);
    check_same_end(folder);
  }
}

TEST_CASE("a run is not continued with kernels that compute other bits, nor with other settings") {
  const fs::path folder = reference().folder / "numerics";
  fs::copy(reference().run, folder);
  const std::string before = text_of(folder / "checkpoint.safetensors");
  ProcessResult r = resume(folder, {"UNFOLD_KERNEL=conv2d/reference"});
  CAPTURE(r.err);
  CHECK(r.code == 4);
  CHECK(contains(r.err, "other bits"));
  CHECK(text_of(folder / "checkpoint.safetensors") == before);
  for (const auto& more : {std::vector<std::string>{"--engine", "naive"},
                           {"--lr", "0.5"},
                           {"--seed", "9"},
                           {"--out", "x"},
                           {"--data", "strokes"}}) {
    std::vector<std::string> arguments{"train", "--resume", folder.string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    r = unfold_program(arguments);
    CAPTURE(r.err);
    CHECK(r.code == 2);
    CHECK(contains(r.err, more[0]));
  }
  CHECK(unfold_program({"train", "--resume", (reference().folder / "nowhere").string()}).code == 4);
}

TEST_CASE("any number of threads, and any repetition, gives the same bits") {
  for (const char* threads : {"1", "2", "3", "4", "7"}) {
    CAPTURE(threads);
    const fs::path folder = reference().folder / (std::string("threads") + threads);
    auto arguments = run_into(folder, reference().data);
    *(std::find(arguments.begin(), arguments.end(), "--threads") + 1) = threads;
    CHECK(unfold_program(arguments).code == 0);
    check_same_end(folder);
  }
}

TEST_CASE("a run that diverges says in which tensor and step, and leaves files that load") {
  for (const char* lr : {"1e30", "1e41"}) {  // of which the warm-up takes a hundredth
    CAPTURE(lr);
    const fs::path folder = reference().folder / (std::string("diverged-") + lr);
    auto arguments = run_into(folder, reference().data);
    *(std::find(arguments.begin(), arguments.end(), "--save-every") + 1) = "1";
    arguments.insert(arguments.end(), {"--lr", lr});
    const ProcessResult r = unfold_program(arguments);
    CAPTURE(r.err);
    CHECK(r.code == 5);
    CHECK(contains(r.err, "error: step "));
    CHECK((contains(r.err, "conv") || contains(r.err, "fc")));
    CHECK(contains(r.err, "hint: use a smaller --lr"));
    CHECK(contains(text_of(folder / "log.jsonl"), "\"event\":\"diverged\""));
    REQUIRE(fs::exists(folder / "checkpoint.safetensors"));
    check_readable(folder);
  }
}
