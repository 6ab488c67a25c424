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

/// `sums` (point, ic*kh, 16 oc).
struct WinogradWeights {
  const Conv2dShape* shape;
  const float *values, *dy;
  float *dw, *db;
  float *gradients, *sums, *bias, *turned;  // gradients at the points
  int32_t* offsets;                         // (ic*kh)
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

HWY_EXPORT(ChannelLanes3);
HWY_EXPORT(ChannelLanes5);

namespace {

WinogradWeights weights_of(const Conv2dShape& s, ScratchParts& parts) {
  const int64_t r = s.window.kernel_w, count = 2 * r - 1, tiles = tiles_of(s.ow, r),
                patch = s.ic * s.window.kernel_h;
  WinogradWeights a{};
  a.shape = &s;
  a.offsets = reinterpret_cast<int32_t*>(parts.take(patch));
  a.gradients = parts.take(count * point_of(chain_rows(s) * tiles * kChannels));
  a.sums = parts.take(count * patch * kChannels);
  a.bias = parts.take(kLanes * kChannels);
  a.turned = parts.take(s.ow * kLanes * kChannels);
  return a;
}

}  // namespace

int64_t winograd_weights_scratch(const Conv2dShape& s) {
  ScratchParts parts(nullptr);
  weights_of(s, parts);
  return parts.taken();
}

void winograd_backward_weights(const Conv2dShape& s, const float* values, const float* dy, float* dw,
                               float* db, float* scratch) {
  ScratchParts parts(scratch);
  WinogradWeights a = weights_of(s, parts);
  a.values = values;
  a.dy = dy;
  a.dw = dw;
  a.db = db;
  if (s.window.kernel_w == 3) return HWY_DYNAMIC_DISPATCH(ChannelLanes3)(a);
  HWY_DYNAMIC_DISPATCH(ChannelLanes5)(a);
}

}  // namespace unfold::lanes
#endif  // HWY_ONCE
