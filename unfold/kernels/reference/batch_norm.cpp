#include "unfold/kernels/reference/batch_norm.h"

#include <algorithm>

namespace unfold::reference {
namespace {

/// Calls body(channel, place) for all elements, pixel after pixel in each channel.
template <class F>
void each(const ChannelView& v, F body) {
  for (int64_t c = 0; c < v.channels; ++c) {
    for (int64_t p = 0; p < v.pixels; ++p) body(c, v.last ? p * v.channels + c : c * v.pixels + p);
  }
}

}  // namespace

template <class T>
void channel_sums(const ChannelView& view, const T* a, const T* b, double* sum, double* product) {
  std::fill_n(sum, view.channels, 0.0);
  std::fill_n(product, view.channels, 0.0);
  each(view, [&](int64_t c, int64_t at) {
    sum[c] += static_cast<double>(a[at]);
    product[c] += static_cast<double>(a[at]) * static_cast<double>(b[at]);
  });
}

template <class T>
void channel_affine(const ChannelView& view, const T* x, const T* center, const T* scale, const T* shift,
                    T* y) {
  each(view, [&](int64_t c, int64_t at) { y[at] = (x[at] - center[c]) * scale[c] + shift[c]; });
}

template <class T>
void channel_affine_backward(const ChannelView& view, const T* dy, const T* scale, const T* x,
                             const T* center, const T* slope, const T* shift, T* dx) {
  each(view, [&](int64_t c, int64_t at) {
    dx[at] = dy[at] * scale[c] + ((x[at] - center[c]) * slope[c] + shift[c]);
  });
}

#define UNFOLD_INSTANTIATE(T)                                                                       \
  template void channel_sums(const ChannelView&, const T*, const T*, double*, double*);             \
  template void channel_affine(const ChannelView&, const T*, const T*, const T*, const T*, T*);     \
  template void channel_affine_backward(const ChannelView&, const T*, const T*, const T*, const T*, \
                                        const T*, const T*, T*);
UNFOLD_INSTANTIATE(float)
UNFOLD_INSTANTIATE(double)
#undef UNFOLD_INSTANTIATE

}  // namespace unfold::reference
