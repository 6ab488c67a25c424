// Winograd's convolution along x: to the points and back, compiled once for each target by the files that
// include this behind <hwy/foreach_target.h>.
#if defined(UNFOLD_KERNELS_LANES_WINOGRAD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef UNFOLD_KERNELS_LANES_WINOGRAD_INL_H_
#undef UNFOLD_KERNELS_LANES_WINOGRAD_INL_H_
#else
#define UNFOLD_KERNELS_LANES_WINOGRAD_INL_H_
#endif

#include "unfold/kernels/lanes-inl.h"
#include "unfold/kernels/lanes_winograd.h"

HWY_BEFORE_NAMESPACE();
namespace unfold::lanes::HWY_NAMESPACE {

/// to[i * point] <- the input v[0] .. v[2R-2] of one tile, as a polynomial, at point i.
template <int kR, class Tag, class Vector = hn::Vec<Tag>>
HWY_INLINE void AtPoints(Tag d, const Vector* v, float* to, int64_t point) {
  static constexpr Points<kR> kPoints;
  constexpr int kPairs = Points<kR>::kPairs;
  Vector zero = hn::Mul(v[0], hn::Set(d, kPoints.zero_row[0]));
#pragma GCC unroll 8
  for (int k = 1; k < kR; ++k) zero = hn::MulAdd(v[2 * k], hn::Set(d, kPoints.zero_row[k]), zero);
  hn::StoreU(zero, d, to);
#pragma GCC unroll 8
  for (int i = 0; i < kPairs; ++i) {
    Vector even = hn::Mul(v[2], hn::Set(d, kPoints.even[i][0])),
           odd = hn::Mul(v[1], hn::Set(d, kPoints.odd[i][0]));
#pragma GCC unroll 8
    for (int k = 1; k < kPairs; ++k) {
      even = hn::MulAdd(v[2 * k + 2], hn::Set(d, kPoints.even[i][k]), even);
      odd = hn::MulAdd(v[2 * k + 1], hn::Set(d, kPoints.odd[i][k]), odd);
    }
    hn::StoreU(hn::Add(even, odd), d, to + (2 * i + 1) * point);
    hn::StoreU(hn::Sub(even, odd), d, to + (2 * i + 2) * point);
  }
}

/// The first `count` of R outputs from the products at the points: y[k * unit] = bias + sum over points of
/// power * product.
template <int kR, class Tag, class Vector = hn::Vec<Tag>>
HWY_INLINE void Outputs(Tag d, const Vector* product, Vector bias, int64_t count, float* y, int64_t unit) {
  static constexpr Points<kR> kPoints;
  constexpr int kPairs = Points<kR>::kPairs;
  Vector sum[kPairs], difference[kPairs];
#pragma GCC unroll 8
  for (int i = 0; i < kPairs; ++i) {
    sum[i] = hn::Add(product[2 * i + 1], product[2 * i + 2]);
    difference[i] = hn::Sub(product[2 * i + 1], product[2 * i + 2]);
  }
#pragma GCC unroll 8
  for (int k = 0; k < kR; ++k) {
    if (k >= count) break;
    Vector v = k == 0 ? hn::Add(bias, product[0]) : bias;
#pragma GCC unroll 8
    for (int i = 0; i < kPairs; ++i) {
      v = hn::MulAdd(k % 2 == 0 ? sum[i] : difference[i], hn::Set(d, kPoints.power[i][k]), v);
    }
    hn::StoreU(v, d, y + k * unit);
  }
}

/// The same from products in memory, `point` floats apart.
template <int kR, class Tag, class Vector = hn::Vec<Tag>>
HWY_INLINE void FromPoints(Tag d, const float* from, int64_t point, Vector bias, int64_t count, float* y,
                           int64_t unit) {
  Vector product[Points<kR>::kCount];
#pragma GCC unroll 9
  for (int i = 0; i < Points<kR>::kCount; ++i) product[i] = hn::LoadU(d, from + i * point);
  Outputs<kR>(d, product, bias, count, y, unit);
}

/// The adjoint of FromPoints(): to[i * point] <- sum over k of power * v[k], the gradients of R outputs at
/// point i.
template <int kR>
HWY_INLINE void GradientsAtPoints(const V* v, float* to, int64_t point) {
  static constexpr Points<kR> kPoints;
  const D d;
  hn::StoreU(v[0], d, to);
#pragma GCC unroll 8
  for (int i = 0; i < Points<kR>::kPairs; ++i) {
    V even = v[0], odd = hn::Mul(v[1], hn::Set(d, kPoints.power[i][1]));
#pragma GCC unroll 8
    for (int k = 2; k < kR; k += 2) even = hn::MulAdd(v[k], hn::Set(d, kPoints.power[i][k]), even);
#pragma GCC unroll 8
    for (int k = 3; k < kR; k += 2) odd = hn::MulAdd(v[k], hn::Set(d, kPoints.power[i][k]), odd);
    hn::StoreU(hn::Add(even, odd), d, to + (2 * i + 1) * point);
    hn::StoreU(hn::Sub(even, odd), d, to + (2 * i + 2) * point);
  }
}

/// The adjoint of AtPoints(): v[0] .. v[2R-2] <- the gradients of one tile's inputs from those at the points.
template <int kR>
HWY_INLINE void GradientsFromPoints(const float* from, int64_t point, V* v) {
  static constexpr Points<kR> kPoints;
  constexpr int kPairs = Points<kR>::kPairs;
  const D d;
  const V zero = hn::LoadU(d, from);
  V sum[kPairs], difference[kPairs];
#pragma GCC unroll 8
  for (int i = 0; i < kPairs; ++i) {
    const V plus = hn::LoadU(d, from + (2 * i + 1) * point), minus = hn::LoadU(d, from + (2 * i + 2) * point);
    sum[i] = hn::Add(plus, minus);
    difference[i] = hn::Sub(plus, minus);
  }
  v[0] = hn::Mul(zero, hn::Set(d, kPoints.zero_row[0]));
#pragma GCC unroll 8
  for (int k = 0; k < kPairs; ++k) {
    V even = hn::Mul(zero, hn::Set(d, kPoints.zero_row[k + 1])),
      odd = hn::Mul(difference[0], hn::Set(d, kPoints.odd[0][k]));
    even = hn::MulAdd(sum[0], hn::Set(d, kPoints.even[0][k]), even);
#pragma GCC unroll 8
    for (int i = 1; i < kPairs; ++i) {
      even = hn::MulAdd(sum[i], hn::Set(d, kPoints.even[i][k]), even);
      odd = hn::MulAdd(difference[i], hn::Set(d, kPoints.odd[i][k]), odd);
    }
    v[2 * k + 2] = even;
    v[2 * k + 1] = odd;
  }
}

/// The adjoint of kernel_at_points(): the kR taps of some weights from the points' sums, `point` floats
/// apart.
template <int kR>
HWY_INLINE void TapsOf(const float* sums, int64_t point, float (*taps)[kLanes]) {
  static constexpr Points<kR> kPoints;
  constexpr int kPairs = Points<kR>::kPairs;
  const D d;
  V sum[kPairs], difference[kPairs];
  for (int i = 0; i < kPairs; ++i) {
    const V plus = hn::LoadU(d, sums + (2 * i + 1) * point), minus = hn::LoadU(d, sums + (2 * i + 2) * point);
    sum[i] = hn::Add(plus, minus);
    difference[i] = hn::Sub(plus, minus);
  }
  for (int kw = 0; kw < kR; ++kw) {
    V v = kw == 0 ? hn::Mul(hn::LoadU(d, sums), hn::Set(d, kPoints.kernel_zero)) : hn::Zero(d);
    for (int i = 0; i < kPairs; ++i) {
      v = hn::MulAdd(kw % 2 == 0 ? sum[i] : difference[i], hn::Set(d, kPoints.kernel[i][kw]), v);
    }
    hn::StoreU(v, d, taps[kw]);
  }
}

}  // namespace unfold::lanes::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
