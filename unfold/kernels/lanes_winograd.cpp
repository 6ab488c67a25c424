// Convolution on the lane layout with Winograd's short convolutions along x. R neighbouring outputs of one
// row of a kernel R wide take 2R-1 products in place of R*R: both sides are read as polynomials, evaluated at
// 2R-1 points, multiplied point by point, and the product's values are turned back. (S. Winograd, Arithmetic
// Complexity of Computations, 1980; the matrices are those of Toom and Cook.) In a kernel's height and over
// channels the sums are plain. dx is the adjoint: gradients of a tile's outputs go to the points, meet the
// same kernels there and come back as those of its 2R-1 inputs, which overlap with the neighbouring tile's.
// So is dw (lanes_winograd_weights.cpp). Layers of few channels have kernels of their own
// (lanes_winograd_few.cpp).
#include <algorithm>
#include <array>
#include <numeric>

#include "unfold/kernels/lanes.h"
#include "unfold/kernels/lanes_winograd.h"
#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/lanes_winograd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "unfold/kernels/lanes_winograd-inl.h"

#ifndef UNFOLD_KERNELS_LANES_WINOGRAD_ONCE
#define UNFOLD_KERNELS_LANES_WINOGRAD_ONCE
namespace unfold::lanes {

/// One pass: out = correlation of `in` with the kernels in `points` (see pack) or, backward, its adjoint, a
/// convolution. `tiles` are those of the layer's output in both, `pad` is its padding on the left.
struct WinogradSweep {
  int64_t n, in, in_h, out, out_h, out_w, pad, tiles, kernel_h, step_h, move_h;
  Reach* rows;                          // (out_h)
  const float *values, *points, *bias;  // values (point, in, in_h, tiles, 16)
  float *y, *products;                  // products (point, channel of a tile, row, tiles, 16)
};

/// Rows of outputs whose products are computed together: in memory the tiles of one row follow those of
/// another, and these fill groups of four vectors.
inline int64_t rows_at_once(int64_t tiles) {
  return 4 / std::gcd(tiles, int64_t{4});
}

/// Floats from the products at one point to those at the next.
inline int64_t product_point(int64_t rows, int64_t tiles) {
  return point_of(kMaxTile * rows * tiles);
}

}  // namespace unfold::lanes
#endif

HWY_BEFORE_NAMESPACE();
namespace unfold::lanes::HWY_NAMESPACE {
namespace {  // other files have functions of their own by these names

/// Row oh of q outputs from o on, from the products of the row-th of `rows`: y[k] = bias + sum over points of
/// power * product.
template <int kR>
void OutputRow(const WinogradSweep& s, int64_t o, int64_t q, int64_t oh, int64_t row, int64_t rows) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t parts = parts_of(s.n), point = product_point(rows, s.tiles);
  for (int64_t c = 0; c < q; ++c) {
    const V bias = hn::Set(d, s.bias ? s.bias[o + c] : 0.0f);
    for (int64_t t = 0; t < s.tiles; ++t) {
      const int64_t count = std::min<int64_t>(kR, s.out_w - t * kR);
      for (int64_t p = 0; p < parts; ++p) {
        const float* from = s.products + ((c * rows + row) * s.tiles + t) * kLanes + p * lanes;
        FromPoints<kR>(d, from, point, bias, count,
                       s.y + (((o + c) * s.out_h + oh) * s.out_w + t * kR) * kLanes + p * lanes, kLanes);
      }
    }
  }
}

/// Row ih of q channels of dx, the same way: each tile's inputs, of which the last R-1 are the next tile's
/// first.
template <int kR>
void GradientRow(const WinogradSweep& s, int64_t o, int64_t q, int64_t ih, int64_t row, int64_t rows) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t parts = parts_of(s.n), point = product_point(rows, s.tiles);
  for (int64_t c = 0; c < q; ++c) {
    for (int64_t p = 0; p < parts; ++p) {
      const float* from = s.products + (c * rows + row) * s.tiles * kLanes + p * lanes;
      float* y = s.y + (((o + c) * s.out_h + ih) * s.out_w - s.pad) * kLanes + p * lanes;
      const auto store = [&](V v, int64_t at) {
        if (at >= s.pad && at - s.pad < s.out_w) hn::StoreU(v, d, y + at * kLanes);
      };
      V v[2 * kR - 1], shared[kR - 1];
      for (int j = 0; j < kR - 1; ++j) shared[j] = hn::Zero(d);
      for (int64_t t = 0; t < s.tiles; ++t, from += kLanes) {
        GradientsFromPoints<kR>(from, point, v);
#pragma GCC unroll 8
        for (int j = 0; j < kR - 1; ++j) {
          store(hn::Add(shared[j], v[j]), t * kR + j);
          shared[j] = v[kR + j];
        }
        store(v[kR - 1], t * kR + kR - 1);
      }
      for (int j = 0; j < kR - 1; ++j) store(shared[j], s.tiles * kR + j);
    }
  }
}

