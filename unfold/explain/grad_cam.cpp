#include "unfold/explain/grad_cam.h"

#include <algorithm>
#include <string>
#include <utility>

#include "unfold/error.h"
#include "unfold/explain/saliency.h"

namespace unfold {
namespace {

/// The two source places an output lies between, and the share of the second; half-pixel centres.
struct Between {
  int64_t first = 0, second = 0;
  double share = 0;
  Between(int64_t out, int64_t out_size, int64_t size) {
    const double scale = static_cast<double>(size) / static_cast<double>(out_size);
    const double at = std::max((static_cast<double>(out) + 0.5) * scale - 0.5, 0.0);
    first = std::min(static_cast<int64_t>(at), size - 1);
    second = std::min(first + 1, size - 1);
    share = at - static_cast<double>(first);
  }
};

}  // namespace

GradCam grad_cam(const Walk& walk, ValueId layer, int64_t c) {
  const Shape maps = walk.graph().shape(layer);
  if (maps.rank() != 3) {
    throw Error(ErrorKind::usage, "Grad-CAM needs a layer with maps")
        .wanted("three axes (C,H,W)")
        .got(maps.text())
        .hint("give a convolution or what follows it, before the Flatten");
  }
  const std::vector<float> gradient = class_gradient(walk, c, layer);
  const std::span<const float> a = walk.value(layer);
  GradCam cam{.h = maps[1], .w = maps[2], .weights = {}, .map = {}};
  const auto cells = static_cast<size_t>(cam.h * cam.w);
  std::vector<double> sum(cells);
  for (size_t channel = 0; channel < static_cast<size_t>(maps[0]); ++channel) {
    double weight = 0;
    for (size_t e = 0; e < cells; ++e) weight += static_cast<double>(gradient[channel * cells + e]);
    weight /= static_cast<double>(cells);
    cam.weights.push_back(static_cast<float>(weight));
    for (size_t e = 0; e < cells; ++e) sum[e] += weight * static_cast<double>(a[channel * cells + e]);
  }
  for (const double v : sum) cam.map.push_back(static_cast<float>(std::max(v, 0.0)));
  return cam;
}

std::vector<float> over_input(const GradCam& cam, const Walk& walk) {
  const Shape in = walk.graph().shape(walk.graph().input());
  return resize_map(cam.map, cam.h, cam.w, in[1], in[2]);
}

std::vector<float> resize_map(std::span<const float> map, int64_t h, int64_t w, int64_t out_h,
                              int64_t out_w) {
  if (h < 1 || w < 1 || out_h < 1 || out_w < 1 || std::cmp_not_equal(map.size(), h * w)) {
    throw Error(ErrorKind::usage, "a map that cannot be resized")
        .got(std::to_string(h) + "x" + std::to_string(w) + " of " + std::to_string(map.size()) + " to " +
             std::to_string(out_h) + "x" + std::to_string(out_w));
  }
  std::vector<float> out;
  out.reserve(static_cast<size_t>(out_h * out_w));
  for (int64_t y = 0; y < out_h; ++y) {
    const Between row(y, out_h, h);
    for (int64_t x = 0; x < out_w; ++x) {
      const Between column(x, out_w, w);
      const auto along = [&](int64_t source) {
        const double left = map[static_cast<size_t>(source * w + column.first)];
        const double right = map[static_cast<size_t>(source * w + column.second)];
        return (1 - column.share) * left + column.share * right;
      };
      out.push_back(static_cast<float>((1 - row.share) * along(row.first) + row.share * along(row.second)));
    }
  }
  return out;
}

}  // namespace unfold
