// unfold gradcheck: does backward compute the derivative of forward?
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/run.h"
#include "unfold/suggest.h"
#include "unfold/train/gradcheck.h"

namespace unfold::cli {
namespace {

struct GradcheckFlags {
  std::string model = "lenet5";
  GradcheckOptions check{.seed = 0, .batch = 2, .samples = 40, .step = 1e-3, .cross_entropy = true};
  double tolerance = 1e-6;
  bool json = false;
};

int run_gradcheck(const GradcheckFlags& o, const Global& global) {
  const Model model = model_called(o.model, global);
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  double worst = 0;
  std::string where;
  if (!o.json) std::printf("%-14s %8s %6s  %-10s\n", "tensor", "checked", "kinks", "worst error");
  for (const GradcheckRow& row : gradcheck(model.graph, o.check)) {
    const bool good = row.worst <= o.tolerance;  // false for NaN
    if (!(row.worst <= worst)) {
      worst = row.worst;
      where = row.tensor + "[" + std::to_string(row.worst_at) + "]";
    }
    if (o.json) {
      json.push_back(
          {{"tensor", row.tensor}, {"checked", row.checked}, {"kinks", row.kinks}, {"worst", row.worst}});
    } else {
      std::printf("%-14s %8lld %6lld  %.2e%s\n", row.tensor.c_str(), static_cast<long long>(row.checked),
                  static_cast<long long>(row.kinks), row.worst, good ? "" : "  WRONG");
    }
  }
  if (o.json)
    std::cout
        << nlohmann::ordered_json{{"worst", worst}, {"tolerance", o.tolerance}, {"tensors", json}}.dump()
        << '\n';
  if (!(worst <= o.tolerance)) {
    char text[32];
    std::snprintf(text, sizeof text, "%.2e", worst);
    throw Error(ErrorKind::goal, "a gradient differs from its central difference")
        .where(where)
        .wanted("at most " + std::to_string(o.tolerance))
        .got(text);
  }
  if (!o.json) std::printf("all gradients agree with central differences in float64 (worst %.2e)\n", worst);
  return kOk;
}

}  // namespace

void add_gradcheck(CLI::App& app, Global& global) {
  auto o = std::make_shared<GradcheckFlags>();
  CLI::App* c =
      app.add_subcommand("gradcheck", "Check every gradient of a network against central differences");
  c->add_option(
      "MODEL", o->model,
      "lenet5 (default) or another name, a network in JSON, a model file, a run folder or an ONNX file");
  c->add_option("--samples", o->check.samples, "Elements probed of each tensor; 0: all; default 40")
      ->check(CLI::NonNegativeNumber);
  c->add_option("--batch-size,--batch", o->check.batch, "Images; default 2")->check(CLI::Range(1, 1024));
  c->add_option("--seed", o->check.seed, "Seed of values and probes; default 0")->check(whole_number);
  c->add_option("--tolerance", o->tolerance, "Largest relative error; default 1e-6")
      ->check(CLI::PositiveNumber);
  c->add_flag("--json", o->json, "JSON on stdout");
  c->footer("Examples:\n  unfold gradcheck\n  unfold gradcheck lenet5 --samples 0 --batch 1");
  on_run(c, global, [o, &global] { return run_gradcheck(*o, global); });
}

}  // namespace unfold::cli
