// Transpositions between weights as networks have them and tiles of 16 channels, compiled once for each
// target by the files that include this behind <hwy/foreach_target.h>.
#if defined(UNFOLD_KERNELS_NHWC_LAYOUT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef UNFOLD_KERNELS_NHWC_LAYOUT_INL_H_
#undef UNFOLD_KERNELS_NHWC_LAYOUT_INL_H_
#else
#define UNFOLD_KERNELS_NHWC_LAYOUT_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <array>

#include "unfold/kernels/nhwc.h"

HWY_BEFORE_NAMESPACE();
namespace unfold::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// to[c][r] = from[r][c], or to[c][r] += from[r][c], for 4 x 4 elements.
template <bool kAdd = false>
HWY_INLINE void transpose4(const std::array<const float*, 4>& from, const std::array<float*, 4>& to) {
#if HWY_TARGET == HWY_SCALAR
  for (size_t r = 0; r < 4; ++r) {
    for (size_t c = 0; c < 4; ++c) to[c][r] = kAdd ? to[c][r] + from[r][c] : from[r][c];
  }
#else
  const hn::FixedTag<float, 4> d;
  const hn::FixedTag<double, 2> pairs;
  const auto r0 = hn::LoadU(d, from[0]), r1 = hn::LoadU(d, from[1]);
  const auto r2 = hn::LoadU(d, from[2]), r3 = hn::LoadU(d, from[3]);
  const auto a = hn::BitCast(pairs, hn::InterleaveLower(d, r0, r1));  // 00 10 01 11
  const auto b = hn::BitCast(pairs, hn::InterleaveLower(d, r2, r3));  // 20 30 21 31
  const auto e = hn::BitCast(pairs, hn::InterleaveUpper(d, r0, r1));
  const auto f = hn::BitCast(pairs, hn::InterleaveUpper(d, r2, r3));
  const decltype(hn::Zero(d)) turned[4] = {
      hn::BitCast(d, hn::InterleaveLower(pairs, a, b)), hn::BitCast(d, hn::InterleaveUpper(pairs, a, b)),
      hn::BitCast(d, hn::InterleaveLower(pairs, e, f)), hn::BitCast(d, hn::InterleaveUpper(pairs, e, f))};
#pragma GCC unroll 4
  for (size_t c = 0; c < 4; ++c) {
    hn::StoreU(kAdd ? hn::Add(hn::LoadU(d, to[c]), turned[c]) : turned[c], d, to[c]);
  }
#endif
}

/// to[row(c)][lane] = from[lane][c] for `lanes` of the 16 lanes, zeros in the others.
template <class Row>
void pack_tile(const float* from, int64_t lane_step, int64_t lanes, int64_t columns, float* to, Row row) {
  int64_t c = 0;
  for (; lanes == kNhwcTile && c + 4 <= columns; c += 4) {
    for (int64_t lane = 0; lane < kNhwcTile; lane += 4) {
      const float* f = from + lane * lane_step + c;
      transpose4(
          {f, f + lane_step, f + 2 * lane_step, f + 3 * lane_step},
          {to + row(c) + lane, to + row(c + 1) + lane, to + row(c + 2) + lane, to + row(c + 3) + lane});
    }
  }
  for (; c < columns; ++c) {
    float* const r = to + row(c);
    for (int64_t lane = 0; lane < lanes; ++lane) r[lane] = from[lane * lane_step + c];
    std::fill(r + lanes, r + kNhwcTile, 0.0f);
  }
}

/// Where the weight of column c of w (ic, kh, kw) lies in a tile: row (kh, kw, ic).
struct TileRow {
  int64_t taps, ic;
  int64_t operator()(int64_t c) const { return (c % taps * ic + c / taps) * kNhwcTile; }
};

/// to[lane][c] += from[row(c)][lane] for `lanes` of the 16 lanes.
HWY_MAYBE_UNUSED static void add_tile(const float* from, const TileRow& row, int64_t lane_step, int64_t lanes,
                                      int64_t columns, float* to) {
  int64_t c = 0;
  for (; lanes == kNhwcTile && c + 4 <= columns; c += 4) {
    for (int64_t lane = 0; lane < kNhwcTile; lane += 4) {
      float* const t = to + lane * lane_step + c;
      transpose4<true>({from + row(c) + lane, from + row(c + 1) + lane, from + row(c + 2) + lane,
                        from + row(c + 3) + lane},
                       {t, t + lane_step, t + 2 * lane_step, t + 3 * lane_step});
    }
  }
  for (; c < columns; ++c) {
    for (int64_t lane = 0; lane < lanes; ++lane) to[lane * lane_step + c] += from[row(c) + lane];
  }
}

}  // namespace unfold::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
