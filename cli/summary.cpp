// unfold summary: the layers of a network, and with --plan how it will run.
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/run.h"
#include "cli/summary_onnx.h"
#include "unfold/suggest.h"

namespace unfold::cli {
namespace {

struct SummaryFlags {
  std::string model = "lenet5", input;
  bool plan = false, json = false, training = false;
  int64_t batch = 1;
  MachineOptions machine;
};

int run_summary(const SummaryFlags& o, const Global& global) {
  const Engine engine = o.machine.resolved_engine();
  Model model;
  const bool onnx = !is_network(o.model) && std::filesystem::path(o.model).extension() == ".onnx" &&
                    std::filesystem::exists(o.model);
  if (onnx) {
    try {
      model = load_model(o.model).model;
    } catch (const Error& e) {  // what it holds can be told all the same, if it is an ONNX file
      if (o.plan || o.training || !o.input.empty()) throw;
      print_onnx_summary(o.model, o.json);
      if (!global.quiet) std::cerr << "note: no network of ours: " << e.what() << std::endl;
      return kOk;
    }
  } else {
    model = model_called(o.model, global, shape_of(o.input));
  }
  // Inference is shown as a Predictor runs it: batch normalisations within the layers before them.
  const std::optional<Folded> folded = o.training ? std::nullopt : fold(model.graph, model.parameters);
  const Plan<float> plan(folded ? folded->graph : model.graph, {.batch = o.batch,
                                                                .training = o.training,
                                                                .engine = engine,
                                                                .numerics = o.machine.resolved_numerics()});
  const int threads = o.machine.resolved_threads();
  const int64_t memory = plan.memory().total(threads, sizeof(float));
  if (o.json) {
    nlohmann::ordered_json json = {{"model", model.name},
                                   {"parameters", model.parameters.table().count()},
                                   {"memory_bytes", memory},
                                   {"macs", model.graph.macs()}};
    for (const Node& node : model.graph.nodes()) {
      const auto sizes = model.graph.shape(node.output).sizes();
      int64_t count = 0;
      for (const ParameterSpec& spec : node.op->parameters(model.graph.input_shapes(node)))
        count += spec.kind == ParameterKind::weight ? spec.shape.elements() : 0;
      json["layers"].push_back({{"name", node.name},
                                {"type", node.op->type()},
                                {"output", std::vector<int64_t>(sizes.begin(), sizes.end())},
                                {"parameters", count},
                                {"macs", node.op->macs(model.graph.input_shapes(node))}});
    }
    if (o.plan) json["numerics"] = plan.numerics_key();
    if (onnx) add_onnx_values(o.model, json);
    std::cout << json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n';
    return kOk;
  }
  if (onnx) {
    print_onnx_values(o.model);
    std::cout << '\n';
  }
  std::cout << model.summary();
  char line[160];
  std::snprintf(line, sizeof line, "Memory %s %lld image%s: %.1f MiB beside the weights, with %d thread%s\n",
                o.training ? "of a training step of" : "for inference of", static_cast<long long>(o.batch),
                o.batch == 1 ? "" : "s", static_cast<double>(memory) / (1024.0 * 1024.0), threads,
                threads == 1 ? "" : "s");
  std::cout << line;
  if (o.plan) {
    std::cout << '\n'
              << plan.text() << "memory: " << memory << " bytes with " << threads
              << " threads\nnumerics: " << plan.numerics_key() << '\n';
  }
  return kOk;
}

}  // namespace

void add_summary(CLI::App& app, Global& global) {
  auto o = std::make_shared<SummaryFlags>();
  CLI::App* c = app.add_subcommand("summary", "Layers, shapes and parameters of a network");
  c->add_option(
      "MODEL", o->model,
      "A name of 'unfold models' (default: lenet5), a network in JSON, a model file, a run folder or an ONNX "
      "file");
  c->add_option("--input", o->input, "CxHxW of the input; default: as the network was made for");
  c->add_flag("--plan", o->plan, "Also how it will run: kernels, numerics, memory");
  c->add_flag("--training", o->training, "Of a training step");
  c->add_option("--batch-size,--batch", o->batch, "Images; default 1")->check(CLI::Range(1, 65536));
  o->machine.add_to(c);
  o->machine.add_numerics_to(c);
  c->add_flag("--json", o->json, "JSON on stdout");
  c->footer(
      "Examples:\n  unfold summary\n  unfold summary resnet18 --input 3x64x64 --batch 8\n  unfold summary "
      "runs/lenet5-1 --plan --training --batch 100\n  unfold summary net.onnx");
  on_run(c, global, [o, &global] { return run_summary(*o, global); });
}

}  // namespace unfold::cli
