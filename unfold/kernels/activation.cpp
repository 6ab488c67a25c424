#include "unfold/kernels/activation.h"

#include <algorithm>
#include <cmath>

#include "unfold/kernels/simd.h"
#include "unfold/kernels/sum.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/activation.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "unfold/kernels/each_vector-inl.h"
#include "unfold/kernels/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace unfold::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

/// y[i] = f(x[i]) over whole vectors; the rest goes through a full vector of its own.
template <class F>
HWY_INLINE void Each(int64_t n, const float* x, float* y, F f) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(f(hn::LoadU(d, x + i)), d, y + i);
  if (i == n) return;
  HWY_ALIGN float edge[HWY_MAX_BYTES / sizeof(float)] = {};
  std::copy(x + i, x + n, edge);
  hn::Store(f(hn::Load(d, edge)), d, edge);
  std::copy(edge, edge + (n - i), y + i);
}

void TanhForward(int64_t n, const float* x, float scale, float* y) {
  const V s = hn::Set(D(), scale);
  Each(n, x, y, [s](V v) { return hn::Mul(s, Tanh(D(), v)); });
}

void SigmoidForward(int64_t n, const float* x, float* y) {
  Each(n, x, y, [](V v) { return Sigmoid(D(), v); });
}

void ExpForward(int64_t n, const float* x, float* y) {
  Each(n, x, y, [](V v) { return Exp(D(), v); });
}

void ReluBackward(int64_t n, const float* y, const float* dy, float* dx) {
  EachVector(n, [=](auto d, int64_t i) {
    const auto on = hn::Gt(hn::LoadU(d, y + i), hn::Zero(d));
    hn::StoreU(hn::IfThenElseZero(on, hn::LoadU(d, dy + i)), d, dx + i);
  });
}

}  // namespace unfold::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold {

HWY_EXPORT(TanhForward);
HWY_EXPORT(SigmoidForward);
HWY_EXPORT(ExpForward);
HWY_EXPORT(ReluBackward);

void tanh_forward(int64_t n, const float* x, float scale, float* y) {
  HWY_DYNAMIC_DISPATCH(TanhForward)(n, x, scale, y);
}

void tanh_backward(int64_t n, const float* y, const float* dy, float scale, float* dx) {
  const float inverse = 1 / scale;
  for (int64_t i = 0; i < n; ++i) dx[i] = dy[i] * (scale - y[i] * y[i] * inverse);
}

void relu_backward(int64_t n, const float* y, const float* dy, float* dx) {
  HWY_DYNAMIC_DISPATCH(ReluBackward)(n, y, dy, dx);
}

void sigmoid_forward(int64_t n, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(SigmoidForward)(n, x, y);
}

void exp_forward(int64_t n, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(ExpForward)(n, x, y);
}

namespace {

/// y[c] <- exp(x[c] - largest); returns their sum.
float exp_row(int64_t classes, const float* x, float* y, float largest) {
  for (int64_t c = 0; c < classes; ++c) y[c] = x[c] - largest;
  exp_forward(classes, y, y);
  return sum(classes, y);
}

}  // namespace

void softmax_forward(int64_t n, int64_t classes, const float* x, float* y) {
  for (int64_t r = 0; r < n; ++r, x += classes, y += classes) {
    const float total = exp_row(classes, x, y, *std::max_element(x, x + classes));
    for (int64_t c = 0; c < classes; ++c) y[c] /= total;
  }
}

void cross_entropy(int64_t n, int64_t classes, const float* x, const Targets& targets, float scale,
                   double* loss, float* dx) {
  for (int64_t r = 0; r < n; ++r, x += classes, dx += classes) {
    const float largest = *std::max_element(x, x + classes);
    const Targets::Row t = targets.row(r, classes);
    const auto above = [&](int64_t c) { return static_cast<double>(x[c]) - static_cast<double>(largest); };
    double margin = t.one * above(t.first) + t.two * above(t.second);  // the target's mean logit
    for (int64_t c = 0; t.each > 0 && c < classes; ++c) margin += t.each * above(c);
    const float total = exp_row(classes, x, dx, largest);
    loss[r] = std::log(static_cast<double>(total)) - margin;  // a figure to show: it steers no weight
    for (int64_t c = 0; c < classes; ++c) dx[c] = scale * (dx[c] / total - static_cast<float>(t.at(c)));
  }
}

}  // namespace unfold
#endif  // HWY_ONCE
