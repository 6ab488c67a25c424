// Convolution on the lane layout with Winograd's short convolutions along x. R neighbouring outputs of one
// row of a kernel R wide take 2R-1 products in place of R*R: both sides are read as polynomials, evaluated at
// 2R-1 points, multiplied point by point, and the product's values are turned back. (S. Winograd, Arithmetic
// Complexity of Computations, 1980; the matrices are those of Toom and Cook.) In a kernel's height and over
// channels the sums are plain. With as many outputs as taps, the three passes share the matrices: dx is a
// correlation with the turned kernel, dw one of x with pieces of dy.
#include <algorithm>
#include <array>
#include <numeric>

#include "unfold/kernels/lanes.h"
#include "unfold/kernels/lanes_reach.h"
#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/lanes_winograd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "unfold/kernels/lanes-inl.h"

#ifndef UNFOLD_KERNELS_LANES_WINOGRAD_ONCE
#define UNFOLD_KERNELS_LANES_WINOGRAD_ONCE
namespace unfold::lanes {

/// The matrices for R outputs and R taps at the points 0, +a, -a, ...; those of a pair differ in sign only,
/// so each row is kept as its even and its odd half. The values were chosen for the smallest error in float
/// among quarters and eighths.
template <int kR>
struct Points {
  static constexpr int kPairs = kR - 1, kCount = 2 * kR - 1;
  using Halves = std::array<std::array<float, kR>, kPairs>;
  std::array<float, kR> zero_row{};  // of the input at 0: coefficients of d[0], d[2], ...
  Halves even{}, odd{};              // of the input at +a: of d[2], d[4], ... and d[1], d[3], ...
  float kernel_zero{};               // of the kernel at 0: of w[0]
  Halves kernel{};                   // of the kernel at +a: of w[0], w[1], ...
  Halves power{};                    // of the product at +a: of y[0], y[1], ...

  constexpr Points() {
    std::array<double, kPairs> a{};
    if constexpr (kR == 5) a = {0.5, 1, 1.5, 3};
    if constexpr (kR == 3) a = {0.5, 1.25};
    // Coefficients of the product of (x^2 - b^2) over all pairs but `left_out`, lowest first.
    const auto product = [&](int left_out) {
      std::array<double, kR> c{1};
      for (int j = 0; j < kPairs; ++j) {
        if (j == left_out) continue;
        for (int k = kR - 1; k >= 0; --k) c[k] = (k > 0 ? c[k - 1] : 0) - a[j] * a[j] * c[k];
      }
      return c;
    };
    const auto all = product(-1);
    const double scale0 = balance(all);
    for (int k = 0; k < kR; ++k) zero_row[k] = static_cast<float>(all[k] / scale0);
    kernel_zero = static_cast<float>(scale0 / all[0]);
    for (int i = 0; i < kPairs; ++i) {
      const auto rest = product(i);
      double norm = 0, x = 1;
      for (int k = 0; k < kR; ++k, x *= a[i] * a[i]) norm += rest[k] * x;
      norm *= 2 * a[i] * a[i];
      const double scale = balance(rest);
      double p = 1;
      for (int k = 0; k < kR; ++k, p *= a[i]) {
        even[i][k] = static_cast<float>(rest[k] / scale);
        odd[i][k] = static_cast<float>(rest[k] * a[i] / scale);
        kernel[i][k] = static_cast<float>(p * scale / norm);
        power[i][k] = static_cast<float>(p);
      }
    }
  }

