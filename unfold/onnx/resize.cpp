// Resize and Upsample: one axis after the other, each element a weighted sum of a few along the axis.
#include <algorithm>
#include <numeric>

#include "unfold/onnx/convert.h"
#include "unfold/onnx/elementwise.h"
#include "unfold/onnx/functions.h"

namespace unfold::onnx::ops {
namespace {

/// How an axis becomes another.
struct AxisScale {
  int64_t in = 0, out = 0;
  double scale = 1, roi_start = 0, roi_end = 1;
};

/// What is the same for all axes: the attributes.
struct Way {
  std::string mode = "nearest", coordinates = "asymmetric", nearest = "floor";
  double cubic = -0.75, extrapolation = 0;
  bool exclude_outside = false, antialias = false;
};

/// For each element of the output those of the input it is made of: `taps` each, and their weights.
struct Weights {
  int64_t taps = 1;
  std::vector<int64_t> index;
  std::vector<double> weight;
  std::vector<char> outside;  ///< tf_crop_and_resize: the coordinate lies outside
};

/// The place in the input, in pixels, of element x of the output.
double source(const Way& way, const AxisScale& a, int64_t x) {
  const auto at = static_cast<double>(x), in = static_cast<double>(a.in), whole = static_cast<double>(a.out);
  const double out = a.scale * in;  // not a whole number, perhaps
  if (way.coordinates == "asymmetric") return at / a.scale;
  if (way.coordinates == "align_corners") return out == 1 || whole == 1 ? 0 : at * (in - 1) / (out - 1);
  if (way.coordinates == "tf_crop_and_resize") {
    const double start = a.roi_start * (in - 1), extent = (a.roi_end - a.roi_start) * (in - 1);
    return whole == 1 ? start + extent / 2 : start + at * extent / (out - 1);
  }
  const double half = (at + 0.5) / a.scale - 0.5;
  if (way.coordinates == "pytorch_half_pixel") return whole == 1 ? -0.5 : half;
  if (way.coordinates == "tf_half_pixel_for_nn") return half + 0.5;
  if (way.coordinates == "half_pixel_symmetric") return in / 2 * (1 - whole / out) + half;
  return half;
}

/// The pixel nearest to a place.
double nearest(const Way& way, const AxisScale& a, double at) {
  if (way.nearest == "round_prefer_floor") return std::ceil(at - 0.5);
  if (way.nearest == "round_prefer_ceil") return std::floor(at + 0.5);
  if (way.nearest == "ceil") return std::ceil(at);
  if (way.nearest == "simple") return a.scale < 1 ? std::ceil(at) : std::floor(at);
  return std::floor(at);
}

/// The weight of a pixel at this distance; linear and cubic (Keys) interpolation.
double kernel(const Way& way, double distance) {
  const double d = std::abs(distance), a = way.cubic;
  if (way.mode != "cubic") return std::max(0.0, 1 - d);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

Weights weights_of(const Call& c, const Way& way, const AxisScale& a) {
  Weights w;
  const bool is_nearest = way.mode == "nearest";
  // With `antialias` the kernel is as wide as the pixels of a smaller output.
  const double narrow = way.antialias ? std::min(a.scale, 1.0) : 1;
  const double radius = (way.mode == "cubic" ? 2 : 1) / narrow;
  w.taps = is_nearest ? 1 : 2 * static_cast<int64_t>(std::ceil(radius));
  c.work(a.out, w.taps, 4);
  const int64_t all[] = {a.out, w.taps};
  c.charge(c.product(all), sizeof(int64_t) + sizeof(double));
  const int64_t before = w.taps / 2 - 1;  // taps in front of the nearest pixel
  for (int64_t x = 0; x < a.out; ++x) {
    double at = source(way, a, x);
    if (!(std::abs(at) < 0x1p40))
      c.refuse("an element comes from nowhere", "a scale that is sound", std::to_string(a.scale));
    w.outside.push_back(way.coordinates == "tf_crop_and_resize" &&
                        (at < 0 || at > static_cast<double>(a.in - 1)));
    if (is_nearest) at = nearest(way, a, at);
    const double first = is_nearest ? at : std::floor(at) - static_cast<double>(before);
    double sum = 0;
    for (int64_t t = 0; t < w.taps; ++t) {
      const double pixel = first + static_cast<double>(t);
      double weight = is_nearest ? 1 : kernel(way, (pixel - at) * narrow);
      if (way.exclude_outside && (pixel < 0 || pixel >= static_cast<double>(a.in))) weight = 0;
      w.index.push_back(
          std::clamp<int64_t>(static_cast<int64_t>(pixel), 0, a.in - 1));  // the edge goes on for ever
      w.weight.push_back(weight);
      sum += weight;
    }
    if ((way.exclude_outside || way.antialias) && sum != 0) {
      for (int64_t t = 0; t < w.taps; ++t) w.weight[w.weight.size() - 1 - t] /= sum;
    }
  }
  return w;
}

/// `values` (outer, in, inner) along the middle axis; overwrites them with (outer, out, inner).
void along_axis(const Weights& w, const AxisScale& a, int64_t outer, int64_t inner, double extrapolation,
                std::vector<double>& values) {
  std::vector<double> to(static_cast<size_t>(outer * a.out * inner));
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t x = 0; x < a.out; ++x) {
      double* row = to.data() + (o * a.out + x) * inner;
      if (w.outside[x]) {
        std::fill_n(row, inner, extrapolation);
        continue;
      }
      for (int64_t t = 0; t < w.taps; ++t) {
        const double weight = w.weight[x * w.taps + t];
        const double* from = values.data() + (o * a.in + w.index[x * w.taps + t]) * inner;
        if (weight == 0) continue;
        for (int64_t i = 0; i < inner; ++i) row[i] += weight * from[i];
      }
    }
  }
  values = std::move(to);
}

/// Output 0: input 0 with every axis scaled.
void resized(Call& c, const Way& way, const std::vector<AxisScale>& axes) {
  const Tensor& x = c.input(0);
  Sizes sizes;
  for (const AxisScale& a : axes) sizes.push_back(a.out);
  Tensor y = c.make(x.dtype(), sizes);
  for_numbers(c, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    c.charge(x.elements(), sizeof(double));
    std::vector<double> values(x.span<T>().begin(), x.span<T>().end());
    Sizes now = sizes_of(x);
    for (size_t i = 0; i < axes.size() && y.elements() > 0; ++i) {
      const AxisScale& a = axes[i];
      const bool whole = a.roi_start == 0 && a.roi_end == 1;
      if (a.in == a.out && a.scale == 1 && whole) continue;
      if (a.in == 0) c.refuse("an empty axis cannot be scaled", "1 or more", x.shape().text());
      const std::span all(now);
      const int64_t outer = c.product(all.first(i)), inner = c.product(all.subspan(i + 1));
      const Weights w = weights_of(c, way, a);
      const Sizes next = {outer, a.out, inner};
      c.charge(c.product(next), sizeof(double));  // a step between may be larger than both ends
      c.work(c.product(next), w.taps);
      along_axis(w, a, outer, inner, way.extrapolation, values);
      now[i] = a.out;
    }
    if (y.elements() > 0)
      std::ranges::transform(values, y.data<T>(), [](double v) { return converted<T>(v); });
  });
  c.output(0, std::move(y));
}

