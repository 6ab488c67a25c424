#include "unfold/kernels/nhwc_gather.h"

#include <algorithm>
#include <array>
#include <utility>

#include "unfold/kernels/nhwc_ahead.h"
#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/nhwc_gather.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <hwy/cache_control.h>

HWY_BEFORE_NAMESPACE();
namespace unfold::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using nhwc::AheadWeights;
using nhwc::PixelBlock;
using nhwc::PixelClass;
using nhwc::Run;

namespace {  // other files have tiles of their own by these names

using Full = hn::CappedTag<float, kNhwcTile>;

// Register tile: kMostPixels x (kPanels channel tiles). Eight accumulators and more hide the latency of the
// FMA; 16 registers hold 6 x 2, 32 hold 14 x 2 or 6 x 4.
#if HWY_TARGET == HWY_SCALAR
constexpr int kMostPixels = 1, kPanels = 1;
#elif HWY_TARGET <= HWY_AVX3
constexpr int kMostPixels = 14, kPanels = 2;
#elif HWY_TARGET == HWY_AVX2 || HWY_ARCH_ARM
constexpr int kMostPixels = 6, kPanels = 1;
#else
constexpr int kMostPixels = 3, kPanels = 1;
#endif

constexpr int64_t kNearFloats = 128 * 1024;  // 512 KiB

/// The outputs of some pixels x one or more channel tiles, over some runs.
struct Tile {
  const Run* runs;
  int64_t run_count;
  const float* w;   // packed rows of the first channel tile,
  int64_t w_panel;  // and how far to those of the next
  const float* const* from;
  int64_t from_at;  // channel of the source where values begin
  float* const* to;
  int64_t to_at;
  const float* start;  // where chains start, by channel; null: at `to`, continuing
  bool relu;           // the last runs: apply the epilogue
  bool stream;         // `to` past the caches
};

/// Accumulators from `start` or `to`.
template <int kPixels, int kVectors>
HWY_INLINE void load(const Tile& t, hn::Vec<Full> (&sum)[kPixels][kVectors]) {
  const Full d;
  constexpr auto kLanes = static_cast<int64_t>(hn::MaxLanes(Full()));
#pragma GCC unroll 16
  for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      sum[p][v] = hn::LoadU(d, (t.start ? t.start : t.to[p] + t.to_at) + v * kLanes);
    }
  }
}

template <int kPixels, int kVectors>
HWY_INLINE void store(const Tile& t, hn::Vec<Full> (&sum)[kPixels][kVectors]) {
  const Full d;
  constexpr auto kLanes = static_cast<int64_t>(hn::MaxLanes(Full()));
  float* to[kPixels];  // vectors may alias anything: the compiler would read them again after every store
#pragma GCC unroll 16
  for (int p = 0; p < kPixels; ++p) to[p] = t.to[p] + t.to_at;
  if (t.relu) {
#pragma GCC unroll 16
    for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) {
        sum[p][v] = hn::IfThenZeroElse(hn::Lt(sum[p][v], hn::Zero(d)), sum[p][v]);
      }
    }
  }
  if (t.stream) {
#pragma GCC unroll 16
    for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) hn::Stream(sum[p][v], d, to[p] + v * kLanes);
    }
  } else {
#pragma GCC unroll 16
    for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) hn::StoreU(sum[p][v], d, to[p] + v * kLanes);
    }
  }
}

/// Pointers to sources that have a register of their own. The others are read from memory where they are
/// needed: the compiler would keep some in vector registers, and their way back takes an FMA's port.
constexpr int kHeldPointers = 9;

/// Every value of the source meets a row of weights: a product of matrices whose left one is a list of
/// pointers.
template <int kPixels, int kTilePanels>
void wide_tile(const Tile& t) {
  const Full d;
  constexpr auto kLanes = static_cast<int64_t>(hn::MaxLanes(Full()));
  constexpr int kPanelVectors = static_cast<int>(kNhwcTile / kLanes);
  constexpr int kVectors = kPanelVectors * kTilePanels;
  hn::Vec<Full> sum[kPixels][kVectors];
  load<kPixels, kVectors>(t, sum);
  constexpr int kHeld = std::min(kPixels, kHeldPointers);
  const float* held[kHeld];
#pragma GCC unroll 16
  for (int p = 0; p < kHeld; ++p) held[p] = t.from[p];
  const float* const* others = t.from;
  for (const Run* run = t.runs; run != t.runs + t.run_count; ++run) {
    const float* w = t.w + run->w * kNhwcTile;
    const int64_t first = t.from_at + run->source, end = first + run->length;
    for (int64_t i = first; i < end; ++i, w += kNhwcTile) {
      opaque(others);
      hn::Vec<Full> wv[kVectors];
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) {
        wv[v] = hn::Load(d, w + v / kPanelVectors * t.w_panel + v % kPanelVectors * kLanes);
      }
#pragma GCC unroll 16
      for (int p = 0; p < kPixels; ++p) {
        const float* const from = p < kHeld ? held[p] : others[p];
        const auto x = hn::Set(d, from[i]);
#pragma GCC unroll 16
        for (int v = 0; v < kVectors; ++v) sum[p][v] = hn::MulAdd(x, wv[v], sum[p][v]);
      }
    }
  }
  store<kPixels, kVectors>(t, sum);
}

