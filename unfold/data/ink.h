// How much ink is where in a picture: light, paper and ruled lines taken away. First half of see_digit.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "unfold/data/image.h"

namespace unfold::ink {

/// A field of numbers, row by row.
struct Plane {
  int64_t w = 0, h = 0;
  std::vector<float> v;

  Plane() = default;
  Plane(int64_t width, int64_t height, float value = 0)
      : w(width), h(height), v(static_cast<size_t>(width * height), value) {}
  float& at(int64_t y, int64_t x) { return v[static_cast<size_t>(y * w + x)]; }
  float at(int64_t y, int64_t x) const { return v[static_cast<size_t>(y * w + x)]; }
  /// The value at the nearest place inside.
  float near(int64_t y, int64_t x) const {
    return at(std::clamp(y, int64_t{0}, h - 1), std::clamp(x, int64_t{0}, w - 1));
  }
  bool inside(int64_t y, int64_t x) const { return y >= 0 && y < h && x >= 0 && x < w; }
};

/// The value below which the share `part` (0 to 1) of the values lies. The order of `values` is lost.
float quantile(std::vector<float>& values, double part);

/// The plane in another size; each new value is the mean of the area it covers.
Plane resized(const Plane& plane, int64_t w, int64_t h);

/// What see_ink found.
struct Ink {
  Plane amount;         ///< 0 = paper, 1 = as black (or white) as can be; noise lies around 0
  float noise = 0;      ///< standard deviation of the paper
  float threshold = 0;  ///< above it is ink
  float peak = 0;       ///< amount in the middle of the strokes
  bool dark = false;    ///< the ink is darker than the paper
  bool blank = false;   ///< nothing stands out
  double scale = 1;     ///< pixels of the picture in one of the plane's
};

/// Reduces the picture to at most 512 pixels a side and separates ink from paper.
Ink see_ink(const Image& image);

}  // namespace unfold::ink
