#include <algorithm>

#include "unfold/kernels/nhwc.h"
#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/nhwc_layout.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace unfold::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

namespace {

/// to[c][r] = from[r][c] for 4 x 4 elements.
HWY_INLINE void transpose4(const float* from, int64_t from_row, float* to, int64_t to_row) {
#if HWY_TARGET == HWY_SCALAR
  for (int64_t r = 0; r < 4; ++r) {
    for (int64_t c = 0; c < 4; ++c) to[c * to_row + r] = from[r * from_row + c];
  }
#else
  const hn::FixedTag<float, 4> d;
  const hn::FixedTag<double, 2> pairs;
  const auto r0 = hn::LoadU(d, from), r1 = hn::LoadU(d, from + from_row);
  const auto r2 = hn::LoadU(d, from + 2 * from_row), r3 = hn::LoadU(d, from + 3 * from_row);
  const auto a = hn::BitCast(pairs, hn::InterleaveLower(d, r0, r1));  // 00 10 01 11
  const auto b = hn::BitCast(pairs, hn::InterleaveLower(d, r2, r3));  // 20 30 21 31
  const auto e = hn::BitCast(pairs, hn::InterleaveUpper(d, r0, r1));
  const auto f = hn::BitCast(pairs, hn::InterleaveUpper(d, r2, r3));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, a, b)), d, to);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, a, b)), d, to + to_row);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, e, f)), d, to + 2 * to_row);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, e, f)), d, to + 3 * to_row);
#endif
}

}  // namespace

/// to[c][r] = from[r][c]. Blocks of 16 x 16: a cache line of either side is finished before the next.
void Turn(int64_t rows, int64_t cols, const float* from, float* to) {
  constexpr int64_t kBlock = 16;
  for (int64_t r0 = 0; r0 < rows; r0 += kBlock) {
    const int64_t r1 = std::min(rows, r0 + kBlock), r_fours = r0 + (r1 - r0) / 4 * 4;
    for (int64_t c0 = 0; c0 < cols; c0 += kBlock) {
      const int64_t c1 = std::min(cols, c0 + kBlock), c_fours = c0 + (c1 - c0) / 4 * 4;
      for (int64_t c = c0; c < c_fours; c += 4) {
        for (int64_t r = r0; r < r_fours; r += 4)
          transpose4(from + r * cols + c, cols, to + c * rows + r, rows);
      }
      for (int64_t c = c0; c < c1; ++c) {
        for (int64_t r = c < c_fours ? r_fours : r0; r < r1; ++r) to[c * rows + r] = from[r * cols + c];
      }
    }
  }
}

}  // namespace unfold::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold {

HWY_EXPORT(Turn);

void nchw_to_nhwc(int64_t channels, int64_t pixels, const float* from, float* to) {
  HWY_DYNAMIC_DISPATCH(Turn)(channels, pixels, from, to);
}

void nhwc_to_nchw(int64_t channels, int64_t pixels, const float* from, float* to) {
  HWY_DYNAMIC_DISPATCH(Turn)(pixels, channels, from, to);
}

}  // namespace unfold
#endif  // HWY_ONCE
