// Warps against their definition in double: each output pixel is the sum of all pixels, weighted by a tent.
#include "unfold/data/warp.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "unfold/data/colour_jitter.h"
#include "unfold/random.h"

using namespace unfold;

namespace {

std::vector<float> image(int64_t count, uint64_t seed) {
  Random random(seed, "image");
  std::vector<float> x(static_cast<size_t>(count));
  for (float& v : x) v = static_cast<float>(random.below(256));
  return x;
}

double tent(double distance) {
  return std::max(0.0, 1 - std::abs(distance));
}

/// The image at (y, x): every pixel counts as much as its tent says.
double seen(const float* plane, int64_t h, int64_t w, double y, double x) {
  double sum = 0;
  for (int64_t i = 0; i < h; ++i) {
    for (int64_t j = 0; j < w; ++j)
      sum += static_cast<double>(plane[i * w + j]) * tent(y - static_cast<double>(i)) *
             tent(x - static_cast<double>(j));
  }
  return sum;
}

}  // namespace

TEST_CASE("an affine map, pixel by pixel, is its definition in double") {
  Random random(1, "affine");
  for (uint64_t k = 0; k < 60; ++k) {
    const int64_t c = 1 + random.below(3), h = 1 + random.below(9), w = 1 + random.below(9);
    const double degrees = random.uniform(-180, 180), scale = random.uniform(0.3, 2),
                 shear = random.uniform(-30, 30);
    const auto dy = static_cast<double>(random.below(5) - 2), dx = static_cast<double>(random.below(5) - 2);
    const std::vector<float> x = image(c * h * w, k);
    std::vector<float> y(x.size(), -1);
    warp(affine_map(h, w, degrees, dy, dx, scale, shear), c, h, w, x.data(), y.data());
    // Forward: the source point, about the middle, is sheared, turned, scaled and moved to the output pixel.
    // So the output pixel's source is found by solving that, here by Cramer's rule.
    const double turn = degrees * std::acos(-1.0) / 180, s = std::tan(shear * std::acos(-1.0) / 180);
    const double a = scale * std::cos(turn), b = scale * (-std::cos(turn) * s - std::sin(turn));
    const double p = scale * std::sin(turn), q = scale * (-std::sin(turn) * s + std::cos(turn));
    const double my = static_cast<double>(h - 1) / 2, mx = static_cast<double>(w - 1) / 2,
                 det = a * q - b * p;
    for (int64_t at = 0; at < c * h * w; ++at) {
      const int64_t plane = at / (h * w), row = at / w % h, column = at % w;
      const double u = static_cast<double>(column) - mx - dx, v = static_cast<double>(row) - my - dy;
      const double want =
          seen(x.data() + plane * h * w, h, w, (a * v - p * u) / det + my, (q * u - b * v) / det + mx);
      const double error = std::abs(static_cast<double>(y[static_cast<size_t>(at)]) - want);
      CHECK_FALSE(!(error <= 1e-3));
    }
  }
}

TEST_CASE("whole pixels and quarter turns are exact") {
  const std::vector<float> x = image(25, 3);
  std::vector<float> y(25);
  warp(AffineMap{1, 0, 2, 0, 1, -1}, 1, 5, 5, x.data(), y.data());  // two to the left, one down
  for (int64_t i = 0; i < 25; ++i) {
    const int64_t row = i / 5 - 1, column = i % 5 + 2;
    CHECK(y[static_cast<size_t>(i)] ==
          (row < 0 || column > 4 ? 0 : x[static_cast<size_t>(row * 5 + column)]));
  }
  warp(affine_map(5, 5, 0, 0, 0, 1, 0), 1, 5, 5, x.data(), y.data());
  CHECK(y == x);
  warp(AffineMap{0, 1, 0, -1, 0, 4}, 1, 5, 5, x.data(), y.data());
  for (int64_t i = 0; i < 25; ++i)
    CHECK(y[static_cast<size_t>(i)] == x[static_cast<size_t>((4 - i % 5) * 5 + i / 5)]);
  const AffineMap turned = affine_map(5, 5, 90, 0, 0, 1, 0), wanted{0, 1, 0, -1, 0, 4};
  for (size_t i = 0; i < 6; ++i) CHECK(turned[i] == doctest::Approx(wanted[i]));
}

TEST_CASE("displacements of any size, infinite ones too, look at the image or at nothing") {
  const int64_t h = 6, w = 7;
  const std::vector<float> x = image(2 * h * w, 4);
  std::vector<float> dy(static_cast<size_t>(h * w)), dx(dy), y(x.size());
  Random random(2, "field");
  for (float& v : dy) v = static_cast<float>(random.uniform(-3, 3));
  for (float& v : dx) v = static_cast<float>(random.uniform(-3, 3));
  dy[3] = INFINITY, dx[9] = -1e30f, dy[20] = NAN;
  warp(dy.data(), dx.data(), 2, h, w, x.data(), y.data());
  for (int64_t at = 0; at < 2 * h * w; ++at) {
    const auto pixel = static_cast<size_t>(at % (h * w));
    const double row = static_cast<double>(at / w % h) + static_cast<double>(dy[pixel]);
    const double column = static_cast<double>(at % w) + static_cast<double>(dx[pixel]);
    const bool far = pixel == 3 || pixel == 9 || pixel == 20;
    const double want = far ? 0 : seen(x.data() + at / (h * w) * h * w, h, w, row, column);
    const double error = std::abs(static_cast<double>(y[static_cast<size_t>(at)]) - want);
    CHECK_FALSE(!(error <= 1e-3));
  }
}

