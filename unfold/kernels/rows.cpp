#include "unfold/kernels/rows.h"

#include <algorithm>
#include <array>
#include <utility>

#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "unfold/kernels/rows-inl.h"

#ifndef UNFOLD_KERNELS_ROWS_SHARED  // this file is compiled once for every target
#define UNFOLD_KERNELS_ROWS_SHARED
namespace unfold::rows {

constexpr int64_t kDotPanels = 15;  // of a linear layer's outputs that lie side by side

/// Calls block(first output, panels) for blocks of panels of nearly one size, in order.
template <class Block>
void EachBlock(int64_t out, Block block) {
  const int64_t panels = (out + kPanel - 1) / kPanel, blocks = (panels + kDotPanels - 1) / kDotPanels;
  for (int64_t i = 0; i < blocks; ++i) {
    const int64_t first = panels * i / blocks;
    block(first * kPanel, panels * (i + 1) / blocks - first);
  }
}

}  // namespace unfold::rows
#endif

HWY_BEFORE_NAMESPACE();
namespace unfold::rows::HWY_NAMESPACE {
namespace {  // other files have functions of their own by these names

/// The image with its padding, or x itself where there is none.
const float* padded(const Conv2dShape& s, const float* x, float* to) {
  const Window2d& k = s.window;
  const int64_t height = s.ih + k.pad_top + k.pad_bottom, width = s.iw + k.pad_left + k.pad_right;
  if (height == s.ih && width == s.iw) return x;
  std::fill(to, to + s.ic * height * width, 0.0f);
  for (int64_t c = 0; c < s.ic; ++c) {
    for (int64_t h = 0; h < s.ih; ++h, x += s.iw)
      std::copy(x, x + s.iw, to + (c * height + h + k.pad_top) * width + k.pad_left);
  }
  return to;
}

/// Where the vectors of a tile of rows lie: `wide` is from the first in a row to the second, less than a
/// vector where the row ends; then from one row to the next in the image and in the output, and from a
/// channel to the next.
struct Rows {
  int64_t wide, x_row, y_row, channel;
};

/// Few channels, wide rows: kChannels x kRows rows of the output x two vectors of pixels in each.
template <class Tag, int kRows, int kChannels>
void row_tile(const Tile& t, const Rows& rows, float* y) {
  const Tag d;
  using V = hn::Vec<Tag>;
  V sum[kChannels][2 * kRows];
#pragma GCC unroll 8
  for (int c = 0; c < kChannels; ++c) {
#pragma GCC unroll 4
    for (int v = 0; v < 2 * kRows; ++v) sum[c][v] = hn::Set(d, t.b[c]);
  }
  const float* packed = t.packed;
  for (int64_t k = 0; k < t.k; ++k, packed += kPanel) {
    V x[2 * kRows];
#pragma GCC unroll 4
    for (int v = 0; v < 2 * kRows; ++v)
      x[v] = hn::LoadU(d, t.x + t.taps[k] + v / 2 * rows.x_row + v % 2 * rows.wide);
#pragma GCC unroll 8
    for (int c = 0; c < kChannels; ++c) {
      const V w = hn::Set(d, packed[c]);
#pragma GCC unroll 4
      for (int v = 0; v < 2 * kRows; ++v) sum[c][v] = hn::MulAdd(w, x[v], sum[c][v]);
    }
  }
#pragma GCC unroll 8
  for (int c = 0; c < kChannels; ++c, y += rows.channel) {
#pragma GCC unroll 4
    for (int v = 0; v < 2 * kRows; ++v) hn::StoreU(sum[c][v], d, y + v / 2 * rows.y_row + v % 2 * rows.wide);
  }
}
using RowFunction = void (*)(const Tile&, const Rows&, float*);
template <class Tag, int kRows, size_t... kIndex>
constexpr std::array<RowFunction, sizeof...(kIndex)> row_tiles(std::index_sequence<kIndex...>) {
  return {&row_tile<Tag, kRows, static_cast<int>(kIndex) + 1>...};
}

/// kRows rows of the output of up to 8 channels, at least a vector wide. Tiles that do not fill the row lie
/// over their neighbours and compute the same once more.
template <class Tag, int kRows>
void conv_rows(Tile t, int64_t channels, int64_t ow, Rows rows, float* y) {
  static constexpr auto kTiles = row_tiles<Tag, kRows>(std::make_index_sequence<kPanel>());
  const auto lanes = static_cast<int64_t>(hn::Lanes(Tag()));
  const RowFunction function = kTiles[static_cast<size_t>(channels - 1)];
  const float* const x = t.x;
  for (int64_t at = 0; at < ow; at += 2 * lanes) {
    const int64_t first = std::max<int64_t>(0, std::min(at, ow - 2 * lanes));
    t.x = x + first;
    rows.wide = std::min(lanes, ow - lanes - first);
    function(t, rows, y + first);
  }
}

void Conv(const Conv2dShape& s, const float* x, const float* packed, const float* b, float* y,
          float* scratch) {
  const Window2d& k = s.window;
  const int64_t height = s.ih + k.pad_top + k.pad_bottom, width = s.iw + k.pad_left + k.pad_right;
  auto* const taps = reinterpret_cast<int64_t*>(scratch);
  const float* const image = padded(s, x, scratch + 2 * s.patch() + 16);
  for (int64_t c = 0, i = 0; c < s.group_ic(); ++c) {
    for (int64_t kh = 0; kh < k.kernel_h; ++kh) {
      for (int64_t kw = 0; kw < k.kernel_w; ++kw)
        taps[i++] = (c * height + kh * k.dilation_h) * width + kw * k.dilation_w;
    }
  }
  HWY_ALIGN float sums[static_cast<size_t>(std::max(kMost<1>, 2 * kMost<2>)) * kPanel];
  HWY_ALIGN float bias[2 * kPanel];
  const int64_t of_group = (s.group_oc() + kPanel - 1) / kPanel, panel = s.patch() * kPanel;
  for (int64_t group = 0; group < k.groups; ++group) {
    for (int64_t first = 0; first < of_group; first += 2) {
      const int64_t panels = std::min<int64_t>(2, of_group - first), most = panels == 2 ? kMost<2> : kMost<1>;
      const int64_t channel = first * kPanel, channels = std::min(panels * kPanel, s.group_oc() - channel);
      const int64_t oc = group * s.group_oc() + channel, count = (s.ow + most - 1) / most;
      std::fill(bias, bias + 2 * kPanel, 0.0f);
      if (b) std::copy(b + oc, b + oc + channels, bias);
      const bool rows = panels == 1 && k.stride_w == 1 && s.ow >= static_cast<int64_t>(hn::Lanes(D()));
      for (int64_t oh = 0, together = 1; oh < s.oh; oh += together) {
        Tile t{image + (group * s.group_ic() * height + oh * k.stride_h) * width,
               k.stride_w,
               packed + (group * of_group + first) * panel,
               bias,
               taps,
               s.patch(),
               sums};
        if (rows) {
          const bool wide = s.ow >= static_cast<int64_t>(hn::Lanes(Wide<2>()));
          together = wide && oh + kRowsAtOnce <= s.oh ? kRowsAtOnce : 1;
          (together > 1 ? conv_rows<Wide<2>, kRowsAtOnce>
           : wide       ? conv_rows<Wide<2>, 1>
                        : conv_rows<D, 1>)(t, channels, s.ow, {0, k.stride_h * width, s.ow, s.pixels()},
                                     y + (oc * s.oh + oh) * s.ow);
          continue;
        }
        const float* const row = t.x;
        for (int64_t i = 0; i < count; ++i) {  // tiles of nearly one size
          const int64_t ow = s.ow * i / count, pixels = s.ow * (i + 1) / count - ow;
          t.x = row + ow * k.stride_w;
          (panels == 2 ? kTiles2[static_cast<size_t>(pixels - 1)]
                       : kTiles1[static_cast<size_t>(pixels - 1)])(t);
          float* const to = y + (oc * s.oh + oh) * s.ow + ow;
          for (int64_t c = 0; c < channels; ++c) {
            for (int64_t p = 0; p < pixels; ++p) to[c * s.pixels() + p] = sums[p * panels * kPanel + c];
          }
        }
      }
    }
  }
}

/// kPanels panels of outputs; `stride` from one input's weights to the next one's.
template <int kPanels>
void dot_tile(int64_t in, const float* x, const float* packed, int64_t stride, const float* b, float* y) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  constexpr int kCount = kPanels * kVectors<1>;
  hn::Vec<D> sum[kCount];
#pragma GCC unroll 24
  for (int v = 0; v < kCount; ++v) sum[v] = hn::Load(d, b + v * lanes);
  for (int64_t k = 0; k < in; ++k, packed += stride) {
    const auto xk = hn::Set(d, x[k]);
#pragma GCC unroll 24
    for (int v = 0; v < kCount; ++v) sum[v] = hn::MulAdd(xk, hn::Load(d, packed + v * lanes), sum[v]);
  }
#pragma GCC unroll 24
  for (int v = 0; v < kCount; ++v) hn::Store(sum[v], d, y + v * lanes);
}
using DotFunction = void (*)(int64_t, const float*, const float*, int64_t, const float*, float*);
template <size_t... kIndex>
constexpr std::array<DotFunction, sizeof...(kIndex)> dots(std::index_sequence<kIndex...>) {
  return {&dot_tile<static_cast<int>(kIndex + 1)>...};
}
constexpr int64_t kWalk = kVectors<1> == 1 ? kDotPanels : kMost<1>;  // panels that one walk over x serves
constexpr auto kDots = dots(std::make_index_sequence<kWalk>());

void Linear(int64_t in, int64_t out, const float* x, const float* packed, const float* b, float* y) {
  HWY_ALIGN float bias[kDotPanels * kPanel], sums[kDotPanels * kPanel];
  EachBlock(out, [&](int64_t first, int64_t panels) {
    const int64_t count = std::min(panels * kPanel, out - first);
    std::fill(bias, bias + panels * kPanel, 0.0f);
    if (b) std::copy(b + first, b + first + count, bias);
    for (int64_t at = 0; at < panels; at += kWalk) {
      kDots[static_cast<size_t>(std::min(kWalk, panels - at) - 1)](
          in, x, packed + first * in + at * kPanel, panels * kPanel, bias + at * kPanel, sums + at * kPanel);
    }
    std::copy(sums, sums + count, y + first);
  });
}

/// A row of windows of 2 x 2 side by side, vectors of D; the last one lies over its neighbour.
template <class Tag>
HWY_INLINE void halve_row(Tag d, int64_t ow, const float* upper, const float* lower, float* y) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t at = 0; at < ow; at += lanes) {
    const int64_t first = std::min(at, ow - lanes);
    hn::Vec<Tag> a, b, c, e;
    hn::LoadInterleaved2(d, upper + 2 * first, a, b);
    hn::LoadInterleaved2(d, lower + 2 * first, c, e);
    const auto sum = hn::Add(hn::Add(hn::Add(hn::Add(hn::Zero(d), a), b), c), e);
    hn::StoreU(hn::Mul(sum, hn::Set(d, 0.25f)), d, y + first);
  }
}

