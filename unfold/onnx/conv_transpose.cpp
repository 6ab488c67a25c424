// Transposed convolution, and col2im: patches that are added where they overlap.
#include <algorithm>

#include "unfold/kernels/gemm.h"
#include "unfold/onnx/elementwise.h"
#include "unfold/onnx/functions.h"
#include "unfold/onnx/window.h"

namespace unfold::onnx::ops {
namespace {

/// Adds columns (taps, places) of one channel to its image (D, H, W), whose windows stand at `s`: the image
/// is what they slide over. What falls into the padding is dropped.
template <class T>
void add_columns(const Windows& s, const T* columns, T* image) {
  const auto& [D, H, W] = s.axes;
  for (int64_t tap = 0; tap < s.taps(); ++tap) {
    const int64_t kd = tap / (H.kernel * W.kernel), kh = tap / W.kernel % H.kernel, kw = tap % W.kernel;
    for (int64_t od = 0; od < D.out; ++od) {
      const int64_t d = od * D.stride - D.begin + kd * D.dilation;
      for (int64_t oh = 0; oh < H.out; ++oh) {
        const int64_t h = oh * H.stride - H.begin + kh * H.dilation;
        const T* from = columns + ((tap * D.out + od) * H.out + oh) * W.out;
        if (d < 0 || d >= D.in || h < 0 || h >= H.in) continue;
        T* row = image + (d * H.in + h) * W.in;
        const int64_t shift = kw * W.dilation - W.begin;
        for (int64_t ow = 0; ow < W.out; ++ow) {
          const int64_t w = ow * W.stride + shift;
          if (w >= 0 && w < W.in) row[w] += from[ow];
        }
      }
    }
  }
}

/// A transposed convolution as the convolution whose gradient it is: `in` and `out` of the windows are the
/// sizes of its output and its input.
struct Transposed {
  Windows windows;
  int64_t n, ic, oc, groups;
};

/// The output's size from pads, or the pads from `output_shape` or auto_pad.
void place(const Call& c, WindowAxis& a, int64_t more, std::optional<int64_t> wanted,
           const std::string& way) {
  const int64_t natural = a.stride * (a.out - 1) + more + a.extent();
  if (way.starts_with("SAME") && !wanted) wanted = a.out * a.stride;
  if (way == "VALID") a.begin = a.end = 0;
  if (!wanted) {
    a.in = natural - a.begin - a.end;
  } else {
    const int64_t pads = std::max<int64_t>(0, natural - *wanted);
    a.begin = way == "SAME_UPPER" ? pads / 2 : pads - pads / 2;
    a.end = pads - a.begin;
    a.in = *wanted;
  }
  if (a.in < 1) c.refuse("the output would be empty", "1 or more", std::to_string(a.in));
}

Transposed transposed_of(const Call& c) {
  constexpr std::string_view kAutoPads[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"};
  const Tensor &x = c.input(0), &w = c.input(1);
  const auto spatial = spatial_sizes(c);
  c.same_type(0, 1);
  const int64_t groups = c.integer("group", 1);
  if (w.shape().rank() != x.shape().rank() || groups < 1 || x.shape()[1] < 1 || w.shape()[1] < 1 ||
      w.shape()[0] != x.shape()[1] || x.shape()[1] % groups != 0) {
    c.refuse("channels, groups and weights do not fit together",
             "weights (" + std::to_string(x.shape()[1]) + ", OC / groups, ...)",
             w.shape().text() + " in " + std::to_string(groups) + " groups");
  }
  const int64_t channels[] = {w.shape()[1], groups};
  Transposed s{read_windows(c, spatial, w.shape().sizes().subspan(2)), x.shape()[0], x.shape()[1],
               c.product(channels), groups};
  if (c.given(2)) {
    c.same_type(0, 2);
    if (sizes_of(c.input(2)) != Sizes{s.oc}) {
      c.refuse("the bias does not fit the weights", sizes_text(Sizes{s.oc}), c.input(2).shape().text());
    }
  }
  const auto list = [&](std::string_view name) {
    std::vector<int64_t> values = c.integers(name).value_or(std::vector<int64_t>{});
    constexpr int64_t kMost = int64_t{1} << 31;
    if (!values.empty() && values.size() < spatial.size()) {
      c.refuse(std::string(name) + " has another number of values", std::to_string(spatial.size()),
               std::to_string(values.size()));
    }
    if (std::ranges::any_of(values, [](int64_t v) { return v < 0 || v > kMost; })) {
      c.refuse(std::string(name) + " is out of range", "0 to 2^31", sizes_text(values));
    }
    // Some exporters write output_shape with N and C.
    if (values.size() > spatial.size())
      values.erase(values.begin(), values.end() - static_cast<int64_t>(spatial.size()));
    return values;
  };
  const auto more = list("output_padding"), wanted = list("output_shape");
  const std::string way = c.text("auto_pad", "NOTSET", kAutoPads);
  for (size_t i = 0; i < spatial.size(); ++i) {
    WindowAxis& a = s.windows.begin()[i];
    a.out = a.in;
    if (a.out == 0) c.refuse("the input is empty", "1 or more", x.shape().text());
    place(c, a, more.empty() ? 0 : more[i], wanted.empty() ? std::nullopt : std::optional(wanted[i]), way);
  }
  return s;
}

/// columns (OC / G * taps, pixels) of group g and image: the weights, transposed, times the image's channels.
void multiply(const Transposed& s, int64_t g, const float* x, const float* w, float* columns,
              float* scratch) {
  const int64_t ic = s.ic / s.groups, rows = s.oc / s.groups * s.windows.taps(), pixels = s.windows.out();
  unfold::gemm({.m = rows,
                .n = pixels,
                .k = ic,
                .a = w + g * ic * rows,
                .a_row = 1,
                .a_col = rows,
                .b = x + g * ic * pixels,
                .b_row = pixels,
                .c = columns,
                .c_row = pixels},
               scratch);
}
void multiply(const Transposed& s, int64_t g, const double* x, const double* w, double* columns, double*) {
  const int64_t ic = s.ic / s.groups, rows = s.oc / s.groups * s.windows.taps(), pixels = s.windows.out();
  std::fill_n(columns, rows * pixels, 0.0);
  for (int64_t i = g * ic; i < (g + 1) * ic; ++i) {
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t p = 0; p < pixels; ++p) columns[r * pixels + p] += w[i * rows + r] * x[i * pixels + p];
    }
  }
}

}  // namespace

