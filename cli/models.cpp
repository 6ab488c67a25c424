// unfold models: the networks that are known by name.
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/run.h"
#include "unfold/models/zoo.h"

namespace unfold::cli {
namespace {

struct ModelsFlags {
  int64_t batch = 1;
  bool json = false;
  MachineOptions machine;
};

/// Bytes of weights, and what a plan needs beside them; in training also the gradient and Adam's two moments.
int64_t memory_of(const Graph& graph, bool training, const ModelsFlags& o) {
  const Plan<float> plan(graph,
                         {.batch = o.batch, .training = training, .engine = o.machine.resolved_engine()});
  const int64_t weights = graph.parameter_table()->buffer_elements() * static_cast<int64_t>(sizeof(float));
  return (training ? 4 : 1) * weights + plan.memory().total(o.machine.resolved_threads(), sizeof(float));
}

int run_models(const ModelsFlags& o) {
  constexpr double kMega = 1e6, kMebi = 1024.0 * 1024.0;
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  if (!o.json) {
    std::printf("%-16s %-11s %10s %10s %12s %12s  %s\n", "name", "input", "parameters", "MFLOP", "inference",
                "training", "");
  }
  for (const ZooEntry& entry : zoo()) {
    const Graph graph = entry.make(entry.image, entry.classes);
    const int64_t parameters = graph.parameter_table()->count(), flops = 2 * graph.macs();
    // One number a channel has no variance, so a training batch of one may be none.
    const bool alone = o.batch == 1;
    ModelsFlags least = o;
    least.batch = alone ? 2 : o.batch;
    const int64_t inference = memory_of(graph, false, o), training = memory_of(graph, true, least);
    const std::string input = std::to_string(entry.image[0]) + "x" + std::to_string(entry.image[1]) + "x" +
                              std::to_string(entry.image[2]);
    if (o.json) {
      json.push_back({{"name", entry.name},
                      {"input", std::vector<int64_t>(entry.image.sizes().begin(), entry.image.sizes().end())},
                      {"classes", entry.classes},
                      {"parameters", parameters},
                      {"flops", flops},
                      {"inference_bytes", inference},
                      {"training_bytes", training},
                      {"training_batch", least.batch},
                      {"source", entry.source}});
      continue;
    }
    std::printf("%-16s %-11s %10.2f %10.1f %8.1f MiB %8.1f MiB  %s\n", std::string(entry.name).c_str(),
                input.c_str(), static_cast<double>(parameters) / kMega, static_cast<double>(flops) / kMega,
                static_cast<double>(inference) / kMebi, static_cast<double>(training) / kMebi,
                std::string(entry.source).c_str());
  }
  if (o.json) {
    std::cout << json.dump() << '\n';
  } else {
    std::printf(
        "\nParameters in millions; MFLOP: two for each multiply-add of one image's forward pass. Memory with "
        "%d thread%s:\n"
        "inference of %lld image%s; a training step of %lld, with Adam.\n",
        o.machine.resolved_threads(), o.machine.resolved_threads() == 1 ? "" : "s",
        static_cast<long long>(o.batch), o.batch == 1 ? "" : "s",
        static_cast<long long>(o.batch == 1 ? 2 : o.batch));
    std::printf(
        "A network of your own is a file of layers: unfold train --model my_net.json (docs/models.md).\n");
  }
  return kOk;
}

}  // namespace

void add_models(CLI::App& app, Global& global) {
  auto o = std::make_shared<ModelsFlags>();
  CLI::App* c = app.add_subcommand("models", "The networks that are known by name: sizes, work and memory");
  c->add_option("--batch-size,--batch", o->batch,
                "Images that memory is told for; default 1, and 2 in training")
      ->check(CLI::Range(1, 65536));
  o->machine.add_to(c);
  c->add_flag("--json", o->json, "JSON on stdout");
  c->footer(
      "Examples:\n  unfold models\n  unfold models --batch 32\n  unfold summary resnet18 --input 3x64x64");
  on_run(c, global, [o] { return run_models(*o); });
}

}  // namespace unfold::cli
