// dw of Winograd's convolution along x (lanes_winograd.cpp): the adjoint with regard to the kernels.
// Gradients of a tile's outputs meet the values of x at each point, and the sums of their products over all
// tiles come back as taps. Two ways, by what fills a vector: 16 output channels where there are 8 and more,
// the images otherwise.
#include <algorithm>
#include <array>
#include <utility>

#include "unfold/kernels/lanes.h"
#include "unfold/kernels/lanes_winograd.h"
#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/lanes_winograd_weights.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "unfold/kernels/lanes_winograd-inl.h"

#ifndef UNFOLD_KERNELS_LANES_WINOGRAD_WEIGHTS_ONCE
#define UNFOLD_KERNELS_LANES_WINOGRAD_WEIGHTS_ONCE
namespace unfold::lanes {

constexpr int64_t kChannels = 16;      // output channels side by side
constexpr int64_t kChainFloats = 160;  // products of one chain: more would lose digits

/// Channels oc0 .. oc1-1 and rows oh0 .. oh1-1 of dy, (oc1-oc0, oh1-oh0, OW, 16). `sums` (point, oc, ic*kh),
/// or (point, ic*kh, 16 oc); `gradients` at the points, of channels in the lanes.
struct WinogradWeights {
  const Conv2dShape* shape;
  int64_t oc0, oc1, oh0, oh1;
  const float *values, *dy;
  float *dw, *db;
  float *gradients, *sums, *partial, *bias, *turned;
  int32_t* offsets;  // (ic*kh)
};

/// Rows of dy whose products make one chain.
inline int64_t chain_rows(const Conv2dShape& s) {
  return std::clamp<int64_t>(kChainFloats / (tiles_of(s.ow, s.window.kernel_w) * kLanes), 1, s.oh);
}

}  // namespace unfold::lanes
#endif

