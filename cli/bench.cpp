// unfold bench: how long a step of a network takes, against what the processor could do.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "bench/fma_peak.h"
#include "cli/run.h"
#include "cli/suggest.h"
#include "unfold/random.h"
#include "unfold/train/optimizer.h"

namespace unfold::cli {
namespace {

struct BenchFlags {
  std::string model = "lenet5-article", engine = "fast";
  int64_t batch = 100, repeats = 5;
  double seconds = 1;
  bool inference = false, json = false;
  MachineOptions machine;
};

using BenchClock = std::chrono::steady_clock;

double bench_seconds_since(BenchClock::time_point start) {
  return std::chrono::duration<double>(BenchClock::now() - start).count();
}

/// What was measured of one engine; times are seconds.
struct BenchResult {
  std::string engine;
  double fastest = 0, median = 0, peak = 0;  // peak: flop/s of one core, measured among the steps
  int64_t runs = 0, flops = 0, bytes = 0;
  struct Row {
    std::string name, kernel;
    double forward = 0, backward = 0;  // of all workers, a step
    int64_t flops = 0;
  };
  std::vector<Row> rows;
};

/// A network with its memory, fed with noise: the work of a step does not depend on what the pixels show.
class BenchRun {
 public:
  BenchRun(const Model& model, const BenchFlags& o, Engine engine, ThreadPool& pool)
      : training_(!o.inference),
        pool_(pool),
        plan_(model.graph, {.batch = o.batch,
                            .training = training_,
                            .engine = engine,
                            .numerics = o.machine.resolved_numerics()}),
        workspace_(plan_.memory(), pool.threads()),
        parameters_(model.parameters),
        gradient_(model.parameters.shared_table()),
        optimizer_(model.parameters.shared_table(), {}),
        pixels_(model.graph.shape(model.graph.input()).elements()),
        images_(static_cast<size_t>(o.batch * pixels_)),
        labels_(static_cast<size_t>(o.batch)),
        results_(static_cast<size_t>(o.batch)) {
    Random random(1, "bench");
    for (float& v : images_) v = static_cast<float>(random.normal());
    for (uint8_t& v : labels_)
      v = static_cast<uint8_t>(random.below(static_cast<int64_t>(model.classes.size())));
  }

  const Plan<float>& plan() const { return plan_; }
  Workspace<float>& workspace() { return workspace_; }
  int threads() const { return pool_.threads(); }

  void step() {
    const FlushDenormals flush;
    const auto fill = [this](int64_t first, int64_t n, float* x) {
      std::copy_n(images_.data() + first * pixels_, n * pixels_, x);
    };
    if (training_) {
      plan_.gradient(parameters_, fill, labels_.data(), gradient_, results_.data(), workspace_, pool_);
      optimizer_.step(parameters_, gradient_, 1e-6, pool_);
    } else {
      plan_.forward(parameters_, fill, [](int64_t, int64_t, const float*) {}, workspace_, pool_);
    }
  }

