// What the passes of Winograd's convolution along x share: the matrices, the places of points in memory.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "unfold/kernels/lanes.h"
#include "unfold/kernels/lanes_reach.h"
#include "unfold/kernels/scratch.h"

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

/// to[i * stride] <- the kernel's row w(0) .. w(R-1), as a polynomial, at point i.
template <int kR, class Read>
void kernel_at_points(Read w, float* to, int64_t stride) {
  static constexpr Points<kR> kPoints;
  to[0] = kPoints.kernel_zero * w(0);
  for (int p = 0; p < Points<kR>::kPairs; ++p) {
    float even = 0, odd = 0;
    for (int k = 0; k < kR; k += 2) even += kPoints.kernel[p][k] * w(k);
    for (int k = 1; k < kR; k += 2) odd += kPoints.kernel[p][k] * w(k);
    to[(2 * p + 1) * stride] = even + odd;
    to[(2 * p + 2) * stride] = even - odd;
  }
}

/// Floats from one point's vectors to the next one's: an odd number of cache lines, since at a multiple of 4
/// KiB all points would fall into the same few lines of the first-level cache.
inline int64_t point_of(int64_t vectors) {
  return (vectors | 1) * kLanes;
}

inline int64_t tiles_of(int64_t width, int64_t kernel) {
  return (width + kernel - 1) / kernel;
}

/// Rows of a channel among the values of x: the image's and those of its padding.
inline int64_t padded_height(const Conv2dShape& s) {
  return s.window.pad_top + s.ih + s.window.pad_bottom;
}

}  // namespace unfold::lanes
