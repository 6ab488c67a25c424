// unfold export --safetensors
#include "cli/export.h"
#include "unfold/formats/transfer.h"
#include "unfold/suggest.h"

namespace unfold::cli {
namespace {

class SafetensorsExport final : public ExportKind {
 public:
  void add_to(CLI::App* command) override {
    CLI::Option* file = command->add_option(
        "--safetensors", path_, "Write the weights alone, as a PyTorch state_dict by torchvision's names");
    command->add_option("--dtype", dtype_, "--safetensors: f32 (default), f16 or bf16")->needs(file);
  }
  const std::string& path() const override { return path_; }
  std::string write(const Model& model) const override {
    const SafetensorsFile file = state_dict(model.parameters, resolved_dtype());
    write_safetensors(path_, file);
    return std::to_string(file.tensors.size()) + " tensors of " + std::string(dtype_name(resolved_dtype()));
  }

 private:
  Dtype resolved_dtype() const {
    if (dtype_ == "f32") return Dtype::f32;
    if (dtype_ == "f16") return Dtype::f16;
    if (dtype_ == "bf16") return Dtype::bf16;
    throw unknown_name("dtype", dtype_, {"f32", "f16", "bf16"});
  }

  std::string path_, dtype_ = "f32";
};

}  // namespace

std::unique_ptr<ExportKind> safetensors_export() {
  return std::make_unique<SafetensorsExport>();
}

}  // namespace unfold::cli