 private:
  bool training_;
  ThreadPool& pool_;
  Plan<float> plan_;
  Workspace<float> workspace_;
  Parameters<float> parameters_, gradient_;
  Optimizer<float> optimizer_;
  int64_t pixels_;
  std::vector<float> images_;
  std::vector<uint8_t> labels_;
  std::vector<ImageResult> results_;
};

BenchResult measure(BenchRun& run, const BenchFlags& o) {
  BenchResult r;
  for (int i = 0; i < 2; ++i) run.step();  // pages, caches, the clock of the processor
  std::vector<double> times;
  for (const BenchClock::time_point start = BenchClock::now();
       static_cast<int64_t>(times.size()) < o.repeats || bench_seconds_since(start) < o.seconds;) {
    if (times.size() % 16 == 0) r.peak = std::max(r.peak, bench::fma_peak_flops());
    const BenchClock::time_point begin = BenchClock::now();
    run.step();
    times.push_back(bench_seconds_since(begin));
  }
  r.runs = static_cast<int64_t>(times.size());
  std::sort(times.begin(), times.end());
  r.fastest = times.front();
  r.median = times[times.size() / 2];
  r.bytes = run.plan().memory().total(run.threads(), sizeof(float));

  // Once more with a watch on each step, so that the watch does not count above.
  const auto steps = run.plan().steps();
  const auto count = static_cast<int64_t>(steps.size());
  run.workspace().measure(count);
  const int64_t watched = std::clamp<int64_t>(r.runs / 4, 1, 50);
  for (int64_t i = 0; i < watched; ++i) run.step();
  for (int64_t i = 0; i < count; ++i) {
    const auto& step = steps[static_cast<size_t>(i)];
    BenchResult::Row row{step.name, step.kernel, 0, 0, 2 * (step.forward_macs + step.backward_macs)};
    for (int worker = 0; worker < run.threads(); ++worker) {
      const StepTimes& t = run.workspace().times(worker)[i];
      row.forward += t.forward / static_cast<double>(watched);
      row.backward += (t.backward_data + t.backward_weights) / static_cast<double>(watched);
    }
    r.flops += row.flops;
    r.rows.push_back(row);
  }
  return r;
}

void print_rows(const BenchResult& r, int threads) {
  double all = 0;
  for (const BenchResult::Row& row : r.rows) all += row.forward + row.backward;
  std::printf("\n%-18s %-24s %10s %10s %7s %9s %9s\n", "step", "kernel", "forward us", "backward us", "share",
              "GFLOP/s", "of peak");
  for (const BenchResult::Row& row : r.rows) {
    const double time = row.forward + row.backward,
                 speed = static_cast<double>(row.flops) / std::max(time, 1e-12);
    std::printf("%-18s %-24s %10.1f %11.1f %6.1f%%", row.name.c_str(), row.kernel.c_str(), 1e6 * row.forward,
                1e6 * row.backward, 100 * time / std::max(all, 1e-12));
    if (row.flops > 0) std::printf(" %9.1f %8.1f%%", speed / 1e9, 100 * speed / r.peak);
    std::printf("\n");
  }
  const double other = std::max(0.0, r.median * threads - all);
  std::printf(
      "input, loss, sums of gradients, optimizer, waiting: %.1f us of %.1f us (all workers, median step)\n",
      1e6 * other, 1e6 * r.median * threads);
}

int run_bench(const BenchFlags& o, const Global& global) {
  const bool named = std::find(model_names().begin(), model_names().end(), o.model) != model_names().end();
  if (!named && !std::filesystem::exists(o.model)) {
    throw unknown_name("model", o.model, {model_names().begin(), model_names().end()});
  }
  std::vector<std::string> engines = {"naive", "im2col", "fast"};
  if (o.engine != "all") {
    if (std::find(engines.begin(), engines.end(), o.engine) == engines.end()) {
      throw unknown_name("engine", o.engine, {"naive", "im2col", "fast", "all"});
    }
    engines = {o.engine};
  }
  const Model model = named ? make_model(o.model, 0) : open_model(o.model, global);
  ThreadPool pool(o.machine.resolved_threads());
  std::vector<BenchResult> results;
  for (const std::string& engine : engines) {
    BenchRun run(model, o, engine_named(engine), pool);
    results.push_back(measure(run, o));
    results.back().engine = engine;
  }
  double peak = 0;
  for (const BenchResult& r : results) peak = std::max(peak, r.peak);
  for (BenchResult& r : results) r.peak = peak;

  if (o.json) {
    nlohmann::ordered_json json = {{"model", model.name},
                                   {"batch", o.batch},
                                   {"training", !o.inference},
                                   {"threads", pool.threads()},
                                   {"fma_peak_gflops_per_core", peak / 1e9}};
    for (const BenchResult& r : results) {
      nlohmann::ordered_json engine = {{"engine", r.engine},
                                       {"fastest_s", r.fastest},
                                       {"median_s", r.median},
                                       {"runs", r.runs},
                                       {"gflop", static_cast<double>(r.flops) / 1e9},
                                       {"bytes", r.bytes}};
      for (const BenchResult::Row& row : r.rows) {
        engine["steps"].push_back({{"name", row.name},
                                   {"kernel", row.kernel},
                                   {"forward_s", row.forward},
                                   {"backward_s", row.backward},
                                   {"flop", row.flops}});
      }
      json["engines"].push_back(engine);
    }
    std::cout << json.dump(2) << '\n';
    return kOk;
  }
  std::printf("%s, batch %lld, %s, %d thread%s; FMA peak %.1f GFLOP/s a core (measured here)\n\n",
              model.name.c_str(), static_cast<long long>(o.batch),
              o.inference ? "inference" : "a training step with Adam", pool.threads(),
              pool.threads() == 1 ? "" : "s", peak / 1e9);
  std::printf("%-8s %12s %12s %12s %9s %9s %9s %10s\n", "engine", "fastest ms", "median ms", "images/s",
              "GFLOP/s", "of peak", "speed", "memory MB");
  for (const BenchResult& r : results) {
    const double speed = static_cast<double>(r.flops) / r.fastest;
    std::printf("%-8s %12.4g %12.4g %12.0f %9.1f %8.1f%% %8.1fx %10.1f\n", r.engine.c_str(), 1e3 * r.fastest,
                1e3 * r.median, static_cast<double>(o.batch) / r.fastest, speed / 1e9,
                100 * speed / (peak * pool.threads()), results.front().fastest / r.fastest,
                static_cast<double>(r.bytes) / 1e6);
  }
  if (results.size() == 1) print_rows(results.front(), pool.threads());
  std::fflush(stdout);
  return kOk;
}

}  // namespace

void add_bench(CLI::App& app, Global& global) {
  auto o = std::make_shared<BenchFlags>();
  CLI::App* c = app.add_subcommand("bench", "How long a step takes, against what the processor could do");
  c->add_option("MODEL", o->model, "lenet5-article (default), lenet5, a model file or a run folder");
  c->add_option("--engine", o->engine, "fast (default), im2col, naive, or all: one line each");
  c->add_option("--batch-size,--batch", o->batch, "Images of a step; default 100")
      ->check(CLI::Range(1, 65536));
  c->add_flag("--inference", o->inference, "Forward only, in place of a training step");
  c->add_option("--repeats", o->repeats, "Steps that are timed, at least; default 5")
      ->check(CLI::Range(1, 1000000));
  c->add_option("--seconds", o->seconds, "Go on for so long an engine; default 1")
      ->check(CLI::NonNegativeNumber);
  c->add_option("--threads", o->machine.threads, "Threads; default: as many as this process may use")
      ->check(CLI::Range(1, 1024));
  o->machine.add_numerics_to(c);
  c->add_flag("--json", o->json, "JSON on stdout");
  c->footer(
      "Examples:\n  unfold bench --engine all\n  unfold bench lenet5 --inference --batch 1 --threads 1");
  on_run(c, global, [o, &global] { return run_bench(*o, global); });
}

}  // namespace unfold::cli
