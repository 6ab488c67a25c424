// How functions are applied to every element: of one value, or of two that are broadcast to one shape.
#pragma once

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "unfold/onnx/call.h"
#include "unfold/onnx/walk.h"

namespace unfold::onnx {

/// Calls f(T{}) with the element type; the call's row says which there are.
template <class F>
void for_floats(const Call& c, Dtype dtype, F f) {
  if (dtype == Dtype::f32) return f(float{});
  if (dtype == Dtype::f64) return f(double{});
  c.refuse("values have another type", types_text(Types::floats), type_text(dtype));
}
template <class F>
void for_numbers(const Call& c, Dtype dtype, F f) {
  if (dtype == Dtype::f32) return f(float{});
  if (dtype == Dtype::f64) return f(double{});
  if (dtype == Dtype::i64) return f(int64_t{});
  if (dtype == Dtype::i32) return f(int32_t{});
  if (dtype == Dtype::u8) return f(uint8_t{});
  c.refuse("values have another type", types_text(Types::numbers), type_text(dtype));
}

/// Whole numbers that are too large wrap around, as two's complement does; in C++ that is defined for
/// unsigned ones only.
template <class T, class F>
T wrapping(T a, T b, F f) {
  if constexpr (std::is_integral_v<T>) {
    using U = std::make_unsigned_t<std::common_type_t<T, int32_t>>;
    return static_cast<T>(f(static_cast<U>(a), static_cast<U>(b)));
  } else {
    return f(a, b);
  }
}

/// Elements of work that are worth a thread.
inline constexpr int64_t kTask = 16384;

/// Output 0, of R: f of each element of x, of type T.
template <class T, class R = T, class F>
void map(Call& c, const Tensor& x, F f) {
  Tensor y = c.make(dtype_of<R>(), x.shape().sizes());
  const T* from = x.data<T>();
  R* to = y.data<R>();
  c.each_range(x.elements(), kTask, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) to[i] = f(from[i]);
  });
  c.output(0, std::move(y));
}

/// The same for input 0 of any floating-point type.
template <class F>
void map_floats(Call& c, F f) {
  for_floats(c, c.input(0).dtype(), [&](auto zero) { map<decltype(zero)>(c, c.input(0), f); });
}

/// The sizes that a and b are broadcast to, aligned at the last axis.
Sizes broadcast(const Call& c, std::span<const int64_t> a, std::span<const int64_t> b);

/// The sizes of input 1 as the forms before opset 7 align it with input 0 (attributes `broadcast` and
/// `axis`); from 7 on its own.
Sizes aligned_sizes(const Call& c);

/// The tensor of R that f makes of each pair of elements of a and b, of A and B, whose sizes are those given.
template <class A, class B, class R, class F>
Tensor zip(const Call& c, const Tensor& a, std::span<const int64_t> a_sizes, const Tensor& b,
           std::span<const int64_t> b_sizes, F f) {
  const Sizes sizes = broadcast(c, a_sizes, b_sizes);
  Tensor y = c.make(dtype_of<R>(), sizes);
  const Walk<3> walk(sizes, {contiguous_strides(sizes), broadcast_strides(a_sizes, sizes),
                             broadcast_strides(b_sizes, sizes)});
  const A* x0 = a.data<A>();
  const B* x1 = b.data<B>();
  R* to = y.data<R>();
  const int64_t n = walk.row_size();
  const auto [sy, sa, sb] = walk.steps();
  c.each_range(walk.row_count(), kTask / std::max<int64_t>(n, 1) + 1, [&](int64_t begin, int64_t end) {
    walk.rows(begin, end, [&](const auto& at) {
      R* out = to + at[0];
      const A* p = x0 + at[1];
      const B* q = x1 + at[2];
      if (sa == 1 && sb == 1) {
        for (int64_t i = 0; i < n; ++i) out[i] = f(p[i], q[i]);
      } else if (sa == 1 && sb == 0) {
        for (int64_t i = 0; i < n; ++i) out[i] = f(p[i], *q);
      } else {
        for (int64_t i = 0; i < n; ++i) out[i] = f(p[i * sa], q[i * sb]);
      }
    });
  });
  return y;
}

/// Output 0: f of inputs 0 and 1, both of T.
template <class T, class R = T, class F>
void zip(Call& c, F f) {
  c.same_type(0, 1);
  c.output(0, zip<T, T, R>(c, c.input(0), c.input(0).shape().sizes(), c.input(1), aligned_sizes(c), f));
}

}  // namespace unfold::onnx
