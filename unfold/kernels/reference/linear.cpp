#include "unfold/kernels/reference/linear.h"

#include <algorithm>

namespace unfold::reference {

template <class T>
void linear_forward(int64_t n, int64_t in, int64_t out, const T* x, const T* w, const T* b, T* y) {
  for (int64_t r = 0; r < n; ++r) {
    for (int64_t o = 0; o < out; ++o) {
      T sum = b ? b[o] : T{0};
      for (int64_t i = 0; i < in; ++i) sum += x[r * in + i] * w[o * in + i];
      y[r * out + o] = sum;
    }
  }
}

template <class T>
void linear_backward_data(int64_t n, int64_t in, int64_t out, const T* w, const T* dy, T* dx) {
  std::fill(dx, dx + n * in, T{0});
  for (int64_t r = 0; r < n; ++r) {
    for (int64_t o = 0; o < out; ++o) {
      for (int64_t i = 0; i < in; ++i) dx[r * in + i] += dy[r * out + o] * w[o * in + i];
    }
  }
}

template <class T>
void linear_backward_weights(int64_t n, int64_t in, int64_t out, int64_t o0, int64_t o1, const T* x,
                             const T* dy, T* dw, T* db) {
  for (int64_t r = 0; r < n; ++r) {
    for (int64_t o = o0; o < o1; ++o) {
      for (int64_t i = 0; i < in; ++i) dw[(o - o0) * in + i] += dy[r * out + o] * x[r * in + i];
      if (db) db[o - o0] += dy[r * out + o];
    }
  }
}

#define UNFOLD_INSTANTIATE(T)                                                                                \
  template void linear_forward(int64_t, int64_t, int64_t, const T*, const T*, const T*, T*);                 \
  template void linear_backward_data(int64_t, int64_t, int64_t, const T*, const T*, T*);                     \
  template void linear_backward_weights(int64_t, int64_t, int64_t, int64_t, int64_t, const T*, const T*, T*, \
                                        T*);
UNFOLD_INSTANTIATE(float)
UNFOLD_INSTANTIATE(double)
#undef UNFOLD_INSTANTIATE

}  // namespace unfold::reference