 private:
  /// A power of two near the row's largest coefficient: moves size from the input's side to the kernel's
  /// without rounding.
  static constexpr double balance(const std::array<double, kR>& row) {
    double largest = 0, scale = 1;
    for (const double c : row) largest = std::max(largest, c < 0 ? -c : c);
    for (; scale * 2 <= largest; scale *= 2) {
    }
    return scale;
  }
};

/// One pass: out = correlation of `in`, its rows shifted by `pad`, with the kernels in `points` (see pack).
struct WinogradSweep {
  int64_t n, in, in_h, in_w, pad, out, out_h, out_w, kernel_h, step_h, move_h;
  Reach* rows;  // (out_h)
  const float *x, *points, *bias;
  float *y, *values, *products;  // values (point, in, in_h, tiles, 16), products (point, out, tiles, 16)
};

struct WinogradWeights {
  const Conv2dShape* shape;
  const float *x, *dy;
  float *dw, *db;
  float *values, *pieces, *sums, *partial;  // pieces (point, oc, oh, tiles, 16), sums (point, oc, ic*kh)
  int32_t* offsets;                         // (ic*kh)
};

/// Floats from one point's vectors to the next one's: an odd number of cache lines, since at a multiple of 4
/// KiB all points would fall into the same few lines of the first-level cache.
inline int64_t point_of(int64_t vectors) {
  return (vectors | 1) * kLanes;
}

inline int64_t tiles_of(int64_t width, int64_t kernel) {
  return (width + kernel - 1) / kernel;
}

}  // namespace unfold::lanes
#endif

HWY_BEFORE_NAMESPACE();
namespace unfold::lanes::HWY_NAMESPACE {

/// values[point][row][tile] <- the input's polynomial at each point; rows and places outside the image are 0.
/// `rows` counts all channels' rows; each channel has `height` of them behind `top` rows of zeros and
/// `bottom` more.
template <int kR>
void Values(int64_t n, int64_t channels, int64_t top, int64_t height, int64_t bottom, int64_t width,
            int64_t pad, int64_t tiles, const float* x, float* values) {
  static constexpr Points<kR> kPoints;
  constexpr int kCount = Points<kR>::kCount, kPairs = Points<kR>::kPairs;
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t parts = parts_of(n), all = top + height + bottom, point = point_of(channels * all * tiles);
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t h = 0; h < all; ++h) {
      float* to = values + (c * all + h) * tiles * kLanes;
      if (h < top || h >= top + height) {
        for (int i = 0; i < kCount; ++i) std::fill(to + i * point, to + i * point + tiles * kLanes, 0.0f);
        continue;
      }
      const float* row = x + (c * height + h - top) * width * kLanes;
      for (int64_t t = 0; t < tiles; ++t, to += kLanes) {
        const int64_t start = t * kR - pad;
        const bool whole = start >= 0 && start + kCount <= width;
        for (int64_t p = 0; p < parts; ++p) {
          const float* from = row + start * kLanes + p * lanes;
          V v[kCount];
          for (int j = 0; j < kCount; ++j) {
            v[j] = whole || (start + j >= 0 && start + j < width) ? hn::LoadU(d, from + j * kLanes)
                                                                  : hn::Zero(d);
          }
          V zero = hn::Mul(v[0], hn::Set(d, kPoints.zero_row[0]));
#pragma GCC unroll 8
          for (int k = 1; k < kR; ++k) zero = hn::MulAdd(v[2 * k], hn::Set(d, kPoints.zero_row[k]), zero);
          hn::StoreU(zero, d, to + p * lanes);
#pragma GCC unroll 8
          for (int i = 0; i < kPairs; ++i) {
            V even = hn::Mul(v[2], hn::Set(d, kPoints.even[i][0])),
              odd = hn::Mul(v[1], hn::Set(d, kPoints.odd[i][0]));
#pragma GCC unroll 8
            for (int k = 1; k < kPairs; ++k) {
              even = hn::MulAdd(v[2 * k + 2], hn::Set(d, kPoints.even[i][k]), even);
              odd = hn::MulAdd(v[2 * k + 1], hn::Set(d, kPoints.odd[i][k]), odd);
            }
            hn::StoreU(hn::Add(even, odd), d, to + (2 * i + 1) * point + p * lanes);
            hn::StoreU(hn::Sub(even, odd), d, to + (2 * i + 2) * point + p * lanes);
          }
        }
      }
    }
  }
}

