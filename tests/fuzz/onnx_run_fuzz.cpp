// Any bytes that are a model become a session, or are refused with an Error of kind model; a session that is
// made runs on zeros within its limits, or is refused in the same way. Every output holds what its shape
// says.
#include <cstdlib>
#include <cstring>

#include "unfold/error.h"
#include "unfold/files.h"
#include "unfold/formats/onnx/reader.h"
#include "unfold/onnx/session.h"

using namespace unfold;

namespace {

/// Zeros of the shape an input declares; a size that is free is 2.
Tensor zeros(const onnx::ValueInfo& input) {
  constexpr int64_t kFree = 2, kMost = 4096;
  std::vector<int64_t> sizes;
  int64_t elements = 1;
  for (const int64_t size : input.shape.value_or(std::vector<int64_t>{kFree, kFree})) {
    sizes.push_back(size < 0 ? kFree : size);
    if (sizes.back() > kMost || sizes.size() > Shape::kMaxRank) return {};
    elements *= std::max<int64_t>(sizes.back(), 1);
    if (elements > kMost) return {};
  }
  const auto dtype = onnx::dtype_of(input.type);
  return dtype ? Tensor(*dtype, Shape(sizes)) : Tensor();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const onnx::Session session(onnx::parse_model(std::as_bytes(std::span(data, size)), "input"),
                                {.elements = 1 << 16, .bytes = 1 << 22, .work = 1 << 22});
    std::map<std::string, Tensor> inputs;
    for (const onnx::ValueInfo& input : session.inputs()) {
      if (session.has_default(input.name)) continue;
      Tensor value = zeros(input);
      if (!value.raw()) return 0;
      inputs[input.name] = std::move(value);
    }
    for (const Tensor& t : session.run(inputs)) {
      if (!t.raw() || !t.contiguous()) std::abort();
      crc32_of({static_cast<const std::byte*>(t.raw()), t.bytes()});  // reads every byte
    }
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::model || std::strchr(e.what(), '\n')) std::abort();
  }
  return 0;
}
