// Convolution on the lane layout. Forward and backward-data are one sweep: each output pixel is a sum over
// the taps that reach it, read from where they lie; at a border or between strides there are fewer of them,
// and none is computed in vain.
#include <algorithm>
#include <array>
#include <numeric>

#include "unfold/kernels/lanes.h"
#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/lanes_conv2d.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef UNFOLD_KERNELS_LANES_CONV2D_ONCE
#define UNFOLD_KERNELS_LANES_CONV2D_ONCE
namespace unfold::lanes {

/// The taps that reach one output position along one axis: first, first + step, ... (`count` of them). The
/// first reads position `at`, each next one `move` further.
struct Reach {
  int32_t first, count, at;
};

/// One pass: which positions of `in` (C of a group, H, W) each position of `out` sums over. Weights are
/// packed [tap of (in channel, kh, kw)][tile of out channels].
struct Sweep {
  int64_t n, groups;
  int64_t in, in_h, in_w, out, out_h, out_w;  // channels are those of one group
  int64_t kernel_w, taps;
  int64_t step_h, step_w, move_h,
      move_w;                // from one tap that reaches to the next: in the kernel, in the image
  const Reach *rows, *cols;  // (out_h), (out_w)
  const float *x, *w, *bias;
  float *y, *packed;
  bool backward;  // w is read as (out of the convolution, in, kh, kw) with its channels' parts exchanged
};

struct WeightSums {
  const Conv2dShape* shape;
  const float *x, *dy;
  float *dw, *db, *scratch;
};

inline int64_t padded_h(const Conv2dShape& s) {
  return s.ih + s.window.pad_top + s.window.pad_bottom;
}
inline int64_t padded_w(const Conv2dShape& s) {
  return s.iw + s.window.pad_left + s.window.pad_right;
}
inline bool has_padding(const Conv2dShape& s) {
  return padded_h(s) != s.ih || padded_w(s) != s.iw;
}

constexpr int64_t kMaxTile = 6;         // channels of a tile
constexpr int64_t kGroupPixels = 1024;  // one float chain over more pixels loses digits
constexpr int64_t kMaxColumns = 6;      // taps of a tile of dw
constexpr int64_t kWeightTile = 2;      // output channels of a tile of dw

}  // namespace unfold::lanes
#endif

HWY_BEFORE_NAMESPACE();
namespace unfold::lanes::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;

/// Vectors that hold n images.
int64_t parts_of(int64_t n) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
  return (n + lanes - 1) / lanes;
}

struct Taps {
  int64_t channels, x_channel, w_channel;
  int64_t rows, x_row, w_row;
  int64_t cols, x_col, w_col;
};

/// kQ output channels of kU vectors: y = bias + sum over taps of w * x. `unit` is the distance of the vectors
/// in x and y.
template <int kQ, int kU>
void dot(const Taps& t, const float* x, int64_t x_unit, const float* w, const float* bias, float* y,
         int64_t y_unit, int64_t y_channel) {
  const D d;
  V sum[kQ][kU];
#pragma GCC unroll 6
  for (int q = 0; q < kQ; ++q) {
    const V first = bias ? hn::Set(d, bias[q]) : hn::Zero(d);
#pragma GCC unroll 4
    for (int u = 0; u < kU; ++u) sum[q][u] = first;
  }
  for (int64_t c = 0; c < t.channels; ++c, x += t.x_channel, w += t.w_channel) {
    const float* x_row = x;
    const float* w_row = w;
    for (int64_t r = 0; r < t.rows; ++r, x_row += t.x_row, w_row += t.w_row) {
      const float* px = x_row;
      const float* pw = w_row;
      for (int64_t k = 0; k < t.cols; ++k, px += t.x_col, pw += t.w_col) {
        V xv[kU];
#pragma GCC unroll 4
        for (int u = 0; u < kU; ++u) xv[u] = hn::LoadU(d, px + u * x_unit);
#pragma GCC unroll 6
        for (int q = 0; q < kQ; ++q) {
          const V wv = hn::Set(d, pw[q]);
#pragma GCC unroll 4
          for (int u = 0; u < kU; ++u) sum[q][u] = hn::MulAdd(wv, xv[u], sum[q][u]);
        }
      }
    }
  }
#pragma GCC unroll 6
  for (int q = 0; q < kQ; ++q) {
#pragma GCC unroll 4
    for (int u = 0; u < kU; ++u) hn::StoreU(sum[q][u], d, y + q * y_channel + u * y_unit);
  }
}