HWY_BEFORE_NAMESPACE();
namespace unfold::lanes::HWY_NAMESPACE {
namespace {  // other files have functions of their own by these names

/// Where each (ic, kh) begins in the values of x.
void FindRows(const WinogradWeights& a, int64_t tiles) {
  const Conv2dShape& s = *a.shape;
  const Window2d& k = s.window;
  for (int64_t c = 0, at = 0; c < s.ic; ++c) {
    for (int64_t kh = 0; kh < k.kernel_h; ++kh) {
      a.offsets[at++] = static_cast<int32_t>((c * padded_height(s) + kh * k.dilation_h) * tiles * kLanes);
    }
  }
}

/// The adjoint of kernel_at_points(): the kR taps of some weights from the points' sums, `point` floats
/// apart.
template <int kR>
HWY_INLINE void TapsOf(const float* sums, int64_t point, float (*taps)[kLanes]) {
  static constexpr Points<kR> kPoints;
  constexpr int kPairs = Points<kR>::kPairs;
  const D d;
  V sum[kPairs], difference[kPairs];
  for (int i = 0; i < kPairs; ++i) {
    const V plus = hn::LoadU(d, sums + (2 * i + 1) * point), minus = hn::LoadU(d, sums + (2 * i + 2) * point);
    sum[i] = hn::Add(plus, minus);
    difference[i] = hn::Sub(plus, minus);
  }
  for (int kw = 0; kw < kR; ++kw) {
    V v = kw == 0 ? hn::Mul(hn::LoadU(d, sums), hn::Set(d, kPoints.kernel_zero)) : hn::Zero(d);
    for (int i = 0; i < kPairs; ++i) {
      v = hn::MulAdd(kw % 2 == 0 ? sum[i] : difference[i], hn::Set(d, kPoints.kernel[i][kw]), v);
    }
    hn::StoreU(v, d, taps[kw]);
  }
}

/// Some output channels' sums over the pixels of some rows at one point, 0, or at a pair of them.
struct PointSums {
  int64_t rows, tiles, width;
  const float* dy;
  int64_t dy_channel;
  const float* values;  // of the first row's first tile at the first of the points
  int64_t values_row, values_point;
  const int32_t* offsets;  // where the rows of the patch begin in them
  float* partial;          // (point, channel, row of the patch, 16), continued
  int64_t partial_point, partial_channel;
  float* bias;  // (channel, 16), continued with the sums of dy by the pass over point 0; or null
};

/// kQ channels times kRows of (ic*kh) at kCount points: 0, or +a and -a by its powers. Gradients at the
/// points take fewer instructions than their way to memory and back would, so each kRows of them are computed
/// anew.
template <int kR, int kCount, int kQ, int kRows>
void TileSums(const PointSums& a, const float* power) {
  const D d;
  V sum[kCount][kQ][kRows];
#pragma GCC unroll 2
  for (int i = 0; i < kCount; ++i) {
#pragma GCC unroll 2
    for (int q = 0; q < kQ; ++q) {
#pragma GCC unroll 5
      for (int r = 0; r < kRows; ++r) {
        sum[i][q][r] = hn::LoadU(d, a.partial + i * a.partial_point + q * a.partial_channel + r * kLanes);
      }
    }
  }
  int64_t offsets[kRows];
  for (int r = 0; r < kRows; ++r) offsets[r] = a.offsets[r];
  V powers[kR], bias[kQ];
  for (int q = 0; q < kQ; ++q) bias[q] = a.bias ? hn::LoadU(d, a.bias + q * kLanes) : hn::Zero(d);
  for (int k = 1; k < kR; ++k) powers[k] = hn::Set(d, power[k]);
  /// One tile; load(q, k) is the gradient of its output k.
  const auto add = [&](const float* values, auto load) HWY_ATTR {
    V at[kCount][kQ];
#pragma GCC unroll 2
    for (int q = 0; q < kQ; ++q) {
      at[0][q] = load(q, 0);
      if constexpr (kCount == 1) {
        V tile = at[0][q];
#pragma GCC unroll 8
        for (int k = 1; k < kR; ++k) tile = hn::Add(tile, load(q, k));
        bias[q] = hn::Add(bias[q], tile);
      } else {
        V odd = hn::Mul(load(q, 1), powers[1]);
#pragma GCC unroll 8
        for (int k = 2; k < kR; k += 2) at[0][q] = hn::MulAdd(load(q, k), powers[k], at[0][q]);
#pragma GCC unroll 8
        for (int k = 3; k < kR; k += 2) odd = hn::MulAdd(load(q, k), powers[k], odd);
        at[1][q] = hn::Sub(at[0][q], odd);
        at[0][q] = hn::Add(at[0][q], odd);
      }
    }
#pragma GCC unroll 2
    for (int i = 0; i < kCount; ++i) {
#pragma GCC unroll 5
      for (int r = 0; r < kRows; ++r) {
        V value = hn::LoadU(d, values + i * a.values_point + offsets[r]);
        if constexpr (kQ > 1) Hold(value);
#pragma GCC unroll 2
        for (int q = 0; q < kQ; ++q) sum[i][q][r] = hn::MulAdd(at[i][q], value, sum[i][q][r]);
      }
    }
  };
  const int64_t whole = a.width / kR, rest = a.width % kR;
  for (int64_t row = 0; row < a.rows; ++row) {
    const float *values = a.values + row * a.values_row, *from = a.dy + row * a.width * kLanes;
    for (int64_t t = 0; t < whole; ++t, from += kR * kLanes, values += kLanes) {
      add(values, [&](int q, int k) HWY_ATTR { return hn::LoadU(d, from + q * a.dy_channel + k * kLanes); });
    }
    if (rest == 0) continue;
    add(values, [&](int q, int k) HWY_ATTR {
      return k < rest ? hn::LoadU(d, from + q * a.dy_channel + k * kLanes) : hn::Zero(d);
    });
  }
#pragma GCC unroll 2
  for (int i = 0; i < kCount; ++i) {
#pragma GCC unroll 2
    for (int q = 0; q < kQ; ++q) {
#pragma GCC unroll 5
      for (int r = 0; r < kRows; ++r) {
        hn::StoreU(sum[i][q][r], d, a.partial + i * a.partial_point + q * a.partial_channel + r * kLanes);
      }
    }
  }
  if (kCount > 1 || !a.bias) return;
  for (int q = 0; q < kQ; ++q) hn::StoreU(bias[q], d, a.bias + q * kLanes);
}

using TileSumsFunction = void (*)(const PointSums&, const float*);
template <int kR, int kCount, int kQ>
constexpr std::array<TileSumsFunction, 5> kTileSums = {
    TileSums<kR, kCount, kQ, 1>, TileSums<kR, kCount, kQ, 2>, TileSums<kR, kCount, kQ, 3>,
    TileSums<kR, kCount, kQ, 4>, TileSums<kR, kCount, kQ, 5>};
constexpr int kChannelsAtOnce = kMaxVectors < 4 ? 1 : 2;  // 10 sums of 16 registers, or 20 of 32

/// The images in the lanes: each has a chain of its own over the pixels, the lanes are added at the end. From
/// the call for the first rows to that for the last the chains lie in `partial` (point, oc, ic*kh, 16).
template <int kR>
void ImageLanes(const WinogradWeights& a) {
  static constexpr Points<kR> kPoints;
  constexpr int kCount = Points<kR>::kCount;
  const Conv2dShape& s = *a.shape;
  const Window2d& k = s.window;
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t parts = parts_of(s.n), tiles = tiles_of(s.ow, kR), rows = a.oh1 - a.oh0;
  const int64_t patch = s.ic * k.kernel_h, count = s.oc * patch;
  const int64_t blocks = (patch + 4) / 5, plane = rows * s.ow * kLanes;
  if (a.oc0 == 0 && a.oh0 == 0) {
    FindRows(a, tiles);
    std::fill(a.partial, a.partial + kCount * count * kLanes, 0.0f);
    std::fill(a.bias, a.bias + s.oc * kLanes, 0.0f);
  }
  PointSums sums{.rows = rows,
                 .tiles = tiles,
                 .width = s.ow,
                 .dy = nullptr,
                 .dy_channel = plane,
                 .values = nullptr,
                 .values_row = k.stride_h * tiles * kLanes,
                 .values_point = point_of(s.ic * padded_height(s) * tiles),
                 .offsets = nullptr,
                 .partial = nullptr,
                 .partial_point = count * kLanes,
                 .partial_channel = patch * kLanes,
                 .bias = nullptr};
  for (int64_t o = a.oc0; o < a.oc1; o += kChannelsAtOnce) {
    const bool both = kChannelsAtOnce == 2 && a.oc1 - o >= 2;
    for (int64_t p = 0; p < parts; ++p) {
      const float* values = a.values + a.oh0 * sums.values_row + p * lanes;
      sums.dy = a.dy + (o - a.oc0) * plane + p * lanes;
      for (int64_t block = 0; block < blocks; ++block) {
        const int64_t k0 = patch * block / blocks, r = patch * (block + 1) / blocks - k0 - 1;
        float* partial = a.partial + (o * patch + k0) * kLanes + p * lanes;
        sums.offsets = a.offsets + k0;
        sums.bias = block == 0 ? a.bias + o * kLanes + p * lanes : nullptr;
        for (int i = 0; i < kCount; i += i == 0 ? 1 : 2) {
          sums.values = values + i * sums.values_point;
          sums.partial = partial + i * sums.partial_point;
          const auto at = static_cast<size_t>(r);
          if (i == 0) {
            (both ? kTileSums<kR, 1, kChannelsAtOnce> : kTileSums<kR, 1, 1>)[at](sums,
                                                                                 kPoints.power[0].data());
          } else {
            (both ? kTileSums<kR, 2, kChannelsAtOnce> : kTileSums<kR, 2, 1>)[at](
                sums, kPoints.power[static_cast<size_t>(i / 2)].data());
          }
        }
      }
    }
  }
  if (a.oc1 < s.oc || a.oh1 < s.oh) return;
  std::fill(a.sums, a.sums + kCount * count, 0.0f);
  AddLanes(kCount * count, a.partial, a.sums);
  HWY_ALIGN float taps[kR][kLanes];
  for (int64_t at = 0; at < count; at += lanes) {
    TapsOf<kR>(a.sums + at, count, taps);  // what is read behind the last row is scratch, and dropped
    for (int64_t l = 0, used = std::min(lanes, count - at); l < used; ++l) {
      for (int kw = 0; kw < kR; ++kw) a.dw[(at + l) * kR + kw] += taps[kw][l];
    }
  }
  if (a.db) AddLanes(s.oc, a.bias, a.db);
}

/// kRows of (ic*kh) times kU vectors of channels: one chain over `rows` x `run` x n of value * gradient,
/// which overwrites `sums` or is added to it.
template <int kRows, int kU>
void Chain(int64_t rows, int64_t run, int64_t n, const float* values, int64_t values_row,
           const int32_t* offsets, const float* gradients, bool add, float* sums) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  V sum[kRows][kU];
#pragma GCC unroll 10
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int u = 0; u < kU; ++u) sum[r][u] = hn::Zero(d);
  }
  const float* from[kRows];
  for (int r = 0; r < kRows; ++r) from[r] = values + offsets[r];
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t p = 0; p < run; ++p) {
      const int64_t at = row * values_row + p * kLanes;
      const float* gradient = gradients + (row * run + p) * kLanes * kChannels;
      for (int64_t i = 0; i < n; ++i, gradient += kChannels) {
        V pv[kU];
#pragma GCC unroll 2
        for (int u = 0; u < kU; ++u) pv[u] = hn::LoadU(d, gradient + u * lanes);
#pragma GCC unroll 10
        for (int r = 0; r < kRows; ++r) {
          const V xv = hn::Set(d, from[r][at + i]);
#pragma GCC unroll 2
          for (int u = 0; u < kU; ++u) sum[r][u] = hn::MulAdd(xv, pv[u], sum[r][u]);
        }
      }
    }
  }
