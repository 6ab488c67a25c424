// Random convolution geometries for tests: every corner of the attribute space, small enough to be quick.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "unfold/random.h"
#include "unfold/shape.h"

namespace unfold::test {

/// A geometry that fits: N 1-3, non-square, asymmetric padding, stride beyond the kernel, dilation, groups,
/// kernel = image, one pixel wide; `kinds` counts what was drawn.
inline Conv2dShape random_geometry(Random& random, std::map<std::string, int>& kinds, bool groups = true) {
  while (true) {
    const auto draw = [&](int64_t low, int64_t high) { return low + random.below(high - low + 1); };
    Window2d k;
    k.groups = groups && draw(0, 3) == 0 ? draw(2, 3) : 1;
    const int64_t ic = k.groups * draw(1, 4), oc = k.groups * draw(1, 9);
    const bool thin = draw(0, 9) == 0;
    const int64_t ih = draw(1, 13), iw = thin ? 1 : draw(1, 37);
    const bool whole = draw(0, 9) == 0;  // kernel = image
    k.kernel_h = whole ? ih : draw(1, 5);
    k.kernel_w = whole ? iw : draw(1, 5);
    k.stride_h = draw(1, 4);
    k.stride_w = draw(1, 4);
    k.dilation_h = draw(0, 2) == 0 ? draw(2, 3) : 1;
    k.dilation_w = draw(0, 2) == 0 ? draw(2, 3) : 1;
    if (draw(0, 1)) {
      k.pad_top = draw(0, 3);
      k.pad_left = draw(0, 3);
      k.pad_bottom = draw(0, 3);
      k.pad_right = draw(0, 3);
    }
    if (output_size(ih, k.kernel_h, k.stride_h, k.pad_top, k.pad_bottom, k.dilation_h) < 1) continue;
    if (output_size(iw, k.kernel_w, k.stride_w, k.pad_left, k.pad_right, k.dilation_w) < 1) continue;
    const Conv2dShape s = Conv2dShape::infer({draw(1, 3), ic, ih, iw}, oc, k, "test");
    kinds["all"]++;
    kinds["several images"] += s.n > 1;
    kinds["non-square image"] += ih != iw;
    kinds["asymmetric padding"] += k.pad_top != k.pad_bottom || k.pad_left != k.pad_right;
    kinds["stride > kernel"] += k.stride_h > k.kernel_h || k.stride_w > k.kernel_w;
    kinds["dilation"] += k.dilation_h > 1 || k.dilation_w > 1;
    kinds["groups"] += k.groups > 1;
    kinds["kernel = image"] += whole;
    kinds["one pixel wide"] += s.iw == 1;
    kinds["1x1 kernel"] += k.taps() == 1;
    return s;
  }
}

/// Small whole numbers, half of them at least not zero: sums of their products are exact in float.
template <class T>
std::vector<T> integers(int64_t count, Random& random, int64_t bound = 4) {
  std::vector<T> values(static_cast<size_t>(count));
  for (T& v : values) {
    const int64_t draw = random.below(2 * bound) - bound;
    v = static_cast<T>(draw >= 0 ? draw + 1 : draw);  // -bound .. bound without 0
  }
  return values;
}

/// Share of elements that are not zero: a test of zeros would prove nothing.
template <class T>
double filled(const std::vector<T>& values) {
  size_t count = 0;
  for (const T v : values) count += v != T{0};
  return values.empty() ? 1 : static_cast<double>(count) / static_cast<double>(values.size());
}

}  // namespace unfold::test
