#include "unfold/kernels/reference/pointwise.h"

#include <algorithm>
#include <cmath>

namespace unfold::reference {
namespace {

template <class T>
T sigmoid(T x) {
  return 1 / (1 + std::exp(-x));
}

template <class T>
T value(Pointwise kind, T a, T b, T x) {
  switch (kind) {
    case Pointwise::leaky_relu:
      return x > 0 ? x : a * x;
    case Pointwise::elu:
      return x > 0 ? x : a * std::expm1(x);
    case Pointwise::hard_sigmoid:
      return std::max(T{0}, std::min(T{1}, a * x + b));
    case Pointwise::hard_swish:
      return x * std::max(T{0}, std::min(T{1}, (x + 3) / 6));
    case Pointwise::silu:
      return x * sigmoid(x);
    case Pointwise::clip:
      return std::max(a, std::min(b, x));
    case Pointwise::softplus:
      return std::max(x, T{0}) + std::log1p(std::exp(-std::abs(x)));
    case Pointwise::selu:
      return b * (x > 0 ? x : a * std::expm1(x));
    case Pointwise::softsign:
      return x / (1 + std::abs(x));
  }
  return x;
}

template <class T>
T slope(Pointwise kind, T a, T b, T x) {
  switch (kind) {
    case Pointwise::leaky_relu:
      return x > 0 ? T{1} : a;
    case Pointwise::elu:
      return x > 0 ? T{1} : a * std::exp(x);
    case Pointwise::hard_sigmoid:
      return a * x + b > 0 && a * x + b < 1 ? a : T{0};
    case Pointwise::hard_swish:
      return x <= -3 ? T{0} : x >= 3 ? T{1} : (2 * x + 3) / 6;
    case Pointwise::silu:
      return sigmoid(x) * (1 + x * (1 - sigmoid(x)));
    case Pointwise::clip:
      return x > a && x < b ? T{1} : T{0};
    case Pointwise::softplus:
      return sigmoid(x);
    case Pointwise::selu:
      return b * (x > 0 ? T{1} : a * std::exp(x));
    case Pointwise::softsign:
      return 1 / ((1 + std::abs(x)) * (1 + std::abs(x)));
  }
  return 1;
}

}  // namespace

template <class T>
void pointwise_forward(const PointwiseFunction& f, int64_t n, const T* x, T* y) {
  const T a = static_cast<T>(f.a), b = static_cast<T>(f.b);
  for (int64_t i = 0; i < n; ++i) y[i] = std::isnan(x[i]) ? x[i] : value(f.kind, a, b, x[i]);
}

template <class T>
void pointwise_backward(const PointwiseFunction& f, int64_t n, const T* x, const T* dy, T* dx) {
  const T a = static_cast<T>(f.a), b = static_cast<T>(f.b);
  for (int64_t i = 0; i < n; ++i) dx[i] = std::isnan(x[i]) ? x[i] : dy[i] * slope(f.kind, a, b, x[i]);
}

template void pointwise_forward(const PointwiseFunction&, int64_t, const float*, float*);
template void pointwise_forward(const PointwiseFunction&, int64_t, const double*, double*);
template void pointwise_backward(const PointwiseFunction&, int64_t, const float*, const float*, float*);
template void pointwise_backward(const PointwiseFunction&, int64_t, const double*, const double*, double*);

}  // namespace unfold::reference