/// values[point][channel, row][tile] <- the input's polynomial at each point; rows and places outside the
/// image are 0.
template <int kR>
void ToPointsOf(const Conv2dShape& s, const float* x, float* values) {
  constexpr int kCount = Points<kR>::kCount;
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const Window2d& k = s.window;
  const int64_t parts = parts_of(s.n), tiles = tiles_of(s.ow, kR), all = padded_height(s),
                point = point_of(s.ic * all * tiles);
  for (int64_t c = 0; c < s.ic; ++c) {
    for (int64_t h = 0; h < all; ++h) {
      float* to = values + (c * all + h) * tiles * kLanes;
      if (h < k.pad_top || h >= k.pad_top + s.ih) {
        for (int i = 0; i < kCount; ++i) std::fill(to + i * point, to + i * point + tiles * kLanes, 0.0f);
        continue;
      }
      const float* row = x + (c * s.ih + h - k.pad_top) * s.iw * kLanes;
      for (int64_t t = 0; t < tiles; ++t, to += kLanes) {
        const int64_t start = t * kR - k.pad_left;
        const bool whole = start >= 0 && start + kCount <= s.iw;
        for (int64_t p = 0; p < parts; ++p) {
          const float* from = row + start * kLanes + p * lanes;
          V v[kCount];
          for (int j = 0; j < kCount; ++j) {
            v[j] =
                whole || (start + j >= 0 && start + j < s.iw) ? hn::LoadU(d, from + j * kLanes) : hn::Zero(d);
          }
          AtPoints<kR>(d, v, to + p * lanes, point);
        }
      }
    }
  }
}
void ToPoints(const Conv2dShape& s, const float* x, float* values) {
  (s.window.kernel_w == 3 ? ToPointsOf<3> : ToPointsOf<5>)(s, x, values);
}

/// values[point][channel, row][tile] <- the gradients of each tile's outputs at each point.
template <int kR>
void GradientsToPointsOf(const Conv2dShape& s, const float* dy, float* values) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t parts = parts_of(s.n), tiles = tiles_of(s.ow, kR), rows = s.oc * s.oh,
                point = point_of(rows * tiles);
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t t = 0; t < tiles; ++t, values += kLanes) {
      const float* from = dy + (row * s.ow + t * kR) * kLanes;
      for (int64_t p = 0; p < parts; ++p) {
        V v[kR];
        for (int k = 0; k < kR; ++k) {
          v[k] = t * kR + k < s.ow ? hn::LoadU(d, from + k * kLanes + p * lanes) : hn::Zero(d);
        }
        GradientsAtPoints<kR>(v, values + p * lanes, point);
      }
    }
  }
}
void GradientsToPoints(const Conv2dShape& s, const float* dy, float* values) {
  (s.window.kernel_w == 3 ? GradientsToPointsOf<3> : GradientsToPointsOf<5>)(s, dy, values);
}

/// Rows from oh on that the same taps reach, at most `most`.
int64_t RowsAlike(const WinogradSweep& s, int64_t oh, int64_t most) {
  int64_t rows = 1;
  while (rows < most && oh + rows < s.out_h && s.rows[oh + rows].first == s.rows[oh].first &&
         s.rows[oh + rows].count == s.rows[oh].count && s.rows[oh + rows].at == s.rows[oh].at + rows) {
    ++rows;
  }
  return rows;
}

/// The products of q channels from o on at point i, of `rows` rows whose taps `row` tells.
void Products(const WinogradSweep& s, int64_t i, int64_t o, int64_t q, const Reach& row, int64_t rows,
              int64_t most) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
  const int64_t parts = parts_of(s.n), vectors = rows * s.tiles, product_row = most * s.tiles * kLanes;
  Taps t{};
  t.channels = s.in;
  t.x_channel = s.in_h * s.tiles * kLanes;
  t.w_channel = s.kernel_h * q;
  t.rows = 1;
  t.cols = row.count;  // one tap along x: the kernel's rows are the inner loop
  t.x_col = s.move_h * s.tiles * kLanes;
  t.w_col = s.step_h * q;
  const float* x = s.values + i * point_of(s.in * s.in_h * s.tiles) + row.at * s.tiles * kLanes;
  const float* w = s.points + (i * s.out + o) * s.in * s.kernel_h + row.first * q;
  float* y = s.products + i * product_point(most, s.tiles);
  if (parts == 1) {
    for (int64_t tile = 0; tile < vectors;) {
      const int64_t run = std::min(kMaxVectors, vectors - tile);
      dot_of(q, run)(t, x + tile * kLanes, kLanes, w, nullptr, y + tile * kLanes, kLanes, product_row);
      tile += run;
    }
    return;
  }
  for (int64_t tile = 0; tile < vectors; ++tile) {
    for (int64_t p = 0; p < parts; p += 2) {
      const int64_t at = tile * kLanes + p * lanes;
      dot_of(q, std::min<int64_t>(2, parts - p))(t, x + at, lanes, w, nullptr, y + at, lanes, product_row);
    }
  }
}

