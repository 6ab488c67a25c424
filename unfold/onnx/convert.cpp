#include "unfold/onnx/convert.h"

#include <algorithm>
#include <deque>

#include "unfold/error.h"
#include "unfold/half.h"

namespace unfold::onnx {
namespace {

bool is_half(Dtype dtype) {
  return dtype == Dtype::f16 || dtype == Dtype::bf16;
}

/// Calls f(span of elements) in the tensor's type; 16-bit numbers are no type to compute in.
template <class F>
void with_elements(const Tensor& t, F f) {
  switch (t.dtype()) {
    case Dtype::f32:
      return f(t.span<float>());
    case Dtype::f64:
      return f(t.span<double>());
    case Dtype::i64:
      return f(t.span<int64_t>());
    case Dtype::i32:
      return f(t.span<int32_t>());
    case Dtype::u8:
      return f(t.span<uint8_t>());
    default:
      return f(t.span<bool>());
  }
}

std::span<const uint16_t> halves(const Tensor& t) {
  return {static_cast<const uint16_t*>(t.raw()), static_cast<size_t>(t.elements())};
}

template <class From>
void fill(std::span<const From> from, Tensor& to) {
  auto* const bits = static_cast<uint16_t*>(to.raw());
  switch (to.dtype()) {
    case Dtype::f16:
      std::ranges::transform(from, bits, [](From v) { return to_half(static_cast<float>(v)); });
      return;
    case Dtype::bf16:
      std::ranges::transform(from, bits, [](From v) { return to_bfloat(static_cast<float>(v)); });
      return;
    default:
      with_elements(to, [&](auto elements) {
        using To = std::remove_const_t<typename decltype(elements)::value_type>;
        std::ranges::transform(from, to.data<To>(), [](From v) { return converted<To>(v); });
      });
  }
}

Tensor in_type(const Tensor& from, Dtype dtype) {
  Tensor to(dtype, from.shape());
  convert(from, to);
  return to;
}

}  // namespace

void convert(const Tensor& from, Tensor& to) {
  if (is_half(from.dtype())) {
    std::vector<float> wide(static_cast<size_t>(from.elements()));
    std::ranges::transform(halves(from), wide.begin(), from.dtype() == Dtype::f16 ? from_half : from_bfloat);
    return fill(std::span<const float>(wide), to);
  }
  with_elements(from, [&](auto elements) {
    using From = std::remove_const_t<typename decltype(elements)::value_type>;
    fill(std::span<const From>(elements), to);
  });
}

std::vector<Tensor> with_halves(const Operator& row, const std::vector<const Tensor*>& inputs,
                                FunctionRef<std::vector<Tensor>(std::span<const Tensor* const>)> compute) {
  const auto typed = static_cast<size_t>(row.typed);
  if (row.typed < 0 || typed >= inputs.size() || !inputs[typed]) return compute(inputs);
  const Dtype dtype = inputs[typed]->dtype();
  if (takes(row.types, dtype)) return compute(inputs);
  if (!is_half(dtype) || row.types == Types::booleans) {
    throw Error(ErrorKind::usage, "input " + std::to_string(typed) + " has another type")
        .wanted(types_text(row.types))
        .got(type_text(dtype));
  }
  std::deque<Tensor> wide;
  std::vector<const Tensor*> wide_inputs = inputs;
  for (const Tensor*& input : wide_inputs) {
    if (input && is_half(input->dtype())) input = &wide.emplace_back(in_type(*input, Dtype::f32));
  }
  std::vector<Tensor> results = compute(wide_inputs);
  for (size_t i = 0; i < std::min(results.size(), static_cast<size_t>(row.wide_from)); ++i) {
    Tensor& t = results[i];
    if (t.raw() && t.dtype() == Dtype::f32) t = in_type(t, dtype);
  }
  return results;
}

}  // namespace unfold::onnx
