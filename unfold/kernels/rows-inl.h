// The tile of the single-image convolutions, compiled once for each target by the files that include this
// behind <hwy/foreach_target.h>.
#if defined(UNFOLD_KERNELS_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef UNFOLD_KERNELS_ROWS_INL_H_
#undef UNFOLD_KERNELS_ROWS_INL_H_
#else
#define UNFOLD_KERNELS_ROWS_INL_H_
#endif

#include <hwy/highway.h>

#include <array>
#include <utility>

#include "unfold/kernels/rows.h"

HWY_BEFORE_NAMESPACE();
namespace unfold::rows::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, kPanel>;
/// The vectors of some panels side by side.
template <int kPanels>
using Wide = hn::CappedTag<float, kPanels * kPanel>;
template <int kPanels>
constexpr int kVectors = static_cast<int>(kPanels * kPanel / hn::MaxLanes(Wide<kPanels>()));

/// How many accumulators stay in registers.
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_SSSE3 || HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_SSE2
constexpr int kSums = 12;
#elif HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM
constexpr int kSums = 24;
#else
constexpr int kSums = 12;
#endif
/// Pixels of a tile.
template <int kPanels>
constexpr int kMost = kSums / kVectors<kPanels> > 0 ? kSums / kVectors<kPanels> : 1;

/// Rows of the output whose sums fit at once, where one vector is 16 pixels.
constexpr int kRowsAtOnce = HWY_TARGET <= HWY_AVX3 ? 2 : 1;

/// Some pixels in a row of the output x some panels of channels.
struct Tile {
  const float* x;       // of the first pixel's first tap
  int64_t pixel;        // from one pixel to the next
  const float* packed;  // [tap][panel][8], aligned to a panel
  const float* b;
  const int64_t* taps;  // where each tap reads, from a pixel's first
  int64_t k;
  float* sums;  // [pixel][panel][8]
};

template <int kPixels, int kPanels>
void conv_tile(const Tile& t) {
  const Wide<kPanels> d;
  using V = hn::Vec<Wide<kPanels>>;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  constexpr int kWide = kVectors<kPanels>;
  V sum[kPixels][kWide];
#pragma GCC unroll 24
  for (int v = 0; v < kWide; ++v) {
    const V start = hn::Load(d, t.b + v * lanes);
#pragma GCC unroll 24
    for (int p = 0; p < kPixels; ++p) sum[p][v] = start;
  }
  const float* packed = t.packed;
  for (int64_t k = 0; k < t.k; ++k, packed += kPanels * kPanel) {
    const float* x = t.x + t.taps[k];
    V w[kWide];
#pragma GCC unroll 24
    for (int v = 0; v < kWide; ++v) w[v] = hn::LoadU(d, packed + v * lanes);
#pragma GCC unroll 24
    for (int p = 0; p < kPixels; ++p) {
      const V xp = hn::Set(d, x[p * t.pixel]);
#pragma GCC unroll 24
      for (int v = 0; v < kWide; ++v) sum[p][v] = hn::MulAdd(xp, w[v], sum[p][v]);
    }
  }
#pragma GCC unroll 24
  for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 24
    for (int v = 0; v < kWide; ++v) hn::Store(sum[p][v], d, t.sums + (p * kWide + v) * lanes);
  }
}

using TileFunction = void (*)(const Tile&);
template <int kPanels, size_t... kIndex>
constexpr std::array<TileFunction, sizeof...(kIndex)> tiles(std::index_sequence<kIndex...>) {
  return {&conv_tile<static_cast<int>(kIndex) + 1, kPanels>...};
}
constexpr auto kTiles1 = tiles<1>(std::make_index_sequence<kMost<1>>());
constexpr auto kTiles2 = tiles<2>(std::make_index_sequence<kMost<2>>());

}  // namespace unfold::rows::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