/// Some rows and channels at a time, so that their products stay in the first level.
template <int kR, bool kBackward>
void Sweep(const WinogradSweep& s) {
  const int64_t most = kMaxVectors < 4 ? 1 : rows_at_once(s.tiles);
  const int64_t blocks = (s.out + kMaxTile - 1) / kMaxTile;
  for (int64_t oh = 0; oh < s.out_h;) {
    const int64_t rows = RowsAlike(s, oh, most);
    for (int64_t block = 0; block < blocks; ++block) {
      const int64_t o = s.out * block / blocks, q = s.out * (block + 1) / blocks - o;
      for (int i = 0; i < Points<kR>::kCount; ++i) Products(s, i, o, q, s.rows[oh], rows, most);
      for (int64_t r = 0; r < rows; ++r)
        (kBackward ? GradientRow<kR> : OutputRow<kR>)(s, o, q, oh + r, r, most);
    }
    oh += rows;
  }
}

void Forward(const WinogradSweep& s, int64_t kernel) {
  (kernel == 3 ? Sweep<3, false> : Sweep<5, false>)(s);
}
void Backward(const WinogradSweep& s, int64_t kernel) {
  (kernel == 3 ? Sweep<3, true> : Sweep<5, true>)(s);
}
}  // namespace
}  // namespace unfold::lanes::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold::lanes {

HWY_EXPORT(ToPoints);
HWY_EXPORT(GradientsToPoints);
HWY_EXPORT(Forward);
HWY_EXPORT(Backward);

namespace {

/// Tiles of channels, of nearly one size: channel first + j of one with q channels has the weights [in,
/// kh][j] of each q.
struct ChannelTile {
  int64_t first, q;
};
ChannelTile channel_tile(int64_t channels, int64_t tile, int64_t tiles) {
  const int64_t first = channels * tile / tiles;
  return {first, channels * (tile + 1) / tiles - first};
}

/// forward[point][tile of output channels][ic, kh][q] and backward[point][tile of input channels][oc, kh][q]
/// <- kernels as polynomials at each point.
template <int kR>
void pack(const Conv2dShape& s, const float* w, float* forward, float* backward) {
  constexpr int kCount = Points<kR>::kCount;
  const int64_t kernel_h = s.window.kernel_h, point = s.oc * s.ic * kernel_h;
  const int64_t out_tiles = (s.oc + kMaxTile - 1) / kMaxTile, in_tiles = (s.ic + kMaxTile - 1) / kMaxTile;
  for (int64_t o = 0; o < s.oc; ++o) {
    const ChannelTile out = channel_tile(s.oc, ((o + 1) * out_tiles - 1) / s.oc, out_tiles);
    for (int64_t i = 0; i < s.ic; ++i) {
      const ChannelTile in = channel_tile(s.ic, ((i + 1) * in_tiles - 1) / s.ic, in_tiles);
      float* f = forward + (out.first * s.ic + i * out.q) * kernel_h + o - out.first;
      float* b = backward + (in.first * s.oc + o * in.q) * kernel_h + i - in.first;
      for (int64_t kh = 0; kh < kernel_h; ++kh, w += kR, f += out.q, b += in.q) {
        float values[kCount];
        kernel_at_points<kR>([&](int64_t kw) { return w[kw]; }, values, 1);
        for (int p = 0; p < kCount; ++p) f[p * point] = b[p * point] = values[p];
      }
    }
  }
}

WinogradSweep forward_sweep(const Conv2dShape& s, ScratchParts& parts) {
  const Window2d& k = s.window;
  const int64_t r = k.kernel_w, tiles = tiles_of(s.ow, r);
  WinogradSweep sweep{.n = s.n,
                      .in = s.ic,
                      .in_h = padded_height(s),
                      .out = s.oc,
                      .out_h = s.oh,
                      .out_w = s.ow,
                      .pad = k.pad_left,
                      .tiles = tiles,
                      .kernel_h = k.kernel_h,
                      .step_h = 1,
                      .move_h = k.dilation_h,
                      .rows = reinterpret_cast<Reach*>(parts.take(s.oh * 3)),
                      .values = nullptr,
                      .points = nullptr,
                      .bias = nullptr,
                      .y = nullptr,
                      .products = parts.take((2 * r - 1) * product_point(rows_at_once(tiles), tiles))};
  return sweep;
}

WinogradSweep backward_sweep(const Conv2dShape& s, ScratchParts& parts) {
  const Window2d& k = s.window;
  const int64_t r = k.kernel_w, tiles = tiles_of(s.ow, r),
                step = k.stride_h / std::gcd(k.stride_h, k.dilation_h);
  WinogradSweep sweep{.n = s.n,
                      .in = s.oc,
                      .in_h = s.oh,
                      .out = s.ic,
                      .out_h = s.ih,
                      .out_w = s.iw,
                      .pad = k.pad_left,
                      .tiles = tiles,
                      .kernel_h = k.kernel_h,
                      .step_h = step,
                      .move_h = -k.dilation_h * step / k.stride_h,
                      .rows = reinterpret_cast<Reach*>(parts.take(s.ih * 3)),
                      .values = nullptr,
                      .points = nullptr,
                      .bias = nullptr,
                      .y = nullptr,
                      .products = parts.take((2 * r - 1) * product_point(rows_at_once(tiles), tiles))};
  return sweep;
}
int64_t gradient_values(const Conv2dShape& s) {
  return (2 * s.window.kernel_w - 1) * point_of(s.oc * s.oh * tiles_of(s.ow, s.window.kernel_w));
}

}  // namespace

