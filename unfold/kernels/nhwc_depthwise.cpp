#include "unfold/kernels/nhwc_depthwise.h"

#include <algorithm>
#include <array>
#include <utility>

#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/nhwc_depthwise.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef UNFOLD_KERNELS_NHWC_DEPTHWISE_ONCE
#define UNFOLD_KERNELS_NHWC_DEPTHWISE_ONCE
namespace unfold::nhwc {
namespace {

constexpr int64_t kCopyFloats = 16 * 1024;

/// Source pixels along an axis that `outs` neighbouring outputs of a phase read, from the first to the last.
int64_t reach(const Phase& phase, int64_t outs) {
  return (outs - 1) * phase.source_step + std::max<int64_t>(phase.taps - 1, 0) * phase.source_of_tap + 1;
}

/// Output rows of a phase that are computed from one copy.
int64_t copy_rows(const Phase& h, const Phase& w) {
  const int64_t row = reach(w, w.outs) * kNhwcTile * h.source_step;
  return std::clamp<int64_t>(kCopyFloats / row, 1, h.outs);
}

/// Rows and columns of one image of `channels` channels.
struct Picture {
  const float* data;
  int64_t height, width, channels;
};

}  // namespace
}  // namespace unfold::nhwc
#endif  // UNFOLD_KERNELS_NHWC_DEPTHWISE_ONCE

HWY_BEFORE_NAMESPACE();
namespace unfold::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using nhwc::Phase;
using nhwc::Picture;
using nhwc::Run;

using Full = hn::CappedTag<float, kNhwcTile>;
constexpr auto kLanes = static_cast<int64_t>(hn::MaxLanes(Full()));
constexpr int kVectors = static_cast<int>(kNhwcTile / kLanes);

// Pixels of a tile of y, taps of a tile of dw: accumulators enough to hide the latency of the FMA.
#if HWY_TARGET == HWY_SCALAR
constexpr int kMost = 1;
#elif HWY_TARGET <= HWY_AVX3
constexpr int kMost = 14;
#elif HWY_TARGET == HWY_AVX2 || HWY_ARCH_ARM
constexpr int kMost = 6;
#else
constexpr int kMost = 3;
#endif

/// to[row][column][16] = `width` channels from `channel` of the picture's pixels from (row0, column0) on;
/// zeros beside the picture and in the missing channels.
void copy_pixels(const Picture& from, int64_t row0, int64_t rows, int64_t column0, int64_t columns,
                 int64_t channel, int64_t width, float* to) {
  const Full d;
  const int64_t inside0 = std::clamp<int64_t>(-column0, 0, columns);
  const int64_t inside1 = std::clamp<int64_t>(from.width - column0, inside0, columns);
  for (int64_t row = row0; row < row0 + rows; ++row, to += columns * kNhwcTile) {
    if (row < 0 || row >= from.height) {
      std::fill_n(to, columns * kNhwcTile, 0.0f);
      continue;
    }
    std::fill_n(to, inside0 * kNhwcTile, 0.0f);
    const float* x = from.data + (row * from.width + column0 + inside0) * from.channels + channel;
    for (int64_t c = inside0; c < inside1; ++c, x += from.channels) {
      float* pixel = to + c * kNhwcTile;
      if (width == kNhwcTile) {
        for (int64_t v = 0; v < kNhwcTile; v += kLanes) hn::Store(hn::LoadU(d, x + v), d, pixel + v);
      } else {
        std::copy_n(x, width, pixel);
        std::fill(pixel + width, pixel + kNhwcTile, 0.0f);
      }
    }
    std::fill_n(to + inside1 * kNhwcTile, (columns - inside1) * kNhwcTile, 0.0f);
  }
}

/// Neighbouring outputs of a row, 16 channels.
struct PixelTile {
  const Run* runs;
  int64_t run_count;
  const float* w;
  const float* from;
  int64_t from_step;
  float* to;
  int64_t to_step;
  const float* start;  // 16 values
  bool relu;
};

