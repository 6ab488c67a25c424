#include "unfold/data/warp.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

namespace unfold {
namespace {

/// The pixels of all channels at (y, x) of an image, between pixels, 0 outside.
class Sampler {
 public:
  Sampler(int64_t channels, int64_t h, int64_t w, const float* from)
      : channels_(channels), h_(h), w_(w), from_(from) {}

  /// Writes channel c to to[c * h * w].
  void operator()(double y, double x, float* to) const {
    const int64_t plane = h_ * w_;
    // Written so that NaN is outside, too.
    if (!(y > -1 && x > -1 && y < static_cast<double>(h_) && x < static_cast<double>(w_))) {
      for (int64_t c = 0; c < channels_; ++c) to[c * plane] = 0;
      return;
    }
    const double row = std::floor(y), column = std::floor(x);
    const auto y0 = static_cast<int64_t>(row), x0 = static_cast<int64_t>(column);
    const auto fy = static_cast<float>(y - row), fx = static_cast<float>(x - column);
    const float w00 = (1 - fy) * (1 - fx), w01 = (1 - fy) * fx, w10 = fy * (1 - fx), w11 = fy * fx;
    const float* p = from_ + y0 * w_ + x0;
    if (y0 >= 0 && x0 >= 0 && y0 + 1 < h_ && x0 + 1 < w_) {
      for (int64_t c = 0; c < channels_; ++c, p += plane)
        to[c * plane] = w00 * p[0] + w01 * p[1] + (w10 * p[w_] + w11 * p[w_ + 1]);
      return;
    }
    const bool above = y0 >= 0, below = y0 + 1 < h_, left = x0 >= 0, right = x0 + 1 < w_;
    for (int64_t c = 0; c < channels_; ++c, p += plane) {
      const float upper = (above && left ? w00 * p[0] : 0) + (above && right ? w01 * p[1] : 0);
      const float lower = (below && left ? w10 * p[w_] : 0) + (below && right ? w11 * p[w_ + 1] : 0);
      to[c * plane] = upper + lower;
    }
  }

 private:
  int64_t channels_, h_, w_;
  const float* from_;
};

double radians(double degrees) {
  return degrees * (std::numbers::pi / 180);
}

/// `at` brought into 0 .. n-1 by mirrors at the first and the last.
int64_t mirrored(int64_t at, int64_t n) {
  const int64_t period = std::max<int64_t>(2 * n - 2, 1);
  at = ((at % period) + period) % period;
  return at < n ? at : period - at;
}

int64_t blur_radius(double sigma) {
  return std::max<int64_t>(static_cast<int64_t>(4 * sigma + 0.5), 1);
}

}  // namespace

AffineMap affine_map(int64_t h, int64_t w, double degrees, double dy, double dx, double scale, double shear) {
  // RandomAffine's matrix is T C R Sh S C^-1: wanted is its inverse, C S^-1 Sh^-1 R^-1 C^-1 T^-1.
  const double turn = radians(degrees), tan = std::tan(radians(shear));
  const double cos = std::cos(turn), sin = std::sin(turn);
  // R Sh = (cos, -cos tan - sin; sin, -sin tan + cos), of determinant 1.
  AffineMap m{(-sin * tan + cos) / scale, (cos * tan + sin) / scale, 0, -sin / scale, cos / scale, 0};
  const double cx = static_cast<double>(w - 1) / 2, cy = static_cast<double>(h - 1) / 2;
  m[2] = cx - m[0] * (cx + dx) - m[1] * (cy + dy);
  m[5] = cy - m[3] * (cx + dx) - m[4] * (cy + dy);
  return m;
}

void warp(const AffineMap& map, int64_t channels, int64_t h, int64_t w, const float* from, float* to) {
  const Sampler sample(channels, h, w, from);
  for (int64_t y = 0; y < h; ++y) {
    const auto row = static_cast<double>(y);
    for (int64_t x = 0; x < w; ++x, ++to) {
      const auto column = static_cast<double>(x);
      sample(map[3] * column + map[4] * row + map[5], map[0] * column + map[1] * row + map[2], to);
    }
  }
}

void warp(const float* dy, const float* dx, int64_t channels, int64_t h, int64_t w, const float* from,
          float* to) {
  const Sampler sample(channels, h, w, from);
  for (int64_t y = 0; y < h; ++y) {
    for (int64_t x = 0; x < w; ++x, ++to)
      sample(static_cast<double>(y) + static_cast<double>(*dy++),
             static_cast<double>(x) + static_cast<double>(*dx++), to);
  }
}

int64_t gaussian_blur_scratch(double sigma, int64_t h, int64_t w) {
  const int64_t radius = blur_radius(sigma);
  return h * w + (w + 2 * radius) + (2 * radius + 1);
}

void gaussian_blur(double sigma, int64_t h, int64_t w, float* field, std::span<float> scratch) {
  const int64_t radius = blur_radius(sigma), taps = 2 * radius + 1;
  float* const weights = scratch.data();
  float* const line = weights + taps;
  float* const half = line + w + 2 * radius;
  double sum = 0;
  for (int64_t pass = 0; pass < 2; ++pass) {
    for (int64_t k = 0; k < taps; ++k) {
      const double z = static_cast<double>(k - radius) / sigma, weight = std::exp(-0.5 * z * z);
      if (pass == 0) sum += weight;
      weights[k] = static_cast<float>(weight / sum);
    }
  }
  for (int64_t y = 0; y < h; ++y) {  // along x
    for (int64_t i = 0; i < w + 2 * radius; ++i) line[i] = field[y * w + mirrored(i - radius, w)];
    float* to = half + y * w;
    std::fill_n(to, w, 0.0f);
    for (int64_t k = 0; k < taps; ++k) {
      const float weight = weights[k];
      for (int64_t x = 0; x < w; ++x) to[x] += weight * line[x + k];
    }
  }
  for (int64_t y = 0; y < h; ++y) {  // along y
    float* to = field + y * w;
    std::fill_n(to, w, 0.0f);
    for (int64_t k = 0; k < taps; ++k) {
      const float *from = half + mirrored(y + k - radius, h) * w, weight = weights[k];
      for (int64_t x = 0; x < w; ++x) to[x] += weight * from[x];
    }
  }
}

void resize_part(int64_t channels, int64_t h, int64_t w, int64_t top, int64_t left, int64_t part_h,
                 int64_t part_w, const float* from, float* to) {
  struct Tap {
    int64_t first, second;
    float weight;  // of the second
  };
  const auto tap = [](int64_t out, int64_t out_size, int64_t size) {
    const double scale = static_cast<double>(size) / static_cast<double>(out_size);
    const double real = std::max((static_cast<double>(out) + 0.5) * scale - 0.5, 0.0);
    const int64_t first = std::min(static_cast<int64_t>(real), size - 1);
    return Tap{first, std::min(first + 1, size - 1), static_cast<float>(real - static_cast<double>(first))};
  };
  for (int64_t y = 0; y < h; ++y) {
    const Tap ty = tap(y, h, part_h);
    for (int64_t x = 0; x < w; ++x) {
      const Tap tx = tap(x, w, part_w);
      for (int64_t c = 0; c < channels; ++c) {
        const float* p = from + (c * h + top) * w + left;
        const auto along = [&](int64_t row) {
          const float *q = p + row * w, a = q[tx.first], b = q[tx.second];
          return a + tx.weight * (b - a);
        };
        const float a = along(ty.first), b = along(ty.second);
        to[(c * h + y) * w + x] = a + ty.weight * (b - a);
      }
    }
  }
}

}  // namespace unfold