#pragma GCC unroll 10
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int u = 0; u < kU; ++u) {
      float* to = sums + r * kChannels + u * lanes;
      hn::StoreU(add ? hn::Add(hn::LoadU(d, to), sum[r][u]) : sum[r][u], d, to);
    }
  }
}

using ChainFunction = void (*)(int64_t, int64_t, int64_t, const float*, int64_t, const int32_t*, const float*,
                               bool, float*);
template <int kU, size_t... kIndex>
constexpr std::array<ChainFunction, sizeof...(kIndex)> chains(std::index_sequence<kIndex...>) {
  return {&Chain<static_cast<int>(kIndex) + 1, kU>...};
}
/// Ten or twelve sums at once: fewer would wait for each other.
template <int kU>
constexpr int64_t kMostRows = kU == 1 ? 10 : 6;
template <int kU>
constexpr auto kChains = chains<kU>(std::make_index_sequence<kMostRows<kU>>());

/// 16 output channels in the lanes: dy is turned, a chain runs over the pixels and images of a group of rows,
/// the groups are added one after the other.
template <int kR>
void ChannelLanes(const WinogradWeights& a) {
  constexpr int kCount = Points<kR>::kCount;
  const Conv2dShape& s = *a.shape;
  const Window2d& k = s.window;
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t tiles = tiles_of(s.ow, kR), patch = s.ic * k.kernel_h, group = chain_rows(s);
  const int64_t value_point = point_of(s.ic * padded_height(s) * tiles),
                gradient_point = point_of(group * tiles * kChannels), sum_point = patch * kChannels;
  const int64_t vectors = kChannels / lanes, most = vectors == 1 ? kMostRows<1> : kMostRows<2>,
                blocks = (patch + most - 1) / most;
  FindRows(a, tiles);
  HWY_ALIGN float taps[kR][kLanes];
  for (int64_t o = 0; o < s.oc; o += kChannels) {
    const int64_t channels = std::min(kChannels, s.oc - o);
    std::fill(a.bias, a.bias + kLanes * kChannels, 0.0f);
    for (int64_t g0 = 0; g0 < s.oh; g0 += group) {
      const int64_t rows = std::min(group, s.oh - g0);
      for (int64_t row = 0; row < rows; ++row) {
        // turned (ow, image, channel)
        if (channels < kChannels) std::fill(a.turned, a.turned + s.ow * kLanes * kChannels, 0.0f);
        for (int64_t ow = 0; ow < s.ow; ++ow) {
          Transpose(channels, kLanes, a.dy + (o * s.pixels() + (g0 + row) * s.ow + ow) * kLanes,
                    s.pixels() * kLanes, a.turned + ow * kLanes * kChannels, kChannels);
        }
        for (int64_t at = 0; at < s.n * kChannels; at += lanes) {
          V bias = hn::LoadU(d, a.bias + at);
          const float* from = a.turned + at;
          float* to = a.gradients + row * tiles * kLanes * kChannels + at;
          for (int64_t t = 0; t < tiles; ++t, from += kR * kLanes * kChannels, to += kLanes * kChannels) {
            V v[kR];
            for (int i = 0; i < kR; ++i) {
              v[i] = t * kR + i < s.ow ? hn::LoadU(d, from + i * kLanes * kChannels) : hn::Zero(d);
            }
            for (int i = 0; i < kR; ++i) bias = hn::Add(bias, v[i]);
            GradientsAtPoints<kR>(v, to, gradient_point);
          }
          hn::StoreU(bias, d, a.bias + at);
        }
      }
      const bool joined = k.stride_h == 1;
      const bool whole = joined && s.n == kLanes;  // one run of pixels and images
      for (int i = 0; i < kCount; ++i) {
        const float* values = a.values + i * value_point + g0 * k.stride_h * tiles * kLanes;
        for (int64_t block = 0; block < blocks; ++block) {
          const int64_t k0 = patch * block / blocks, r = patch * (block + 1) / blocks - k0;
          const auto at = static_cast<size_t>(r - 1);
          for (int64_t v = 0; v < vectors; v += 2) {
            const int64_t pixels = joined ? rows * tiles : tiles;
            (vectors == 1 ? kChains<1>[at] : kChains<2>[at])(
                joined ? 1 : rows, whole ? 1 : pixels, whole ? pixels * kLanes : s.n, values,
                k.stride_h * tiles * kLanes, a.offsets + k0, a.gradients + i * gradient_point + v * lanes,
                g0 > 0, a.sums + i * sum_point + k0 * kChannels + v * lanes);
          }
        }
      }
    }
    for (int64_t r = 0; r < patch; ++r) {
      for (int64_t c = 0; c < channels; c += lanes) {
        TapsOf<kR>(a.sums + r * kChannels + c, sum_point, taps);
        for (int64_t l = 0, used = std::min(lanes, channels - c); l < used; ++l) {
          float* dw = a.dw + ((o + c + l) * patch + r) * kR;
          for (int kw = 0; kw < kR; ++kw) dw[kw] += taps[kw][l];
        }
      }
    }
    if (!a.db) continue;
    for (int64_t c = 0; c < channels; ++c) {
      float sums[kLanes];
      for (int64_t i = 0; i < kLanes; ++i) sums[i] = a.bias[i * kChannels + c];
      AddLanes(1, sums, a.db + o + c);
    }
  }
}

