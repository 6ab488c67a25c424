#include "unfold/kernels/activation.h"

#include <algorithm>
#include <cmath>

#include "unfold/kernels/simd.h"
#include "unfold/kernels/sum.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/activation.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace unfold::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

/// exp(x) = 2^n * exp(r) with n = round(x / ln 2) and |r| <= ln(2)/2. ln 2 is taken in two parts (Cody and
/// Waite), so that r is exact to float; exp(r) is its degree-7 Taylor sum (remainder 7e-9 of exp(r)).
HWY_INLINE V Exp(V x) {
  const D d;
  const hn::RebindToSigned<D> di;
  const V bounded = hn::Max(hn::Min(x, hn::Set(d, 89.0f)), hn::Set(d, -104.0f));
  const V n = hn::Round(hn::Mul(bounded, hn::Set(d, 1.44269504f)));
  V r = hn::NegMulAdd(n, hn::Set(d, 0.693359375f), bounded);
  r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), r);
  V p = hn::Set(d, 1.0f / 5040);
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 720));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 120));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 24));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 6));
  p = hn::MulAdd(p, r, hn::Set(d, 0.5f));
  p = hn::Add(hn::MulAdd(hn::Mul(p, r), r, r), hn::Set(d, 1.0f));
  // 2^n in two factors: n reaches 128 and -150, outside what one float's exponent holds.
  const auto whole = hn::ConvertTo(di, n);
  const auto half = hn::ShiftRight<1>(whole);
  const auto bias = hn::Set(di, 127);
  const V a = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(half, bias)));
  const V b = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(hn::Sub(whole, half), bias)));
  return hn::IfThenElse(hn::IsNaN(x), x, hn::Mul(hn::Mul(p, a), b));
}

/// |x| < 0.625: the odd polynomial x + x^3 P(x^2) of Cephes' tanhf (S. Moshier). Beyond: 1 - 2 / (exp(2|x|) +
/// 1).
HWY_INLINE V Tanh(V x) {
  const D d;
  const V magnitude = hn::Abs(x);
  const V square = hn::Mul(x, x);
  V p = hn::Set(d, -5.70498872745e-3f);
  p = hn::MulAdd(p, square, hn::Set(d, 2.06390887954e-2f));
  p = hn::MulAdd(p, square, hn::Set(d, -5.37397155531e-2f));
  p = hn::MulAdd(p, square, hn::Set(d, 1.33314422036e-1f));
  p = hn::MulAdd(p, square, hn::Set(d, -3.33332819422e-1f));
  const V small = hn::MulAdd(hn::Mul(p, square), x, x);
  const V grown = Exp(hn::Add(hn::Min(magnitude, hn::Set(d, 10.0f)), hn::Min(magnitude, hn::Set(d, 10.0f))));
  const V one = hn::Set(d, 1.0f);
  const V large = hn::Sub(one, hn::Div(hn::Set(d, 2.0f), hn::Add(grown, one)));
  const V y = hn::IfThenElse(hn::Lt(magnitude, hn::Set(d, 0.625f)), small, large);
  return hn::IfThenElse(hn::IsNaN(x), x, hn::CopySign(y, x));  // -0 stays -0
}

HWY_INLINE V Sigmoid(V x) {
  const D d;
  const V one = hn::Set(d, 1.0f);
  return hn::Div(one, hn::Add(one, Exp(hn::Neg(x))));
}

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
  Each(n, x, y, [s](V v) { return hn::Mul(s, Tanh(v)); });
}

void SigmoidForward(int64_t n, const float* x, float* y) {
  Each(n, x, y, [](V v) { return Sigmoid(v); });
}

void ExpForward(int64_t n, const float* x, float* y) {
  Each(n, x, y, [](V v) { return Exp(v); });
}

}  // namespace unfold::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold {

HWY_EXPORT(TanhForward);
HWY_EXPORT(SigmoidForward);
HWY_EXPORT(ExpForward);

void tanh_forward(int64_t n, const float* x, float scale, float* y) {
  HWY_DYNAMIC_DISPATCH(TanhForward)(n, x, scale, y);
}

void tanh_backward(int64_t n, const float* y, const float* dy, float scale, float* dx) {
  const float inverse = 1 / scale;
  for (int64_t i = 0; i < n; ++i) dx[i] = dy[i] * (scale - y[i] * y[i] * inverse);
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

void cross_entropy(int64_t n, int64_t classes, const float* x, const uint8_t* label, float scale,
                   double* loss, float* dx) {
  for (int64_t r = 0; r < n; ++r, x += classes, dx += classes) {
    const float largest = *std::max_element(x, x + classes);
    const double margin = static_cast<double>(x[label[r]]) - static_cast<double>(largest);
    const float total = exp_row(classes, x, dx, largest);
    loss[r] = std::log(static_cast<double>(total)) - margin;  // a figure to show: it steers no weight
    for (int64_t c = 0; c < classes; ++c) dx[c] = scale * (dx[c] / total - (c == label[r] ? 1.0f : 0.0f));
  }
}

}  // namespace unfold
#endif  // HWY_ONCE
