// unfold export --onnx
#include "cli/export.h"
#include "unfold/formats/onnx/export.h"
#include "unfold/formats/onnx/writer.h"

namespace unfold::cli {
namespace {

class OnnxExport final : public ExportKind {
 public:
  void add_to(CLI::App* command) override {
    CLI::Option* file = command->add_option("--onnx", path_, "Write an ONNX file, for any batch size");
    command
        ->add_flag("--preprocess", options_.preprocess,
                   "--onnx: the graph takes an image's bytes, and begins with the model's preprocessing")
        ->needs(file);
    command->add_flag("--softmax", options_.softmax, "--onnx: the graph ends in probabilities, not in logits")
        ->needs(file);
  }
  const std::string& path() const override { return path_; }
  std::string write(const Model& model) const override {
    const onnx::Model exported = onnx::export_model(model, options_);
    onnx::write_model(path_, exported);
    return "ONNX, opset " + std::to_string(exported.opsets.at("")) + ", " +
           std::to_string(exported.graph.nodes.size()) + " nodes";
  }

 private:
  std::string path_;
  onnx::ExportOptions options_;
};

}  // namespace

std::unique_ptr<ExportKind> onnx_export() {
  return std::make_unique<OnnxExport>();
}

}  // namespace unfold::cli