/// A row of outputs from its products: y[k] = bias + sum over points of power * product.
template <int kR>
void OutputRow(const WinogradSweep& s, int64_t oh, int64_t tiles) {
  static constexpr Points<kR> kPoints;
  constexpr int kPairs = Points<kR>::kPairs;
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t parts = parts_of(s.n), point = point_of(s.out * tiles);
  for (int64_t o = 0; o < s.out; ++o) {
    const V bias = hn::Set(d, s.bias ? s.bias[o] : 0.0f);
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t count = std::min<int64_t>(kR, s.out_w - t * kR);
      for (int64_t p = 0; p < parts; ++p) {
        const float* from = s.products + (o * tiles + t) * kLanes + p * lanes;
        V sum[kPairs], difference[kPairs];
        for (int i = 0; i < kPairs; ++i) {
          const V plus = hn::LoadU(d, from + (2 * i + 1) * point),
                  minus = hn::LoadU(d, from + (2 * i + 2) * point);
          sum[i] = hn::Add(plus, minus);
          difference[i] = hn::Sub(plus, minus);
        }
        float* y = s.y + ((o * s.out_h + oh) * s.out_w + t * kR) * kLanes + p * lanes;
#pragma GCC unroll 8
        for (int k = 0; k < kR; ++k) {
          if (k >= count) break;
          V v = k == 0 ? hn::Add(bias, hn::LoadU(d, from)) : bias;
#pragma GCC unroll 8
          for (int i = 0; i < kPairs; ++i) {
            v = hn::MulAdd(k % 2 == 0 ? sum[i] : difference[i], hn::Set(d, kPoints.power[i][k]), v);
          }
          hn::StoreU(v, d, y + k * kLanes);
        }
      }
    }
  }
}

template <int kR>
void Sweep(const WinogradSweep& s) {
  constexpr int kCount = Points<kR>::kCount;
  const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
  const int64_t parts = parts_of(s.n), tiles = tiles_of(s.out_w, kR);
  const int64_t blocks = (s.out + kMaxTile - 1) / kMaxTile, patch = s.in * s.kernel_h;
  const int64_t value_point = point_of(s.in * s.in_h * tiles), product_point = point_of(s.out * tiles);
  Values<kR>(s.n, s.in, 0, s.in_h, 0, s.in_w, s.pad, tiles, s.x, s.values);
  for (int64_t oh = 0; oh < s.out_h; ++oh) {
    const Reach& row = s.rows[oh];
    for (int i = 0; i < kCount; ++i) {
      const float* x = s.values + i * value_point + row.at * tiles * kLanes;
      for (int64_t block = 0; block < blocks; ++block) {
        const int64_t o = s.out * block / blocks, q = s.out * (block + 1) / blocks - o;
        Taps t{};
        t.channels = s.in;
        t.x_channel = s.in_h * tiles * kLanes;
        t.w_channel = s.kernel_h * q;
        t.rows = 1;
        t.cols = row.count;  // one tap along x: the kernel's rows are the inner loop
        t.x_col = s.move_h * tiles * kLanes;
        t.w_col = s.step_h * q;
        const float* w = s.points + (i * s.out + o) * patch + row.first * q;
        float* y = s.products + i * product_point + o * tiles * kLanes;
        if (parts > 1) {
          for (int64_t tile = 0; tile < tiles; ++tile) {
            for (int64_t p = 0; p < parts; p += 2) {
              const int64_t at = tile * kLanes + p * lanes;
              dot_of(q, std::min<int64_t>(2, parts - p))(t, x + at, lanes, w, nullptr, y + at, lanes,
                                                         tiles * kLanes);
            }
          }
        } else {
          for (int64_t tile = 0; tile < tiles;) {
            const int64_t left = std::min(kMaxVectors, tiles - tile), run = left >= 4 ? 4 : left >= 2 ? 2 : 1;
            dot_of(q, run)(t, x + tile * kLanes, kLanes, w, nullptr, y + tile * kLanes, kLanes,
                           tiles * kLanes);
            tile += run;
          }
        }
      }
    }
    OutputRow<kR>(s, oh, tiles);
  }
}