template <int kPixels>
void pixel_tile(const PixelTile& t) {
  const Full d;
  hn::Vec<Full> sum[kPixels][kVectors];
  const float* from[kPixels];
#pragma GCC unroll 16
  for (int p = 0; p < kPixels; ++p) {
    from[p] = t.from + p * t.from_step;
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) sum[p][v] = hn::Load(d, t.start + v * kLanes);
  }
  for (const Run* run = t.runs; run != t.runs + t.run_count; ++run) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      const auto w = hn::Load(d, t.w + run->w * kNhwcTile + v * kLanes);
#pragma GCC unroll 16
      for (int p = 0; p < kPixels; ++p) {
        sum[p][v] = hn::MulAdd(hn::Load(d, from[p] + run->source + v * kLanes), w, sum[p][v]);
      }
    }
  }
  float* to = t.to;
  const int64_t to_step = t.to_step;
  const bool relu = t.relu;
#pragma GCC unroll 16
  for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      const auto y = sum[p][v];
      hn::StoreU(relu ? hn::IfThenZeroElse(hn::Lt(y, hn::Zero(d)), y) : y, d, to + p * to_step + v * kLanes);
    }
  }
}

/// Some taps of 16 channels of dw, over a group of pixels.
struct TapTile {
  const Run* runs;  // one a tap
  const float* x;
  int64_t x_row_step, x_step;
  const float* dy;  // [row][column][16]
  int64_t rows, columns;
  float* dw;
  NhwcSum sum;
};

template <int kTaps>
void tap_tile(const TapTile& t) {
  const Full d;
  hn::Vec<Full> chain[kTaps][kVectors];
#pragma GCC unroll 16
  for (int k = 0; k < kTaps; ++k) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) chain[k][v] = hn::Zero(d);
  }
  const float* dy = t.dy;
  for (int64_t row = 0; row < t.rows; ++row) {
    const float* x[kTaps];
#pragma GCC unroll 16
    for (int k = 0; k < kTaps; ++k) x[k] = t.x + row * t.x_row_step + t.runs[k].source;
    const int64_t end = t.columns * t.x_step;
    for (int64_t at = 0; at < end; at += t.x_step, dy += kNhwcTile) {
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) {
        const auto g = hn::Load(d, dy + v * kLanes);
#pragma GCC unroll 16
        for (int k = 0; k < kTaps; ++k) {
          chain[k][v] = hn::MulAdd(hn::Load(d, x[k] + at + v * kLanes), g, chain[k][v]);
        }
      }
    }
  }
#pragma GCC unroll 16
  for (int k = 0; k < kTaps; ++k) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      float* dw = t.dw + t.runs[k].w * kNhwcTile + v * kLanes;
      hn::Store(t.sum == NhwcSum::add ? hn::Add(hn::Load(d, dw), chain[k][v]) : chain[k][v], d, dw);
    }
  }
}

template <size_t... kIndex>
constexpr auto pixel_tiles(std::index_sequence<kIndex...>) {
  return std::array<void (*)(const PixelTile&), kMost>{&pixel_tile<static_cast<int>(kIndex) + 1>...};
}
template <size_t... kIndex>
constexpr auto tap_tiles(std::index_sequence<kIndex...>) {
  return std::array<void (*)(const TapTile&), kMost>{&tap_tile<static_cast<int>(kIndex) + 1>...};
}
constexpr auto kPixelTiles = pixel_tiles(std::make_index_sequence<kMost>());
constexpr auto kTapTiles = tap_tiles(std::make_index_sequence<kMost>());

/// The taps of two phases on a copy of `columns` columns; returns how many there are.
int64_t list_taps(const nhwc::Gathering& g, const Phase& h, const Phase& w, int64_t columns, Run* runs) {
  int64_t count = 0;
  for (int64_t i = 0; i < h.taps; ++i) {
    for (int64_t j = 0; j < w.taps; ++j) {
      runs[count++] = {(h.tap0 + i * h.tap_step) * g.w.taps + w.tap0 + j * w.tap_step,
                       (i * h.source_of_tap * columns + j * w.source_of_tap) * kNhwcTile, 1};
    }
  }
  return count;
}