TEST_CASE("a blur keeps constants and the sum of a point's neighbourhood, and is symmetric") {
  for (const double sigma : {0.1, 0.6, 1.0, 3.0, 9.0}) {
    const int64_t h = 11, w = 13;
    std::vector<float> scratch(static_cast<size_t>(gaussian_blur_scratch(sigma, h, w)));
    std::vector<float> flat(static_cast<size_t>(h * w), 2.5f);
    gaussian_blur(sigma, h, w, flat.data(), scratch);
    for (const float v : flat) CHECK(v == doctest::Approx(2.5).epsilon(1e-5));
    // By the definition in double, with mirrors walked one step at a time.
    std::vector<float> x = image(h * w, 7), y = x;
    gaussian_blur(sigma, h, w, y.data(), scratch);
    const auto radius = std::max<int64_t>(static_cast<int64_t>(4 * sigma + 0.5), 1);
    const auto walk = [](int64_t at, int64_t steps, int64_t n) {
      int64_t direction = steps < 0 ? -1 : 1;
      for (int64_t s = std::abs(steps); s > 0; --s) {
        if (at + direction < 0 || at + direction >= n) direction = -direction;
        at += direction;
      }
      return at;
    };
    const auto weight = [&](int64_t k) {
      return std::exp(-static_cast<double>(k * k) / (2 * sigma * sigma));
    };
    double total = 0;
    for (int64_t k = -radius; k <= radius; ++k) total += weight(k);
    for (const int64_t at : {int64_t{0}, int64_t{6}, w + 1, h * w - 1, h * w / 2}) {
      double sum = 0;
      for (int64_t i = -radius; i <= radius; ++i) {
        for (int64_t j = -radius; j <= radius; ++j)
          sum += weight(i) * weight(j) / (total * total) *
                 static_cast<double>(x[static_cast<size_t>(walk(at / w, i, h) * w + walk(at % w, j, w))]);
      }
      CHECK(static_cast<double>(y[static_cast<size_t>(at)]) == doctest::Approx(sum).epsilon(1e-5));
    }
  }
  float one = 3;  // a field of one number
  std::vector<float> scratch(static_cast<size_t>(gaussian_blur_scratch(2, 1, 1)));
  gaussian_blur(2, 1, 1, &one, scratch);
  CHECK(one == doctest::Approx(3));
}

TEST_CASE("a part made large: the whole is itself, a pixel a plain image, nothing beyond the part is seen") {
  const int64_t h = 6, w = 8;
  std::vector<float> x = image(3 * h * w, 5), y(x.size());
  resize_part(3, h, w, 0, 0, h, w, x.data(), y.data());
  CHECK(y == x);
  resize_part(3, h, w, 4, 7, 1, 1, x.data(), y.data());
  for (size_t i = 0; i < y.size(); ++i) CHECK(y[i] == x[i / 48 * 48 + 39]);
  const auto inside = [&](int64_t i) { return i / w % h >= 2 && i / w % h < 5 && i % w >= 1 && i % w < 5; };
  std::vector<float> other = x, same(x.size());
  for (int64_t i = 0; i < 3 * h * w; ++i) {
    if (!inside(i)) other[static_cast<size_t>(i)] = NAN;
  }
  resize_part(3, h, w, 2, 1, 3, 4, x.data(), y.data());
  resize_part(3, h, w, 2, 1, 3, 4, other.data(), same.data());
  CHECK(y == same);
  CHECK(y[0] == x[2 * w + 1]);
  CHECK(y.back() == x[2 * h * w + 4 * w + 4]);
}

TEST_CASE("colours by hand") {
  std::vector<float> x{200, 0, 255, 100, 100, 255, 0, 50, 255};  // three pixels: red, green and blue planes
  const std::vector<float> before = x;
  adjust_hue(1.0 / 3, 3, 3, x.data());  // red becomes green
  CHECK(x[0] == doctest::Approx(0));
  CHECK(x[3] == doctest::Approx(200));
  CHECK(x[6] == doctest::Approx(100));
  CHECK(x[2] == 255);  // white stays white
  x = before;
  for (int k = 0; k < 6; ++k) adjust_hue(k % 2 ? -0.5 : 1.0 / 6 + 1.0 / 3, 3, 3, x.data());
  for (size_t i = 0; i < x.size(); ++i) CHECK(x[i] == doctest::Approx(before[i]).epsilon(1e-4));
  x = before;
  adjust_saturation(0, 3, 3, x.data());
  CHECK(x[0] == doctest::Approx(0.2989 * 200 + 0.587 * 100));
  CHECK(x[0] == x[3]);
  x = before;
  adjust_brightness(2, 3, 3, x.data());
  CHECK(x == std::vector<float>{255, 0, 255, 200, 200, 255, 0, 100, 255});
  std::vector<float> grey{10, 20, 30, 40};
  adjust_contrast(3, 1, 4, grey.data());
  CHECK(grey == std::vector<float>{0, 10, 40, 70});
  adjust_saturation(0, 1, 4, grey.data());
  adjust_hue(0.3, 1, 4, grey.data());
  CHECK(grey == std::vector<float>{0, 10, 40, 70});
}
