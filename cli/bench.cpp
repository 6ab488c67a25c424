// unfold bench: how long a step of a network takes, against what the processor could do.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/bench_run.h"
#include "cli/run.h"
#include "cli/suggest.h"

namespace unfold::cli {
namespace {

struct BenchFlags {
  std::string model = "lenet5-article", engine = "fast", optimizer = "adam", dump;
  BenchSettings settings;
  bool json = false;
  MachineOptions machine;
};

void print_rows(const BenchResult& r, int threads) {
  double all = 0;
  size_t width = 18;
  for (const BenchResult::Row& row : r.rows) {
    all += row.forward + row.backward;
    width = std::max(width, row.name.size());
  }
  const int names = static_cast<int>(width);
  std::printf("\n%-*s %-24s %10s %10s %7s %9s %9s\n", names, "step", "kernel", "forward us", "backward us",
              "share", "GFLOP/s", "of peak");
  for (const BenchResult::Row& row : r.rows) {
    const double time = row.forward + row.backward,
                 speed = static_cast<double>(row.flops) / std::max(time, 1e-12);
    std::printf("%-*s %-24s %10.1f %11.1f %6.1f%%", names, row.name.c_str(), row.kernel.c_str(),
                1e6 * row.forward, 1e6 * row.backward, 100 * time / std::max(all, 1e-12));
    if (row.flops > 0) std::printf(" %9.1f %8.1f%%", speed / 1e9, 100 * speed / r.peak);
    std::printf("\n");
  }
  const BenchResult::Shares s = r.shares(threads);
  std::printf(
      "\nof a step: products %.1f %%, elementwise %.1f %%, layouts %.1f %%, optimizer %.1f %%, "
      "other %.1f %%\n"
      "(other: input, packing of weights, loss, sums of gradients, waiting)\n",
      100 * s.products, 100 * s.elementwise, 100 * s.layout, 100 * s.optimizer, 100 * s.other);
}

nlohmann::ordered_json bench_json(const BenchResult& r, int threads) {
  const BenchResult::Shares s = r.shares(threads);
  const double speed = static_cast<double>(r.flops) / r.fastest;
  nlohmann::ordered_json json = {{"engine", r.engine},
                                 {"fastest_s", r.fastest},
                                 {"median_s", r.median},
                                 {"runs", r.runs},
                                 {"gflop", static_cast<double>(r.flops) / 1e9},
                                 {"of_peak", speed / (r.peak * threads)},
                                 {"bytes", r.bytes},
                                 {"shares",
                                  {{"products", s.products},
                                   {"elementwise", s.elementwise},
                                   {"layout", s.layout},
                                   {"optimizer", s.optimizer},
                                   {"other", s.other}}}};
  for (const BenchResult::Row& row : r.rows) {
    json["steps"].push_back({{"name", row.name},
                             {"kernel", row.kernel},
                             {"forward_s", row.forward},
                             {"backward_s", row.backward},
                             {"flop", row.flops}});
  }
  return json;
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
  if (o.engine == "all" && !o.dump.empty())
    throw Error(ErrorKind::usage, "--dump writes a step of one engine").got("--engine all");
  if (o.optimizer != "adam" && o.optimizer != "sgd")
    throw unknown_name("optimizer", o.optimizer, {"sgd", "adam"});
  BenchSettings settings = o.settings;
  settings.optimizer.kind = optimizer_named(o.optimizer);
  settings.numerics = o.machine.resolved_numerics();

  const Model model = named ? make_model(o.model, 0) : open_model(o.model, global);
  ThreadPool pool(o.machine.resolved_threads());
  std::vector<BenchResult> results;
  for (const std::string& engine : engines) {
    settings.engine = engine_named(engine);
    BenchRun run(model, settings, pool);
    if (!o.dump.empty()) run.dump(o.dump);
    results.push_back(run.measure());
    results.back().engine = engine;
  }
  double peak = 0;
  for (const BenchResult& r : results) peak = std::max(peak, r.peak);
  for (BenchResult& r : results) r.peak = peak;

  if (o.json) {
    nlohmann::ordered_json json = {{"model", model.name},
                                   {"batch", settings.batch},
                                   {"training", !settings.inference},
                                   {"threads", pool.threads()},
                                   {"fma_peak_gflops_per_core", peak / 1e9}};
    for (const BenchResult& r : results) json["engines"].push_back(bench_json(r, pool.threads()));
    std::cout << json.dump(2) << '\n';
    return kOk;
  }
  const std::string work =
      settings.inference ? "inference"
                         : std::string("a training step with ") + (o.optimizer == "sgd" ? "SGD" : "Adam");
  std::printf("%s, batch %lld, %s, %d thread%s; FMA peak %.1f GFLOP/s a core (measured here)\n\n",
              model.name.c_str(), static_cast<long long>(settings.batch), work.c_str(), pool.threads(),
              pool.threads() == 1 ? "" : "s", peak / 1e9);
  std::printf("%-8s %12s %12s %12s %9s %9s %9s %10s\n", "engine", "fastest ms", "median ms", "images/s",
              "GFLOP/s", "of peak", "speed", "memory MB");
  for (const BenchResult& r : results) {
    const double speed = static_cast<double>(r.flops) / r.fastest;
    std::printf("%-8s %12.4g %12.4g %12.0f %9.1f %8.1f%% %8.1fx %10.1f\n", r.engine.c_str(), 1e3 * r.fastest,
                1e3 * r.median, static_cast<double>(settings.batch) / r.fastest, speed / 1e9,
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
  c->add_option("MODEL", o->model, "lenet5-article (default), lenet5, alexnet, vgg16, a model file or a run folder");
  c->add_option("--engine", o->engine, "fast (default), im2col, naive, or all: one line each");
  c->add_option("--batch-size,--batch", o->settings.batch, "Images of a step; default 100")
      ->check(CLI::Range(1, 65536));
  c->add_flag("--inference", o->settings.inference, "Forward only, in place of a training step");
  c->add_option("--repeats", o->settings.repeats, "Steps that are timed, at least; default 5")
      ->check(CLI::Range(1, 1000000));
  c->add_option("--seconds", o->settings.seconds, "Go on for so long an engine; default 1")
      ->check(CLI::NonNegativeNumber);
  c->add_option("--threads", o->machine.threads, "Threads; default: as many as this process may use")
      ->check(CLI::Range(1, 1024));
  c->add_option("--optimizer", o->optimizer, "adam (default) or sgd, of a training step");
  c->add_option("--images", o->settings.images,
                "Images that training draws its batches from; default: 64 MB of them")
      ->check(CLI::Range(1, 10000000));
  c->add_option("--dump", o->dump,
                "Also write what one step computes as safetensors, to compare with other programs");
  o->machine.add_numerics_to(c);
  c->add_flag("--json", o->json, "JSON on stdout");
  c->footer(
      "Examples:\n  unfold bench --engine all\n  unfold bench lenet5 --inference --batch 1 --threads 1");
  on_run(c, global, [o, &global] { return run_bench(*o, global); });
}

}  // namespace unfold::cli