/// pieces[point][row][tile] <- pieces of dy, kR pixels each, as kernels: their polynomials at each point.
template <int kR>
void Pieces(int64_t n, int64_t rows, int64_t width, int64_t tiles, const float* dy, float* pieces) {
  static constexpr Points<kR> kPoints;
  constexpr int kPairs = Points<kR>::kPairs;
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t parts = parts_of(n), point = point_of(rows * tiles);
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t t = 0; t < tiles; ++t) {
      for (int64_t p = 0; p < parts; ++p) {
        const float* from = dy + (row * width + t * kR) * kLanes + p * lanes;
        float* to = pieces + (row * tiles + t) * kLanes + p * lanes;
        V v[kR];
        for (int k = 0; k < kR; ++k)
          v[k] = t * kR + k < width ? hn::LoadU(d, from + k * kLanes) : hn::Zero(d);
        hn::StoreU(hn::Mul(v[0], hn::Set(d, kPoints.kernel_zero)), d, to);
#pragma GCC unroll 8
        for (int i = 0; i < kPairs; ++i) {
          V even = hn::Mul(v[0], hn::Set(d, kPoints.kernel[i][0])),
            odd = hn::Mul(v[1], hn::Set(d, kPoints.kernel[i][1]));
#pragma GCC unroll 8
          for (int k = 2; k < kR; k += 2) even = hn::MulAdd(v[k], hn::Set(d, kPoints.kernel[i][k]), even);
#pragma GCC unroll 8
          for (int k = 3; k < kR; k += 2) odd = hn::MulAdd(v[k], hn::Set(d, kPoints.kernel[i][k]), odd);
          hn::StoreU(hn::Add(even, odd), d, to + (2 * i + 1) * point);
          hn::StoreU(hn::Sub(even, odd), d, to + (2 * i + 2) * point);
        }
      }
    }
  }
}

