// Convolution over one to three axes.
#include <algorithm>

#include "unfold/kernels/gemm.h"
#include "unfold/kernels/im2col.h"
#include "unfold/kernels/nhwc.h"
#include "unfold/kernels/scratch.h"
#include "unfold/onnx/elementwise.h"
#include "unfold/onnx/functions.h"
#include "unfold/onnx/move.h"
#include "unfold/onnx/window.h"

namespace unfold::onnx::ops {
namespace {

struct Convolution {
  Windows windows;
  int64_t n, ic, oc, groups;

  int64_t group_ic() const { return ic / groups; }
  int64_t group_oc() const { return oc / groups; }
};

/// The sizes of a node; refuses weights and biases that do not fit.
Convolution convolution_of(const Call& c) {
  const Tensor &x = c.input(0), &w = c.input(1);
  const auto spatial = spatial_sizes(c);
  c.same_type(0, 1);
  if (w.shape().rank() != x.shape().rank())
    c.refuse("the weights do not fit the input", x.shape().text(), w.shape().text());
  Convolution s{read_windows(c, spatial, w.shape().sizes().subspan(2)), x.shape()[0], x.shape()[1],
                w.shape()[0], c.integer("group", 1)};
  if (s.groups < 1 || s.ic < 1 || s.oc < 1 || s.ic % s.groups != 0 || s.oc % s.groups != 0 ||
      w.shape()[1] != s.group_ic()) {
    c.refuse("channels, groups and weights do not fit together",
             "weights (OC, " + std::to_string(s.ic) + " / groups, ...)",
             w.shape().text() + " in " + std::to_string(s.groups) + " groups");
  }
  if (c.given(2)) {
    c.same_type(0, 2);
    if (sizes_of(c.input(2)) != Sizes{s.oc}) {
      c.refuse("the bias does not fit the weights", sizes_text(Sizes{s.oc}), c.input(2).shape().text());
    }
  }
  place_windows(c, s.windows);
  return s;
}

/// By the definition, sums in double.
template <class T>
void direct(Call& c, const Convolution& s, Tensor& y) {
  const Windows& win = s.windows;
  const auto& [D, H, W] = win.axes;
  const std::vector<Reach> ds = D.reaches(c), hs = H.reaches(c), ws = W.reaches(c);
  const T *x = c.input(0).data<T>(), *w = c.input(1).data<T>(),
          *b = c.given(2) ? c.input(2).data<T>() : nullptr;
  c.each_range(s.n * s.oc, 1, [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      const int64_t oc = plane % s.oc, first = oc / s.group_oc() * s.group_ic();
      T* to = y.data<T>() + plane * win.out();
      for (const Reach& d : ds) {
        for (const Reach& h : hs) {
          for (const Reach& v : ws) {
            double sum = b ? static_cast<double>(b[oc]) : 0;
            for (int64_t ic = 0; ic < s.group_ic(); ++ic) {
              const T* image = x + (plane / s.oc * s.ic + first + ic) * win.in();
              const T* kernel = w + (oc * s.group_ic() + ic) * win.taps();
              for (int64_t i = 0; i < d.count; ++i) {
                for (int64_t j = 0; j < h.count; ++j) {
                  const T* row =
                      image + ((d.pixel + i * D.dilation) * H.in + h.pixel + j * H.dilation) * W.in;
                  const T* taps = kernel + ((d.tap + i) * H.kernel + h.tap + j) * W.kernel + v.tap;
                  for (int64_t k = 0; k < v.count; ++k) {
                    sum += static_cast<double>(row[v.pixel + k * W.dilation]) * static_cast<double>(taps[k]);
                  }
                }
              }
            }
            *to++ = static_cast<T>(sum);
          }
        }
      }
    }
  });
}

Conv2dShape flat_shape(const Convolution& s, int64_t n) {
  const WindowAxis &h = s.windows.axes[1], &w = s.windows.axes[2];
  Conv2dShape flat{n, s.ic, h.in, w.in, s.oc, h.out, w.out, s.windows.flat_window()};
  flat.window.groups = s.groups;
  return flat;
}

/// A kernel of one pixel: weights times pixels, as they lie.
void pointwise(Call& c, const Convolution& s, Tensor& y) {
  const int64_t pixels = s.windows.out(), ic = s.group_ic(), oc = s.group_oc(), threads = c.pool().threads();
  constexpr int64_t kLeast = 64;  // pixels of a task
  const int64_t images = s.n * s.groups,
                parts = std::clamp<int64_t>(4 * threads / std::max<int64_t>(images, 1), 1,
                                            std::max<int64_t>(pixels / kLeast, 1));
  const int64_t floats = whole_lines(gemm_scratch(ic));
  float* const scratch = c.scratch(threads * floats);
  const float *x = c.input(0).data<float>(), *w = c.input(1).data<float>();
  const float* b = c.given(2) ? c.input(2).data<float>() : nullptr;
  c.pool().run(images * parts, [&](int64_t i, int worker) {
    const int64_t image = i / parts, part = i % parts, first = pixels * part / parts, g = image % s.groups;
    unfold::gemm({.m = oc,
                  .n = pixels * (part + 1) / parts - first,
                  .k = ic,
                  .a = w + g * oc * ic,
                  .a_row = ic,
                  .a_col = 1,
                  .b = x + image * ic * pixels + first,
                  .b_row = pixels,
                  .c = y.data<float>() + image * oc * pixels + first,
                  .c_row = pixels,
                  .start = GemmStart::bias,
                  .bias = b ? b + g * oc : nullptr},
                 scratch + worker * floats);
  });
}

/// One input channel to a group: row by row, tap by tap.
void depthwise(Call& c, const Convolution& s, Tensor& y) {
  const Windows& win = s.windows;
  const auto& [D, H, W] = win.axes;
  const std::vector<Reach> ds = D.reaches(c), hs = H.reaches(c);
  const std::vector<TapRun> runs = W.runs(c);
  const float* b = c.given(2) ? c.input(2).data<float>() : nullptr;
  c.each_range(s.n * s.oc, 1, [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      const int64_t oc = plane % s.oc;
      const float* from = c.input(0).data<float>() + (plane / s.oc * s.ic + oc / s.group_oc()) * win.in();
      const float* taps = c.input(1).data<float>() + oc * win.taps();
      float* to = y.data<float>() + plane * win.out();
      for (const Reach& d : ds) {
        for (const Reach& h : hs) {
          std::fill_n(to, W.out, b ? b[oc] : 0.0f);
          each_tap_of_row(win, runs, d, h, [&](int64_t place, int64_t pixel, int64_t tap) {
            to[place] += from[pixel] * taps[tap];
          });
          to += W.out;
        }
      }
    }
  });
}