/// The sizes that scales lead to.
std::vector<AxisScale> scaled(const Call& c, std::span<const double> scales, std::span<const int64_t> axes) {
  std::vector<AxisScale> all;
  for (const int64_t size : c.input(0).shape().sizes()) all.push_back({size, size, 1, 0, 1});
  if (scales.size() != axes.size()) {
    c.refuse("the number of scales does not fit", std::to_string(axes.size()), std::to_string(scales.size()));
  }
  for (size_t i = 0; i < axes.size(); ++i) {
    AxisScale& a = all[static_cast<size_t>(axes[i])];
    constexpr double kMost = 0x1p31;
    const double out = std::floor(scales[i] * static_cast<double>(a.in));
    if (!(scales[i] > 0) || !(out <= kMost)) {
      c.refuse("a scale is out of range", "more than 0, and a size of at most 2^31",
               std::to_string(scales[i]));
    }
    a.scale = scales[i], a.out = static_cast<int64_t>(out);
  }
  return all;
}

/// Numbers of an input of float32 or float64.
std::vector<double> reals(const Call& c, size_t i) {
  const Tensor& t = c.input(i);
  std::vector<double> values;
  for_floats(c, t.dtype(), [&](auto zero) {
    using T = decltype(zero);
    values.assign(t.span<T>().begin(), t.span<T>().end());
  });
  return values;
}

std::vector<int64_t> all_axes(const Call& c) {
  std::vector<int64_t> axes(static_cast<size_t>(c.input(0).shape().rank()));
  std::iota(axes.begin(), axes.end(), 0);
  return axes;
}

