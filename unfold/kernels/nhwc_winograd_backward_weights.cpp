// Winograd over NHWC: backward weights. At each point dw is the product of the source's values and those of
// dy, summed over tiles.
#include <algorithm>
#include <array>
#include <utility>

#include "unfold/kernels/nhwc_winograd.h"
#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/nhwc_winograd_backward_weights.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <hwy/cache_control.h>

#include "unfold/kernels/nhwc_layout-inl.h"
#include "unfold/kernels/nhwc_winograd-inl.h"

#ifndef UNFOLD_KERNELS_NHWC_WINOGRAD_WEIGHTS_ONCE
#define UNFOLD_KERNELS_NHWC_WINOGRAD_WEIGHTS_ONCE
namespace unfold::nhwc {

/// Which tiles are one chain. All tiles are counted through images, rows and columns.
struct TileGroups {
  int64_t most;    ///< tiles of a group
  int64_t within;  ///< no group crosses a multiple of it; 0: all may be crossed

  explicit TileGroups(const TileGrid& g) {
    const auto evenly = [](int64_t all, int64_t at_most) { return divide_up(all, divide_up(all, at_most)); };
    const int64_t image = g.rows() * g.cols();
    const int64_t limit = g.taps == 3 ? kNhwcWinogradGroup3x3 : kNhwcWinogradGroup5x5;
    if (g.cols() > limit) {
      most = evenly(g.cols(), limit);
      within = g.cols();
    } else if (2 * image > limit) {
      most = evenly(g.rows(), limit / g.cols()) * g.cols();
      within = image;
    } else {
      int64_t images = 16;
      while (images * image > limit) images /= 2;
      most = images * image;
      within = 0;
    }
  }
  int64_t end(int64_t tile, int64_t last) const {
    return std::min(within ? std::min(last, (tile / within + 1) * within) : last, tile + most);
  }
};

/// One call.
struct WinogradWeightCall {
  TileGrid g;
  int64_t tile0, tile1;  ///< of all images
  int64_t channel_tile0, channel_tile1;
  const float *x, *dy;
  float *dw, *db;
};

/// A group's values, and the sums of some channel tiles of OC.
struct WeightBlock {
  TileGroups groups;
  PointBlock values, gradients;
  float *sums, *bias, *group_bias;  ///< (channel tiles) of PointWeights, and of 16
  int64_t floats;

  WeightBlock(const TileGrid& g, int64_t images, float* scratch) : groups(g) {
    const int64_t tiles = images * g.rows() * g.cols(), most = std::min(groups.most, tiles);
    // Every block of channel tiles walks all groups. With one group that costs nothing, and the sums of few
    // tiles stay in a near cache until they are turned back.
    const int64_t channel_tiles = std::min<int64_t>(tiles > most ? 16 : 2, g.out_tiles());
    values = {nullptr, g.points(), g.in_tiles(), most};
    gradients = {nullptr, g.points(), channel_tiles, most};
    Carver carver(scratch);
    values.data = carver.take<float>(values.floats());
    gradients.data = carver.take<float>(gradients.floats());
    sums = carver.take<float>(channel_tiles * PointWeights(g).tile_step());
    bias = carver.take<float>(channel_tiles * kNhwcTile);
    group_bias = carver.take<float>(channel_tiles * kNhwcTile);
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

// Register tile: kMostRows input channels x (kPanels tiles of output channels).
#if HWY_TARGET == HWY_SCALAR
constexpr int kMostRows = 1, kPanels = 1;
#elif HWY_TARGET <= HWY_AVX3
constexpr int kMostRows = 8, kPanels = 2;
#elif HWY_TARGET == HWY_AVX2 || HWY_ARCH_ARM
constexpr int kMostRows = 6, kPanels = 1;
#else
constexpr int kMostRows = 3, kPanels = 1;
#endif

/// Some input channels times one or more tiles of output channels at one point, summed over tiles.
struct Product {
  int64_t tiles;
  const float* values;     // [tile][16], from the first input channel
  const float* gradients;  // [tile][16],
  int64_t gradients_panel;
  float* sums;
  int64_t sums_panel;
  bool add;  // to the sums of earlier groups
};

template <int kRows, int kTilePanels>
void product(const Product& p) {
  const D d;
  constexpr int kPanelVectors = static_cast<int>(kNhwcTile / kLanes), kVectors = kPanelVectors * kTilePanels;
  V sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(d);
#pragma GCC unroll 16
    for (int panel = 0; panel < kTilePanels; ++panel) {
      hwy::Prefetch(p.sums + panel * p.sums_panel + r * kNhwcTile);
    }
  }
  const float* values = p.values;
  const float* gradients = p.gradients;
  const int64_t gradients_panel = p.gradients_panel;
  for (int64_t tile = 0; tile < p.tiles; ++tile, values += kNhwcTile, gradients += kNhwcTile) {
    V gv[kVectors];
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      gv[v] = hn::Load(d, gradients + v / kPanelVectors * gradients_panel + v % kPanelVectors * kLanes);
    }
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const V x = hn::Set(d, values[r]);
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(x, gv[v], sum[r][v]);
    }
  }
  const int64_t sums_panel = p.sums_panel;
  const bool add = p.add;
  float* const sums = p.sums;
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      float* const to = sums + v / kPanelVectors * sums_panel + r * kNhwcTile + v % kPanelVectors * kLanes;
      hn::Store(add ? hn::Add(hn::Load(d, to), sum[r][v]) : sum[r][v], d, to);
    }
  }
}

