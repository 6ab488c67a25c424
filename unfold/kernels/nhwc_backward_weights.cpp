#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "unfold/kernels/nhwc.h"
#include "unfold/kernels/nhwc_depthwise.h"
#include "unfold/kernels/nhwc_groups.h"
#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/nhwc_backward_weights.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <hwy/cache_control.h>

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
    opaque(x);
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

using TileFunction = void (*)(const Tile&);
using TileFunctions = std::array<TileFunction, kMostRows>;  // by rows - 1

template <int kTilePanels, size_t... kIndex>
constexpr TileFunctions wide(std::index_sequence<kIndex...>) {
  return {&wide_tile<static_cast<int>(kIndex) + 1, kTilePanels>...};
}
using Rows = std::make_index_sequence<kMostRows>;
constexpr TileFunctions kWide1 = wide<1>(Rows()), kWide2 = wide<kPanels>(Rows());

/// packed[pixel][16] <- `width` channels of dy, whose pixels lie `step` apart; zeros behind them.
void pack_dy(int64_t pixels, const float* dy, int64_t step, int64_t width, float* packed) {
  if (width == kNhwcTile) {
    const Full d;
    for (int64_t p = 0; p < pixels; ++p, dy += step, packed += kNhwcTile) {
      hwy::Prefetch(dy + kNhwcTile);  // the next tile's, a line that no stream of addresses leads to
      for (size_t v = 0; v < kNhwcTile; v += hn::Lanes(d)) hn::Store(hn::LoadU(d, dy + v), d, packed + v);
    }
    return;
  }
  for (int64_t p = 0; p < pixels; ++p, dy += step, packed += kNhwcTile) {
    std::copy_n(dy, width, packed);
    std::fill(packed + width, packed + kNhwcTile, 0.0f);
  }
}

/// A unit's rows in tiles of nearly one size: the first row of tile i, for i up to `tiles`.
int64_t tile_row(int64_t rows, int64_t tiles, int64_t i) {
  return rows / tiles * i + std::min(i, rows % tiles);
}

/// kRows channels of every source pixel from `channel`, pixels kMostRows apart.
template <int kRows>
void gather_rows(const PixelGroup& group, int64_t channel, float* to) {
  for (int64_t p = 0; p < group.source_count; ++p, to += kMostRows) {
    std::memcpy(to, group.sources[p] + channel, kRows * sizeof(float));
  }
}
using GatherFunction = void (*)(const PixelGroup&, int64_t, float*);
template <size_t... kIndex>
constexpr std::array<GatherFunction, kMostRows> gathers(std::index_sequence<kIndex...>) {
  return {&gather_rows<static_cast<int>(kIndex) + 1>...};
}
constexpr auto kGathers = gathers(Rows());

/// Tiles [first, last) of every unit's `tiles` of rows, of one or more channel tiles. `x_step` is how far x
/// of the next tile lies where x is gathered, else 0.
void wide_rows(const PixelGroup& group, const TileFunctions& functions, int64_t tiles, int64_t first,
               int64_t last, int64_t x_step, Tile t) {
  float* const dw = t.dw;
  for (int64_t u = 0; u < group.unit_count; ++u) {
    const Unit& unit = group.units[u];
    t.points = unit.points;
    t.point_count = unit.point_count;
    for (int64_t i = first; i < last; ++i) {
      const int64_t row = tile_row(unit.length, tiles, i), rows = tile_row(unit.length, tiles, i + 1) - row;
      t.x_at = x_step ? (i - first) * x_step : row;
      t.dw = dw + (unit.row + row) * kNhwcTile;
      functions[static_cast<size_t>(rows - 1)](t);
    }
  }
}