void ImageLanes5(const WinogradWeights& a) {
  ImageLanes<5>(a);
}
void ChannelLanes3(const WinogradWeights& a) {
  ChannelLanes<3>(a);
}
void ChannelLanes5(const WinogradWeights& a) {
  ChannelLanes<5>(a);
}

}  // namespace
}  // namespace unfold::lanes::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold::lanes {

HWY_EXPORT(ImageLanes5);
HWY_EXPORT(ChannelLanes3);
HWY_EXPORT(ChannelLanes5);

namespace {

bool channels_in_lanes(const Conv2dShape& s) {
  return s.oc >= kChannels / 2;
}

WinogradWeights weights_of(const Conv2dShape& s, ScratchParts& parts) {
  const int64_t r = s.window.kernel_w, count = 2 * r - 1, tiles = tiles_of(s.ow, r),
                patch = s.ic * s.window.kernel_h;
  WinogradWeights a{};
  a.shape = &s;
  a.offsets = reinterpret_cast<int32_t*>(parts.take(patch));
  if (channels_in_lanes(s)) {
    a.gradients = parts.take(count * point_of(chain_rows(s) * tiles * kChannels));
    a.sums = parts.take(count * patch * kChannels);
    a.bias = parts.take(kLanes * kChannels);
    a.turned = parts.take(s.ow * kLanes * kChannels);
  } else {
    a.sums = parts.take(count * s.oc * patch + kLanes);
    a.bias = parts.take(s.oc * kLanes);
    a.partial = parts.take(count * s.oc * patch * kLanes);
  }
  return a;
}

}  // namespace

