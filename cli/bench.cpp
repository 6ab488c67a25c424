// unfold bench: how long a step of a network takes, against what the processor could do.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/bench_layers.h"
#include "cli/bench_run.h"
#include "cli/run.h"
#include "unfold/files.h"
#include "unfold/suggest.h"

namespace unfold::cli {
namespace {

struct BenchFlags {
  std::string model = "lenet5-article", engine = "fast", optimizer = "adam", dump, layers;
  BenchSettings settings;
  bool batch_set = false, json = false;
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

/// The engines that are asked for.
std::vector<std::string> bench_engines(const std::string& name) {
  std::vector<std::string> engines = {"naive", "im2col", "fast"};
  if (name == "all") return engines;
  if (std::find(engines.begin(), engines.end(), name) == engines.end())
    throw unknown_name("engine", name, {"naive", "im2col", "fast", "all"});
  return {name};
}

/// A list of layers, by each engine: a line a layer and pass.
int run_layers(const BenchFlags& o) {
  std::string list = o.layers;
  if (std::error_code none; std::filesystem::is_regular_file(list, none)) {
    const std::vector<std::byte> bytes = read_file(list, ErrorKind::usage);
    list.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  const std::vector<BenchLayer> layers = parse_layers(list, o.batch_set ? o.settings.batch : 1);
  const std::vector<std::string> engines = bench_engines(o.engine);
  BenchSettings settings = o.settings;
  settings.numerics = o.machine.resolved_numerics();
  ThreadPool pool(o.machine.resolved_threads());
  nlohmann::ordered_json json = {{"threads", pool.threads()}, {"layers", nlohmann::ordered_json::array()}};
  size_t width = 5;
  for (const BenchLayer& layer : layers) width = std::max(width, layer.name.size());
  const int names = static_cast<int>(width);
  if (!o.json) {
    std::printf("%-*s %-7s %-17s %-22s %12s %12s %9s %9s\n", names, "layer", "engine", "pass", "kernel",
                "fastest ms", "median ms", "GFLOP/s", "of peak");
  }
  std::map<std::pair<std::string, std::string>, std::pair<double, int>> means;  // engine, pass: logarithms
  for (const BenchLayer& layer : layers) {
    const double flops = 2 * static_cast<double>(layer.shape.macs());
    for (const std::string& engine : engines) {
      settings.engine = engine_named(engine);
      for (const LayerTime& t : time_layer(layer, settings, pool)) {
        const double speed = flops / t.fastest, share = speed / (t.peak * pool.threads());
        auto& [sum, count] = means[{engine, t.pass}];
        sum += std::log(share);
        ++count;
        if (o.json) {
          json["layers"].push_back({{"layer", layer.name},
                                    {"batch", layer.shape.n},
                                    {"engine", engine},
                                    {"pass", t.pass},
                                    {"kernel", t.kernel},
                                    {"fastest_s", t.fastest},
                                    {"median_s", t.median},
                                    {"gflop", flops / 1e9},
                                    {"gflops", speed / 1e9},
                                    {"of_peak", share}});
        } else {
          std::printf("%-*s %-7s %-17s %-22s %12.4g %12.4g %9.1f %8.1f%%\n", names, layer.name.c_str(),
                      engine.c_str(), t.pass, t.kernel.c_str(), 1e3 * t.fastest, 1e3 * t.median, speed / 1e9,
                      100 * share);
        }
      }
    }
  }
  if (!o.json)
    std::printf("\ngeometric means, of the FMA peak of %d core%s measured here:\n", pool.threads(),
                pool.threads() == 1 ? "" : "s");
  for (const auto& [key, mean] : means) {
    const double share = std::exp(mean.first / mean.second);
    if (o.json) {
      json["of_peak_means"].push_back({{"engine", key.first}, {"pass", key.second}, {"of_peak", share}});
    } else {
      std::printf("%-7s %-17s %5.1f%%\n", key.first.c_str(), key.second.c_str(), 100 * share);
    }
  }
  if (o.json) std::cout << json.dump(2) << '\n';
  std::fflush(stdout);
  return kOk;
}

int run_bench(const BenchFlags& o, const Global& global) {
  if (!o.layers.empty()) return run_layers(o);
  const std::vector<std::string> engines = bench_engines(o.engine);
  if (o.engine == "all" && !o.dump.empty())
    throw Error(ErrorKind::usage, "--dump writes a step of one engine").got("--engine all");
  if (o.optimizer != "adam" && o.optimizer != "sgd")
    throw unknown_name("optimizer", o.optimizer, {"sgd", "adam"});
  BenchSettings settings = o.settings;
  settings.optimizer.kind = optimizer_named(o.optimizer);
  settings.numerics = o.machine.resolved_numerics();

  const Model model = model_called(o.model, global);
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
  c->add_option("MODEL", o->model,
                "A name of 'unfold models' (default: lenet5-article), a network in JSON, a model file, a run "
                "folder or an ONNX file");
  c->add_option("--engine", o->engine, "fast (default), im2col, naive, or all: one line each");
  CLI::Option* batch =
      c->add_option("--batch-size,--batch", o->settings.batch, "Images of a step; default 100, of a layer 1")
          ->check(CLI::Range(1, 65536));
  c->add_flag("--inference", o->settings.inference, "Forward only, in place of a training step");
  c->add_option("--repeats", o->settings.repeats, "Steps that are timed, at least; default 5")
      ->check(CLI::Range(1, 1000000));
  c->add_option("--seconds", o->settings.seconds, "Go on for so long an engine; default 1")
      ->check(CLI::NonNegativeNumber);
  c->add_option("--threads", o->machine.threads, "Threads; default: as many as this process may use")
      ->check(CLI::Range(1, 1024));
  c->add_option("--layers", o->layers,
                "Convolutions in place of a model: a file or a list, see below; each pass by itself");
  c->add_option("--optimizer", o->optimizer, "adam (default) or sgd, of a training step");
  c->add_option("--images", o->settings.images,
                "Images that training draws its batches from; default: 64 MB of them")
      ->check(CLI::Range(1, 10000000));
  c->add_option("--dump", o->dump,
                "Also write what one step computes as safetensors, to compare with other programs");
  o->machine.add_numerics_to(c);
  c->add_flag("--json", o->json, "JSON on stdout");
  c->footer(
      "Layers are written as oneDNN's benchdnn has them, one a line of the file or between semicolons:\n"
      "  mb images  g groups  ic oc channels  ih iw input  oh ow output  kh kw kernel\n"
      "  sh sw stride  ph pw padding  dh dw dilation (0: none)  n\"...\" name\n"
      "ic, oc, ih and kh are needed; a width is as its height, mb as --batch, what is left is 1 or no "
      "padding.\n"
      "Examples:\n"
      "  unfold bench --engine all\n"
      "  unfold bench lenet5 --inference --batch 1 --threads 1\n"
      "  unfold bench alexnet --batch 32 --optimizer sgd\n"
      "  unfold bench --layers \"ic64 ih56 oc64 kh3 ph1; mb16ic64ih56oc256kh1\" --threads 1");
  on_run(c, global, [o, batch, &global] {
    o->batch_set = batch->count() > 0;
    return run_bench(*o, global);
  });
}

}  // namespace unfold::cli
