#include "unfold/kernels/reference/activation.h"

#include <cmath>

namespace unfold::reference {

template <class T>
void tanh_forward(int64_t n, const T* x, T scale, T* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = scale * std::tanh(x[i]);
}

template <class T>
void tanh_backward(int64_t n, const T* y, const T* dy, T scale, T* dx) {
  for (int64_t i = 0; i < n; ++i) dx[i] = dy[i] * (scale - y[i] * y[i] / scale);
}

template <class T>
void relu_forward(int64_t n, const T* x, T* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] < 0 ? T{0} : x[i];
}

template <class T>
void relu_backward(int64_t n, const T* y, const T* dy, T* dx) {
  for (int64_t i = 0; i < n; ++i) dx[i] = y[i] > 0 ? dy[i] : T{0};
}

template <class T>
void sigmoid_forward(int64_t n, const T* x, T* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = 1 / (1 + std::exp(-x[i]));
}

template <class T>
void sigmoid_backward(int64_t n, const T* y, const T* dy, T* dx) {
  for (int64_t i = 0; i < n; ++i) dx[i] = dy[i] * y[i] * (1 - y[i]);
}

#define UNFOLD_INSTANTIATE(T)                                      \
  template void tanh_forward(int64_t, const T*, T, T*);            \
  template void tanh_backward(int64_t, const T*, const T*, T, T*); \
  template void relu_forward(int64_t, const T*, T*);               \
  template void relu_backward(int64_t, const T*, const T*, T*);    \
  template void sigmoid_forward(int64_t, const T*, T*);            \
  template void sigmoid_backward(int64_t, const T*, const T*, T*);
UNFOLD_INSTANTIATE(float)
UNFOLD_INSTANTIATE(double)
#undef UNFOLD_INSTANTIATE

}  // namespace unfold::reference
