#include "unfold/kernels/reference/adaptive_pool2d.h"

#include <algorithm>

namespace unfold::reference {
namespace {

/// Calls bin(place of y, pixels) for every run of y, then pixel(place of x, place of y) for every pixel of
/// its bin.
template <class Bin, class Pixel>
void each_bin(const AdaptivePool& s, Bin bin, Pixel pixel) {
  const auto begin = [](int64_t i, int64_t in, int64_t out) { return i * in / out; };
  const auto end = [](int64_t i, int64_t in, int64_t out) { return ((i + 1) * in + out - 1) / out; };
  int64_t y = 0;
  for (int64_t o = 0; o < s.outer; ++o) {
    for (int64_t oh = 0; oh < s.oh; ++oh) {
      const int64_t h0 = begin(oh, s.ih, s.oh), h1 = end(oh, s.ih, s.oh);
      for (int64_t ow = 0; ow < s.ow; ++ow, y += s.run) {
        const int64_t w0 = begin(ow, s.iw, s.ow), w1 = end(ow, s.iw, s.ow);
        bin(y, (h1 - h0) * (w1 - w0));
        for (int64_t ih = h0; ih < h1; ++ih) {
          for (int64_t iw = w0; iw < w1; ++iw) pixel(((o * s.ih + ih) * s.iw + iw) * s.run, y);
        }
      }
    }
  }
}

}  // namespace

template <class T>
void adaptive_avg_pool2d_forward(const AdaptivePool& s, const T* x, T* y) {
  std::fill_n(y, s.outer * s.oh * s.ow * s.run, T{0});
  each_bin(
      s, [](int64_t, int64_t) {},
      [&](int64_t from, int64_t to) {
        for (int64_t r = 0; r < s.run; ++r) y[to + r] += x[from + r];
      });
  each_bin(
      s,
      [&](int64_t to, int64_t pixels) {
        for (int64_t r = 0; r < s.run; ++r) y[to + r] /= static_cast<T>(pixels);
      },
      [](int64_t, int64_t) {});
}

template <class T>
void adaptive_avg_pool2d_backward(const AdaptivePool& s, const T* dy, T* dx) {
  std::fill_n(dx, s.outer * s.ih * s.iw * s.run, T{0});
  T pixels = 1;
  each_bin(
      s, [&](int64_t, int64_t count) { pixels = static_cast<T>(count); },
      [&](int64_t to, int64_t from) {
        for (int64_t r = 0; r < s.run; ++r) dx[to + r] += dy[from + r] / pixels;
      });
}

template void adaptive_avg_pool2d_forward(const AdaptivePool&, const float*, float*);
template void adaptive_avg_pool2d_forward(const AdaptivePool&, const double*, double*);
template void adaptive_avg_pool2d_backward(const AdaptivePool&, const float*, float*);
template void adaptive_avg_pool2d_backward(const AdaptivePool&, const double*, double*);

}  // namespace unfold::reference