using Dot = void (*)(const Taps&, const float*, int64_t, const float*, const float*, float*, int64_t,
                     int64_t);
template <int kU>
constexpr std::array<Dot, kMaxTile> kDots = {dot<1, kU>, dot<2, kU>, dot<3, kU>,
                                             dot<4, kU>, dot<5, kU>, dot<6, kU>};
#if HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM
constexpr int64_t kMaxVectors = 4;  // 24 accumulators of 32 registers
#else
constexpr int64_t kMaxVectors = 2;  // 12 of 16
#endif

Dot dot_of(int64_t q, int64_t vectors) {
  const auto at = static_cast<size_t>(q - 1);
#if HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM
  if (vectors == 4) return kDots<4>[at];
#endif
  return vectors == 2 ? kDots<2>[at] : kDots<1>[at];
}

/// packed[tap][q] <- the weights of output channels o .. o+q-1 of group g.
void pack(const Sweep& s, int64_t g, int64_t o, int64_t q) {
  float* to = s.packed;
  if (!s.backward) {
    const float* w = s.w + (g * s.out + o) * s.in * s.taps;
    for (int64_t k = 0; k < s.in * s.taps; ++k) {
      for (int64_t j = 0; j < q; ++j) *to++ = w[j * s.in * s.taps + k];
    }
    return;
  }
  for (int64_t c = 0; c < s.in; ++c) {
    const float* w = s.w + ((g * s.in + c) * s.out + o) * s.taps;
    for (int64_t k = 0; k < s.taps; ++k) {
      for (int64_t j = 0; j < q; ++j) *to++ = w[j * s.taps + k];
    }
  }
}

/// Pixels from ow on that the same taps reach, at an even distance in x: up to `most`, a power of two.
int64_t run_of(const Sweep& s, int64_t ow, int64_t most) {
  int64_t run = 1;
  while (run < most && ow + run < s.out_w && s.cols[ow + run].first == s.cols[ow].first &&
         s.cols[ow + run].count == s.cols[ow].count &&
         s.cols[ow + run].at - s.cols[ow + run - 1].at == s.cols[ow + 1].at - s.cols[ow].at) {
    ++run;
  }
  return run >= 4 ? 4 : run >= 2 ? 2 : 1;
}