bool winograd_weights_suit(const Conv2dShape& s) {
  const Window2d& k = s.window;
  return k.kernel_w == 5 && k.stride_w == 1 && k.dilation_w == 1 && k.groups == 1 &&
         s.pixels() <= kGroupPixels && s.ow >= 2 * k.kernel_w && s.oc * s.patch() <= (1 << 12);
}

int64_t winograd_weights_scratch(const Conv2dShape& s) {
  ScratchParts parts(nullptr);
  weights_of(s, parts);
  return parts.taken();
}

void winograd_backward_weights(const Conv2dShape& s, const float* values, const float* dy, float* dw,
                               float* db, float* scratch) {
  if (!channels_in_lanes(s))
    return winograd_backward_weights_part(s, 0, s.oc, 0, s.oh, values, dy, dw, db, scratch);
  ScratchParts parts(scratch);
  WinogradWeights a = weights_of(s, parts);
  a.oc1 = s.oc;
  a.oh1 = s.oh;
  a.values = values;
  a.dy = dy;
  a.dw = dw;
  a.db = db;
  if (s.window.kernel_w == 3) return HWY_DYNAMIC_DISPATCH(ChannelLanes3)(a);
  HWY_DYNAMIC_DISPATCH(ChannelLanes5)(a);
}

void winograd_backward_weights_part(const Conv2dShape& s, int64_t oc0, int64_t oc1, int64_t oh0, int64_t oh1,
                                    const float* values, const float* dy, float* dw, float* db,
                                    float* scratch) {
  ScratchParts parts(scratch);
  WinogradWeights a = weights_of(s, parts);
  a.oc0 = oc0;
  a.oc1 = oc1;
  a.oh0 = oh0;
  a.oh1 = oh1;
  a.values = values;
  a.dy = dy;
  a.dw = dw;
  a.db = db;
  HWY_DYNAMIC_DISPATCH(ImageLanes5)(a);
}

}  // namespace unfold::lanes
#endif  // HWY_ONCE