void Halve(const Conv2dShape& s, const float* x, float* y) {
  const D d;
  const hn::CappedTag<float, kPanel / 2> half;
  const hn::CappedTag<float, 1> one;
  for (int64_t c = 0; c < s.ic; ++c, x += s.ih * s.iw) {
    for (int64_t oh = 0; oh < s.oh; ++oh, y += s.ow) {
      const float *upper = x + 2 * oh * s.iw, *lower = upper + s.iw;
      if (s.ow >= static_cast<int64_t>(hn::Lanes(d))) {
        halve_row(d, s.ow, upper, lower, y);
      } else if (s.ow >= static_cast<int64_t>(hn::Lanes(half))) {
        halve_row(half, s.ow, upper, lower, y);
      } else {
        halve_row(one, s.ow, upper, lower, y);
      }
    }
  }
}

}  // namespace
}  // namespace unfold::rows::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold::rows {

HWY_EXPORT(Conv);
HWY_EXPORT(Linear);
HWY_EXPORT(Halve);

int64_t conv2d_packed(const Conv2dShape& s) {
  return s.window.groups * ((s.group_oc() + kPanel - 1) / kPanel) * kPanel * s.patch();
}

/// packed (group, pair of panels, tap, panel, 8).
void conv2d_pack(const Conv2dShape& s, const float* w, float* packed) {
  for (int64_t group = 0; group < s.window.groups; ++group) {
    for (int64_t first = 0; first < s.group_oc(); first += 2 * kPanel) {
      const int64_t end = first + pair_lanes(s.group_oc(), first);
      for (int64_t k = 0; k < s.patch(); ++k) {
        for (int64_t c = first; c < end; ++c)
          *packed++ = c < s.group_oc() ? w[(group * s.group_oc() + c) * s.patch() + k] : 0.0f;
      }
    }
  }
}