void Run(const Sweep& s) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
  const int64_t parts = parts_of(s.n), tiles = (s.out + kMaxTile - 1) / kMaxTile;
  const int64_t in_plane = s.in_h * s.in_w * kLanes, out_plane = s.out_h * s.out_w * kLanes;
  for (int64_t g = 0; g < s.groups; ++g) {
    for (int64_t tile = 0; tile < tiles; ++tile) {
      const int64_t o = s.out * tile / tiles, q = s.out * (tile + 1) / tiles - o;  // tiles of nearly one size
      pack(s, g, o, q);
      const float* x = s.x + g * s.in * in_plane;
      const float* bias = s.bias ? s.bias + g * s.out + o : nullptr;
      float* y = s.y + (g * s.out + o) * out_plane;
      Taps t{};
      t.channels = s.in;
      t.x_channel = in_plane;
      t.w_channel = s.taps * q;
      t.x_row = s.move_h * s.in_w * kLanes;
      t.w_row = s.step_h * s.kernel_w * q;
      t.x_col = s.move_w * kLanes;
      t.w_col = s.step_w * q;
      for (int64_t oh = 0; oh < s.out_h; ++oh) {
        const Reach& row = s.rows[oh];
        t.rows = row.count;
        for (int64_t ow = 0; ow < s.out_w;) {
          const Reach& col = s.cols[ow];
          t.cols = col.count;
          const float* px = x + (row.at * s.in_w + col.at) * kLanes;
          const float* pw = s.packed + (row.first * s.kernel_w + col.first) * q;
          float* py = y + (oh * s.out_w + ow) * kLanes;
          if (parts > 1) {  // the vectors of one pixel side by side
            for (int64_t p = 0; p < parts; p += 2) {
              dot_of(q, std::min<int64_t>(2, parts - p))(t, px + p * lanes, lanes, pw, bias, py + p * lanes,
                                                         lanes, out_plane);
            }
            ++ow;
          } else {  // neighbouring pixels side by side
            const int64_t run = run_of(s, ow, kMaxVectors);
            const int64_t unit = run > 1 ? (s.cols[ow + 1].at - col.at) * kLanes : 0;
            dot_of(q, run)(t, px, unit, pw, bias, py, kLanes, out_plane);
            ow += run;
          }
        }
      }
    }
  }
}

/// Keeps a loaded vector in its register: compilers would rather read memory once more for each product, and
/// two loads a cycle are all there are.
HWY_INLINE void Hold([[maybe_unused]] V& v) {
#if HWY_ARCH_X86 && (HWY_COMPILER_GCC || HWY_COMPILER_CLANG) && HWY_TARGET != HWY_SCALAR
  asm("" : "+v"(v.raw));
#endif
}

/// sums[q][r] over pixels of dy[q] * x[r], continued from and left in `partial` (kQ, stride) of kLanes floats
/// each.
template <int kQ, int kR>
void outer(int64_t rows, int64_t cols, const float* dy, int64_t dy_channel, int64_t dy_row, const float* x,
           const int32_t* offsets, int64_t x_row, int64_t x_col, float* partial, int64_t partial_channel) {
  const D d;
  V sum[kQ][kR];
#pragma GCC unroll 2
  for (int q = 0; q < kQ; ++q) {
#pragma GCC unroll 6
    for (int r = 0; r < kR; ++r) sum[q][r] = hn::LoadU(d, partial + q * partial_channel + r * kLanes);
  }
  const float* from[kR];
  for (int r = 0; r < kR; ++r) from[r] = x + offsets[r];
  for (int64_t row = 0; row < rows; ++row, dy += dy_row) {
    int64_t at = row * x_row;
    for (int64_t col = 0; col < cols; ++col, at += x_col) {
      V dv[kQ];
#pragma GCC unroll 2
      for (int q = 0; q < kQ; ++q) dv[q] = hn::LoadU(d, dy + q * dy_channel + col * kLanes);
#pragma GCC unroll 6
      for (int r = 0; r < kR; ++r) {
        V xv = hn::LoadU(d, from[r] + at);
        Hold(xv);
#pragma GCC unroll 2
        for (int q = 0; q < kQ; ++q) sum[q][r] = hn::MulAdd(dv[q], xv, sum[q][r]);
      }
    }
  }
#pragma GCC unroll 2
  for (int q = 0; q < kQ; ++q) {
#pragma GCC unroll 6
    for (int r = 0; r < kR; ++r) hn::StoreU(sum[q][r], d, partial + q * partial_channel + r * kLanes);
  }
}

using Outer = void (*)(int64_t, int64_t, const float*, int64_t, int64_t, const float*, const int32_t*,
                       int64_t, int64_t, float*, int64_t);
template <int kQ>
constexpr std::array<Outer, kMaxColumns> kOuters = {outer<kQ, 1>, outer<kQ, 2>, outer<kQ, 3>,
                                                    outer<kQ, 4>, outer<kQ, 5>, outer<kQ, 6>};

