// The inner loops of the convolutions on the lane layout, compiled once for each target by the files that
// include this behind <hwy/foreach_target.h>.
#if defined(UNFOLD_KERNELS_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef UNFOLD_KERNELS_LANES_INL_H_
#undef UNFOLD_KERNELS_LANES_INL_H_
#else
#define UNFOLD_KERNELS_LANES_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <array>

#include "unfold/kernels/lanes.h"
#include "unfold/kernels/lanes_reach.h"

HWY_BEFORE_NAMESPACE();
namespace unfold::lanes::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;

/// Vectors that hold n images.
HWY_MAYBE_UNUSED static int64_t parts_of(int64_t n) {
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

HWY_MAYBE_UNUSED static Dot dot_of(int64_t q, int64_t vectors) {
  const auto at = static_cast<size_t>(q - 1);
#if HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM
  if (vectors == 4) return kDots<4>[at];
  if (vectors == 3) return kDots<3>[at];
#endif
  return vectors == 2 ? kDots<2>[at] : kDots<1>[at];
}

/// Keeps a loaded vector in its register: GCC would rather read memory once more for each product, and
/// two loads a cycle are all there are.
HWY_INLINE void Hold([[maybe_unused]] V& v) {
#if HWY_ARCH_X86 && HWY_COMPILER_GCC_ACTUAL && HWY_TARGET != HWY_SCALAR
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

HWY_MAYBE_UNUSED static Outer outer_of(int64_t q, int64_t r) {
  return (q == 2 ? kOuters<2> : kOuters<1>)[static_cast<size_t>(r - 1)];
}

#if HWY_TARGET != HWY_SCALAR
/// Four floats of each fourth row: `from`, from + 4 * row, ...
template <class Tag>
HWY_INLINE hn::Vec<Tag> Stacked(Tag d, const float* from, int64_t row) {
  constexpr auto kHalf = static_cast<int64_t>(hn::MaxLanes(d) / 2);
  if constexpr (kHalf == 2) {
    return hn::LoadU(d, from);
  } else {
    const hn::Half<Tag> half;
    return hn::Combine(d, Stacked(half, from + kHalf * row, row), Stacked(half, from, row));
  }
}

/// Transpose() of at least a vector's number of rows and four columns: squares of four side by side.
template <class Tag>
void TransposeRows(Tag d, int64_t rows, int64_t cols, const float* from, int64_t from_row, float* to,
                   int64_t to_row) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t col = 0; col < cols; col += 4) {
    const int64_t c = std::min(col, cols - 4);
    for (int64_t row = 0; row < rows; row += lanes) {
      const int64_t r = std::min(row, rows - lanes);
      const float* f = from + r * from_row + c;
      const auto a0 = Stacked(d, f, from_row), a1 = Stacked(d, f + from_row, from_row);
      const auto a2 = Stacked(d, f + 2 * from_row, from_row), a3 = Stacked(d, f + 3 * from_row, from_row);
      const auto even_low = hn::InterleaveLower(d, a0, a2), odd_low = hn::InterleaveLower(d, a1, a3);
      const auto even_high = hn::InterleaveUpper(d, a0, a2), odd_high = hn::InterleaveUpper(d, a1, a3);
      float* t = to + c * to_row + r;
      hn::StoreU(hn::InterleaveLower(d, even_low, odd_low), d, t);
      hn::StoreU(hn::InterleaveUpper(d, even_low, odd_low), d, t + to_row);
      hn::StoreU(hn::InterleaveLower(d, even_high, odd_high), d, t + 2 * to_row);
      hn::StoreU(hn::InterleaveUpper(d, even_high, odd_high), d, t + 3 * to_row);
    }
  }
}
#endif

/// to[c*to_row + r] <- from[r*from_row + c] for r < rows, c < cols.
HWY_MAYBE_UNUSED static void Transpose(int64_t rows, int64_t cols, const float* from, int64_t from_row,
                                       float* to, int64_t to_row) {
#if HWY_TARGET != HWY_SCALAR
  const hn::CappedTag<float, 8> eight;
  const hn::CappedTag<float, 4> four;
  if (cols >= 4 && rows >= static_cast<int64_t>(hn::Lanes(D())))
    return TransposeRows(D(), rows, cols, from, from_row, to, to_row);
  if (cols >= 4 && rows >= static_cast<int64_t>(hn::Lanes(eight)))
    return TransposeRows(eight, rows, cols, from, from_row, to, to_row);
  if (cols >= 4 && rows >= 4) return TransposeRows(four, rows, cols, from, from_row, to, to_row);
#endif
  for (int64_t c = 0; c < cols; ++c) {
    for (int64_t r = 0; r < rows; ++r) to[c * to_row + r] = from[r * from_row + c];
  }
}

/// to[i] += the sum of the 16 floats at partial + 16*i, by the tree of sum(): 8 apart, 4 apart, 2 apart,
/// neighbours.
HWY_MAYBE_UNUSED static void AddLanes(int64_t count, const float* partial, float* to) {
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

/// *to += the sum of `pixels` vectors of `parts` parts: a chain in each lane, then the tree.
HWY_MAYBE_UNUSED static void AddPixels(int64_t parts, int64_t pixels, const float* from, float* to) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  HWY_ALIGN float sums[kLanes] = {};
  for (int64_t p = 0; p < parts; ++p) {
    V sum = hn::Zero(d);
    for (int64_t i = 0; i < pixels; ++i) sum = hn::Add(sum, hn::LoadU(d, from + p * lanes + i * kLanes));
    hn::StoreU(sum, d, sums + p * lanes);
  }
  AddLanes(1, sums, to);
}

}  // namespace unfold::lanes::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
