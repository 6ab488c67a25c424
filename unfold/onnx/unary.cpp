// Functions of one value, element by element.
#include <algorithm>
#include <functional>
#include <numbers>

#include "unfold/kernels/activation.h"
#include "unfold/onnx/convert.h"
#include "unfold/onnx/elementwise.h"
#include "unfold/onnx/functions.h"

namespace unfold::onnx::ops {
namespace {

/// f for input 0 of any number; where whole numbers wrap around, they do.
template <class F>
void map_numbers(Call& c, F f) {
  for_numbers(c, c.input(0).dtype(), [&](auto zero) { map<decltype(zero)>(c, c.input(0), f); });
}

/// Floats by a kernel of this library, doubles by f.
template <class Kernel, class F>
void map_by_kernel(Call& c, Kernel kernel, F f) {
  const Tensor& x = c.input(0);
  if (x.dtype() != Dtype::f32) return map_floats(c, f);
  Tensor y = c.make(Dtype::f32, x.shape().sizes());
  const float* from = x.data<float>();
  float* to = y.data<float>();
  c.each_range(x.elements(), kTask,
               [&](int64_t begin, int64_t end) { kernel(end - begin, from + begin, to + begin); });
  c.output(0, std::move(y));
}

/// An attribute as a number of x's type.
template <class T>
T as(double value, T /*x*/) {
  return static_cast<T>(value);
}

constexpr auto kSigmoid = [](auto x) { return 1 / (1 + std::exp(-x)); };
/// log(1 + exp(x)), of which exp(x) alone would overflow.
constexpr auto kSoftplus = [](auto x) {
  return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
};

}  // namespace

void abs(Call& c) {
  map_numbers(c, [](auto x) { return x < 0 ? wrapping(decltype(x){0}, x, std::minus<>()) : x; });
}
void neg(Call& c) {
  for_numbers(c, c.input(0).dtype(), [&](auto zero) {
    using T = decltype(zero);
    map<T>(c, c.input(0), [](T x) {
      if constexpr (std::is_integral_v<T>) {
        return wrapping(T{0}, x, std::minus<>());
      } else {
        return -x;
      }
    });
  });
}
void sign(Call& c) {
  map_numbers(c, [](auto x) { return static_cast<decltype(x)>((x > 0) - (x < 0)); });
}
void floor(Call& c) {
  map_floats(c, [](auto x) { return std::floor(x); });
}
void ceil(Call& c) {
  map_floats(c, [](auto x) { return std::ceil(x); });
}
/// Halves to the even neighbour.
void round(Call& c) {
  map_floats(c, [](auto x) { return std::nearbyint(x); });
}
void reciprocal(Call& c) {
  map_floats(c, [](auto x) { return 1 / x; });
}
void sqrt(Call& c) {
  map_floats(c, [](auto x) { return std::sqrt(x); });
}
void exp(Call& c) {
  map_floats(c, [](auto x) { return std::exp(x); });
}
void log(Call& c) {
  map_floats(c, [](auto x) { return std::log(x); });
}
void erf(Call& c) {
  map_floats(c, [](auto x) { return std::erf(x); });
}
void sin(Call& c) {
  map_floats(c, [](auto x) { return std::sin(x); });
}
void cos(Call& c) {
  map_floats(c, [](auto x) { return std::cos(x); });
}
void tan(Call& c) {
  map_floats(c, [](auto x) { return std::tan(x); });
}
void asin(Call& c) {
  map_floats(c, [](auto x) { return std::asin(x); });
}
void acos(Call& c) {
  map_floats(c, [](auto x) { return std::acos(x); });
}
void atan(Call& c) {
  map_floats(c, [](auto x) { return std::atan(x); });
}
void sinh(Call& c) {
  map_floats(c, [](auto x) { return std::sinh(x); });
}
void cosh(Call& c) {
  map_floats(c, [](auto x) { return std::cosh(x); });
}
void asinh(Call& c) {
  map_floats(c, [](auto x) { return std::asinh(x); });
}
void acosh(Call& c) {
  map_floats(c, [](auto x) { return std::acosh(x); });
}
void atanh(Call& c) {
  map_floats(c, [](auto x) { return std::atanh(x); });
}

void relu(Call& c) {
  map_numbers(c, [](auto x) { return x < 0 ? decltype(x){0} : x; });
}
void leaky_relu(Call& c) {
  map_floats(c, [a = c.real("alpha", 0.01)](auto x) { return x < 0 ? as(a, x) * x : x; });
}
void thresholded_relu(Call& c) {
  map_floats(c, [a = c.real("alpha", 1)](auto x) { return x > as(a, x) ? x : 0; });
}
void elu(Call& c) {
  map_floats(c, [a = c.real("alpha", 1)](auto x) { return x < 0 ? as(a, x) * std::expm1(x) : x; });
}
void celu(Call& c) {
  map_floats(c, [a = c.real("alpha", 1)](auto x) { return x < 0 ? as(a, x) * std::expm1(x / as(a, x)) : x; });
}
/// The defaults are the nearest floats to the paper's numbers.
void selu(Call& c) {
  const double a = c.real("alpha", 1.67326319217681884765625), g = c.real("gamma", 1.05070102214813232421875);
  map_floats(c, [=](auto x) { return as(g, x) * (x < 0 ? as(a, x) * std::expm1(x) : x); });
}
void shrink(Call& c) {
  const double lambda = c.real("lambd", 0.5), bias = c.real("bias", 0);
  map_floats(c, [=](auto x) {
    return x < as(-lambda, x) ? x + as(bias, x) : x > as(lambda, x) ? x - as(bias, x) : 0;
  });
}
void tanh(Call& c) {
  map_by_kernel(
      c, [](int64_t n, const float* x, float* y) { tanh_forward(n, x, 1, y); },
      [](auto x) { return std::tanh(x); });
}
void sigmoid(Call& c) {
  map_by_kernel(c, sigmoid_forward, kSigmoid);
}
void hard_sigmoid(Call& c) {
  const double a = c.real("alpha", 0.2), b = c.real("beta", 0.5);
  map_floats(c, [=](auto x) { return std::clamp<decltype(x)>(as(a, x) * x + as(b, x), 0, 1); });
}
void hard_swish(Call& c) {
  map_floats(c, [](auto x) { return x * std::clamp<decltype(x)>(x / 6 + as(0.5, x), 0, 1); });
}
void swish(Call& c) {
  map_floats(c, [a = c.real("alpha", 1)](auto x) { return x * kSigmoid(as(a, x) * x); });
}
void softplus(Call& c) {
  map_floats(c, kSoftplus);
}
void softsign(Call& c) {
  map_floats(c, [](auto x) { return x / (1 + std::abs(x)); });
}
void mish(Call& c) {
  map_floats(c, [](auto x) { return x * std::tanh(kSoftplus(x)); });
}
void gelu(Call& c) {
  constexpr std::string_view kWays[] = {"none", "tanh"};
  if (c.text("approximate", "none", kWays) == "none") {
    return map_floats(c, [](auto x) { return x * (1 + std::erf(x / as(std::numbers::sqrt2, x))) / 2; });
  }
  map_floats(c, [](auto x) {
    const auto inner = as(std::sqrt(2 / std::numbers::pi), x) * (x + as(0.044715, x) * x * x * x);
    return x * (1 + std::tanh(inner)) / 2;
  });
}

/// Bounds as attributes before opset 11, later as inputs; a lower bound above the upper one gives way.
void clip(Call& c) {
  const Tensor& x = c.input(0);
  for_numbers(c, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    using Range = std::numeric_limits<T>;
    T low = Range::lowest(), high = Range::max();
    if constexpr (std::is_floating_point_v<T>) low = -Range::infinity(), high = Range::infinity();
    if (c.attribute<float>("min")) low = converted<T>(c.real("min", 0));
    if (c.attribute<float>("max")) high = converted<T>(c.real("max", 0));
    const auto bound = [&](size_t i, T& to) {
      if (!c.given(i)) return;
      c.same_type(0, i);
      if (c.input(i).elements() != 1)
        c.refuse("a bound is no single number", "()", c.input(i).shape().text());
      to = *c.input(i).data<T>();
    };
    bound(1, low);
    bound(2, high);
    map<T>(c, x, [low, high](T v) {
      v = v < low ? low : v;
      return v > high ? high : v;
    });
  });
}

}  // namespace unfold::onnx::ops