template <int kR>
void Weights(const WinogradWeights& a) {
  static constexpr Points<kR> kPoints;
  constexpr int kCount = Points<kR>::kCount;
  const Conv2dShape& s = *a.shape;
  const Window2d& k = s.window;
  const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
  const int64_t parts = parts_of(s.n), tiles = tiles_of(s.ow, kR), height = k.pad_top + s.ih + k.pad_bottom;
  const int64_t patch = s.ic * k.kernel_h, places = s.oh * tiles * kLanes;
  Values<kR>(s.n, s.ic, k.pad_top, s.ih, k.pad_bottom, s.iw, k.pad_left, tiles, a.x, a.values);
  Pieces<kR>(s.n, s.oc * s.oh, s.ow, tiles, a.dy, a.pieces);
  for (int64_t c = 0, at = 0; c < s.ic; ++c) {
    for (int64_t kh = 0; kh < k.kernel_h; ++kh) {
      a.offsets[at++] = static_cast<int32_t>((c * height + kh * k.dilation_h) * tiles * kLanes);
    }
  }
  std::fill(a.sums, a.sums + kCount * s.oc * patch, 0.0f);
  const int64_t blocks = (patch + kMaxColumns - 1) / kMaxColumns;
  const bool joined = k.stride_h == 1;  // the rows of a channel lie one behind the other on both sides
  for (int i = 0; i < kCount; ++i) {
    const float* values = a.values + i * point_of(s.ic * height * tiles);
    for (int64_t o = 0; o < s.oc; o += kWeightTile) {
      const int64_t q = std::min(kWeightTile, s.oc - o);
      const float* pieces = a.pieces + i * point_of(s.oc * s.oh * tiles) + o * places;
      std::fill(a.partial, a.partial + q * patch * kLanes, 0.0f);
      for (int64_t block = 0; block < blocks; ++block) {
        const int64_t k0 = patch * block / blocks, r = patch * (block + 1) / blocks - k0;
        for (int64_t p = 0; p < parts; ++p) {
          outer_of(q, r)(joined ? 1 : s.oh, joined ? s.oh * tiles : tiles, pieces + p * lanes, places,
                         tiles * kLanes, values + p * lanes, a.offsets + k0, k.stride_h * tiles * kLanes,
                         kLanes, a.partial + k0 * kLanes + p * lanes, patch * kLanes);
        }
      }
      AddLanes(q * patch, a.partial, a.sums + (i * s.oc + o) * patch);
    }
  }
  // dw from the sums: y[kw] = sum over points of power * sum, for some weights at a time.
  const int64_t count = s.oc * patch;
  HWY_ALIGN float taps[kR][kLanes];
  for (int64_t at = 0; at < count; at += lanes) {
    const int64_t used =
        std::min(lanes, count - at);  // what is read behind the last row is scratch, and dropped
    const D d;
    V sum[Points<kR>::kPairs], difference[Points<kR>::kPairs];
    for (int i = 0; i < Points<kR>::kPairs; ++i) {
      const V plus = hn::LoadU(d, a.sums + (2 * i + 1) * count + at),
              minus = hn::LoadU(d, a.sums + (2 * i + 2) * count + at);
      sum[i] = hn::Add(plus, minus);
      difference[i] = hn::Sub(plus, minus);
    }
    for (int kw = 0; kw < kR; ++kw) {
      V v = kw == 0 ? hn::LoadU(d, a.sums + at) : hn::Zero(d);
      for (int i = 0; i < Points<kR>::kPairs; ++i) {
        v = hn::MulAdd(kw % 2 == 0 ? sum[i] : difference[i], hn::Set(d, kPoints.power[i][kw]), v);
      }
      hn::StoreU(v, d, taps[kw]);
    }
    for (int64_t l = 0; l < used; ++l) {
      for (int kw = 0; kw < kR; ++kw) a.dw[(at + l) * kR + kw] += taps[kw][l];
    }
  }
  if (!a.db) return;
  for (int64_t o = 0; o < s.oc; ++o) AddPixels(parts, s.pixels(), a.dy + o * s.pixels() * kLanes, a.db + o);
}

void Sweep3(const WinogradSweep& s) {
  Sweep<3>(s);
}
void Sweep5(const WinogradSweep& s) {
  Sweep<5>(s);
}
void Weights3(const WinogradWeights& a) {
  Weights<3>(a);
}
void Weights5(const WinogradWeights& a) {
  Weights<5>(a);
}

}  // namespace unfold::lanes::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold::lanes {

HWY_EXPORT(Sweep3);
HWY_EXPORT(Sweep5);
HWY_EXPORT(Weights3);
HWY_EXPORT(Weights5);

namespace {

/// to[point][block of q out channels][in, kh][q] <- kernels as polynomials at each point. `w(o, i, kh, kw)`
/// reads a weight.
template <int kR, class Read>
void pack(int64_t out, int64_t in, int64_t kernel_h, Read w, float* to) {
  static constexpr Points<kR> kPoints;
  const int64_t blocks = (out + kMaxTile - 1) / kMaxTile, point = out * in * kernel_h;
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t o = out * block / blocks, q = out * (block + 1) / blocks - o;
    for (int64_t i = 0; i < in; ++i) {
      for (int64_t kh = 0; kh < kernel_h; ++kh) {
        for (int64_t j = 0; j < q; ++j) {
          float* at = to + (o * in + i * q) * kernel_h + kh * q + j;
          at[0] = kPoints.kernel_zero * w(o + j, i, kh, 0);
          for (int p = 0; p < Points<kR>::kPairs; ++p) {
            float even = 0, odd = 0;
            for (int kw = 0; kw < kR; kw += 2) even += kPoints.kernel[p][kw] * w(o + j, i, kh, kw);
            for (int kw = 1; kw < kR; kw += 2) odd += kPoints.kernel[p][kw] * w(o + j, i, kh, kw);
            at[(2 * p + 1) * point] = even + odd;
            at[(2 * p + 2) * point] = even - odd;
          }
        }
      }
    }
  }
}