/// Sizes of the output instead of scales; with a policy other than "stretch" all axes have one scale.
std::vector<AxisScale> sized(const Call& c, std::span<const int64_t> sizes, std::span<const int64_t> axes) {
  constexpr std::string_view kPolicies[] = {"stretch", "not_larger", "not_smaller"};
  const std::string policy = c.text("keep_aspect_ratio_policy", "stretch", kPolicies);
  if (sizes.size() != axes.size()) {
    c.refuse("the number of sizes does not fit", std::to_string(axes.size()), std::to_string(sizes.size()));
  }
  std::vector<double> scales;
  for (size_t i = 0; i < axes.size(); ++i) {
    const int64_t in = c.input(0).shape()[static_cast<int>(axes[i])];
    constexpr int64_t kMost = int64_t{1} << 31;
    if (sizes[i] < 1 || sizes[i] > kMost || in < 1) {
      c.refuse("a size is out of range", "1 to 2^31, of an axis that is not empty", sizes_text(sizes));
    }
    scales.push_back(static_cast<double>(sizes[i]) / static_cast<double>(in));
  }
  if (policy != "stretch" && !scales.empty()) {
    const double one =
        policy == "not_larger" ? *std::ranges::min_element(scales) : *std::ranges::max_element(scales);
    std::ranges::fill(scales, one);
  }
  std::vector<AxisScale> all = scaled(c, scales, axes);
  for (size_t i = 0; i < axes.size(); ++i) {
    AxisScale& a = all[static_cast<size_t>(axes[i])];
    a.out = policy == "stretch" ? sizes[i]
                                : static_cast<int64_t>(std::floor(a.scale * static_cast<double>(a.in) + 0.5));
  }
  return all;
}

}  // namespace

/// Up to opset 9. Linear means the two pixels around, at the place x / scale.
void upsample(Call& c) {
  constexpr std::string_view kModes[] = {"nearest", "linear"};
  Way way;
  way.mode = c.text("mode", "nearest", kModes);
  std::vector<double> scales;
  if (c.given(1)) {
    scales = reals(c, 1);
  } else if (const auto* list = c.attribute<std::vector<float>>("scales")) {
    scales.assign(list->begin(), list->end());
  }
  resized(c, way, scaled(c, scales, all_axes(c)));
}

/// Opset 10: scales alone.
void resize_by_scales(Call& c) {
  constexpr std::string_view kModes[] = {"nearest", "linear"};
  Way way;
  way.mode = c.text("mode", "nearest", kModes);
  way.nearest = "simple";
  resized(c, way, scaled(c, reals(c, 1), all_axes(c)));
}

void resize(Call& c) {
  constexpr std::string_view kModes[] = {"nearest", "linear", "cubic"};
  constexpr std::string_view kCoordinates[] = {
      "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel",  "align_corners",
      "asymmetric", "tf_crop_and_resize",   "tf_half_pixel_for_nn"};
  constexpr std::string_view kNearest[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
  Way way;
  way.mode = c.text("mode", "nearest", kModes);
  way.coordinates = c.text("coordinate_transformation_mode", "half_pixel", kCoordinates);
  way.nearest = c.text("nearest_mode", "round_prefer_floor", kNearest);
  way.cubic = c.real("cubic_coeff_a", -0.75);
  way.extrapolation = c.real("extrapolation_value", 0);
  way.exclude_outside = c.integer("exclude_outside", 0) != 0;
  way.antialias = c.integer("antialias", 0) != 0 && way.mode != "nearest";
  std::vector<int64_t> axes = all_axes(c);
  const auto rank = static_cast<int64_t>(axes.size());
  if (const auto named = c.integers("axes")) {
    c.axes(*named, rank);  // none twice
    axes.clear();
    for (const int64_t a : *named) axes.push_back(c.axis(a, rank));
  }
  // An empty list of scales stands for none (opset 11 had no other way to leave them out).
  const bool by_sizes = c.given(3) && c.input(3).elements() > 0;
  std::vector<AxisScale> all = by_sizes ? sized(c, c.list(3), axes) : scaled(c, reals(c, 2), axes);
  if (way.coordinates == "tf_crop_and_resize") {
    const std::vector<double> roi = reals(c, 1);
    if (roi.size() != 2 * axes.size()) {
      c.refuse("the region does not fit", std::to_string(2 * axes.size()), std::to_string(roi.size()));
    }
    for (size_t i = 0; i < axes.size(); ++i) {
      all[static_cast<size_t>(axes[i])].roi_start = roi[i];
      all[static_cast<size_t>(axes[i])].roi_end = roi[axes.size() + i];
    }
  }
  resized(c, way, all);
}

}  // namespace unfold::onnx::ops
