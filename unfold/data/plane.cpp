#include "unfold/data/plane.h"

namespace unfold::ink {

float quantile(std::vector<float>& values, double part) {
  const auto k = static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), values.begin() + k, values.end());
  return values[static_cast<size_t>(k)];
}

Plane resized(const Plane& plane, int64_t w, int64_t h) {
  // Along x, then the same along y by way of a turned plane.
  const auto along_x = [](const Plane& in, int64_t width) {
    Plane out(in.h, width);  // turned
    const double scale = static_cast<double>(in.w) / static_cast<double>(width);
    for (int64_t x = 0; x < width; ++x) {
      const double begin = static_cast<double>(x) * scale;
      const double end = std::min(begin + scale, static_cast<double>(in.w));
      const auto first = static_cast<int64_t>(begin);
      for (int64_t y = 0; y < in.h; ++y) {
        double sum = 0;
        for (int64_t i = first; i < in.w && static_cast<double>(i) < end; ++i) {
          const double from = std::max(begin, static_cast<double>(i));
          sum += in.at(y, i) * (std::min(end, static_cast<double>(i + 1)) - from);
        }
        out.at(x, y) = static_cast<float>(sum / (end - begin));
      }
    }
    return out;
  };
  return along_x(along_x(plane, w), h);
}

}  // namespace unfold::ink