/// Hands out the parts of a scratch, or, from null, counts them.
class Parts {
 public:
  explicit Parts(float* scratch) : next_(scratch) {}
  float* take(int64_t floats) {
    float* at = next_ ? next_ + taken_ : nullptr;
    taken_ += round_up(floats);
    return at;
  }
  int64_t taken() const { return taken_; }

 private:
  float* next_;
  int64_t taken_ = 0;
};

WinogradSweep forward_sweep(const Conv2dShape& s, Parts& parts) {
  const int64_t r = s.window.kernel_w, count = 2 * r - 1, tiles = tiles_of(s.ow, r);
  WinogradSweep sweep{.n = s.n,
                      .in = s.ic,
                      .in_h = s.ih,
                      .in_w = s.iw,
                      .pad = s.window.pad_left,
                      .out = s.oc,
                      .out_h = s.oh,
                      .out_w = s.ow,
                      .kernel_h = s.window.kernel_h,
                      .step_h = 1,
                      .move_h = s.window.dilation_h,
                      .rows = nullptr,
                      .x = nullptr,
                      .points = nullptr,
                      .bias = nullptr,
                      .y = nullptr,
                      .values = parts.take(count * point_of(s.ic * s.ih * tiles)),
                      .products = parts.take(count * point_of(s.oc * tiles))};
  sweep.rows = reinterpret_cast<Reach*>(parts.take(s.oh * 3));
  return sweep;
}

WinogradSweep backward_sweep(const Conv2dShape& s, Parts& parts) {
  const Window2d& k = s.window;
  const int64_t r = k.kernel_w, count = 2 * r - 1, tiles = tiles_of(s.iw, r),
                step = k.stride_h / std::gcd(k.stride_h, k.dilation_h);
  WinogradSweep sweep{.n = s.n,
                      .in = s.oc,
                      .in_h = s.oh,
                      .in_w = s.ow,
                      .pad = r - 1 - k.pad_left,
                      .out = s.ic,
                      .out_h = s.ih,
                      .out_w = s.iw,
                      .kernel_h = k.kernel_h,
                      .step_h = step,
                      .move_h = -k.dilation_h * step / k.stride_h,
                      .rows = nullptr,
                      .x = nullptr,
                      .points = nullptr,
                      .bias = nullptr,
                      .y = nullptr,
                      .values = parts.take(count * point_of(s.oc * s.oh * tiles)),
                      .products = parts.take(count * point_of(s.ic * tiles))};
  sweep.rows = reinterpret_cast<Reach*>(parts.take(s.ih * 3));
  return sweep;
}

WinogradWeights weights_of(const Conv2dShape& s, Parts& parts) {
  const int64_t r = s.window.kernel_w, count = 2 * r - 1, tiles = tiles_of(s.ow, r),
                patch = s.ic * s.window.kernel_h;
  WinogradWeights a{};
  a.shape = &s;
  a.values = parts.take(count * point_of(s.ic * (s.ih + s.window.pad_top + s.window.pad_bottom) * tiles));
  a.pieces = parts.take(count * point_of(s.oc * s.oh * tiles));
  a.sums = parts.take(count * s.oc * patch + kLanes);
  a.partial = parts.take(kWeightTile * patch * kLanes);
  a.offsets = reinterpret_cast<int32_t*>(parts.take(patch));
  return a;
}