/// Channel tiles [tile0, tile1), all of one group of the convolution.
void wide_tiles(const nhwc::WeightCall& call, const PixelGroup& group, NhwcSum sum, int64_t tile0,
                int64_t tile1) {
  const nhwc::Gathering& g = call.g;
  const int64_t of_group = g.group_tiles(), conv_group = tile0 / of_group;
  const int64_t length = group.units[0].length, tiles = nhwc::divide_up(length, kMostRows);
  const int64_t x_step = group.sources ? group.source_count * kMostRows : 0;
  const int64_t chunk = x_step ? std::max<int64_t>(1, group.gathered_floats() / x_step) : tiles;
  for (int64_t first = 0; first < tiles; first += chunk) {
    const int64_t last = std::min(tiles, first + chunk);
    for (int64_t i = first; x_step && i < last; ++i) {
      const int64_t row = tile_row(length, tiles, i), rows = tile_row(length, tiles, i + 1) - row;
      kGathers[static_cast<size_t>(rows - 1)](group, conv_group * g.group_in + row,
                                              group.gathered + (i - first) * x_step);
    }
    for (int64_t tile = tile0; tile < tile1;) {
      const int64_t at = tile % of_group * kNhwcTile, full = (g.group_out - at) / kNhwcTile;
      const int64_t panels = std::min(tile1 - tile, full) >= kPanels ? kPanels : 1;
      Tile t{};
      t.dw = call.dw + tile * g.k() * kNhwcTile;
      t.dw_panel = g.k() * kNhwcTile;
      t.dy_panel = group.grouping().most_pixels() * kNhwcTile;
      t.sum = sum;
      for (int64_t p = 0; p < panels; ++p) {
        const int64_t channel = at + p * kNhwcTile, width = std::min(kNhwcTile, g.group_out - channel);
        const int64_t out = conv_group * g.group_out + channel;
        float* packed = group.packed + p * t.dy_panel;
        pack_dy(group.pixels, group.dy + out, g.out(), width, packed);
        if (call.db && first == 0) nhwc::add_bias(group.pixels, packed, width, call.db + out);
      }
      wide_rows(group, panels == 1 ? kWide1 : kWide2, tiles, first, last, x_step, t);
      tile += panels;
    }
  }
}

}  // namespace

void NhwcWeightGradient(const nhwc::WeightCall& call) {
  PixelGroup group(call.shape, call.scratch);
  const nhwc::Grouping& grouping = group.grouping();
  NhwcSum sum = call.sum;
  for (int64_t image = call.image0; image < call.image1; image += grouping.images) {
    const float* x = call.x + image * call.shape.x_image();
    const float* dy = call.dy + image * call.shape.y_image();
    for (int64_t i = 0; i < grouping.of_image(); ++i) {
      group.build(grouping.part(i), std::min(grouping.images, call.image1 - image), x, dy, kMostRows);
      for (int64_t tile = call.tile0; tile < call.tile1;) {
        const int64_t end =
            std::min(call.tile1, nhwc::divide_up(tile + 1, call.g.group_tiles()) * call.g.group_tiles());
        wide_tiles(call, group, sum, tile, end);
        tile = end;
      }
      sum = NhwcSum::add;
    }
  }
}

const char* NhwcWeightGradientTarget() {
  return hwy::TargetName(HWY_TARGET);
}

}  // namespace unfold::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold {

HWY_EXPORT(NhwcWeightGradient);
HWY_EXPORT(NhwcWeightGradientTarget);

int64_t nhwc_group_images(const Conv2dShape& s) {
  return nhwc::depthwise(s) ? 1 : std::max<int64_t>(1, kNhwcGroupPixels / s.pixels());
}

int64_t nhwc_backward_weights_scratch(const Conv2dShape& s) {
  return nhwc::depthwise(s) ? nhwc::depthwise_weights_scratch(s) : nhwc::PixelGroup(s, nullptr).floats();
}

void nhwc_backward_weights(const Conv2dShape& s, int64_t image0, int64_t image1, int64_t tile0, int64_t tile1,
                           const float* x, const float* dy, NhwcSum sum, float* dw_tiles, float* db,
                           float* scratch) {
  const nhwc::WeightCall call{
      s, nhwc::Gathering::forward(s), image0, image1, tile0, tile1, x, dy, sum, dw_tiles, db, scratch};
  if (nhwc::depthwise(s)) {
    nhwc::depthwise_weights(call);
  } else {
    HWY_DYNAMIC_DISPATCH(NhwcWeightGradient)(call);
  }
}

const char* nhwc_backward_weights_target() {
  return HWY_DYNAMIC_DISPATCH(NhwcWeightGradientTarget)();
}

}  // namespace unfold
#endif  // HWY_ONCE