/// A row of outputs from a row of the copy: `t` is its first tile, of any size.
void output_row(PixelTile& t, int64_t outs, int64_t width) {
  const int64_t tiles = nhwc::divide_up(outs, kMost), small = outs / tiles, larger = outs % tiles;
  if (width == kNhwcTile) {
    for (int64_t i = 0; i < tiles; ++i) {
      const int64_t count = small + (i < larger);
      kPixelTiles[static_cast<size_t>(count - 1)](t);
      t.from += count * t.from_step;
      t.to += count * t.to_step;
    }
    return;
  }
  // Not all channels of the tile exist: computed beside `to` and copied.
  HWY_ALIGN float edge[kMost * kNhwcTile];
  PixelTile e = t;
  e.to = edge;
  e.to_step = kNhwcTile;
  for (int64_t i = 0; i < tiles; ++i) {
    const int64_t count = small + (i < larger);
    kPixelTiles[static_cast<size_t>(count - 1)](e);
    for (int64_t p = 0; p < count; ++p, t.to += t.to_step) std::copy_n(edge + p * kNhwcTile, width, t.to);
    e.from += count * e.from_step;
  }
}

/// Rows [row0, row1) of one image, outputs of one phase of rows and one of columns.
void phase_rows(const nhwc::GatherCall& call, const Picture& source, float* out, int64_t row0, int64_t row1,
                const Phase& h, const Phase& w, Run* runs, float* copy) {
  const nhwc::Gathering& g = call.g;
  const int64_t first = std::max<int64_t>(0, nhwc::divide_up(row0 - h.out0, h.out_step));
  const int64_t last = row1 <= h.out0 ? 0 : std::min(h.outs, nhwc::divide_up(row1 - h.out0, h.out_step));
  const int64_t columns = nhwc::reach(w, w.outs), channels = g.out(), block = nhwc::copy_rows(h, w);
  PixelTile t{};
  t.runs = runs;
  t.run_count = list_taps(g, h, w, columns, runs);
  t.from_step = w.source_step * kNhwcTile;
  t.to_step = w.out_step * channels;
  t.relu = call.epilogue == NhwcEpilogue::relu;
  HWY_ALIGN float start[kNhwcTile] = {};
  t.start = start;
  for (int64_t o = first; o < last; o += block) {
    const int64_t outs = std::min(block, last - o);
    for (int64_t tile = call.range.tile0; tile < call.range.tile1; ++tile) {
      const int64_t channel = tile * kNhwcTile, width = std::min(kNhwcTile, channels - channel);
      if (t.run_count > 0) {
        copy_pixels(source, h.source0 + o * h.source_step, nhwc::reach(h, outs), w.source0, columns, channel,
                    width, copy);
      }
      if (call.bias) std::copy_n(call.bias + channel, width, start);
      t.w = call.packed + tile * g.k() * kNhwcTile;
      for (int64_t i = 0; i < outs; ++i) {
        t.from = copy + i * h.source_step * columns * kNhwcTile;
        t.to = out + ((h.out0 + (o + i) * h.out_step) * g.w.outputs + w.out0) * channels + channel;
        output_row(t, w.outs, width);
      }
    }
  }
}

}  // namespace

void NhwcDepthwiseGather(const nhwc::GatherCall& call) {
  const nhwc::Gathering& g = call.g;
  const NhwcRange& range = call.range;
  nhwc::Carver carver(call.scratch);
  Run* const runs = carver.take<Run>(g.h.taps * g.w.taps);
  float* const copy = carver.take<float>(0);
  for (int64_t row = range.row0; row < range.row1;) {
    const int64_t image = row / g.h.outputs, first = image * g.h.outputs;
    const int64_t end = std::min(range.row1, first + g.h.outputs);
    const Picture source{call.source + image * g.h.sources * g.w.sources * g.in(), g.h.sources, g.w.sources,
                         g.in()};
    float* out = call.out + first * g.w.outputs * g.out();
    for (int64_t p = 0; p < g.h.phases(); ++p) {
      for (int64_t q = 0; q < g.w.phases(); ++q) {
        const Phase h = g.h.phase(p), w = g.w.phase(q);
        if (h.outs > 0 && w.outs > 0)
          phase_rows(call, source, out, row - first, end - first, h, w, runs, copy);
      }
    }
    row = end;
  }
}