void run(const WinogradSweep& sweep, int64_t kernel) {
  if (kernel == 3) return HWY_DYNAMIC_DISPATCH(Sweep3)(sweep);
  HWY_DYNAMIC_DISPATCH(Sweep5)(sweep);
}

}  // namespace

bool winograd_suits(const Conv2dShape& s) {
  const Window2d& k = s.window;
  return (k.kernel_w == 3 || k.kernel_w == 5) && k.stride_w == 1 && k.dilation_w == 1 && k.groups == 1 &&
         s.pixels() <= kGroupPixels && s.ic * k.kernel_h >= 12 && s.oc >= 8;
}

int64_t winograd_scratch(const Conv2dShape& s) {
  Parts forward(nullptr), backward(nullptr), weights(nullptr);
  forward_sweep(s, forward);
  backward_sweep(s, backward);
  weights_of(s, weights);
  return std::max({forward.taken(), backward.taken(), weights.taken()});
}

int64_t winograd_packed(const Conv2dShape& s) {
  return 2 * round_up((2 * s.window.kernel_w - 1) * s.oc * s.ic * s.window.kernel_h);
}

void winograd_pack(const Conv2dShape& s, const float* w, float* packed) {
  const Window2d& k = s.window;
  const auto forward = [&](int64_t o, int64_t i, int64_t kh, int64_t kw) {
    return w[((o * s.ic + i) * k.kernel_h + kh) * k.kernel_w + kw];
  };
  const auto backward = [&](int64_t i, int64_t o, int64_t kh,
                            int64_t kw) {  // turned along x, channels exchanged
    return w[((o * s.ic + i) * k.kernel_h + kh) * k.kernel_w + k.kernel_w - 1 - kw];
  };
  float* const second = packed + winograd_packed(s) / 2;
  if (k.kernel_w == 3) {
    pack<3>(s.oc, s.ic, k.kernel_h, forward, packed);
    pack<3>(s.ic, s.oc, k.kernel_h, backward, second);
  } else {
    pack<5>(s.oc, s.ic, k.kernel_h, forward, packed);
    pack<5>(s.ic, s.oc, k.kernel_h, backward, second);
  }
}

void winograd_forward(const Conv2dShape& s, const float* x, const float* packed, const float* b, float* y,
                      float* scratch) {
  const Window2d& k = s.window;
  Parts parts(scratch);
  WinogradSweep sweep = forward_sweep(s, parts);
  sweep.x = x;
  sweep.points = packed;
  sweep.bias = b;
  sweep.y = y;
  for (int64_t o = 0; o < s.oh; ++o) {
    sweep.rows[o] = forward_reach(o, k.kernel_h, k.stride_h, k.pad_top, k.dilation_h, s.ih);
  }
  run(sweep, k.kernel_w);
}

void winograd_backward_data(const Conv2dShape& s, const float* packed, const float* dy, float* dx,
                            float* scratch) {
  const Window2d& k = s.window;
  Parts parts(scratch);
  WinogradSweep sweep = backward_sweep(s, parts);
  sweep.x = dy;
  sweep.points = packed + winograd_packed(s) / 2;
  sweep.y = dx;
  for (int64_t i = 0; i < s.ih; ++i) {
    sweep.rows[i] = backward_reach(i, k.kernel_h, k.stride_h, k.pad_top, k.dilation_h, s.oh);
  }
  run(sweep, k.kernel_w);
}

void winograd_backward_weights(const Conv2dShape& s, const float* x, const float* dy, float* dw, float* db,
                               float* scratch) {
  Parts parts(scratch);
  WinogradWeights a = weights_of(s, parts);
  a.x = x;
  a.dy = dy;
  a.dw = dw;
  a.db = db;
  if (s.window.kernel_w == 3) return HWY_DYNAMIC_DISPATCH(Weights3)(a);
  HWY_DYNAMIC_DISPATCH(Weights5)(a);
}

}  // namespace unfold::lanes
#endif  // HWY_ONCE