int64_t conv2d_scratch(const Conv2dShape& s) {
  const Window2d& k = s.window;
  return 2 * s.patch() + 16 + s.ic * (s.ih + k.pad_top + k.pad_bottom) * (s.iw + k.pad_left + k.pad_right);
}

void conv2d_forward(const Conv2dShape& s, const float* x, const float* packed, const float* b, float* y,
                    float* scratch) {
  HWY_DYNAMIC_DISPATCH(Conv)(s, x, packed, b, y, scratch);
}

int64_t linear_packed(int64_t in, int64_t out) {
  return (out + kPanel - 1) / kPanel * kPanel * in;
}

void linear_pack(int64_t in, int64_t out, const float* w, float* packed) {
  EachBlock(out, [&](int64_t first, int64_t panels) {
    for (int64_t k = 0; k < in; ++k) {
      for (int64_t o = first; o < first + panels * kPanel; ++o) *packed++ = o < out ? w[o * in + k] : 0.0f;
    }
  });
}

void linear_forward(int64_t in, int64_t out, const float* x, const float* packed, const float* b, float* y) {
  HWY_DYNAMIC_DISPATCH(Linear)(in, out, x, packed, b, y);
}

void avg_pool2d_forward(const Conv2dShape& s, const float* x, float* y) {
  const Window2d& k = s.window;
  if (k == Window2d::square(2, 2)) return HWY_DYNAMIC_DISPATCH(Halve)(s, x, y);
  const auto divisor = static_cast<float>(k.taps());
  for (int64_t c = 0; c < s.ic; ++c, x += s.ih * s.iw) {
    for (int64_t oh = 0; oh < s.oh; ++oh, y += s.ow) {
      std::fill(y, y + s.ow, 0.0f);
      for (int64_t kh = 0; kh < k.kernel_h; ++kh) {
        const float* row = x + (oh * k.stride_h + kh * k.dilation_h) * s.iw;
        for (int64_t kw = 0; kw < k.kernel_w; ++kw, row += k.dilation_w) {
          for (int64_t ow = 0; ow < s.ow; ++ow) y[ow] += row[ow * k.stride_w];
        }
      }
      for (int64_t ow = 0; ow < s.ow; ++ow) y[ow] /= divisor;
    }
  }
}

}  // namespace unfold::rows
#endif  // HWY_ONCE
