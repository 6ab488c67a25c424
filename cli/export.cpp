// unfold export: a model as a file that other programs read.
#include "cli/export.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "cli/run.h"

namespace unfold::cli {
namespace {

constexpr MakeExportKind* kKinds[] = {onnx_export, safetensors_export, c_header_export};

struct ExportFlags {
  std::string model, input;
  std::optional<uint64_t> seed;
  bool json = false;
  std::vector<std::unique_ptr<ExportKind>> kinds;
};

int run_export(const ExportFlags& o, const Global& global) {
  std::vector<const ExportKind*> wanted;
  for (const auto& kind : o.kinds) {
    if (!kind->path().empty()) wanted.push_back(kind.get());
  }
  if (wanted.empty()) {
    throw Error(ErrorKind::usage, "no file to write")
        .hint("name one: unfold export " + (o.model.empty() ? "" : o.model + " ") + "--onnx net.onnx");
  }
  const Model model = model_called(o.model, global, shape_of(o.input), o.seed);
  nlohmann::ordered_json files = nlohmann::ordered_json::array();
  for (const ExportKind* kind : wanted) {
    const std::string what = kind->write(model);
    const uint64_t bytes = std::filesystem::file_size(kind->path());
    if (o.json) {
      files.push_back({{"file", kind->path()}, {"bytes", bytes}, {"what", what}});
    } else {
      std::cout << kind->path() << ": " << what << ", " << (bytes + 512) / 1024 << " KiB\n";
    }
  }
  if (o.json) {
    std::cout << nlohmann::ordered_json{{"model", model.name}, {"files", files}}.dump() << '\n';
  }
  return kOk;
}

}  // namespace

void add_export(CLI::App& app, Global& global) {
  auto o = std::make_shared<ExportFlags>();
  CLI::App* c = app.add_subcommand(
      "export", "Write a model for other programs: ONNX, PyTorch's state_dict, a C header");
  c->add_option("MODEL", o->model,
                "Model file, run folder, ONNX file, or a name of 'unfold models' or network in JSON (fresh "
                "weights); default: the newest run");
  for (MakeExportKind* make : kKinds) o->kinds.push_back(make());
  for (const auto& kind : o->kinds) kind->add_to(c);
  c->add_option("--seed", o->seed, "Seed of a named network's weights; default 0")->check(whole_number);
  c->add_option("--input", o->input, "CxHxW of a named network's input; default: as it was made for");
  c->add_flag("--json", o->json, "JSON on stdout");
  c->footer(
      "Examples:\n  unfold export --onnx digits.onnx\n  unfold export runs/resnet20-1 --onnx net.onnx "
      "--preprocess --softmax\n  unfold export runs/resnet20-1 --safetensors weights.safetensors --dtype "
      "f16\n  unfold export runs/lenet5-1 --c-header lenet5.h\n\nexamples/embedded shows a program made of "
      "such a "
      "header.");
  on_run(c, global, [o, &global] { return run_export(*o, global); });
}

}  // namespace unfold::cli
