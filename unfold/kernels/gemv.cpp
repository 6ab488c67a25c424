#include "unfold/kernels/gemv.h"

#include <algorithm>

#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/gemv.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace unfold::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// One row, one number at a time.
void OneRow(int64_t k, const float* a, const float* x, float start, float* y) {
  const hn::CappedTag<float, 1> d;
  auto sum = hn::Set(d, start);
  for (int64_t i = 0; i < k; ++i) sum = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, x + i), sum);
  hn::StoreU(sum, d, y);
}

#if HWY_TARGET != HWY_SCALAR
/// kFours times four rows side by side: squares of four are turned in registers, so that a vector holds one
/// column of four rows. Several chains hide the latency of each.
template <int kFours>
void Rows(int64_t k, const float* a, const float* x, const float* start, float* y) {
  const hn::CappedTag<float, 4> d;
  using V = hn::Vec<decltype(d)>;
  V sum[kFours];
  for (int f = 0; f < kFours; ++f) sum[f] = start ? hn::LoadU(d, start + 4 * f) : hn::Zero(d);
  int64_t i = 0;
  for (; i + 4 <= k; i += 4) {
    const V x0 = hn::Set(d, x[i]), x1 = hn::Set(d, x[i + 1]), x2 = hn::Set(d, x[i + 2]),
            x3 = hn::Set(d, x[i + 3]);
#pragma GCC unroll 6
    for (int f = 0; f < kFours; ++f) {
      const float* from = a + 4 * f * k + i;
      const V a0 = hn::LoadU(d, from), a1 = hn::LoadU(d, from + k), a2 = hn::LoadU(d, from + 2 * k),
              a3 = hn::LoadU(d, from + 3 * k);
      const V even_low = hn::InterleaveLower(d, a0, a2), odd_low = hn::InterleaveLower(d, a1, a3),
              even_high = hn::InterleaveUpper(d, a0, a2), odd_high = hn::InterleaveUpper(d, a1, a3);
      sum[f] = hn::MulAdd(hn::InterleaveLower(d, even_low, odd_low), x0, sum[f]);
      sum[f] = hn::MulAdd(hn::InterleaveUpper(d, even_low, odd_low), x1, sum[f]);
      sum[f] = hn::MulAdd(hn::InterleaveLower(d, even_high, odd_high), x2, sum[f]);
      sum[f] = hn::MulAdd(hn::InterleaveUpper(d, even_high, odd_high), x3, sum[f]);
    }
  }
  for (; i < k; ++i) {
    for (int f = 0; f < kFours; ++f) {
      const float* from = a + 4 * f * k + i;
      HWY_ALIGN const float column[4] = {from[0], from[k], from[2 * k], from[3 * k]};
      sum[f] = hn::MulAdd(hn::Load(d, column), hn::Set(d, x[i]), sum[f]);
    }
  }
  for (int f = 0; f < kFours; ++f) hn::StoreU(sum[f], d, y + 4 * f);
}
#endif

void Gemv(int64_t m, int64_t k, const float* a, const float* x, const float* start, float* y) {
  int64_t r = 0;
#if HWY_TARGET != HWY_SCALAR
  const auto from = [=](int64_t row) { return start ? start + row : nullptr; };
  if (hn::Lanes(hn::CappedTag<float, 4>()) == 4) {
    for (; r + 24 <= m; r += 24) Rows<6>(k, a + r * k, x, from(r), y + r);
    for (; r + 8 <= m; r += 8) Rows<2>(k, a + r * k, x, from(r), y + r);
    for (; r + 4 <= m; r += 4) Rows<1>(k, a + r * k, x, from(r), y + r);
  }
#endif
  for (; r < m; ++r) OneRow(k, a + r * k, x, start ? start[r] : 0.0f, y + r);
}

}  // namespace unfold::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold {

HWY_EXPORT(Gemv);

void gemv(int64_t m, int64_t k, const float* a, const float* x, const float* start, float* y) {
  HWY_DYNAMIC_DISPATCH(Gemv)(m, k, a, x, start, y);
}

}  // namespace unfold
#endif  // HWY_ONCE