void conv_transpose(Call& c) {
  const Transposed s = transposed_of(c);
  const Tensor& x = c.input(0);
  Sizes sizes = {s.n, s.oc};
  for (const WindowAxis& a : s.windows) sizes.push_back(a.in);
  const int64_t group_oc = s.oc / s.groups, taps = s.windows.taps(), pixels = s.windows.out(),
                image = s.windows.in();
  for_floats(c, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    Tensor y = c.make(x.dtype(), sizes);
    const Sizes column_sizes = {group_oc, taps, pixels};
    Tensor columns = c.make(x.dtype(), column_sizes);
    c.work(c.product(column_sizes), s.ic, s.n);
    Tensor scratch = c.make(x.dtype(), Sizes{gemm_scratch(s.ic / s.groups)});
    const T *w = c.input(1).data<T>(), *b = c.given(2) ? c.input(2).data<T>() : nullptr;
    for (int64_t i = 0; i < s.n * s.groups; ++i) {
      const int64_t g = i % s.groups;
      multiply(s, g, x.data<T>() + i / s.groups * s.ic * pixels, w, columns.data<T>(), scratch.data<T>());
      c.each_range(group_oc, 1, [&](int64_t begin, int64_t end) {
        for (int64_t k = begin; k < end; ++k) {
          T* to = y.data<T>() + (i * group_oc + k) * image;
          if (b) std::fill_n(to, image, b[g * group_oc + k]);
          add_columns(s.windows, columns.data<T>() + k * taps * pixels, to);
        }
      });
    }
    c.output(0, std::move(y));
  });
}

/// Columns (N, C * taps, places) added to images (N, C, D1, ...) of the sizes that input 1 names.
void col2im(Call& c) {
  const Tensor& x = c.input(0);
  const std::vector<int64_t> image = c.list(1), block = c.list(2);
  if (x.shape().rank() != 3 || image.empty() || image.size() > 3 || block.size() != image.size()) {
    c.refuse("the inputs do not fit", "(N, C * taps, places) and one to three sizes of image and block",
             x.shape().text() + ", " + sizes_text(image) + ", " + sizes_text(block));
  }
  if (std::ranges::any_of(image, [](int64_t size) { return size < 1; })) {
    c.refuse("an image is empty", "sizes of 1 or more", sizes_text(image));
  }
  Windows s = read_windows(c, image, block);
  place_windows(c, s);
  const int64_t taps = s.taps(), channels = x.shape()[1] / taps;
  if (x.shape()[1] % taps != 0 || x.shape()[2] != s.out()) {
    c.refuse("the columns do not fit the image",
             "(N, a multiple of " + std::to_string(taps) + ", " + std::to_string(s.out()) + ")",
             x.shape().text());
  }
  Sizes sizes = {x.shape()[0], channels};
  sizes.insert(sizes.end(), image.begin(), image.end());
  for_floats(c, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    Tensor y = c.make(x.dtype(), sizes);
    c.work(x.elements());
    c.each_range(x.shape()[0] * channels, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        add_columns(s, x.data<T>() + i * taps * s.out(), y.data<T>() + i * s.in());
      }
    });
    c.output(0, std::move(y));
  });
}

}  // namespace unfold::onnx::ops
