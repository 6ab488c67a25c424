// Winograd over NHWC: forward and backward data, the same sweep over tiles with other weights.
#include <algorithm>
#include <array>
#include <utility>

#include "unfold/kernels/far.h"
#include "unfold/kernels/nhwc_ahead.h"
#include "unfold/kernels/nhwc_winograd.h"
#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/nhwc_winograd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <hwy/cache_control.h>

#include "unfold/kernels/nhwc_winograd-inl.h"

#ifndef UNFOLD_KERNELS_NHWC_WINOGRAD_ONCE
#define UNFOLD_KERNELS_NHWC_WINOGRAD_ONCE
namespace unfold::nhwc {

/// One call: `range` counts tile rows and channel tiles of what is computed.
struct WinogradCall {
  TileGrid g;
  NhwcRange range;
  const float* source;
  const float* packed;
  const float* bias;
  NhwcEpilogue epilogue;
  float* out;
  float* scratch;
  bool streams;  ///< `out` past the caches, as it is too large for them
};

/// How much is computed at once: the values of the source and, of some channel tiles, the products. The more
/// tiles, the less often weights are read; those that no cache keeps are worth a block beyond the second
/// level, of which one point at a time is in use. Then all channel tiles follow each other for each point.
struct WinogradBlock {
  PointBlock values, products;
  int64_t floats;

  WinogradBlock(const TileGrid& g, int64_t images, float* scratch) {
    const bool far = g.in * g.out > 96 * 1024;
    const int64_t tiles = std::min<int64_t>(far ? 128 : 48, images * g.rows() * g.cols());
    values = {nullptr, g.points(), g.in_tiles(), tiles};
    products = {nullptr, g.points(), std::min<int64_t>(far ? 32 : 4, g.out_tiles()), tiles};
    Carver carver(scratch);
    values.data = carver.take<float>(values.floats());
    products.data = carver.take<float>(products.floats());
    floats = carver.floats();
  }
};

}  // namespace unfold::nhwc
#endif

HWY_BEFORE_NAMESPACE();
namespace unfold::HWY_NAMESPACE {
namespace {  // other files have tiles of their own by these names

using namespace winograd;
using nhwc::PointWeights;

// Register tile: kMostTiles tiles x (kPanels channel tiles), as in nhwc_gather.cpp.
#if HWY_TARGET == HWY_SCALAR
constexpr int kMostTiles = 1, kPanels = 1;
#elif HWY_TARGET <= HWY_AVX3
constexpr int kMostTiles = 14, kPanels = 2;
#elif HWY_TARGET == HWY_AVX2 || HWY_ARCH_ARM
constexpr int kMostTiles = 6, kPanels = 1;
#else
constexpr int kMostTiles = 3, kPanels = 1;
#endif

constexpr int64_t kDepth = 4;  // channel tiles of the source that are multiplied at once

/// The products of some tiles at one point: values (tiles x k) times weights (k x 16).
struct Product {
  const float* values;
  int64_t values_step;  // from 16 channels to the next
  int64_t channel_tiles;
  const float* w;
  int64_t w_panel;
  float* to;
  int64_t to_panel;
  bool add;  // to the products of channels before these
};

template <int kTiles, int kTilePanels>
void product(const Product& p) {
  const D d;
  constexpr int kPanelVectors = static_cast<int>(kNhwcTile / kLanes), kVectors = kPanelVectors * kTilePanels;
  float* const to = p.to;
  const int64_t to_panel = p.to_panel;
  const auto at = [=](int t, int v) {
    return to + v / kPanelVectors * to_panel + t * kNhwcTile + v % kPanelVectors * kLanes;
  };
  const bool add = p.add;
  V sum[kTiles][kVectors];
#pragma GCC unroll 16
  for (int t = 0; t < kTiles; ++t) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) sum[t][v] = add ? hn::Load(d, at(t, v)) : hn::Zero(d);
  }
  const float* values = p.values;
  const float* w = p.w;
  const int64_t values_step = p.values_step, w_panel = p.w_panel;
  for (int64_t channel = 0; channel < p.channel_tiles; ++channel, values += values_step) {
    for (int64_t k = 0; k < kNhwcTile; ++k, w += kNhwcTile) {
      V wv[kVectors];
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) {
        wv[v] = hn::Load(d, w + v / kPanelVectors * w_panel + v % kPanelVectors * kLanes);
      }
#pragma GCC unroll 16
      for (int t = 0; t < kTiles; ++t) {
        const V x = hn::Set(d, values[t * kNhwcTile + k]);
#pragma GCC unroll 16
        for (int v = 0; v < kVectors; ++v) sum[t][v] = hn::MulAdd(x, wv[v], sum[t][v]);
      }
    }
  }
#pragma GCC unroll 16
  for (int t = 0; t < kTiles; ++t) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) hn::Store(sum[t][v], d, at(t, v));
  }
}