/// Over (H, W): channels innermost, some images at a time.
void flat(Call& c, const Convolution& s, Tensor& y) {
  constexpr int64_t kPixels = int64_t{1} << 24;  // of the images that lie in the other layout at a time
  const int64_t in = s.ic * s.windows.in(), out = s.oc * s.windows.out();
  const int64_t together = std::clamp<int64_t>(kPixels / std::max(in, out), 1, std::max<int64_t>(s.n, 1));
  const Conv2dShape all = flat_shape(s, together);
  all.window.check("the window");
  const int64_t weights = whole_lines(nhwc_weight_floats(all)), own = whole_lines(nhwc_forward_scratch(all));
  float* const packed = c.scratch(weights + whole_lines(together * in) + whole_lines(together * out) +
                                  c.pool().threads() * own);
  float *const from = packed + weights, *const to = from + whole_lines(together * in),
               *const scratch = to + whole_lines(together * out);
  nhwc_pack_weights(all, c.input(1).data<float>(), packed);
  const float *x = c.input(0).data<float>(), *b = c.given(2) ? c.input(2).data<float>() : nullptr;
  for (int64_t first = 0; first < s.n; first += together) {
    const Conv2dShape part = flat_shape(s, std::min(together, s.n - first));
    c.pool().run(part.n, [&](int64_t i, int) {
      nchw_to_nhwc(s.ic, s.windows.in(), x + (first + i) * in, from + i * in);
    });
    constexpr int64_t kPerThread = 4;
    const int64_t tiles = nhwc_output_tiles(part), parts = kPerThread * c.pool().threads();
    c.pool().run(parts, [&](int64_t i, int worker) {
      const NhwcRange range = nhwc_part(part.n * part.oh, tiles, i, parts);
      nhwc_forward(part, range, from, packed, b, NhwcEpilogue::none, to, scratch + worker * own);
    });
    c.pool().run(part.n, [&](int64_t i, int) {
      nhwc_to_nchw(s.oc, s.windows.out(), to + i * out, y.data<float>() + (first + i) * out);
    });
  }
}