bool winograd_suits(const Conv2dShape& s) {
  const Window2d& k = s.window;
  return (k.kernel_w == 3 || k.kernel_w == 5) && k.stride_w == 1 && k.dilation_w == 1 && k.groups == 1 &&
         s.pixels() <= kGroupPixels && s.ic * k.kernel_h >= 12 && s.oc >= 8;
}

int64_t winograd_scratch(const Conv2dShape& s) {
  ScratchParts forward(nullptr), backward(nullptr);
  forward_sweep(s, forward);
  backward_sweep(s, backward);
  backward.take(gradient_values(s));
  return std::max({forward.taken(), backward.taken(), winograd_weights_scratch(s)});
}

int64_t winograd_packed(const Conv2dShape& s) {
  return 2 * whole_lines((2 * s.window.kernel_w - 1) * s.oc * s.ic * s.window.kernel_h);
}

void winograd_pack(const Conv2dShape& s, const float* w, float* packed) {
  (s.window.kernel_w == 3 ? pack<3> : pack<5>)(s, w, packed, packed + winograd_packed(s) / 2);
}

int64_t winograd_values(const Conv2dShape& s) {
  return (2 * s.window.kernel_w - 1) * point_of(s.ic * padded_height(s) * tiles_of(s.ow, s.window.kernel_w));
}

void winograd_to_points(const Conv2dShape& s, const float* x, float* values) {
  HWY_DYNAMIC_DISPATCH(ToPoints)(s, x, values);
}

void winograd_forward(const Conv2dShape& s, const float* values, const float* packed, const float* b,
                      float* y, float* scratch) {
  const Window2d& k = s.window;
  ScratchParts parts(scratch);
  WinogradSweep sweep = forward_sweep(s, parts);
  sweep.values = values;
  sweep.points = packed;
  sweep.bias = b;
  sweep.y = y;
  for (int64_t o = 0; o < s.oh; ++o) {
    sweep.rows[o] = forward_reach(o, k.kernel_h, k.stride_h, k.pad_top, k.dilation_h, s.ih);
    sweep.rows[o].at += static_cast<int32_t>(k.pad_top);
  }
  HWY_DYNAMIC_DISPATCH(Forward)(sweep, k.kernel_w);
}

void winograd_backward_data(const Conv2dShape& s, const float* packed, const float* dy, float* dx,
                            float* scratch) {
  const Window2d& k = s.window;
  ScratchParts parts(scratch);
  WinogradSweep sweep = backward_sweep(s, parts);
  float* const values = parts.take(gradient_values(s));
  HWY_DYNAMIC_DISPATCH(GradientsToPoints)(s, dy, values);
  sweep.values = values;
  sweep.points = packed + winograd_packed(s) / 2;
  sweep.y = dx;
  for (int64_t i = 0; i < s.ih; ++i) {
    sweep.rows[i] = backward_reach(i, k.kernel_h, k.stride_h, k.pad_top, k.dilation_h, s.oh);
  }
  HWY_DYNAMIC_DISPATCH(Backward)(sweep, k.kernel_w);
}

}  // namespace unfold::lanes
#endif  // HWY_ONCE
