#include "unfold/kernels/reference/softmax.h"

#include <algorithm>
#include <cmath>

namespace unfold::reference {

template <class T>
void softmax_forward(int64_t n, int64_t classes, const T* x, T* y) {
  for (int64_t r = 0; r < n; ++r, x += classes, y += classes) {
    const T largest = *std::max_element(x, x + classes);
    T sum = 0;
    for (int64_t c = 0; c < classes; ++c) sum += y[c] = std::exp(x[c] - largest);
    for (int64_t c = 0; c < classes; ++c) y[c] /= sum;
  }
}

template <class T>
void softmax_backward(int64_t n, int64_t classes, const T* y, const T* dy, T* dx) {
  for (int64_t r = 0; r < n; ++r, y += classes, dy += classes, dx += classes) {
    T dot = 0;
    for (int64_t c = 0; c < classes; ++c) dot += dy[c] * y[c];
    for (int64_t c = 0; c < classes; ++c) dx[c] = y[c] * (dy[c] - dot);
  }
}

template <class T>
void log_softmax_forward(int64_t n, int64_t classes, const T* x, T* y) {
  for (int64_t r = 0; r < n; ++r, x += classes, y += classes) {
    const T largest = *std::max_element(x, x + classes);
    T sum = 0;
    for (int64_t c = 0; c < classes; ++c) sum += std::exp(x[c] - largest);
    const T log_sum = std::log(sum);
    for (int64_t c = 0; c < classes; ++c) y[c] = x[c] - largest - log_sum;
  }
}

template <class T>
void log_softmax_backward(int64_t n, int64_t classes, const T* y, const T* dy, T* dx) {
  for (int64_t r = 0; r < n; ++r, y += classes, dy += classes, dx += classes) {
    T sum = 0;
    for (int64_t c = 0; c < classes; ++c) sum += dy[c];
    for (int64_t c = 0; c < classes; ++c) dx[c] = dy[c] - std::exp(y[c]) * sum;
  }
}

template <class T>
void cross_entropy(int64_t n, int64_t classes, const T* x, const Targets& targets, T scale, double* loss,
                   T* dx) {
  for (int64_t r = 0; r < n; ++r, x += classes) {
    const double largest = *std::max_element(x, x + classes);
    double sum = 0;
    for (int64_t c = 0; c < classes; ++c) sum += std::exp(static_cast<double>(x[c]) - largest);
    const double all = std::log(sum);
    const Targets::Row t = targets.row(r, classes);
    loss[r] = 0;
    for (int64_t c = 0; c < classes; ++c) {
      if (t.at(c) > 0) loss[r] += t.at(c) * (all - (static_cast<double>(x[c]) - largest));
    }
    if (!dx) continue;
    for (int64_t c = 0; c < classes; ++c) {
      const double p = std::exp(static_cast<double>(x[c]) - largest) / sum;
      dx[r * classes + c] = static_cast<T>(static_cast<double>(scale) * (p - t.at(c)));
    }
  }
}

#define UNFOLD_INSTANTIATE(T)                                                   \
  template void softmax_forward(int64_t, int64_t, const T*, T*);                \
  template void softmax_backward(int64_t, int64_t, const T*, const T*, T*);     \
  template void log_softmax_forward(int64_t, int64_t, const T*, T*);            \
  template void log_softmax_backward(int64_t, int64_t, const T*, const T*, T*); \
  template void cross_entropy(int64_t, int64_t, const T*, const Targets&, T, double*, T*);
UNFOLD_INSTANTIATE(float)
UNFOLD_INSTANTIATE(double)
#undef UNFOLD_INSTANTIATE

}  // namespace unfold::reference