/// Over (D, H, W): a sum over the kernel's depth of convolutions over (H, W), each as patches times weights.
Tensor deep(Call& c, const Convolution& s) {
  const auto& [D, H, W] = s.windows.axes;
  Conv2dShape slice = flat_shape(s, 1);
  slice.window.check("the window");
  // Depth before channels, so that a slice is an image.
  const int64_t depth_first[] = {0, 2, 1, 3, 4}, kernel_first[] = {2, 0, 1, 3, 4};
  const Tensor x = transposed(c, c.input(0), depth_first), w = transposed(c, c.input(1), kernel_first);
  Tensor y = c.make(Dtype::f32, Sizes{s.n, D.out, s.oc, H.out, W.out});
  const int64_t pixels = slice.pixels(), patch = slice.patch(), columns = whole_lines(slice.columns());
  const int64_t own = columns + whole_lines(gemm_scratch(patch));
  float* const scratch = c.scratch(c.pool().threads() * own);
  const float* b = c.given(2) ? c.input(2).data<float>() : nullptr;
  const std::vector<Reach> reaches = D.reaches(c);
  c.pool().run(s.n * D.out, [&](int64_t place, int worker) {
    const Reach& reach = reaches[static_cast<size_t>(place % D.out)];
    float* const to = y.data<float>() + place * slice.y_image();
    float* const buffer = scratch + worker * own;
    if (reach.count == 0) {  // padding alone
      for (int64_t o = 0; o < s.oc; ++o) std::fill_n(to + o * pixels, pixels, b ? b[o] : 0.0f);
    }
    for (int64_t i = 0; i < reach.count; ++i) {
      const int64_t depth = place / D.out * D.in + reach.pixel + i * D.dilation;
      im2col(slice, x.data<float>() + depth * slice.x_image(), buffer, pixels);
      for (int64_t g = 0; g < s.groups; ++g) {
        const int64_t oc = s.group_oc(), first = g * oc;
        unfold::gemm({.m = oc,
                      .n = pixels,
                      .k = patch,
                      .a = w.data<float>() + ((reach.tap + i) * s.oc + first) * patch,
                      .a_row = patch,
                      .a_col = 1,
                      .b = buffer + g * patch * pixels,
                      .b_row = pixels,
                      .c = to + first * pixels,
                      .c_row = pixels,
                      .start = i == 0 ? GemmStart::bias : GemmStart::chain,
                      .bias = b ? b + first : nullptr},
                     buffer + columns);
      }
    }
  });
  const int64_t channels_first[] = {0, 2, 1, 3, 4};
  return transposed(c, y, channels_first);
}

}  // namespace

void conv(Call& c) {
  const Convolution s = convolution_of(c);
  const Tensor& x = c.input(0);
  const Sizes sizes = s.windows.output(s.n, s.oc);
  c.work(c.product(sizes), s.group_ic(), s.windows.taps());
  const bool one_pixel = std::ranges::all_of(s.windows, [](const WindowAxis& a) {
    return a.kernel == 1 && a.stride == 1 && a.begin == 0 && a.end == 0;
  });
  const bool fast = x.dtype() == Dtype::f32, one_channel = s.group_ic() == 1 && s.groups > 1;
  if (fast && !one_pixel && !one_channel && !s.windows.flat()) return c.output(0, deep(c, s));
  Tensor y = c.make(x.dtype(), sizes);
  if (!fast) {
    direct<double>(c, s, y);
  } else if (one_pixel) {
    pointwise(c, s, y);
  } else if (one_channel) {
    depthwise(c, s, y);
  } else {
    flat(c, s, y);
  }
  c.output(0, std::move(y));
}

}  // namespace unfold::onnx::ops
