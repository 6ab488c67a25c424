#include "unfold/kernels/reference/pool2d.h"

#include <algorithm>

namespace unfold::reference {
namespace {

/// Calls visit(plane, oh, ow, y offset) for every output; a plane is one channel of one image.
template <class Visit>
void each_output(const Conv2dShape& s, Visit visit) {
  int64_t at = 0;
  for (int64_t plane = 0; plane < s.n * s.ic; ++plane) {
    for (int64_t oh = 0; oh < s.oh; ++oh) {
      for (int64_t ow = 0; ow < s.ow; ++ow) visit(plane, oh, ow, at++);
    }
  }
}

/// Calls visit(ih*IW + iw) for every pixel under the window at (oh, ow) that lies inside the image, in row
/// order.
template <class Visit>
void each_pixel(const Conv2dShape& s, int64_t oh, int64_t ow, Visit visit) {
  const Window2d& k = s.window;
  for (int64_t kh = 0; kh < k.kernel_h; ++kh) {
    const int64_t ih = oh * k.stride_h - k.pad_top + kh * k.dilation_h;
    if (ih < 0 || ih >= s.ih) continue;
    for (int64_t kw = 0; kw < k.kernel_w; ++kw) {
      const int64_t iw = ow * k.stride_w - k.pad_left + kw * k.dilation_w;
      if (iw >= 0 && iw < s.iw) visit(ih * s.iw + iw);
    }
  }
}

int64_t divisor(const Conv2dShape& s, int64_t oh, int64_t ow, bool count_include_pad, const Beyond& beyond) {
  if (count_include_pad) {
    const Window2d& k = s.window;
    const auto count = [](int64_t from, int64_t end, int64_t taps, int64_t dilation) {
      return std::min(taps, (end - from + dilation - 1) / dilation);
    };
    return count(oh * k.stride_h, s.ih + k.pad_top + k.pad_bottom - beyond.bottom, k.kernel_h, k.dilation_h) *
           count(ow * k.stride_w, s.iw + k.pad_left + k.pad_right - beyond.right, k.kernel_w, k.dilation_w);
  }
  int64_t inside = 0;
  each_pixel(s, oh, ow, [&](int64_t) { ++inside; });
  return std::max<int64_t>(inside, 1);
}

}  // namespace

template <class T>
void avg_pool2d_forward(const Conv2dShape& s, const T* x, T* y, bool count_include_pad,
                        const Beyond& beyond) {
  each_output(s, [&](int64_t plane, int64_t oh, int64_t ow, int64_t at) {
    T sum = 0;
    each_pixel(s, oh, ow, [&](int64_t i) { sum += x[plane * s.ih * s.iw + i]; });
    y[at] = sum / static_cast<T>(divisor(s, oh, ow, count_include_pad, beyond));
  });
}

template <class T>
void avg_pool2d_backward(const Conv2dShape& s, const T* dy, T* dx, bool count_include_pad,
                         const Beyond& beyond) {
  std::fill(dx, dx + s.n * s.x_image(), T{0});
  each_output(s, [&](int64_t plane, int64_t oh, int64_t ow, int64_t at) {
    const T share = dy[at] / static_cast<T>(divisor(s, oh, ow, count_include_pad, beyond));
    each_pixel(s, oh, ow, [&](int64_t i) { dx[plane * s.ih * s.iw + i] += share; });
  });
}

template <class T>
void max_pool2d_forward(const Conv2dShape& s, const T* x, T* y, int32_t* argmax) {
  each_output(s, [&](int64_t plane, int64_t oh, int64_t ow, int64_t at) {
    const T* image = x + plane * s.ih * s.iw;
    int64_t best = -1;
    each_pixel(s, oh, ow, [&](int64_t i) {
      if (best < 0 || image[i] > image[best] || image[i] != image[i]) best = i;
    });
    argmax[at] = static_cast<int32_t>(best);
    y[at] = best < 0 ? T{0} : image[best];
  });
}

template <class T>
void max_pool2d_backward(const Conv2dShape& s, const T* dy, const int32_t* argmax, T* dx) {
  std::fill(dx, dx + s.n * s.x_image(), T{0});
  each_output(s, [&](int64_t plane, int64_t, int64_t, int64_t at) {
    if (argmax[at] >= 0) dx[plane * s.ih * s.iw + argmax[at]] += dy[at];
  });
}

#define UNFOLD_INSTANTIATE(T)                                                               \
  template void avg_pool2d_forward(const Conv2dShape&, const T*, T*, bool, const Beyond&);  \
  template void avg_pool2d_backward(const Conv2dShape&, const T*, T*, bool, const Beyond&); \
  template void max_pool2d_forward(const Conv2dShape&, const T*, T*, int32_t*);             \
  template void max_pool2d_backward(const Conv2dShape&, const T*, const int32_t*, T*);
UNFOLD_INSTANTIATE(float)
UNFOLD_INSTANTIATE(double)
#undef UNFOLD_INSTANTIATE

}  // namespace unfold::reference
