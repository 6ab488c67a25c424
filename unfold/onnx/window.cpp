#include "unfold/onnx/window.h"

#include <algorithm>

namespace unfold::onnx {
namespace {

constexpr int64_t kMostWindow = 1 << 20;  // keeps every expression of sizes far from overflow
constexpr int64_t kMostSize = int64_t{1} << 31;

int64_t rounded_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

constexpr std::string_view kAutoPads[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"};

}  // namespace

std::vector<Reach> WindowAxis::reaches(const Call& c) const {
  c.charge(out, sizeof(Reach));
  std::vector<Reach> reaches(static_cast<size_t>(out));
  for (int64_t place = 0; place < out; ++place) {
    const int64_t first = place * stride - begin;
    const int64_t tap = first < 0 ? rounded_up(-first, dilation) : 0;
    const int64_t past = first >= in ? 0 : std::min(kernel, rounded_up(in - first, dilation));
    reaches[static_cast<size_t>(place)] = {tap, std::max<int64_t>(past - tap, 0), first + tap * dilation};
  }
  return reaches;
}

std::vector<TapRun> WindowAxis::runs(const Call& c) const {
  c.charge(kernel, sizeof(TapRun));
  std::vector<TapRun> runs(static_cast<size_t>(kernel));
  for (int64_t tap = 0; tap < kernel; ++tap) {
    const int64_t shift = tap * dilation - begin;  // the pixel at place 0
    const int64_t first = std::min(out, shift < 0 ? rounded_up(-shift, stride) : 0);
    const int64_t last = shift >= in ? first : std::clamp(rounded_up(in - shift, stride), first, out);
    runs[static_cast<size_t>(tap)] = {first, last, shift + first * stride};
  }
  return runs;
}

int64_t WindowAxis::padded_count(int64_t place) const {
  const int64_t room = in + begin + end - place * stride;
  return std::clamp<int64_t>(rounded_up(std::max<int64_t>(room, 0), dilation), 0, kernel);
}

Sizes Windows::output(int64_t n, int64_t channels) const {
  Sizes sizes = {n, channels};
  for (const WindowAxis& axis : *this) sizes.push_back(axis.out);
  return sizes;
}

bool Windows::flat() const {
  const WindowAxis& depth = axes[0];
  return depth.in == 1 && depth.kernel == 1 && depth.out == 1 && depth.begin == 0 && depth.end == 0;
}

Window2d Windows::flat_window() const {
  const WindowAxis &h = axes[1], &w = axes[2];
  return {h.kernel, w.kernel, h.stride, w.stride, h.begin, w.begin, h.end, w.end, h.dilation, w.dilation};
}

std::span<const int64_t> spatial_sizes(const Call& c) {
  const auto sizes = c.input(0).shape().sizes();
  if (sizes.size() < 3 || sizes.size() > 5) {
    c.refuse("the input does not fit", "(N, C, D1), (N, C, D1, D2) or (N, C, D1, D2, D3)",
             c.input(0).shape().text());
  }
  return sizes.subspan(2);
}

Windows read_windows(const Call& c, std::span<const int64_t> spatial, std::span<const int64_t> kernel) {
  Windows windows;
  windows.rank = static_cast<int>(spatial.size());
  const auto list = [&](std::string_view name, size_t count, int64_t least, int64_t otherwise) {
    const auto given = c.integers(name);
    std::vector<int64_t> values = given && !given->empty() ? *given : std::vector<int64_t>(count, otherwise);
    if (values.size() != count) {
      c.refuse(std::string(name) + " has another number of values", std::to_string(count),
               std::to_string(values.size()));
    }
    for (const int64_t value : values) {
      if (value < least || value > kMostWindow) {
        c.refuse(std::string(name) + " is out of range", std::to_string(least) + " to 2^20",
                 sizes_text(values));
      }
    }
    return values;
  };
  const size_t rank = spatial.size();
  std::vector<int64_t> sizes = list("kernel_shape", rank, 1, 0 + 1);
  if (!kernel.empty()) {
    const bool given = c.integers("kernel_shape") && !c.integers("kernel_shape")->empty();
    if (given && !std::ranges::equal(sizes, kernel)) {
      c.refuse("kernel_shape is not that of the weights", sizes_text(kernel), sizes_text(sizes));
    }
    sizes.assign(kernel.begin(), kernel.end());
    if (std::ranges::any_of(sizes, [](int64_t k) { return k < 1 || k > kMostWindow; })) {
      c.refuse("the kernel is out of range", "1 to 2^20", sizes_text(sizes));
    }
  } else if (!c.integers("kernel_shape")) {
    c.refuse("an attribute is missing", "kernel_shape");
  }
  const auto strides = list("strides", rank, 1, 1), pads = list("pads", 2 * rank, 0, 0),
             dilations = list("dilations", rank, 1, 1);
  for (size_t i = 0; i < rank; ++i) {
    if (spatial[i] > kMostSize) c.refuse("an axis is too long", "at most 2^31", sizes_text(spatial));
    windows.begin()[i] = {spatial[i], sizes[i], strides[i], pads[i], pads[rank + i], dilations[i], 1};
  }
  return windows;
}

void place_windows(const Call& c, Windows& windows) {
  const std::string way = c.text("auto_pad", "NOTSET", kAutoPads);
  const bool ceil = c.integer("ceil_mode", 0) != 0;
  for (WindowAxis& a : windows) {
    if (way == "VALID") a.begin = a.end = 0;
    if (way.starts_with("SAME")) {
      const int64_t places = rounded_up(a.in, a.stride);
      const int64_t pads = std::max<int64_t>(0, (places - 1) * a.stride + a.extent() - a.in);
      a.begin = way == "SAME_UPPER" ? pads / 2 : pads - pads / 2;
      a.end = pads - a.begin;
    }
    const int64_t more = ceil ? ceil_padding(a.in, a.kernel, a.stride, a.begin, a.end, a.dilation) : 0;
    a.out = output_size(a.in, a.kernel, a.stride, a.begin, a.end + more, a.dilation);
    if (a.out < 1) {
      c.refuse("the kernel is larger than the padded input", "at least " + std::to_string(a.extent()),
               std::to_string(a.in + a.begin + a.end));
    }
  }
}

}  // namespace unfold::onnx
