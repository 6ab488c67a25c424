// Winograd over NHWC: the weights at the points, in the order in which the products read them.
#include <algorithm>

#include "unfold/kernels/nhwc_winograd.h"
#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/nhwc_winograd_weights.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "unfold/kernels/nhwc_layout-inl.h"
#include "unfold/kernels/nhwc_winograd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace unfold::HWY_NAMESPACE {

using nhwc::PointWeights;
using winograd::Matrices;

namespace {

struct RowOfTap {
  int64_t operator()(int64_t c) const { return c * kNhwcTile; }
};

/// Channel tile `tile` of OC: k counts input channels.
template <int64_t kTaps>
void pack(const Conv2dShape& s, int64_t tile, const float* w, const PointWeights& packed, float* to) {
  using Kernel = typename Matrices<kTaps>::Kernel;
  constexpr int64_t kKernel = kTaps * kTaps;
  const int64_t first = tile * kNhwcTile, lanes = std::min(kNhwcTile, s.oc - first), row = s.ic * kKernel;
  HWY_ALIGN float taps[kNhwcTile * kKernel * kNhwcTile];  // [ic][kh][kw][16]
  for (int64_t ic = 0; ic < s.ic; ic += kNhwcTile) {
    const int64_t count = std::min(kNhwcTile, s.ic - ic);
    pack_tile(w + first * row + ic * kKernel, row, lanes, count * kKernel, taps, RowOfTap());
    for (int64_t i = 0; i < count; ++i) {
      winograd::transform<Kernel>(
          {taps + i * kKernel * kNhwcTile, kTaps * kNhwcTile, kNhwcTile},
          {to + (ic + i) * kNhwcTile, Kernel::kTo * packed.point_step(), packed.point_step()});
    }
  }
}

/// Channel tile `tile` of IC: k counts output channels, the kernel is turned.
template <int64_t kTaps>
void pack_turned(const Conv2dShape& s, int64_t tile, const float* w, const PointWeights& packed, float* to) {
  using Kernel = typename Matrices<kTaps>::Kernel;
  constexpr int64_t kKernel = kTaps * kTaps;
  const int64_t first = tile * kNhwcTile, lanes = std::min(kNhwcTile, s.ic - first);
  HWY_ALIGN float taps[kKernel * kNhwcTile];
  for (int64_t oc = 0; oc < s.oc; ++oc) {
    pack_tile(w + (oc * s.ic + first) * kKernel, kKernel, lanes, kKernel, taps, RowOfTap());
    winograd::transform<Kernel>(
        {taps + (kKernel - 1) * kNhwcTile, -kTaps * kNhwcTile, -kNhwcTile},
        {to + oc * kNhwcTile, Kernel::kTo * packed.point_step(), packed.point_step()});
  }
}

/// Rows of k that no channel has, behind `channels` of them.
void clear_rest(const PointWeights& packed, int64_t channels, float* to) {
  for (int64_t point = 0; point < packed.points; ++point) {
    float* const rows = to + point * packed.point_step();
    std::fill(rows + channels * kNhwcTile, rows + packed.k * kNhwcTile, 0.0f);
  }
}

}  // namespace

void NhwcWinogradPack(const Conv2dShape& s, bool turned, int64_t tile0, int64_t tile1, const float* w,
                      float* to) {
  const nhwc::TileGrid g = turned ? nhwc::TileGrid::backward(s) : nhwc::TileGrid::forward(s);
  const PointWeights packed(g);
  const auto three = turned ? pack_turned<3> : pack<3>, five = turned ? pack_turned<5> : pack<5>;
  for (int64_t tile = tile0; tile < tile1; ++tile) {
    (s.window.kernel_h == 3 ? three : five)(s, tile, w, packed, to + tile * packed.tile_step());
    clear_rest(packed, g.in, to + tile * packed.tile_step());
  }
}

}  // namespace unfold::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold {

HWY_EXPORT(NhwcWinogradPack);

int64_t nhwc_winograd_weight_floats(const Conv2dShape& s) {
  const auto g = nhwc::TileGrid::forward(s);
  return g.out_tiles() * nhwc::PointWeights(g).tile_step();
}

int64_t nhwc_winograd_turned_weight_floats(const Conv2dShape& s) {
  const auto g = nhwc::TileGrid::backward(s);
  return g.out_tiles() * nhwc::PointWeights(g).tile_step();
}

void nhwc_winograd_pack_weights(const Conv2dShape& s, int64_t tile0, int64_t tile1, const float* w,
                                float* packed) {
  HWY_DYNAMIC_DISPATCH(NhwcWinogradPack)(s, false, tile0, tile1, w, packed);
}

void nhwc_winograd_pack_weights_turned(const Conv2dShape& s, int64_t tile0, int64_t tile1, const float* w,
                                       float* packed) {
  HWY_DYNAMIC_DISPATCH(NhwcWinogradPack)(s, true, tile0, tile1, w, packed);
}

}  // namespace unfold
#endif  // HWY_ONCE
