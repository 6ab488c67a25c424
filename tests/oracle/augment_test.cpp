// Warps and colours against torchvision's, in double, given the same draws.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tests/oracle/oracle.h"
#include "unfold/data/colour_jitter.h"
#include "unfold/data/warp.h"

using namespace unfold;

namespace {

// Of values 0 to 255. A coordinate is off by 1e-5 pixels at most, a product by 2^-24 of it.
constexpr double kBound = 2e-3;

/// image() of augment.py.
std::vector<float> image(int64_t count, int64_t key) {
  std::vector<float> x;
  for (const double v : oracle::numbers(count, key))
    x.push_back(static_cast<float>(std::floor((v + 1) * 128)));
  return x;
}

double largest_difference(const std::vector<float>& got, std::span<const double> want) {
  if (got.size() != want.size()) return INFINITY;
  double worst = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double off = std::abs(static_cast<double>(got[i]) - want[i]);
    if (!(off <= worst)) worst = std::isnan(off) ? INFINITY : off;
  }
  return worst;
}

/// Row k of a table of cases in double.
std::span<const double> row(const oracle::Values& values, const std::string& what, int64_t k) {
  const auto width = static_cast<size_t>(values.tensor(what + ".cases").shape()[1]);
  return values(what + ".cases").subspan(static_cast<size_t>(k) * width, width);
}

int64_t whole(double value) {
  return static_cast<int64_t>(value);
}

}  // namespace

TEST_CASE("affine maps") {
  const oracle::Values values("augment");
  for (int64_t k = 0; k < values.rows("affine"); ++k) {
    CAPTURE(k);
    const auto r = row(values, "affine", k);
    const int64_t c = whole(r[0]), h = whole(r[1]), w = whole(r[2]);
    const std::vector<float> x = image(c * h * w, k);
    std::vector<float> y(x.size());
    warp(affine_map(h, w, r[3], r[4], r[5], r[6], r[7]), c, h, w, x.data(), y.data());
    const double off = largest_difference(y, values("affine." + std::to_string(k) + ".y"));
    CHECK((off <= kBound));
  }
}

TEST_CASE("elastic: noise, blurred, and what it does to the image") {
  const oracle::Values values("augment");
  for (int64_t k = 0; k < values.rows("elastic"); ++k) {
    CAPTURE(k);
    const auto r = row(values, "elastic", k);
    const int64_t c = whole(r[0]), h = whole(r[1]), w = whole(r[2]), plane = h * w;
    const std::vector<double> noise = oracle::numbers(2 * plane, 100 + k);
    std::vector<float> fields = oracle::as<float>(noise);
    std::vector<float> scratch(static_cast<size_t>(gaussian_blur_scratch(r[4], h, w)));
    gaussian_blur(r[4], h, w, fields.data(), scratch);
    gaussian_blur(r[4], h, w, fields.data() + plane, scratch);
    CHECK((largest_difference(fields, values("elastic." + std::to_string(k) + ".field")) <= 1e-6));
    for (float& v : fields) v *= static_cast<float>(r[3] / 2);
    const std::vector<float> x = image(c * plane, k);
    std::vector<float> y(x.size());
    warp(fields.data(), fields.data() + plane, c, h, w, x.data(), y.data());
    CHECK((largest_difference(y, values("elastic." + std::to_string(k) + ".y")) <= 1e-2));
  }
}

TEST_CASE("parts made large") {
  const oracle::Values values("augment");
  for (int64_t k = 0; k < values.rows("part"); ++k) {
    CAPTURE(k);
    const auto r = row(values, "part", k);
    const int64_t c = whole(r[0]), h = whole(r[1]), w = whole(r[2]);
    const std::vector<float> x = image(c * h * w, k);
    std::vector<float> y(x.size());
    resize_part(c, h, w, whole(r[3]), whole(r[4]), whole(r[5]), whole(r[6]), x.data(), y.data());
    CHECK((largest_difference(y, values("part." + std::to_string(k) + ".y")) <= kBound));
  }
}

TEST_CASE("brightness, contrast, saturation and hue") {
  const oracle::Values values("augment");
  constexpr decltype(&adjust_hue) kAdjust[] = {adjust_brightness, adjust_contrast, adjust_saturation,
                                               adjust_hue};
  for (int64_t k = 0; k < values.rows("colour"); ++k) {
    CAPTURE(k);
    const auto r = row(values, "colour", k);
    const int64_t c = whole(r[1]), plane = whole(r[2]) * whole(r[3]);
    std::vector<float> x = image(c * plane, k);
    kAdjust[whole(r[0])](r[4], c, plane, x.data());
    CHECK((largest_difference(x, values("colour." + std::to_string(k) + ".y")) <= kBound));
  }
}
