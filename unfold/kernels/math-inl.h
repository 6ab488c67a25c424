// Vector exp, tanh and sigmoid, compiled once for each target by the files that include this behind
// <hwy/foreach_target.h>. Accuracy in ulp: unfold/kernels/activation.h.
#if defined(UNFOLD_KERNELS_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef UNFOLD_KERNELS_MATH_INL_H_
#undef UNFOLD_KERNELS_MATH_INL_H_
#else
#define UNFOLD_KERNELS_MATH_INL_H_
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace unfold::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// exp(x) = 2^n * exp(r) with n = round(x / ln 2) and |r| <= ln(2)/2. ln 2 is taken in two parts (Cody and
/// Waite), so that r is exact to float; exp(r) is its degree-7 Taylor sum (remainder 7e-9 of exp(r)).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Exp(D d, V x) {
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

/// tanh|x| = t / (t + 2) with t = exp(2|x|) - 1 = 2^n * (exp(r) - 1) + (2^n - 1), 2|x| = n ln 2 + r: no
/// branch, and for small x, where n = 0, no cancellation. exp(r) - 1 is its degree-7 Taylor sum. Beyond 10
/// the result is 1.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Tanh(D d, V x) {
  const hn::RebindToSigned<D> di;
  const V magnitude = hn::Abs(x), most = hn::Set(d, 10.0f);
  const V bounded = hn::IfThenElse(hn::Gt(magnitude, most), most, magnitude);  // NaN stays
  const V twice = hn::Add(bounded, bounded);
  const V n = hn::Round(hn::Mul(twice, hn::Set(d, 1.44269504f)));
  V r = hn::NegMulAdd(n, hn::Set(d, 0.693359375f), twice);
  r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), r);
  V p = hn::Set(d, 1.0f / 5040);
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 720));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 120));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 24));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 6));
  p = hn::MulAdd(p, r, hn::Set(d, 0.5f));
  p = hn::MulAdd(hn::Mul(p, r), r, r);
  const V power = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(hn::ConvertTo(di, n), hn::Set(di, 127))));
  const V t = hn::MulAdd(power, p, hn::Sub(power, hn::Set(d, 1.0f)));
  return hn::CopySign(hn::Div(t, hn::Add(t, hn::Set(d, 2.0f))), x);  // -0 stays -0
}

template <class D, class V = hn::Vec<D>>
HWY_INLINE V Sigmoid(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  return hn::Div(one, hn::Add(one, Exp(d, hn::Neg(x))));
}

}  // namespace unfold::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