using ProductFunction = void (*)(const Product&);
using ProductFunctions = std::array<ProductFunction, kMostTiles>;  // by tiles - 1

template <int kTilePanels, size_t... kIndex>
constexpr ProductFunctions products(std::index_sequence<kIndex...>) {
  return {&product<static_cast<int>(kIndex) + 1, kTilePanels>...};
}
using Tiles = std::make_index_sequence<kMostTiles>;
constexpr ProductFunctions kProducts1 = products<1>(Tiles()), kProducts2 = products<kPanels>(Tiles());

/// All products of `tiles` tiles with channel tiles [tile0, tile1). Few of the source's channels at a time,
/// so that their weights, and the next ones, stay in the first-level cache while the tiles pass.
void block_products(const nhwc::WinogradCall& call, const nhwc::WinogradBlock& block, int64_t tiles,
                    int64_t tile0, int64_t tile1) {
  const PointWeights weights(call.g);
  const int64_t points = call.g.points();
  const int64_t parts = nhwc::divide_up(tiles, kMostTiles), small = tiles / parts, larger = tiles % parts;
  const int64_t all = block.values.channel_tiles;
  const auto weights_at = [&](int64_t point, int64_t tile, int64_t from) {
    return call.packed + tile * weights.tile_step() + point * weights.point_step() +
           from * kNhwcTile * kNhwcTile;
  };
  for (int64_t point = 0; point < points; ++point) {
    for (int64_t tile = tile0; tile < tile1;) {
      const int64_t panels = tile1 - tile >= kPanels ? kPanels : 1;
      for (int64_t from = 0; from < all; from += kDepth) {
        const int64_t next = from + kDepth;
        Product p{};
        p.values = block.values.data + point * block.values.point_step() + from * block.values.channel_step();
        p.values_step = block.values.channel_step();
        p.channel_tiles = std::min(kDepth, all - from);
        p.w = weights_at(point, tile, from);
        p.w_panel = weights.tile_step();
        p.to = block.products.data + point * block.products.point_step() +
               (tile - tile0) * block.products.channel_step();
        p.to_panel = block.products.channel_step();
        p.add = from > 0;
        nhwc::AheadWeights ahead{weights_at(std::min(point + 1, points - 1), tile0, 0), p.w_panel, panels};
        if (next < all) {
          ahead.w = weights_at(point, tile, next);
        } else if (tile + panels < tile1) {
          ahead.w = weights_at(point, tile + panels, 0);
        }
        ahead.rows = std::min(kDepth, next < all ? all - next : all) * kNhwcTile;
        ahead.rows_of_call = nhwc::divide_up(ahead.rows, parts);
        for (int64_t part = 0; part < parts; ++part) {
          const int64_t count = small + (part < larger);
          ahead.fetch();
          (panels == 1 ? kProducts1 : kProducts2)[static_cast<size_t>(count - 1)](p);
          p.values += count * kNhwcTile;
          p.to += count * kNhwcTile;
        }
      }
      tile += panels;
    }
  }
}

/// Overwrites what tiles [tile0, ...) of the images have of channel tile `channel_tile`, from its products.
template <int kTaps>
void block_outputs(const nhwc::WinogradCall& call, const nhwc::PointBlock& products, const float* from,
                   int64_t tile0, int64_t tile1, int64_t channel_tile) {
  using Outputs = typename Matrices<kTaps>::Outputs;
  const D d;
  const TileGrid& g = call.g;
  const int64_t channel = channel_tile * kNhwcTile, width = std::min(kNhwcTile, g.out - channel);
  HWY_ALIGN float bias[kNhwcTile] = {};
  if (call.bias) std::copy_n(call.bias + channel, width, bias);
  const bool relu = call.epilogue == NhwcEpilogue::relu;
  const bool streams = call.streams && width == kNhwcTile;
  HWY_ALIGN float y[kTileSide * kTileSide * kNhwcTile];
  for (int64_t t = tile0; t < tile1; ++t, from += kNhwcTile) {
    const TilePlace at = nhwc::place_of(g, t);
    transform<Outputs>({from, Outputs::kFrom * products.point_step(), products.point_step()},
                       {y, kTileSide * kNhwcTile, kNhwcTile});
    const int64_t rows = std::min(kTileSide, g.oh - at.row), cols = std::min(kTileSide, g.ow - at.col);
    float* const out = call.out + ((at.image * g.oh + at.row) * g.ow + at.col) * g.out + channel;
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < cols; ++c) {
        float* const tile = y + (r * kTileSide + c) * kNhwcTile;
        float* const to = out + (r * g.ow + c) * g.out;
        for (int64_t v = 0; v < kNhwcTile; v += kLanes) {
          V value = hn::Add(hn::Load(d, tile + v), hn::Load(d, bias + v));
          if (relu) value = hn::IfThenZeroElse(hn::Lt(value, hn::Zero(d)), value);
          if (streams) {
            hn::Stream(value, d, to + v);
          } else if (width == kNhwcTile) {
            hn::StoreU(value, d, to + v);
          } else {
            hn::Store(value, d, tile + v);
          }
        }
        if (width != kNhwcTile) std::copy_n(tile, width, to);
      }
    }
  }
}

}  // namespace

