#include <algorithm>
#include <array>
#include <utility>

#include "unfold/kernels/nhwc.h"
#include "unfold/kernels/nhwc_groups.h"
#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/nhwc_backward_weights.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace unfold::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using nhwc::PixelGroup;
using nhwc::Point;
using nhwc::Unit;

namespace {  // other files have tiles of their own by these names

using Full = hn::CappedTag<float, kNhwcTile>;

// Register tile: kMostRows rows of packed weights x (kPanels channel tiles).
#if HWY_TARGET == HWY_SCALAR
constexpr int kMostRows = 1, kPanels = 1;
#elif HWY_TARGET <= HWY_AVX3
constexpr int kMostRows = 14, kPanels = 2;
#elif HWY_TARGET == HWY_AVX2 || HWY_ARCH_ARM
constexpr int kMostRows = 6, kPanels = 1;
#else
constexpr int kMostRows = 3, kPanels = 1;
#endif
static_assert(kPanels <= nhwc::kMostPanels);

/// Some rows of dw of one or more channel tiles, summed over points.
struct Tile {
  const Point* points;
  int64_t point_count;
  int64_t x_at;      // the first row's value, from a point's
  int64_t dy_at;     // the first channel, from a point's
  int64_t dy_panel;  // from one channel tile of dy to the next
  float* dw;
  int64_t dw_panel;
  NhwcSum sum;
};

/// dw = the chain, or dw + the chain.
template <class D>
HWY_INLINE void finish(D d, hn::Vec<D> chain, NhwcSum sum, float* dw) {
  hn::StoreU(sum == NhwcSum::add ? hn::Add(hn::LoadU(d, dw), chain) : chain, d, dw);
}

template <int kRows, int kTilePanels>
void wide_tile(const Tile& t) {
  const Full d;
  constexpr auto kLanes = static_cast<int64_t>(hn::MaxLanes(Full()));
  constexpr int kPanelVectors = static_cast<int>(kNhwcTile / kLanes);
  constexpr int kVectors = kPanelVectors * kTilePanels;
  hn::Vec<Full> chain[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) chain[r][v] = hn::Zero(d);
  }
  for (const Point* point = t.points; point != t.points + t.point_count; ++point) {
    const float* x = point->x + t.x_at;
    const float* dy = point->dy;
    hn::Vec<Full> dyv[kVectors];
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      dyv[v] = hn::Load(d, dy + v / kPanelVectors * t.dy_panel + v % kPanelVectors * kLanes);
    }
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const auto xr = hn::Set(d, x[r]);
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) chain[r][v] = hn::MulAdd(xr, dyv[v], chain[r][v]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      finish(d, chain[r][v], t.sum,
             t.dw + v / kPanelVectors * t.dw_panel + r * kNhwcTile + v % kPanelVectors * kLanes);
    }
  }
}

/// One row of dw of kChannels channels of one tile, or of kTiles whole ones.
template <int kChannels, int kTiles>
void depthwise_tile(const Tile& t) {
  using D = hn::CappedTag<float, kChannels>;
  const D d;
  constexpr auto kLanes = static_cast<int64_t>(hn::MaxLanes(D()));
  constexpr int kPanelVectors = static_cast<int>(kChannels / kLanes);
  constexpr int kVectors = kPanelVectors * kTiles;
  hn::Vec<D> chain[kVectors];
#pragma GCC unroll 64
  for (int v = 0; v < kVectors; ++v) chain[v] = hn::Zero(d);
  for (const Point* point = t.points; point != t.points + t.point_count; ++point) {
    const float* x = point->x + t.x_at;
    const float* dy = point->dy + t.dy_at;
#pragma GCC unroll 64
    for (int v = 0; v < kVectors; ++v) {
      chain[v] = hn::MulAdd(hn::LoadU(d, x + v * kLanes), hn::LoadU(d, dy + v * kLanes), chain[v]);
    }
  }
#pragma GCC unroll 64
  for (int v = 0; v < kVectors; ++v) {
    finish(d, chain[v], t.sum, t.dw + v / kPanelVectors * t.dw_panel + v % kPanelVectors * kLanes);
  }
}

using TileFunction = void (*)(const Tile&);
using TileFunctions = std::array<TileFunction, kMostRows>;  // by rows - 1

template <int kTilePanels, size_t... kIndex>
constexpr TileFunctions wide(std::index_sequence<kIndex...>) {
  return {&wide_tile<static_cast<int>(kIndex) + 1, kTilePanels>...};
}
using Rows = std::make_index_sequence<kMostRows>;
constexpr TileFunctions kWide1 = wide<1>(Rows()), kWide2 = wide<kPanels>(Rows());

/// packed[pixel][16] <- `width` channels of dy from `channel`, zeros behind them.
void pack_dy(const PixelGroup& group, int64_t channel, int64_t width, float* packed) {
  const float* const* dy = group.dy;
  if (width == kNhwcTile) {
    const Full d;
    for (int64_t p = 0; p < group.pixels; ++p, packed += kNhwcTile) {
      for (size_t v = 0; v < kNhwcTile; v += hn::Lanes(d))
        hn::Store(hn::LoadU(d, dy[p] + channel + v), d, packed + v);
    }
    return;
  }
  for (int64_t p = 0; p < group.pixels; ++p, packed += kNhwcTile) {
    std::copy_n(dy[p] + channel, width, packed);
    std::fill(packed + width, packed + kNhwcTile, 0.0f);
  }
}

