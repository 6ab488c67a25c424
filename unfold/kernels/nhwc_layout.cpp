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

HWY_BEFORE_NAMESPACE();
namespace unfold::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using nhwc::Gathering;

namespace {

/// to[c][r] = from[r][c] for 4 x 4 elements.
HWY_INLINE void transpose4(const std::array<const float*, 4>& from, const std::array<float*, 4>& to) {
#if HWY_TARGET == HWY_SCALAR
  for (size_t r = 0; r < 4; ++r) {
    for (size_t c = 0; c < 4; ++c) to[c][r] = from[r][c];
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
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, a, b)), d, to[0]);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, a, b)), d, to[1]);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, e, f)), d, to[2]);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, e, f)), d, to[3]);
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

/// Where the weight of column c of w (ic, kh, kw) lies in a tile: row (kh, kw, ic).
struct TileRow {
  int64_t taps, ic;
  int64_t operator()(int64_t c) const { return (c % taps * ic + c / taps) * kNhwcTile; }
};

/// to[lane][c] += from[row(c)][lane] for `lanes` of the 16 lanes.
void add_tile(const float* from, const TileRow& row, int64_t lane_step, int64_t lanes, int64_t columns,
              float* to) {
  int64_t c = 0;
  for (; lanes == kNhwcTile && c + 4 <= columns; c += 4) {
    for (int64_t lane = 0; lane < kNhwcTile; lane += 4) {
      float turned[4][4];
      transpose4({from + row(c) + lane, from + row(c + 1) + lane, from + row(c + 2) + lane,
                  from + row(c + 3) + lane},
                 {turned[0], turned[1], turned[2], turned[3]});
      for (int64_t i = 0; i < 4; ++i) {
        for (int64_t j = 0; j < 4; ++j) to[(lane + i) * lane_step + c + j] += turned[i][j];
      }
    }
  }
  for (; c < columns; ++c) {
    for (int64_t lane = 0; lane < lanes; ++lane) to[lane * lane_step + c] += from[row(c) + lane];
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
