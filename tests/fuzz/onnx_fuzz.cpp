// Any bytes are refused with an Error of kind model, or become a model whose tensors hold what their shapes
// say; and that is refused alike, or a network of ours, which comes back from another file.
#include <cstdlib>
#include <cstring>

#include "unfold/formats/onnx/export.h"
#include "unfold/formats/onnx/import.h"
#include "unfold/formats/onnx/reader.h"
#include "unfold/formats/onnx/writer.h"

using namespace unfold;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const onnx::Model model = onnx::parse_model(std::as_bytes(std::span(data, size)), "input");
    for (const onnx::TensorValue& w : model.graph.initializers) {
      if (w.refused.empty() && (!w.values.contiguous() || w.values.bytes() > 8 * size)) std::abort();
    }
    for (const onnx::Node& node : model.graph.nodes) {
      if (node.op_type.empty()) std::abort();
    }
    const Model network = onnx::import_model(model, "input").model;
    const std::string file = onnx::serialize_model(onnx::export_model(network));
    const onnx::Model again = onnx::parse_model(std::as_bytes(std::span(file)), "again");
    if (network.graph.parameter_table()->count() != network.parameters.table().count() ||
        again.graph.nodes.empty())
      std::abort();
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::model || std::strchr(e.what(), '\n')) std::abort();
  }
  return 0;
}
