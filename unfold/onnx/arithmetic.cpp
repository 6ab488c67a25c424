// Arithmetic of two values and more.
#include <algorithm>
#include <functional>

#include "unfold/onnx/convert.h"
#include "unfold/onnx/elementwise.h"
#include "unfold/onnx/functions.h"

namespace unfold::onnx {

Sizes broadcast(const Call& c, std::span<const int64_t> a, std::span<const int64_t> b) {
  Sizes sizes(std::max(a.size(), b.size()));
  for (size_t i = 1; i <= sizes.size(); ++i) {
    const int64_t x = i <= a.size() ? a[a.size() - i] : 1, y = i <= b.size() ? b[b.size() - i] : 1;
    if (x != y && x != 1 && y != 1) {
      c.refuse("shapes do not fit together", "sizes that are equal or 1, from the last axis on",
               sizes_text(a) + " and " + sizes_text(b));
    }
    sizes[sizes.size() - i] = x == 1 ? y : x;
  }
  return sizes;
}

Sizes aligned_sizes(const Call& c) {
  constexpr int kNumpyBroadcasting = 7;
  Sizes b = sizes_of(c.input(1));
  if (c.opset() >= kNumpyBroadcasting) return b;
  const Sizes a = sizes_of(c.input(0));
  if (c.integer("broadcast", 0) == 0) {
    if (a != b) c.refuse("shapes differ, and `broadcast` is not set", sizes_text(a), sizes_text(b));
    return b;
  }
  const auto rank = static_cast<int64_t>(a.size()), own = static_cast<int64_t>(b.size());
  if (own > rank) c.refuse("input 1 has more axes than input 0", sizes_text(a), sizes_text(b));
  const int64_t axis = own == 0 ? 0 : c.axis(c.integer("axis", rank - own), rank);
  if (axis + own > rank) c.refuse("input 1 does not fit behind `axis`", sizes_text(a), sizes_text(b));
  b.insert(b.end(), static_cast<size_t>(rank - own - axis), 1);
  return b;
}

namespace {

template <class F>
void arithmetic(Call& c, F f) {
  for_numbers(c, c.input(0).dtype(), [&](auto zero) {
    using T = decltype(zero);
    zip<T>(c, [f](T a, T b) { return wrapping(a, b, f); });
  });
}

/// Refuses a whole number that is divided by 0.
template <class T>
void check_divisor(const Call& c) {
  if constexpr (std::is_integral_v<T>) {
    if (std::ranges::count(c.input(1).span<T>(), T{0}) > 0) c.refuse("a whole number is divided by 0");
  }
}

/// x to the power of n, wrapping around.
template <class T>
T whole_power(T x, uint64_t n) {
  T product = 1;
  for (; n > 0; n >>= 1U) {
    if (n & 1U) product = wrapping(product, x, std::multiplies<>());
    x = wrapping(x, x, std::multiplies<>());
  }
  return product;
}

template <class T>
T power(T x, T exponent) {
  if constexpr (std::is_integral_v<T>) {
    if (exponent >= 0) return whole_power(x, static_cast<uint64_t>(exponent));
    return converted<T>(std::pow(static_cast<double>(x), static_cast<double>(exponent)));
  } else {
    return exponent == 2 ? x * x : std::pow(x, exponent);
  }
}

/// Output 0: inputs of one type put together one after the other.
template <class F>
void together(Call& c, F f) {
  for_numbers(c, c.input(0).dtype(), [&](auto zero) {
    using T = decltype(zero);
    Tensor y = c.input(0);
    for (size_t i = 1; i < c.inputs(); ++i) {
      c.same_type(0, i);
      const Tensor& x = c.input(i);
      y = zip<T, T, T>(c, y, y.shape().sizes(), x, x.shape().sizes(), [f](T a, T b) { return f(a, b); });
    }
    c.output(0, std::move(y));
  });
}

}  // namespace

namespace ops {

void add(Call& c) {
  arithmetic(c, std::plus<>());
}
void sub(Call& c) {
  arithmetic(c, std::minus<>());
}
void mul(Call& c) {
  arithmetic(c, std::multiplies<>());
}

void div(Call& c) {
  for_numbers(c, c.input(0).dtype(), [&](auto zero) {
    using T = decltype(zero);
    c.same_type(0, 1);
    check_divisor<T>(c);
    zip<T>(c, [](T a, T b) {
      if constexpr (std::is_signed_v<T> && std::is_integral_v<T>) {
        if (b == -1) return wrapping(T{0}, a, std::minus<>());  // the least number has no opposite
      }
      return static_cast<T>(a / b);
    });
  });
}

/// The remainder has the divisor's sign, or the dividend's where `fmod` is set.
void mod(Call& c) {
  const bool truncates = c.integer("fmod", 0) != 0;
  for_numbers(c, c.input(0).dtype(), [&](auto zero) {
    using T = decltype(zero);
    c.same_type(0, 1);
    check_divisor<T>(c);
    zip<T>(c, [truncates](T a, T b) {
      T rest = 0;
      if constexpr (std::is_integral_v<T>) {
        // -1 leaves nothing, and the least number by it overflows.
        if (!std::is_signed_v<T> || b != static_cast<T>(-1)) rest = static_cast<T>(a % b);
      } else {
        rest = std::fmod(a, b);
      }
      return !truncates && rest != 0 && (rest < 0) != (b < 0) ? static_cast<T>(rest + b) : rest;
    });
  });
}

void pow(Call& c) {
  const Tensor &x = c.input(0), &e = c.input(1);
  for_numbers(c, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    if (x.dtype() == e.dtype()) return zip<T>(c, power<T>);
    if (!takes(Types::numbers, e.dtype())) {
      c.refuse("the exponent has another type", types_text(Types::numbers), type_text(e.dtype()));
    }
    Tensor exponents = c.make(Dtype::f64, e.shape().sizes());
    convert(e, exponents);
    c.output(0, zip<T, double, T>(c, x, x.shape().sizes(), exponents, aligned_sizes(c), [](T a, double b) {
               return converted<T>(std::pow(static_cast<double>(a), b));
             }));
  });
}

void sum(Call& c) {
  together(c, [](auto a, auto b) { return wrapping(a, b, std::plus<>()); });
}
// NaN wins.
void max(Call& c) {
  together(c, [](auto a, auto b) { return a >= b || a != a ? a : b; });
}
void min(Call& c) {
  together(c, [](auto a, auto b) { return a <= b || a != a ? a : b; });
}

void mean(Call& c) {
  for_floats(c, c.input(0).dtype(), [&](auto zero) {
    using T = decltype(zero);
    sum(c);
    const Tensor total = c.results()[0];
    map<T>(c, total, [n = static_cast<T>(c.inputs())](T v) { return v / n; });
  });
}

/// x where it is positive, else slope * x. Before opset 7 a list of slopes is one for each channel.
void p_relu(Call& c) {
  const Tensor &x = c.input(0), &slope = c.input(1);
  c.same_type(0, 1);
  Sizes sizes = sizes_of(slope);
  if (c.opset() < 7 && sizes.size() == 1 && x.shape().rank() > 2) {
    sizes.insert(sizes.end(), static_cast<size_t>(x.shape().rank() - 2), 1);
  }
  if (broadcast(c, x.shape().sizes(), sizes) != sizes_of(x)) {
    c.refuse("the slopes do not fit the input", x.shape().text(), slope.shape().text());
  }
  for_numbers(c, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    c.output(0, zip<T, T, T>(c, x, x.shape().sizes(), slope, sizes,
                             [](T v, T s) { return v < 0 ? wrapping(v, s, std::multiplies<>()) : v; }));
  });
}

}  // namespace ops
}  // namespace unfold::onnx