void NhwcWinograd(const nhwc::WinogradCall& call, const nhwc::WinogradBlock& block) {
  const TileGrid& g = call.g;
  const NhwcRange& range = call.range;
  const int64_t first = range.row0 * g.cols(), count = (range.row1 - range.row0) * g.cols();
  const int64_t blocks = nhwc::divide_up(count, block.values.tiles);
  for (int64_t i = 0; i < blocks; ++i) {
    const int64_t tile = first + count * i / blocks, end = first + count * (i + 1) / blocks;
    source_points(g, call.source, tile, end, block.values);
    for (int64_t c0 = range.tile0; c0 < range.tile1; c0 += block.products.channel_tiles) {
      const int64_t c1 = std::min(range.tile1, c0 + block.products.channel_tiles);
      block_products(call, block, end - tile, c0, c1);
      const auto outputs = g.taps == 3 ? block_outputs<3> : block_outputs<5>;
      for (int64_t c = c0; c < c1; ++c) {
        outputs(call, block.products, block.products.data + (c - c0) * block.products.channel_step(), tile,
                end, c);
      }
    }
  }
  if (call.streams) hwy::FlushStream();
}

const char* NhwcWinogradTarget() {
  return hwy::TargetName(HWY_TARGET);
}

}  // namespace unfold::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold {

HWY_EXPORT(NhwcWinograd);
HWY_EXPORT(NhwcWinogradTarget);

using nhwc::TileGrid;

namespace {

int64_t sweep_scratch(const TileGrid& g, int64_t images) {
  return nhwc::WinogradBlock(g, images, nullptr).floats;
}

void sweep(nhwc::WinogradCall call, int64_t images) {
  if (call.range.empty()) return;
  const TileGrid& g = call.g;
  call.streams = too_far(call.out, images * g.oh * g.ow * g.out, g.out);
  HWY_DYNAMIC_DISPATCH(NhwcWinograd)(call, nhwc::WinogradBlock(call.g, images, call.scratch));
}

}  // namespace

bool nhwc_winograd_suits(const Conv2dShape& s) {
  const Window2d& k = s.window;
  if ((k.kernel_h != 3 && k.kernel_h != 5) || k.kernel_w != k.kernel_h || k.stride_h != 1 ||
      k.stride_w != 1 || k.dilation_h != 1 || k.dilation_w != 1 || k.groups != 1 || s.ic < kNhwcTile ||
      s.oc < kNhwcTile) {
    return false;
  }
  // A direct sum's products over these, in tiles of pixels and channels that are partly empty, must outweigh
  // the changes to the points and back, which cost about 13 products of a pair of channels each.
  const auto saved = [](const TileGrid& g) {
    return static_cast<double>(g.oh * g.ow * g.taps * g.taps * g.in * g.out) /
           static_cast<double>(g.rows() * g.cols() * g.points() * g.in_tiles() * g.out_tiles() * kNhwcTile *
                               kNhwcTile);
  };
  const double changes = 13.0 / static_cast<double>(s.ic) + 13.0 / static_cast<double>(s.oc);
  return std::min(saved(TileGrid::forward(s)), saved(TileGrid::backward(s))) > 1.3 * (1 + changes);
}

int64_t nhwc_winograd_output_rows(const Conv2dShape& s) {
  return TileGrid::forward(s).rows();
}

int64_t nhwc_winograd_input_rows(const Conv2dShape& s) {
  return TileGrid::backward(s).rows();
}

int64_t nhwc_winograd_forward_scratch(const Conv2dShape& s) {
  return sweep_scratch(TileGrid::forward(s), s.n);
}

int64_t nhwc_winograd_backward_data_scratch(const Conv2dShape& s) {
  return sweep_scratch(TileGrid::backward(s), s.n);
}

void nhwc_winograd_forward(const Conv2dShape& s, const NhwcRange& range, const float* x, const float* packed,
                           const float* b, NhwcEpilogue epilogue, float* y, float* scratch) {
  sweep({TileGrid::forward(s), range, x, packed, b, epilogue, y, scratch, false}, s.n);
}

void nhwc_winograd_backward_data(const Conv2dShape& s, const NhwcRange& range, const float* turned,
                                 const float* dy, float* dx, float* scratch) {
  sweep({TileGrid::backward(s), range, dy, turned, nullptr, NhwcEpilogue::none, dx, scratch, false}, s.n);
}

const char* nhwc_winograd_target() {
  return HWY_DYNAMIC_DISPATCH(NhwcWinogradTarget)();
}

}  // namespace unfold
#endif  // HWY_ONCE