/// to[i] += the sum of the 16 floats at partial + 16*i, by the tree of sum(): 8 apart, 4 apart, 2 apart,
/// neighbours.
void AddLanes(int64_t count, const float* partial, float* to) {
  int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::CappedTag<float, 4> d;
  if (hn::Lanes(d) == 4) {
    const auto quarter = [&](const float* p) {
      return hn::Add(hn::Add(hn::LoadU(d, p), hn::LoadU(d, p + 8)),
                     hn::Add(hn::LoadU(d, p + 4), hn::LoadU(d, p + 12)));
    };
    for (; i + 4 <= count; i += 4, partial += 4 * kLanes) {
      const auto a = quarter(partial), b = quarter(partial + kLanes);
      const auto c = quarter(partial + 2 * kLanes), e = quarter(partial + 3 * kLanes);
      const auto ab =
          hn::Add(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b));  // a0+a2 b0+b2 a1+a3 b1+b3
      const auto ce = hn::Add(hn::InterleaveLower(d, c, e), hn::InterleaveUpper(d, c, e));
      const auto sum = hn::Add(hn::ConcatLowerLower(d, ce, ab), hn::ConcatUpperUpper(d, ce, ab));
      hn::StoreU(hn::Add(hn::LoadU(d, to + i), sum), d, to + i);
    }
  }
#endif
  for (; i < count; ++i, partial += kLanes) {
    float sums[kLanes];
    std::copy(partial, partial + kLanes, sums);
    for (int64_t width = kLanes / 2; width > 0; width /= 2) {
      for (int64_t j = 0; j < width; ++j) sums[j] += sums[j + width];
    }
    to[i] += sums[0];
  }
}

void Weights(const WeightSums& a) {
  const Conv2dShape& s = *a.shape;
  const Window2d& k = s.window;
  const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
  const int64_t parts = parts_of(s.n), patch = s.patch(), in = s.group_ic(), out = s.group_oc();
  const int64_t width = padded_w(s), plane = padded_h(s) * width * kLanes, dy_plane = s.pixels() * kLanes;
  float* partial = a.scratch;  // (kWeightTile, patch, 16)
  auto* offsets = reinterpret_cast<int32_t*>(partial + kWeightTile * patch * kLanes);  // (patch)
  float* padded = partial + kWeightTile * patch * kLanes + (patch + 15) / 16 * 16;
  const float* x = a.x;
  if (has_padding(s)) {
    x = padded;
    std::fill(padded, padded + s.ic * plane, 0.0f);
    for (int64_t row = 0; row < s.ic * s.ih; ++row) {
      const int64_t at = (row / s.ih * padded_h(s) + row % s.ih + k.pad_top) * width + k.pad_left;
      std::copy(a.x + row * s.iw * kLanes, a.x + (row + 1) * s.iw * kLanes, padded + at * kLanes);
    }
  }
  for (int64_t c = 0, i = 0; c < in; ++c) {
    for (int64_t kh = 0; kh < k.kernel_h; ++kh) {
      for (int64_t kw = 0; kw < k.kernel_w; ++kw) {
        offsets[i++] =
            static_cast<int32_t>(c * plane + (kh * k.dilation_h * width + kw * k.dilation_w) * kLanes);
      }
    }
  }
  const int64_t group = std::clamp<int64_t>(kGroupPixels / s.ow, 1, s.oh);
  // Rows that are swept at a time stay in the first-level cache with the image rows under them.
  const int64_t block = std::clamp<int64_t>(160 / s.ow, 1, group),
                tiles = (patch + kMaxColumns - 1) / kMaxColumns;
  for (int64_t o = 0; o < s.oc; o += std::min<int64_t>(kWeightTile, out - o % out)) {
    const int64_t q = std::min<int64_t>(kWeightTile, out - o % out);
    const float* group_x = x + o / out * in * plane;
    const float* dy = a.dy + o * dy_plane;
    for (int64_t g0 = 0; g0 < s.oh; g0 += group) {
      const int64_t g1 = std::min(s.oh, g0 + group);
      std::fill(partial, partial + q * patch * kLanes, 0.0f);
      for (int64_t oh = g0; oh < g1; oh += block) {
        const int64_t rows = std::min(block, g1 - oh);
        for (int64_t tile = 0; tile < tiles; ++tile) {
          const int64_t k0 = patch * tile / tiles, r = patch * (tile + 1) / tiles - k0;
          const Outer function = (q == 2 ? kOuters<2> : kOuters<1>)[static_cast<size_t>(r - 1)];
          for (int64_t p = 0; p < parts; ++p) {
            function(rows, s.ow, dy + oh * s.ow * kLanes + p * lanes, dy_plane, s.ow * kLanes,
                     group_x + oh * k.stride_h * width * kLanes + p * lanes, offsets + k0,
                     k.stride_h * width * kLanes, k.stride_w * kLanes, partial + k0 * kLanes + p * lanes,
                     patch * kLanes);
          }
        }
      }
      AddLanes(q * patch, partial, a.dw + o * patch);
      if (!a.db) continue;
      for (int64_t j = 0; j < q; ++j) {
        HWY_ALIGN float sums[kLanes] = {};
        for (int64_t p = 0; p < parts; ++p) {
          const D d;
          V sum = hn::Zero(d);
          const float* from = dy + j * dy_plane + p * lanes;
          for (int64_t pixel = g0 * s.ow; pixel < g1 * s.ow; ++pixel)
            sum = hn::Add(sum, hn::LoadU(d, from + pixel * kLanes));
          hn::StoreU(sum, d, sums + p * lanes);
        }
        AddLanes(1, sums, a.db + o + j);
      }
    }
  }
}