using TileFunction = void (*)(const Tile&);
using TileFunctions = std::array<TileFunction, kMostPixels>;  // by pixels - 1

template <int kTilePanels, size_t... kIndex>
constexpr TileFunctions wide(std::index_sequence<kIndex...>) {
  return {&wide_tile<static_cast<int>(kIndex) + 1, kTilePanels>...};
}
using Pixels = std::make_index_sequence<kMostPixels>;
constexpr TileFunctions kWide1 = wide<1>(Pixels()), kWide2 = wide<kPanels>(Pixels());

/// The source of the rows behind those of a block, fetched into the second level while these are computed:
/// some lines with every tile.
class AheadSource {
 public:
  AheadSource(const nhwc::GatherCall& call, const PixelBlock& block, int64_t row) {
    const int64_t last = std::min(call.range.row1, row + block.rows());
    if (row == last) return;
    at_ = source_end(call, row);
    end_ = source_end(call, last);
    const int64_t passes = nhwc::divide_up(call.range.tile1 - call.range.tile0, kPanels) *
                           nhwc::divide_up(call.g.k(), block.k_block());
    lines_of_tile_ = nhwc::divide_up((end_ - at_) / kLine, passes * (block.pixels() / kMostPixels + 1));
  }

  void fetch() {
    for (int64_t i = 0; i < lines_of_tile_ && at_ < end_; ++i, at_ += kLine) __builtin_prefetch(at_, 0, 2);
  }

 private:
  static constexpr int64_t kLine = 16;  // floats

  /// Behind what the rows before `row` read.
  static const float* source_end(const nhwc::GatherCall& call, int64_t row) {
    const nhwc::Axis &h = call.g.h, &w = call.g.w;
    const nhwc::Taps taps = h.at((row - 1) % h.outputs);
    const int64_t end = std::min(h.sources, taps.source + taps.count * h.source_step);
    return call.source + ((row - 1) / h.outputs * h.sources + end) * w.sources * call.g.in();
  }

  const float *at_ = nullptr, *end_ = nullptr;
  int64_t lines_of_tile_ = 0;
};

/// All pixels of a class, in tiles of nearly one size.
void class_tiles(const TileFunctions& functions, const PixelBlock& block, const PixelClass& c,
                 AheadWeights& ahead, AheadSource& source, Tile& t) {
  const int64_t pixels = c.pixel1 - c.pixel0, tiles = nhwc::divide_up(pixels, kMostPixels);
  const int64_t small = pixels / tiles, larger = pixels % tiles;
  int64_t pixel = c.pixel0;
  for (int64_t i = 0; i < tiles; ++i) {
    const int64_t count = small + (i < larger);
    t.from = block.from + pixel;
    t.to = block.to + pixel;
    ahead.fetch();
    source.fetch();
    functions[static_cast<size_t>(count - 1)](t);
    pixel += count;
  }
}

/// The same where only `width` channels of the tile exist: computed beside `to` and copied.
void ragged_class_tiles(const PixelBlock& block, const PixelClass& c, int64_t width, Tile t) {
  HWY_ALIGN float edge[kMostPixels][kNhwcTile] = {};
  float* edges[kMostPixels];
  for (int p = 0; p < kMostPixels; ++p) edges[p] = edge[p];
  const int64_t at = t.to_at;
  t.to = edges;
  t.to_at = 0;
  t.stream = false;
  for (int64_t pixel = c.pixel0; pixel < c.pixel1; pixel += kMostPixels) {
    const int64_t count = std::min<int64_t>(kMostPixels, c.pixel1 - pixel);
    if (!t.start) {
      for (int64_t p = 0; p < count; ++p) std::copy_n(block.to[pixel + p] + at, width, edge[p]);
    }
    t.from = block.from + pixel;
    kWide1[static_cast<size_t>(count - 1)](t);
    for (int64_t p = 0; p < count; ++p) std::copy_n(edge[p], width, block.to[pixel + p] + at);
  }
}

