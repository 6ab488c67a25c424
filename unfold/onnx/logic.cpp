// Comparisons, truth values and what depends on them.
#include <algorithm>
#include <cstring>
#include <functional>

#include "unfold/onnx/convert.h"
#include "unfold/onnx/elementwise.h"
#include "unfold/onnx/functions.h"

namespace unfold::onnx::ops {
namespace {

template <class F>
void compare(Call& c, F f) {
  for_numbers(c, c.input(0).dtype(), [&](auto zero) { zip<decltype(zero), bool>(c, f); });
}

template <class F>
void combine(Call& c, F f) {
  zip<bool>(c, f);
}

}  // namespace

void equal(Call& c) {
  if (c.input(0).dtype() == Dtype::boolean) return combine(c, std::equal_to<>());
  compare(c, std::equal_to<>());
}
void less(Call& c) {
  compare(c, std::less<>());
}
void less_or_equal(Call& c) {
  compare(c, std::less_equal<>());
}
void greater(Call& c) {
  compare(c, std::greater<>());
}
void greater_or_equal(Call& c) {
  compare(c, std::greater_equal<>());
}

void logical_and(Call& c) {
  combine(c, [](bool a, bool b) { return a && b; });
}
void logical_or(Call& c) {
  combine(c, [](bool a, bool b) { return a || b; });
}
void logical_xor(Call& c) {
  combine(c, [](bool a, bool b) { return a != b; });
}
void logical_not(Call& c) {
  map<bool>(c, c.input(0), [](bool x) { return !x; });
}

void is_nan(Call& c) {
  for_floats(c, c.input(0).dtype(), [&](auto zero) {
    using T = decltype(zero);
    map<T, bool>(c, c.input(0), [](T x) { return std::isnan(x); });
  });
}
void is_inf(Call& c) {
  const bool positive = c.integer("detect_positive", 1) != 0, negative = c.integer("detect_negative", 1) != 0;
  for_floats(c, c.input(0).dtype(), [&](auto zero) {
    using T = decltype(zero);
    map<T, bool>(c, c.input(0), [=](T x) { return std::isinf(x) && (x > 0 ? positive : negative); });
  });
}

/// Elements of input 1 where input 0 is true, else of input 2.
void where(Call& c) {
  const Tensor &condition = c.input(0), &x = c.input(1), &y = c.input(2);
  c.same_type(1, 2);
  if (condition.dtype() != Dtype::boolean)
    c.refuse("input 0 has another type", "bool", type_text(condition.dtype()));
  const Sizes both = broadcast(c, x.shape().sizes(), y.shape().sizes());
  const Sizes sizes = broadcast(c, condition.shape().sizes(), both);
  Tensor z = c.make(x.dtype(), sizes);
  const Walk<4> walk(
      sizes, {contiguous_strides(sizes), broadcast_strides(condition.shape().sizes(), sizes),
              broadcast_strides(x.shape().sizes(), sizes), broadcast_strides(y.shape().sizes(), sizes)});
  const auto size = static_cast<int64_t>(dtype_size(x.dtype()));
  const auto [sz, sc, sx, sy] = walk.steps();
  auto* to = static_cast<std::byte*>(z.raw());
  const auto *from_x = static_cast<const std::byte*>(x.raw()),
             *from_y = static_cast<const std::byte*>(y.raw());
  walk.rows([&](const auto& at) {
    for (int64_t i = 0; i < walk.row_size(); ++i) {
      const bool first = condition.data<bool>()[at[1] + i * sc];
      std::memcpy(to + size * (at[0] + i * sz),
                  first ? from_x + size * (at[2] + i * sx) : from_y + size * (at[3] + i * sy),
                  static_cast<size_t>(size));
    }
  });
  c.output(0, std::move(z));
}

// Types.

void cast(Call& c) {
  const auto type = static_cast<int32_t>(std::clamp<int64_t>(c.integer("to"), -1, 1000));
  const auto dtype = dtype_of(type);
  if (!dtype) c.refuse("a type that is not known here", types_text(Types::any), type_name(type));
  Tensor y = c.make(*dtype, c.input(0).shape().sizes());
  convert(c.input(0), y);
  c.output(0, std::move(y));
}

void cast_like(Call& c) {
  Tensor y = c.make(c.input(1).dtype(), c.input(0).shape().sizes());
  convert(c.input(0), y);
  c.output(0, std::move(y));
}

}  // namespace unfold::onnx::ops