const char* Target() {
  return hwy::TargetName(HWY_TARGET);
}

}  // namespace unfold::lanes::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold::lanes {

HWY_EXPORT(Run);
HWY_EXPORT(Weights);
HWY_EXPORT(Target);

namespace {

/// The taps k of a kernel that an output position o reads: 0 <= o*stride - pad + k*dilation < size.
Reach forward_reach(int64_t o, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation, int64_t size) {
  const int64_t start = o * stride - pad;
  const int64_t first = start >= 0 ? 0 : std::min(kernel, (-start + dilation - 1) / dilation);
  const int64_t last = start >= size ? 0 : std::min(kernel, (size - 1 - start) / dilation + 1);
  const int64_t count = std::max<int64_t>(last - first, 0);
  return {static_cast<int32_t>(first), static_cast<int32_t>(count),
          static_cast<int32_t>(count > 0 ? start + first * dilation : 0)};
}

/// The taps k that carry an input position i to an output: (i + pad - k*dilation) / stride, whole and below
/// `size`.
Reach backward_reach(int64_t i, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation, int64_t size) {
  Reach reach{};
  for (int64_t k = 0; k < kernel; ++k) {
    const int64_t at = i + pad - k * dilation;
    if (at < 0 || at % stride != 0 || at / stride >= size) continue;
    if (reach.count++ == 0) {
      reach.first = static_cast<int32_t>(k);
      reach.at = static_cast<int32_t>(at / stride);
    }
  }
  return reach;
}

int64_t round_up(int64_t floats) {
  return (floats + 15) / 16 * 16;
}

/// Scratch of a sweep: the table of rows, that of columns, the packed weights of one tile.
int64_t table_floats(int64_t positions) {
  return round_up(positions * static_cast<int64_t>(sizeof(Reach) / sizeof(float)));
}

}  // namespace

int64_t conv2d_scratch(const Conv2dShape& s) {
  const int64_t tables = table_floats(std::max(s.oh, s.ih)) + table_floats(std::max(s.ow, s.iw));
  const int64_t packed = round_up(kMaxTile * std::max(s.group_ic(), s.group_oc()) * s.window.taps());
  const int64_t padded = has_padding(s) ? s.ic * padded_h(s) * padded_w(s) * kLanes : 0;
  return std::max(tables + packed, kWeightTile * s.patch() * kLanes + round_up(s.patch()) + padded);
}

