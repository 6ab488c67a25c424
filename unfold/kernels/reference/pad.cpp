#include "unfold/kernels/reference/pad.h"

#include <algorithm>

namespace unfold::reference {
namespace {

/// Which pixel of an axis of `size` stands at place `at` behind `pad` more; -1: none, the constant.
int64_t source(PadMode mode, int64_t at, int64_t pad, int64_t size) {
  const int64_t i = at - pad;
  if (i >= 0 && i < size) return i;
  if (mode == PadMode::constant) return -1;
  if (mode == PadMode::edge) return std::clamp<int64_t>(i, 0, size - 1);
  return i < 0 ? -i : 2 * (size - 1) - i;
}

/// Calls body(place in x or -1, place in y) for every place of y, in its order.
template <class F>
void each(const PadShape& s, F body) {
  const int64_t out_h = s.top + s.h + s.bottom, out_w = s.left + s.w + s.right;
  for (int64_t p = 0; p < s.planes; ++p) {
    for (int64_t oh = 0; oh < out_h; ++oh) {
      const int64_t h = source(s.mode, oh, s.top, s.h);
      for (int64_t ow = 0; ow < out_w; ++ow) {
        const int64_t w = source(s.mode, ow, s.left, s.w);
        body(h < 0 || w < 0 ? -1 : ((p * s.h + h) * s.w + w) * s.run,
             ((p * out_h + oh) * out_w + ow) * s.run);
      }
    }
  }
}

}  // namespace

template <class T>
void pad_forward(const PadShape& s, const T* x, T* y) {
  each(s, [&](int64_t from, int64_t to) {
    if (from < 0) {
      std::fill_n(y + to, s.run, static_cast<T>(s.value));
    } else {
      std::copy_n(x + from, s.run, y + to);
    }
  });
}

template <class T>
void pad_backward(const PadShape& s, const T* dy, T* dx) {
  std::fill_n(dx, s.planes * s.h * s.w * s.run, T{0});
  each(s, [&](int64_t from, int64_t to) {
    for (int64_t r = 0; from >= 0 && r < s.run; ++r) dx[from + r] += dy[to + r];
  });
}

template void pad_forward(const PadShape&, const float*, float*);
template void pad_forward(const PadShape&, const double*, double*);
template void pad_backward(const PadShape&, const float*, float*);
template void pad_backward(const PadShape&, const double*, double*);

}  // namespace unfold::reference
