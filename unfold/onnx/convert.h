// Values in another element type.
#pragma once

#include <limits>
#include <type_traits>

#include "unfold/onnx/call.h"

namespace unfold::onnx {

/// A number in another type: fractions are cut off, what is out of range becomes the nearest there is, NaN 0.
/// To bool: whether it is not 0.
template <class To, class From>
To converted(From value) {
  if constexpr (std::is_same_v<To, bool>) {
    return value != From{};
  } else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
    if (!(value == value)) return 0;
    // 2^63 is a float, the largest int64 is none: compared with the first number beyond.
    constexpr To kHalf = std::numeric_limits<To>::max() / 2 + 1;
    const auto beyond = static_cast<From>(kHalf) * 2;
    if (value >= beyond) return std::numeric_limits<To>::max();
    if (value <= static_cast<From>(std::numeric_limits<To>::min())) return std::numeric_limits<To>::min();
    return static_cast<To>(value);
  } else {
    return static_cast<To>(value);
  }
}

/// Overwrites `to` with the elements of `from`, as many, in its own type.
void convert(const Tensor& from, Tensor& to);

/// Computes a node: where its `typed` input has 16-bit numbers and the row takes none, in float32, with the
/// outputs rounded to the type that was given. Throws model where the row does not take the type at all.
std::vector<Tensor> with_halves(const Operator& row, const std::vector<const Tensor*>& inputs,
                                FunctionRef<std::vector<Tensor>(std::span<const Tensor* const>)> compute);

}  // namespace unfold::onnx
