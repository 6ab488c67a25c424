#include "unfold/kernels/reference/conv2d.h"

#include <algorithm>

namespace unfold::reference {
namespace {

/// Calls visit(x offset, w offset, y offset) for every product of the convolution, outermost loop first.
template <class Visit>
void each_product(const Conv2dShape& s, int64_t n, int64_t oc, int64_t oh, int64_t ow, Visit visit) {
  const Window2d& k = s.window;
  const int64_t first_ic = oc / s.group_oc() * s.group_ic();
  for (int64_t ic = 0; ic < s.group_ic(); ++ic) {
    for (int64_t kh = 0; kh < k.kernel_h; ++kh) {
      const int64_t ih = oh * k.stride_h - k.pad_top + kh * k.dilation_h;
      if (ih < 0 || ih >= s.ih) continue;
      for (int64_t kw = 0; kw < k.kernel_w; ++kw) {
        const int64_t iw = ow * k.stride_w - k.pad_left + kw * k.dilation_w;
        if (iw < 0 || iw >= s.iw) continue;
        visit(((n * s.ic + first_ic + ic) * s.ih + ih) * s.iw + iw,
              ((oc * s.group_ic() + ic) * k.kernel_h + kh) * k.kernel_w + kw);
      }
    }
  }
}

/// Calls visit(n, oc, oh, ow, y offset) for every output.
template <class Visit>
void each_output(const Conv2dShape& s, Visit visit) {
  int64_t at = 0;
  for (int64_t n = 0; n < s.n; ++n) {
    for (int64_t oc = 0; oc < s.oc; ++oc) {
      for (int64_t oh = 0; oh < s.oh; ++oh) {
        for (int64_t ow = 0; ow < s.ow; ++ow) visit(n, oc, oh, ow, at++);
      }
    }
  }
}

}  // namespace

template <class T>
void conv2d_forward(const Conv2dShape& s, const T* x, const T* w, const T* b, T* y) {
  each_output(s, [&](int64_t n, int64_t oc, int64_t oh, int64_t ow, int64_t at) {
    T sum = b ? b[oc] : T{0};
    each_product(s, n, oc, oh, ow, [&](int64_t xi, int64_t wi) { sum += w[wi] * x[xi]; });
    y[at] = sum;
  });
}

template <class T>
void conv2d_backward_data(const Conv2dShape& s, const T* w, const T* dy, T* dx) {
  std::fill(dx, dx + s.n * s.x_image(), T{0});
  each_output(s, [&](int64_t n, int64_t oc, int64_t oh, int64_t ow, int64_t at) {
    const T g = dy[at];
    each_product(s, n, oc, oh, ow, [&](int64_t xi, int64_t wi) { dx[xi] += w[wi] * g; });
  });
}

template <class T>
void conv2d_backward_weights(const Conv2dShape& s, const T* x, const T* dy, T* dw, T* db) {
  each_output(s, [&](int64_t n, int64_t oc, int64_t oh, int64_t ow, int64_t at) {
    const T g = dy[at];
    each_product(s, n, oc, oh, ow, [&](int64_t xi, int64_t wi) { dw[wi] += g * x[xi]; });
    if (db) db[oc] += g;
  });
}

#define UNFOLD_INSTANTIATE(T)                                                         \
  template void conv2d_forward(const Conv2dShape&, const T*, const T*, const T*, T*); \
  template void conv2d_backward_data(const Conv2dShape&, const T*, const T*, T*);     \
  template void conv2d_backward_weights(const Conv2dShape&, const T*, const T*, T*, T*);
UNFOLD_INSTANTIATE(float)
UNFOLD_INSTANTIATE(double)
#undef UNFOLD_INSTANTIATE

}  // namespace unfold::reference
