#include "unfold/kernels/reference/prelu.h"

namespace unfold::reference {
namespace {

/// Calls body(c, e) for every element e of channel c.
template <class F>
void each(const ChannelView& view, F body) {
  for (int64_t c = 0; c < view.channels; ++c) {
    for (int64_t p = 0; p < view.pixels; ++p)
      body(c, view.last ? p * view.channels + c : c * view.pixels + p);
  }
}

}  // namespace

template <class T>
void prelu_forward(const ChannelView& view, const T* x, const T* w, T* y) {
  each(view, [=](int64_t c, int64_t e) { y[e] = x[e] > 0 ? x[e] : w[c] * x[e]; });
}

template <class T>
void prelu_backward(const ChannelView& view, const T* x, const T* w, const T* dy, T* dx) {
  each(view, [=](int64_t c, int64_t e) { dx[e] = x[e] > 0 ? dy[e] : w[c] * dy[e]; });
}

template <class T>
void prelu_backward_weights(const ChannelView& view, const T* x, const T* dy, T* dw) {
  each(view, [=](int64_t c, int64_t e) { dw[c] += x[e] > 0 ? T{0} : x[e] * dy[e]; });
}

#define UNFOLD_INSTANTIATE(T)                                                         \
  template void prelu_forward(const ChannelView&, const T*, const T*, T*);            \
  template void prelu_backward(const ChannelView&, const T*, const T*, const T*, T*); \
  template void prelu_backward_weights(const ChannelView&, const T*, const T*, T*);
UNFOLD_INSTANTIATE(float)
UNFOLD_INSTANTIATE(double)
#undef UNFOLD_INSTANTIATE

}  // namespace unfold::reference