/// One or more channel tiles of all pixels of a block: blocks of k outside, so that their weights stay in the
/// first-level cache while the pixels pass.
void channel_tiles(const nhwc::GatherCall& call, const PixelBlock& block, AheadSource& source, int64_t tile,
                   int64_t panels) {
  const nhwc::Gathering& g = call.g;
  const int64_t of_group = g.group_tiles(), k = g.k();
  const int64_t group = tile / of_group, first = tile % of_group * kNhwcTile;
  const int64_t width = std::min(panels * kNhwcTile, g.group_out - first);
  Tile t{};
  t.w = call.packed + tile * k * kNhwcTile;
  t.w_panel = k * kNhwcTile;
  t.from_at = group * g.group_in;
  t.to_at = group * g.group_out + first;
  HWY_ALIGN float start[kPanels * kNhwcTile] = {};
  if (call.bias) std::copy_n(call.bias + t.to_at, width, start);

  // Weights that the second-level cache keeps from one block of pixels to the next need no fetching.
  const bool far = g.tiles() * k * kNhwcTile > kNearFloats;
  for (int64_t k0 = 0; k0 < k; k0 += block.k_block()) {
    const int64_t k1 = std::min(k, k0 + block.k_block());
    t.start = k0 == 0 ? start : nullptr;
    AheadWeights ahead;
    if (far && (k1 < k || tile + panels < call.range.tile1)) {
      const int64_t next = k1 < k ? std::min(k - k1, k1 - k0) : std::min(k, block.k_block());
      ahead = {k1 < k ? t.w + k1 * kNhwcTile : t.w + panels * t.w_panel, t.w_panel, panels, next, 0};
      ahead.rows_of_call = nhwc::divide_up(next, block.pixels() / kMostPixels + 1);
    }
    t.stream = call.streams && k0 == 0 && k1 == k;  // sums that are read again must stay
    t.relu = k1 == k && call.epilogue == NhwcEpilogue::relu;
    for (int64_t i = 0; i < block.class_count; ++i) {
      const PixelClass& c = block.classes[i];
      const Run* const runs = block.runs;
      const Run* const run0 =
          std::find_if(runs + c.run0, runs + c.run1, [&](const Run& run) { return run.w >= k0; });
      const Run* const run1 = std::find_if(run0, runs + c.run1, [&](const Run& run) { return run.w >= k1; });
      t.runs = run0;
      t.run_count = run1 - run0;
      if (t.run_count == 0 && !t.start && !t.relu) continue;
      if (width % kNhwcTile) {
        ragged_class_tiles(block, c, width, t);
      } else {
        class_tiles(panels == 1 ? kWide1 : kWide2, block, c, ahead, source, t);
      }
    }
  }
}

}  // namespace

void NhwcGather(const nhwc::GatherCall& call) {
  const nhwc::Gathering& g = call.g;
  const NhwcRange& range = call.range;
  PixelBlock block(g, call.scratch);
  for (int64_t row = range.row0; row < range.row1; row += block.rows()) {
    const int64_t end = std::min(range.row1, row + block.rows());
    block.build(row, end, call.source, call.out);
    AheadSource source(call, block, end);
    for (int64_t tile = range.tile0; tile < range.tile1;) {
      const int64_t full_in_group = g.group_out / kNhwcTile - tile % g.group_tiles();
      const int64_t panels =
          std::min({range.tile1 - tile, full_in_group, int64_t{kPanels}}) == kPanels ? kPanels : 1;
      channel_tiles(call, block, source, tile, panels);
      tile += panels;
    }
  }
  if (call.streams) hwy::FlushStream();
}

const char* NhwcTarget() {
  return hwy::TargetName(HWY_TARGET);
}

}  // namespace unfold::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold {

HWY_EXPORT(NhwcGather);
HWY_EXPORT(NhwcTarget);

void nhwc::gather(const GatherCall& call) {
  HWY_DYNAMIC_DISPATCH(NhwcGather)(call);
}

const char* nhwc_target() {
  return HWY_DYNAMIC_DISPATCH(NhwcTarget)();
}

}  // namespace unfold
#endif  // HWY_ONCE