/// db += the sum of dy over the group.
void add_bias(const PixelGroup& group, int64_t channel, int64_t width, float* db) {
  float chain[kNhwcTile] = {};
  if (width == kNhwcTile) {
    for (int64_t p = 0; p < group.pixels; ++p) {
      const float* dy = group.dy[p] + channel;
      for (int64_t c = 0; c < kNhwcTile; ++c) chain[c] += dy[c];
    }
  } else {
    for (int64_t p = 0; p < group.pixels; ++p) {
      for (int64_t c = 0; c < width; ++c) chain[c] += group.dy[p][channel + c];
    }
  }
  for (int64_t c = 0; c < width; ++c) db[channel + c] += chain[c];
}

/// A depthwise tile of `width` channels in pieces that exist, or four whole tiles at once.
void depthwise_rows(const PixelGroup& group, int64_t width, Tile t) {
  float* const dw = t.dw;
  for (int64_t u = 0; u < group.unit_count; ++u) {
    const Unit& unit = group.units[u];
    t.points = unit.points;
    t.point_count = unit.point_count;
    t.dw = dw + unit.row * kNhwcTile;
    Tile piece = t;
    for (int64_t left = width; left > 0;) {
      const int64_t channels = left >= 64 ? 64 : left >= 16 ? 16 : left >= 8 ? 8 : left >= 4 ? 4 : 1;
      const TileFunction function = channels == 64   ? &depthwise_tile<16, 4>
                                    : channels == 16 ? &depthwise_tile<16, 1>
                                    : channels == 8  ? &depthwise_tile<8, 1>
                                    : channels == 4  ? &depthwise_tile<4, 1>
                                                     : &depthwise_tile<1, 1>;
      function(piece);
      left -= channels;
      piece.x_at += channels;
      piece.dy_at += channels;
      piece.dw += channels;
    }
  }
}

/// All rows of dw of one or more channel tiles.
void wide_rows(const PixelGroup& group, const TileFunctions& functions, Tile t) {
  float* const dw = t.dw;
  const int64_t x_at = t.x_at;
  for (int64_t u = 0; u < group.unit_count; ++u) {
    const Unit& unit = group.units[u];
    t.points = unit.points;
    t.point_count = unit.point_count;
    const int64_t tiles = nhwc::divide_up(unit.length, kMostRows);
    int64_t row = 0;
    for (int64_t i = 0; i < tiles; ++i) {
      const int64_t rows = unit.length / tiles + (i < unit.length % tiles);
      t.x_at = x_at + row;
      t.dw = dw + (unit.row + row) * kNhwcTile;
      functions[static_cast<size_t>(rows - 1)](t);
      row += rows;
    }
  }
}

}  // namespace

void WeightGradient(const nhwc::WeightCall& call) {
  const nhwc::Gathering& g = call.g;
  PixelGroup group(call.shape, call.scratch);
  NhwcSum sum = call.sum;
  const int64_t of_group = g.group_tiles(), channels = g.depthwise ? g.out() : g.group_out;
  for (int64_t i = call.image0 * group.of_image(); i < call.image1 * group.of_image(); ++i) {
    group.build(i, call.x, call.dy);
    for (int64_t tile = call.tile0; tile < call.tile1;) {
      const int64_t first = tile % of_group * kNhwcTile, full = (channels - first) / kNhwcTile;
      const int64_t out = tile / of_group * g.group_out + first;  // channel of dy
      const int64_t most = g.depthwise ? 4 : kPanels;
      const int64_t panels = std::min(call.tile1 - tile, full) >= most ? most : 1;
      const int64_t width = std::min(panels * kNhwcTile, channels - first);
      Tile t{};
      t.dw = call.dw + tile * g.k() * kNhwcTile;
      t.dw_panel = g.k() * kNhwcTile;
      t.sum = sum;
      if (g.depthwise) {
        t.x_at = t.dy_at = first;
        depthwise_rows(group, width, t);
      } else {
        t.x_at = tile / of_group * g.group_in;
        t.dy_panel = group.most_pixels() * kNhwcTile;
        for (int64_t p = 0; p < panels; ++p) {
          pack_dy(group, out + p * kNhwcTile, std::min(kNhwcTile, width - p * kNhwcTile),
                  group.packed + p * t.dy_panel);
        }
        wide_rows(group, panels == 1 ? kWide1 : kWide2, t);
      }
      for (int64_t p = 0; call.db && p < panels; ++p) {
        add_bias(group, out + p * kNhwcTile, std::min(kNhwcTile, width - p * kNhwcTile), call.db);
      }
      tile += panels;
    }
    sum = NhwcSum::add;
  }
}

const char* WeightGradientTarget() {
  return hwy::TargetName(HWY_TARGET);
}

}  // namespace unfold::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold {

HWY_EXPORT(WeightGradient);
HWY_EXPORT(WeightGradientTarget);

int64_t nhwc_backward_weights_scratch(const Conv2dShape& s) {
  return nhwc::PixelGroup(s, nullptr).floats();
}

void nhwc_backward_weights(const Conv2dShape& s, int64_t image0, int64_t image1, int64_t tile0, int64_t tile1,
                           const float* x, const float* dy, NhwcSum sum, float* dw_tiles, float* db,
                           float* scratch) {
  HWY_DYNAMIC_DISPATCH(WeightGradient)
  ({s, nhwc::Gathering::forward(s), image0, image1, tile0, tile1, x, dy, sum, dw_tiles, db, scratch});
}

const char* nhwc_backward_weights_target() {
  return HWY_DYNAMIC_DISPATCH(WeightGradientTarget)();
}

}  // namespace unfold
#endif  // HWY_ONCE
