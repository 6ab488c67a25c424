// Images and weights into the layouts of the kernels over NHWC and out of them: transpositions.
#include <algorithm>
#include <array>

#include "unfold/kernels/nhwc.h"
#include "unfold/kernels/nhwc_geometry.h"
#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/nhwc_layout.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "unfold/kernels/nhwc_layout-inl.h"

HWY_BEFORE_NAMESPACE();
namespace unfold::HWY_NAMESPACE {

using nhwc::Gathering;

namespace {

/// Calls work(tile, first w of its first lane, lanes) for tiles [tile0, tile1); a lane's weights are g.k()
/// apart.
template <class Work>
void each_tile(const Gathering& g, int64_t tile0, int64_t tile1, Work work) {
  const int64_t channels = g.depthwise ? g.out() : g.group_out;
  for (int64_t tile = tile0; tile < tile1; ++tile) {
    const int64_t first = tile % g.group_tiles() * kNhwcTile, group = tile / g.group_tiles();
    work(tile, (group * g.group_out + first) * g.k(), std::min(kNhwcTile, channels - first));
  }
}

}  // namespace

/// to[c][r] = from[r][c]. Blocks of 16 x 16: a cache line of either side is finished before the next.
void NhwcTurn(int64_t rows, int64_t cols, const float* from, float* to) {
  constexpr int64_t kBlock = 16;
  for (int64_t r0 = 0; r0 < rows; r0 += kBlock) {
    const int64_t r1 = std::min(rows, r0 + kBlock), r_fours = r0 + (r1 - r0) / 4 * 4;
    for (int64_t c0 = 0; c0 < cols; c0 += kBlock) {
      const int64_t c1 = std::min(cols, c0 + kBlock), c_fours = c0 + (c1 - c0) / 4 * 4;
      for (int64_t c = c0; c < c_fours; c += 4) {
        for (int64_t r = r0; r < r_fours; r += 4) {
          const float* f = from + r * cols + c;
          float* t = to + c * rows + r;
          transpose4({f, f + cols, f + 2 * cols, f + 3 * cols}, {t, t + rows, t + 2 * rows, t + 3 * rows});
        }
      }
      for (int64_t c = c0; c < c1; ++c) {
        for (int64_t r = c < c_fours ? r_fours : r0; r < r1; ++r) to[c * rows + r] = from[r * cols + c];
      }
    }
  }
}

void NhwcPack(const Conv2dShape& s, const float* w, float* packed) {
  const Gathering g = Gathering::forward(s);
  const int64_t k = g.k();
  each_tile(g, 0, g.tiles(), [&](int64_t tile, int64_t at, int64_t lanes) {
    pack_tile(w + at, k, lanes, k, packed + tile * k * kNhwcTile, TileRow{s.window.taps(), s.group_ic()});
  });
}

void NhwcPackTurned(const Conv2dShape& s, const float* w, float* packed) {
  const Gathering g = Gathering::backward(s);
  const int64_t taps = s.window.taps(), oc = s.group_oc(), channels = g.depthwise ? g.out() : g.group_out;
  for (int64_t tile = 0; tile < g.tiles(); ++tile) {
    const int64_t first = tile % g.group_tiles() * kNhwcTile, group = tile / g.group_tiles();
    for (int64_t o = 0; o < oc; ++o) {
      pack_tile(w + ((group * oc + o) * s.group_ic() + first) * taps, taps,
                std::min(kNhwcTile, channels - first), taps, packed + (tile * taps * oc + o) * kNhwcTile,
                [&](int64_t tap) { return (taps - 1 - tap) * oc * kNhwcTile; });
    }
  }
}

void NhwcAddWeights(const Conv2dShape& s, const float* tiles, float* dw, int64_t tile0, int64_t tile1) {
  const Gathering g = Gathering::forward(s);
  const int64_t k = g.k();
  each_tile(g, tile0, tile1, [&](int64_t tile, int64_t at, int64_t lanes) {
    add_tile(tiles + tile * k * kNhwcTile, {s.window.taps(), s.group_ic()}, k, lanes, k, dw + at);
  });
}

}  // namespace unfold::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold {

HWY_EXPORT(NhwcTurn);
HWY_EXPORT(NhwcPack);
HWY_EXPORT(NhwcPackTurned);
HWY_EXPORT(NhwcAddWeights);

void nhwc_pack_weights(const Conv2dShape& s, const float* w, float* packed) {
  HWY_DYNAMIC_DISPATCH(NhwcPack)(s, w, packed);
}

void nhwc_pack_weights_turned(const Conv2dShape& s, const float* w, float* packed) {
  HWY_DYNAMIC_DISPATCH(NhwcPackTurned)(s, w, packed);
}

void nhwc_add_weights(const Conv2dShape& s, const float* tiles, float* dw, int64_t tile0, int64_t tile1) {
  HWY_DYNAMIC_DISPATCH(NhwcAddWeights)(s, tiles, dw, tile0, tile1);
}

void nchw_to_nhwc(int64_t channels, int64_t pixels, const float* from, float* to) {
  HWY_DYNAMIC_DISPATCH(NhwcTurn)(channels, pixels, from, to);
}

void nhwc_to_nchw(int64_t channels, int64_t pixels, const float* from, float* to) {
  HWY_DYNAMIC_DISPATCH(NhwcTurn)(pixels, channels, from, to);
}

}  // namespace unfold
#endif  // HWY_ONCE
