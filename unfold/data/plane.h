// A field of numbers, row by row: what a picture is while ink is sought in it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace unfold::ink {

/// (h, w) numbers in row-major order.
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

}  // namespace unfold::ink
