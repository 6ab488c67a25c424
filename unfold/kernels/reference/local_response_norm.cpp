#include "unfold/kernels/reference/local_response_norm.h"

#include <algorithm>
#include <cmath>

namespace unfold::reference {
namespace {

/// The sum of term(j) over channels c - before .. c + behind, as far as there are such.
template <class F>
auto window(int64_t c, int64_t before, int64_t behind, int64_t channels, F term) {
  decltype(term(c)) sum = 0;
  for (int64_t j = std::max<int64_t>(0, c - before); j <= std::min(channels - 1, c + behind); ++j)
    sum += term(j);
  return sum;
}

}  // namespace

template <class T>
void local_response_norm_forward(const ChannelView& view, const LocalResponse& how, const T* x, T* y) {
  const T k = static_cast<T>(how.k), factor = static_cast<T>(how.alpha / static_cast<double>(how.size));
  for (int64_t p = 0; p < view.pixels; ++p) {
    const auto at = [&](int64_t c) { return view.last ? p * view.channels + c : c * view.pixels + p; };
    for (int64_t c = 0; c < view.channels; ++c) {
      const T squares = window(c, how.size / 2, (how.size - 1) / 2, view.channels,
                               [&](int64_t j) { return x[at(j)] * x[at(j)]; });
      y[at(c)] = x[at(c)] * std::pow(k + factor * squares, static_cast<T>(-how.beta));
    }
  }
}

template <class T>
void local_response_norm_backward(const ChannelView& view, const LocalResponse& how, const T* x, const T* y,
                                  const T* dy, T* dx) {
  const int64_t before = how.size / 2, behind = (how.size - 1) / 2;
  const T k = static_cast<T>(how.k), factor = static_cast<T>(how.alpha / static_cast<double>(how.size));
  const T slope = 2 * factor * static_cast<T>(how.beta);
  for (int64_t p = 0; p < view.pixels; ++p) {
    const auto at = [&](int64_t c) { return view.last ? p * view.channels + c : c * view.pixels + p; };
    const auto scale = [&](int64_t c) {
      return k + factor *
                     window(c, before, behind, view.channels, [&](int64_t j) { return x[at(j)] * x[at(j)]; });
    };
    for (int64_t c = 0; c < view.channels; ++c) {
      const T through = window(c, behind, before, view.channels,
                               [&](int64_t j) { return dy[at(j)] * y[at(j)] / scale(j); });
      dx[at(c)] = dy[at(c)] * std::pow(scale(c), static_cast<T>(-how.beta)) - slope * x[at(c)] * through;
    }
  }
}

#define UNFOLD_INSTANTIATE(T)                                                                              \
  template void local_response_norm_forward(const ChannelView&, const LocalResponse&, const T*, T*);       \
  template void local_response_norm_backward(const ChannelView&, const LocalResponse&, const T*, const T*, \
                                             const T*, T*);
UNFOLD_INSTANTIATE(float)
UNFOLD_INSTANTIATE(double)
#undef UNFOLD_INSTANTIATE

}  // namespace unfold::reference
