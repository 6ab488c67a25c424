// unfold summary: the layers of a network, and with --plan how it will run.
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/run.h"
#include "cli/suggest.h"

namespace unfold::cli {
namespace {

struct SummaryFlags {
  std::string model = "lenet5";
  bool plan = false, json = false, training = false;
  int64_t batch = 1;
  MachineOptions machine;
};

int run_summary(const SummaryFlags& o, const Global& global) {
  const Engine engine = o.machine.resolved_engine();
  const bool named = std::find(model_names().begin(), model_names().end(), o.model) != model_names().end();
  if (!named && !std::filesystem::exists(o.model)) {
    throw unknown_name("model", o.model, {model_names().begin(), model_names().end()});
  }
  const Model model = named ? make_model(o.model, 0) : open_model(o.model, global);
  const Plan<float> plan(model.graph, {.batch = o.batch,
                                       .training = o.training,
                                       .engine = engine,
                                       .numerics = o.machine.resolved_numerics()});
  if (o.json) {
    nlohmann::ordered_json json = {{"model", model.name},
                                   {"parameters", model.parameters.table().count()},
                                   {"macs", model.graph.macs()}};
    for (const Node& node : model.graph.nodes()) {
      const auto sizes = model.graph.shape(node.output).sizes();
      int64_t count = 0;
      for (const ParameterSpec& spec : node.op->parameters(model.graph.input_shapes(node)))
        count += spec.shape.elements();
      json["layers"].push_back({{"name", node.name},
                                {"type", node.op->type()},
                                {"output", std::vector<int64_t>(sizes.begin(), sizes.end())},
                                {"parameters", count},
                                {"macs", node.op->macs(model.graph.input_shapes(node))}});
    }
    if (o.plan) json["numerics"] = plan.numerics_key();
    std::cout << json.dump() << '\n';
    return kOk;
  }
  std::cout << model.summary();
  if (o.plan) {
    std::cout << '\n'
              << plan.text() << "memory: " << plan.memory().total(o.machine.resolved_threads(), sizeof(float))
              << " bytes with " << o.machine.resolved_threads()
              << " threads\nnumerics: " << plan.numerics_key() << '\n';
  }
  return kOk;
}

}  // namespace

void add_summary(CLI::App& app, Global& global) {
  auto o = std::make_shared<SummaryFlags>();
  CLI::App* c = app.add_subcommand("summary", "Layers, shapes and parameters of a network");
  c->add_option("MODEL", o->model,
                "lenet5 (default), lenet5-article, alexnet, vgg16, a model file or a run folder");
  c->add_flag("--plan", o->plan, "Also how it will run: kernels, numerics, memory");
  c->add_flag("--training", o->training, "With --plan: of a training step");
  c->add_option("--batch-size,--batch", o->batch, "With --plan: images; default 1")
      ->check(CLI::Range(1, 65536));
  o->machine.add_to(c);
  o->machine.add_numerics_to(c);
  c->add_flag("--json", o->json, "JSON on stdout");
  c->footer("Examples:\n  unfold summary\n  unfold summary runs/lenet5-1 --plan --training --batch 100");
  on_run(c, global, [o, &global] { return run_summary(*o, global); });
}

}  // namespace unfold::cli
