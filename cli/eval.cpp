// unfold eval: how good a model is on the test part of a data set.
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/run.h"

namespace unfold::cli {
namespace {

constexpr int64_t kMostColumns = 100;  // of a matrix in a terminal; --json has it all

struct EvalFlags {
  std::string model, data;
  bool json = false;
  MachineOptions machine;
};

int run_eval(const EvalFlags& o, const Global& global) {
  const Engine engine = o.machine.resolved_engine();
  std::filesystem::path file;
  const Model model = open_model(o.model, global, &file);
  const std::string data = o.data.empty() ? model.trained_on : o.data;
  if (data.empty()) {
    throw Error(ErrorKind::usage, "the model does not say what it was trained on")
        .hint("name a data set with --data");
  }
  const DatasetPair pair = load_data(data, global, pictures_for(model));
  ThreadPool pool(o.machine.resolved_threads());
  const Evaluation e =
      evaluate(model, pair.test, 0, pair.test.size(), engine, pool, o.machine.resolved_numerics());
  if (o.json) {
    nlohmann::ordered_json json = {{"model", file.string()},
                                   {"data", pair.test.name},
                                   {"images", e.confusion.total()},
                                   {"accuracy", e.accuracy},
                                   {"loss", e.loss}};
    for (int64_t c = 0; c < e.confusion.classes(); ++c) {
      json["classes"].push_back({{"name", model.classes[static_cast<size_t>(c)]},
                                 {"precision", e.confusion.precision(c)},
                                 {"recall", e.confusion.recall(c)},
                                 {"f1", e.confusion.f1(c)},
                                 {"support", e.confusion.support(c)}});
      auto& row = json["confusion"].emplace_back();
      for (int64_t p = 0; p < e.confusion.classes(); ++p) row.push_back(e.confusion.count(c, p));
    }
    std::cout << json.dump() << '\n';
    return kOk;
  }
  std::cout << pair.test.name << ": " << e.confusion.total() << " test images\naccuracy " << e.accuracy
            << "\nloss     " << e.loss << "\n\n";
  if (!global.quiet) {
    std::cout << class_table(e.confusion, model.classes) << '\n';
    if (e.confusion.classes() <= kMostColumns) std::cout << confusion_table(e.confusion, model.classes);
  }
  return kOk;
}

}  // namespace

void add_eval(CLI::App& app, Global& global) {
  auto o = std::make_shared<EvalFlags>();
  CLI::App* c = app.add_subcommand("eval", "Accuracy and loss of a model on test data, class by class");
  c->add_option("MODEL", o->model, "Model file or run folder; default: the newest run");
  c->add_option("--data", o->data, "Data set; default: what the model was trained on");
  o->machine.add_to(c);
  o->machine.add_numerics_to(c);
  c->add_flag("--json", o->json, "JSON on stdout; accuracy is in 0..1");
  c->footer(
      "Examples:\n  unfold eval\n  unfold eval runs/lenet5-1 --json\n  unfold eval model.safetensors --data "
      "mnist");
  on_run(c, global, [o, &global] { return run_eval(*o, global); });
}

}  // namespace unfold::cli
