#include "unfold/kernels/pool2d.h"

#include <algorithm>

#include "unfold/kernels/im2col.h"

namespace unfold {
namespace {

/// Number of taps of one window that land inside the image, along one axis.
int64_t inside(int64_t o, int64_t stride, int64_t pad, int64_t dilation, int64_t kernel, int64_t size) {
  int64_t count = 0;
  for (int64_t k = 0; k < kernel; ++k) {
    const int64_t i = o * stride - pad + k * dilation;
    count += i >= 0 && i < size;
  }
  return count;
}

/// row[p] /= number of pixels averaged at output p.
void divide(const Conv2dShape& s, bool count_include_pad, float* row) {
  const Window2d& k = s.window;
  if (count_include_pad) {
    const auto taps = static_cast<float>(k.taps());
    for (int64_t p = 0; p < s.pixels(); ++p) row[p] /= taps;
    return;
  }
  for (int64_t oh = 0; oh < s.oh; ++oh) {
    const int64_t high = inside(oh, k.stride_h, k.pad_top, k.dilation_h, k.kernel_h, s.ih);
    for (int64_t ow = 0; ow < s.ow; ++ow) {
      const int64_t wide = inside(ow, k.stride_w, k.pad_left, k.dilation_w, k.kernel_w, s.iw);
      row[oh * s.ow + ow] /= static_cast<float>(std::max<int64_t>(high * wide, 1));
    }
  }
}

}  // namespace

int64_t avg_pool2d_scratch(const Conv2dShape& s) {
  return s.columns();
}

void avg_pool2d_forward(const Conv2dShape& s, const float* x, float* y, bool count_include_pad,
                        float* columns) {
  const int64_t taps = s.window.taps(), pixels = s.pixels();
  im2col(s, x, columns, pixels);
  for (int64_t c = 0; c < s.ic; ++c, y += pixels) {
    const float* row = columns + c * taps * pixels;
    std::copy(row, row + pixels, y);
    for (int64_t t = 1; t < taps; ++t) {
      row += pixels;
      for (int64_t p = 0; p < pixels; ++p) y[p] += row[p];
    }
    divide(s, count_include_pad, y);
  }
}

void avg_pool2d_backward(const Conv2dShape& s, const float* dy, float* dx, bool count_include_pad,
                         float* columns) {
  const int64_t taps = s.window.taps(), pixels = s.pixels();
  for (int64_t c = 0; c < s.ic; ++c, dy += pixels) {
    float* first = columns + c * taps * pixels;
    std::copy(dy, dy + pixels, first);
    divide(s, count_include_pad, first);
    for (int64_t t = 1; t < taps; ++t) std::copy(first, first + pixels, first + t * pixels);
  }
  col2im(s, columns, pixels, dx);
}

}  // namespace unfold
