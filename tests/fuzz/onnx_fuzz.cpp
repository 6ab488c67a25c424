// Any bytes are refused with an Error of kind model, or become a model whose tensors hold what their shapes
// say.
#include <cstdlib>
#include <cstring>

#include "unfold/formats/onnx/reader.h"

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
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::model || std::strchr(e.what(), '\n')) std::abort();
  }
  return 0;
}