using ProductFunction = void (*)(const Product&);
using ProductFunctions = std::array<ProductFunction, kMostRows>;  // by rows - 1

template <int kTilePanels, size_t... kIndex>
constexpr ProductFunctions products(std::index_sequence<kIndex...>) {
  return {&product<static_cast<int>(kIndex) + 1, kTilePanels>...};
}
using Rows = std::make_index_sequence<kMostRows>;
constexpr ProductFunctions kProducts1 = products<1>(Rows()), kProducts2 = products<kPanels>(Rows());

void add_vector(int64_t count, const float* from, float* to) {
  for (int64_t i = 0; i < count; ++i) to[i] += from[i];
}

/// A group's products of all input channels with channel tiles [0, channel_tiles) of the block.
void group_products(const TileGrid& g, const nhwc::WeightBlock& block, int64_t tiles, int64_t channel_tiles,
                    bool add) {
  const PointWeights sums(g);
  for (int64_t point = 0; point < g.points(); ++point) {
    for (int64_t in = 0; in < g.in_tiles(); ++in) {
      const int64_t rows = std::min(kNhwcTile, g.in - in * kNhwcTile);
      const int64_t parts = nhwc::divide_up(rows, kMostRows), small = rows / parts, larger = rows % parts;
      for (int64_t tile = 0; tile < channel_tiles;) {
        const int64_t panels = channel_tiles - tile >= kPanels ? kPanels : 1;
        Product p{};
        p.tiles = tiles;
        p.values = block.values.data + point * block.values.point_step() + in * block.values.channel_step();
        p.gradients = block.gradients.data + point * block.gradients.point_step() +
                      tile * block.gradients.channel_step();
        p.gradients_panel = block.gradients.channel_step();
        p.sums =
            block.sums + tile * sums.tile_step() + point * sums.point_step() + in * kNhwcTile * kNhwcTile;
        p.sums_panel = sums.tile_step();
        p.add = add;
        for (int64_t part = 0; part < parts; ++part) {
          const int64_t count = small + (part < larger);
          (panels == 1 ? kProducts1 : kProducts2)[static_cast<size_t>(count - 1)](p);
          p.values += count;
          p.sums += count * kNhwcTile;
        }
        tile += panels;
      }
    }
  }
}

