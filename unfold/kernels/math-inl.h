// Vector exp, log, tanh and sigmoid, compiled once for each target by the files that include this behind
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

/// log(x) of normal x > 0: x = 2^n m with sqrt(1/2) <= m < sqrt(2), log m = 2 artanh(s) with s = (m-1)/(m+1),
/// whose series ends at s^11 (|s| < 0.172: remainder 3e-10 of log m). Zero, denormals, negative numbers and
/// NaN give anything.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Log(D d, V x) {
  const hn::RebindToSigned<D> di;
  const auto one = hn::Set(di, 0x3f800000), half = hn::Set(di, 0x3f3504f3);  // sqrt(1/2)
  const auto bits = hn::Sub(hn::BitCast(di, x), half);
  const auto exponent = hn::ShiftRight<23>(bits);
  const V m = hn::BitCast(d, hn::Add(hn::And(bits, hn::Set(di, 0x007fffff)), half));
  const V n = hn::ConvertTo(d, exponent), unit = hn::BitCast(d, one);
  const V s = hn::Div(hn::Sub(m, unit), hn::Add(m, unit)), u = hn::Mul(s, s);
  V p = hn::Set(d, 1.0f / 11);
  p = hn::MulAdd(p, u, hn::Set(d, 1.0f / 9));
  p = hn::MulAdd(p, u, hn::Set(d, 1.0f / 7));
  p = hn::MulAdd(p, u, hn::Set(d, 1.0f / 5));
  p = hn::MulAdd(p, u, hn::Set(d, 1.0f / 3));
  const V twice = hn::Add(s, s);
  V low = hn::MulAdd(hn::Mul(p, u), twice, hn::Mul(n, hn::Set(d, -2.12194440e-4f)));
  low = hn::Add(low, twice);
  return hn::MulAdd(n, hn::Set(d, 0.693359375f), low);
}

/// x P(x^2) / Q(x^2) for |x| <= 8, beyond it 1 (tanh 8 is 2.3e-7 below). P and Q, of
/// degree 4, were fitted to tanh(x)/x on [0, 8] for the least largest relative error (6.5e-9 before rounding;
/// Lawson's iteration). One division and no exponential: half the time of a form in exp, at 5 ulp in place
/// of 2.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Tanh(D d, V x) {
  const V most = hn::Set(d, 8.0f), one = hn::Set(d, 1.0f), u = hn::Mul(x, x);
  V p = hn::MulAdd(u, hn::Set(d, 1.5232261674213987e-08f), hn::Set(d, 2.1896146790822968e-05f));
  p = hn::MulAdd(p, u, hn::Set(d, 0.003571694251149893f));
  p = hn::MulAdd(p, u, hn::Set(d, 0.13444581627845764f));
  p = hn::MulAdd(p, u, hn::Set(d, 1.0f));
  V q = hn::MulAdd(u, hn::Set(d, 8.523248880010215e-07f), hn::Set(d, 0.0003411445359233767f));
  q = hn::MulAdd(q, u, hn::Set(d, 0.026164814829826355f));
  q = hn::MulAdd(q, u, hn::Set(d, 0.4677790701389313f));
  q = hn::MulAdd(q, u, hn::Set(d, 1.0f));
  const V y = hn::Div(hn::Mul(x, p), q);  // NaN stays NaN
  return hn::IfThenElse(hn::Gt(x, most), one, hn::IfThenElse(hn::Lt(x, hn::Neg(most)), hn::Neg(one), y));
}

template <class D, class V = hn::Vec<D>>
HWY_INLINE V Sigmoid(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  return hn::Div(one, hn::Add(one, Exp(d, hn::Neg(x))));
}

}  // namespace unfold::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