void conv2d_forward(const Conv2dShape& s, const float* x, const float* w, const float* b, float* y,
                    float* scratch) {
  const Window2d& k = s.window;
  auto* rows = reinterpret_cast<Reach*>(scratch);
  auto* cols = reinterpret_cast<Reach*>(scratch + table_floats(s.oh));
  for (int64_t o = 0; o < s.oh; ++o)
    rows[o] = forward_reach(o, k.kernel_h, k.stride_h, k.pad_top, k.dilation_h, s.ih);
  for (int64_t o = 0; o < s.ow; ++o)
    cols[o] = forward_reach(o, k.kernel_w, k.stride_w, k.pad_left, k.dilation_w, s.iw);
  const Sweep sweep{.n = s.n,
                    .groups = k.groups,
                    .in = s.group_ic(),
                    .in_h = s.ih,
                    .in_w = s.iw,
                    .out = s.group_oc(),
                    .out_h = s.oh,
                    .out_w = s.ow,
                    .kernel_w = k.kernel_w,
                    .taps = k.taps(),
                    .step_h = 1,
                    .step_w = 1,
                    .move_h = k.dilation_h,
                    .move_w = k.dilation_w,
                    .rows = rows,
                    .cols = cols,
                    .x = x,
                    .w = w,
                    .bias = b,
                    .y = y,
                    .packed = scratch + table_floats(s.oh) + table_floats(s.ow),
                    .backward = false};
  HWY_DYNAMIC_DISPATCH(Run)(sweep);
}

void conv2d_backward_data(const Conv2dShape& s, const float* w, const float* dy, float* dx, float* scratch) {
  const Window2d& k = s.window;
  auto* rows = reinterpret_cast<Reach*>(scratch);
  auto* cols = reinterpret_cast<Reach*>(scratch + table_floats(s.ih));
  for (int64_t i = 0; i < s.ih; ++i)
    rows[i] = backward_reach(i, k.kernel_h, k.stride_h, k.pad_top, k.dilation_h, s.oh);
  for (int64_t i = 0; i < s.iw; ++i)
    cols[i] = backward_reach(i, k.kernel_w, k.stride_w, k.pad_left, k.dilation_w, s.ow);
  const int64_t step_h = k.stride_h / std::gcd(k.stride_h, k.dilation_h),
                step_w = k.stride_w / std::gcd(k.stride_w, k.dilation_w);
  const Sweep sweep{.n = s.n,
                    .groups = k.groups,
                    .in = s.group_oc(),
                    .in_h = s.oh,
                    .in_w = s.ow,
                    .out = s.group_ic(),
                    .out_h = s.ih,
                    .out_w = s.iw,
                    .kernel_w = k.kernel_w,
                    .taps = k.taps(),
                    .step_h = step_h,
                    .step_w = step_w,
                    .move_h = -k.dilation_h * step_h / k.stride_h,
                    .move_w = -k.dilation_w * step_w / k.stride_w,
                    .rows = rows,
                    .cols = cols,
                    .x = dy,
                    .w = w,
                    .bias = nullptr,
                    .y = dx,
                    .packed = scratch + table_floats(s.ih) + table_floats(s.iw),
                    .backward = true};
  HWY_DYNAMIC_DISPATCH(Run)(sweep);
}

void conv2d_backward_weights(const Conv2dShape& s, const float* x, const float* dy, float* dw, float* db,
                             float* scratch) {
  HWY_DYNAMIC_DISPATCH(Weights)({&s, x, dy, dw, db, scratch});
}

const char* target() {
  return HWY_DYNAMIC_DISPATCH(Target)();
}

}  // namespace unfold::lanes
#endif  // HWY_ONCE