/// Adds one channel tile's sums to dw, from the tile's first output channel.
template <int64_t kTaps>
void add_weights(const TileGrid& g, const float* sums, int64_t lanes, float* dw) {
  using Weights = typename Matrices<kTaps>::Weights;
  constexpr int64_t kKernel = kTaps * kTaps, kAhead = 4;
  const PointWeights weights(g);
  HWY_ALIGN float taps[kNhwcTile * kKernel * kNhwcTile];  // [ic][kh][kw][16]
  for (int64_t in = 0; in < g.in; in += kNhwcTile) {
    const int64_t count = std::min(kNhwcTile, g.in - in);
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t point = 0; point < g.points(); ++point) {  // so many streams are not foreseen
        hwy::Prefetch(sums + point * weights.point_step() + (in + i + kAhead) * kNhwcTile);
      }
      transform<Weights>(
          {sums + (in + i) * kNhwcTile, Weights::kFrom * weights.point_step(), weights.point_step()},
          {taps + i * kKernel * kNhwcTile, kTaps * kNhwcTile, kNhwcTile});
    }
    add_tile(taps, {1, 0}, g.in * kKernel, lanes, count * kKernel, dw + in * kKernel);
  }
}

}  // namespace

void NhwcWinogradWeights(const nhwc::WinogradWeightCall& call, const nhwc::WeightBlock& block) {
  const TileGrid& g = call.g;
  const bool one_group = block.groups.end(call.tile0, call.tile1) == call.tile1;
  for (int64_t c0 = call.channel_tile0; c0 < call.channel_tile1; c0 += block.gradients.channel_tiles) {
    const int64_t c1 = std::min(call.channel_tile1, c0 + block.gradients.channel_tiles);
    std::fill(block.bias, block.bias + (c1 - c0) * kNhwcTile, 0.0f);
    for (int64_t tile = call.tile0; tile < call.tile1;) {
      const int64_t end = block.groups.end(tile, call.tile1);
      if (!one_group || c0 == call.channel_tile0) source_points(g, call.x, tile, end, block.values);
      std::fill(block.group_bias, block.group_bias + (c1 - c0) * kNhwcTile, 0.0f);
      const auto gradient =
          g.taps == 3 ? tiles_at_points<Matrices<3>::Gradient> : tiles_at_points<Matrices<5>::Gradient>;
      gradient(g, {call.dy, g.oh, g.ow, g.out}, 0, 0, tile, end, c0, c1, block.gradients,
               call.db ? block.group_bias : nullptr);
      add_vector((c1 - c0) * kNhwcTile, block.group_bias, block.bias);
      group_products(g, block, end - tile, c1 - c0, tile != call.tile0);
      tile = end;
    }
    for (int64_t c = c0; c < c1; ++c) {
      const int64_t lanes = std::min(kNhwcTile, g.out - c * kNhwcTile);
      (g.taps == 3 ? add_weights<3> : add_weights<5>)(g, block.sums + (c - c0) * PointWeights(g).tile_step(),
                                                      lanes,
                                                      call.dw + c * kNhwcTile * g.in * g.taps * g.taps);
      if (call.db) add_vector(lanes, block.bias + (c - c0) * kNhwcTile, call.db + c * kNhwcTile);
    }
  }
}

const char* NhwcWinogradWeightsTarget() {
  return hwy::TargetName(HWY_TARGET);
}

}  // namespace unfold::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold {

HWY_EXPORT(NhwcWinogradWeights);
HWY_EXPORT(NhwcWinogradWeightsTarget);

using nhwc::TileGrid;

int64_t nhwc_winograd_backward_weights_scratch(const Conv2dShape& s) {
  return nhwc::WeightBlock(TileGrid::forward(s), s.n, nullptr).floats;
}

void nhwc_winograd_backward_weights(const Conv2dShape& s, int64_t image0, int64_t image1, int64_t tile0,
                                    int64_t tile1, const float* x, const float* dy, float* dw, float* db,
                                    float* scratch) {
  const TileGrid g = TileGrid::forward(s);
  const int64_t image = g.rows() * g.cols();
  HWY_DYNAMIC_DISPATCH(NhwcWinogradWeights)
  ({g, image0 * image, image1 * image, tile0, tile1, x, dy, dw, db}, nhwc::WeightBlock(g, s.n, scratch));
}

const char* nhwc_winograd_backward_weights_target() {
  return HWY_DYNAMIC_DISPATCH(NhwcWinogradWeightsTarget)();
}

}  // namespace unfold
#endif  // HWY_ONCE