void NhwcDepthwiseWeights(const nhwc::WeightCall& call) {
  const nhwc::Gathering& g = call.g;
  const nhwc::Grouping grouping(call.shape);
  const Phase h = g.h.phase(0), w = g.w.phase(0);
  nhwc::Carver carver(call.scratch);
  Run* const runs = carver.take<Run>(g.h.taps * g.w.taps);
  float* const dy = carver.take<float>(grouping.most_pixels() * kNhwcTile);
  float* const copy = carver.take<float>(0);
  NhwcSum sum = call.sum;
  for (int64_t i = call.image0 * grouping.of_image(); i < call.image1 * grouping.of_image(); ++i) {
    const int64_t image = i / grouping.of_image();
    const nhwc::Grouping::Part part = grouping.part(i % grouping.of_image());
    const Picture x{call.x + image * call.shape.x_image(), g.h.sources, g.w.sources, g.in()};
    const Picture all_dy{call.dy + image * call.shape.y_image(), g.h.outputs, g.w.outputs, g.out()};
    TapTile t{};
    t.rows = part.row1 - part.row0;
    t.columns = part.column1 - part.column0;
    t.x = copy;
    t.dy = dy;
    t.x_step = w.source_step * kNhwcTile;
    t.sum = sum;
    const int64_t columns = nhwc::reach(w, t.columns), taps = list_taps(g, h, w, columns, runs);
    t.x_row_step = h.source_step * columns * kNhwcTile;
    for (int64_t tile = call.tile0; tile < call.tile1; ++tile) {
      const int64_t channel = tile * kNhwcTile, width = std::min(kNhwcTile, g.out() - channel);
      copy_pixels(x, h.source0 + part.row0 * h.source_step, nhwc::reach(h, t.rows),
                  w.source0 + part.column0 * w.source_step, columns, channel, width, copy);
      copy_pixels(all_dy, part.row0, t.rows, part.column0, t.columns, channel, width, dy);
      t.dw = call.dw + tile * g.k() * kNhwcTile;
      const int64_t tiles = nhwc::divide_up(taps, kMost);
      t.runs = runs;
      for (int64_t k = 0; k < tiles; ++k) {
        const int64_t count = taps / tiles + (k < taps % tiles);
        kTapTiles[static_cast<size_t>(count - 1)](t);
        t.runs += count;
      }
      if (call.db) nhwc::add_bias(t.rows * t.columns, dy, width, call.db + channel);
    }
    sum = NhwcSum::add;
  }
}

}  // namespace unfold::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold {

HWY_EXPORT(NhwcDepthwiseGather);
HWY_EXPORT(NhwcDepthwiseWeights);

int64_t nhwc::depthwise_gather_scratch(const Gathering& g) {
  int64_t copy = 0;
  for (int64_t p = 0; p < g.h.phases(); ++p) {
    for (int64_t q = 0; q < g.w.phases(); ++q) {
      const Phase h = g.h.phase(p), w = g.w.phase(q);
      if (h.outs < 1 || w.outs < 1) continue;
      copy = std::max(copy, reach(h, copy_rows(h, w)) * reach(w, w.outs) * kNhwcTile);
    }
  }
  Carver carver(nullptr);
  carver.take<Run>(g.h.taps * g.w.taps);
  carver.take<float>(copy);
  return carver.floats();
}

int64_t nhwc::depthwise_weights_scratch(const Conv2dShape& s) {
  const Gathering g = Gathering::forward(s);
  const Grouping grouping(s);
  Carver carver(nullptr);
  carver.take<Run>(s.window.taps());
  carver.take<float>(grouping.most_pixels() * kNhwcTile);
  carver.take<float>(reach(g.h.phase(0), grouping.rows) * reach(g.w.phase(0), grouping.columns) * kNhwcTile);
  return carver.floats();
}

void nhwc::depthwise_gather(const GatherCall& call) {
  HWY_DYNAMIC_DISPATCH(NhwcDepthwiseGather)(call);
}

void nhwc::depthwise_weights(const WeightCall& call) {
  HWY_DYNAMIC_DISPATCH(NhwcDepthwiseWeights)(call);
}

}  // namespace unfold
#endif  // HWY_ONCE
