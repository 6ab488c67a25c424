// Pooling over one to three axes.
#include <algorithm>
#include <limits>

#include "unfold/onnx/elementwise.h"
#include "unfold/onnx/functions.h"
#include "unfold/onnx/window.h"

namespace unfold::onnx::ops {
namespace {

/// Calls row(plane of x, number of its first output, d, h) for each row of places of each channel.
template <class T, class F>
void each_row(Call& c, const Windows& s, F row) {
  const Tensor& x = c.input(0);
  const auto& [D, H, W] = s.axes;
  const std::vector<Reach> ds = D.reaches(c), hs = H.reaches(c);
  const auto taps = [](const std::vector<Reach>& reaches) {
    int64_t sum = 0;
    for (const Reach& r : reaches) sum += r.count;
    return sum;
  };
  const int64_t planes = x.shape()[0] * x.shape()[1];
  const int64_t steps[] = {taps(ds), taps(hs), W.kernel + std::min(W.kernel, W.in) * W.out};
  c.work(c.product(steps), planes);
  c.each_range(planes, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      int64_t at = p * s.out();
      for (const Reach& d : ds) {
        for (const Reach& h : hs) {
          row(x.data<T>() + p * s.in(), at, d, h);
          at += W.out;
        }
      }
    }
  });
}

/// Output 0, of T: for each place finish(sum over the window of f(pixel), number of pixels, number of the
/// place in its plane), in double.
template <class T, class F, class G>
void pool_sums(Call& c, const Windows& s, F f, G finish) {
  const Tensor& x = c.input(0);
  Tensor y = c.make(x.dtype(), s.output(x.shape()[0], x.shape()[1]));
  const std::vector<TapRun> runs = s.axes[2].runs(c);
  const std::vector<Reach> ws = s.axes[2].reaches(c);
  c.charge(s.axes[2].out, sizeof(double) * static_cast<size_t>(c.pool().threads()));  // the rows of sums
  each_row<T>(c, s, [&](const T* plane, int64_t at, const Reach& d, const Reach& h) {
    std::vector<double> sums(ws.size(), 0.0);
    each_tap_of_row(s, runs, d, h, [&](int64_t place, int64_t pixel, int64_t) {
      sums[static_cast<size_t>(place)] += f(static_cast<double>(plane[pixel]));
    });
    for (size_t i = 0; i < ws.size(); ++i) {
      const auto place = at + static_cast<int64_t>(i);
      y.data<T>()[place] = static_cast<T>(finish(sums[i], d.count * h.count * ws[i].count, place % s.out()));
    }
  });
  c.output(0, std::move(y));
}

/// Output 0: the greatest pixel of each window; NaN is greater than all.
template <class T>
void pool_greatest(Call& c, const Windows& s) {
  using Range = std::numeric_limits<T>;
  const Tensor& x = c.input(0);
  Tensor y = c.make(x.dtype(), s.output(x.shape()[0], x.shape()[1]));
  const std::vector<TapRun> runs = s.axes[2].runs(c);
  each_row<T>(c, s, [&](const T* plane, int64_t at, const Reach& d, const Reach& h) {
    T* const to = y.data<T>() + at;
    std::fill_n(to, s.axes[2].out, Range::has_infinity ? -Range::infinity() : Range::lowest());
    each_tap_of_row(s, runs, d, h, [&](int64_t place, int64_t pixel, int64_t) {
      const T v = plane[pixel], best = to[place];
      to[place] = v > best || v != v ? v : best;
    });
  });
  c.output(0, std::move(y));
}

/// Output 1: the place of the greatest pixel in all of x, -1 for a window that reaches none.
template <class T>
void pool_indices(Call& c, const Windows& s, bool columns_first) {
  const Tensor& x = c.input(0);
  Tensor indices = c.make(Dtype::i64, s.output(x.shape()[0], x.shape()[1]));
  const std::vector<TapRun> runs = s.axes[2].runs(c);
  const int64_t depth = s.axes[0].in, height = s.axes[1].in, width = s.axes[2].in;
  each_row<T>(c, s, [&](const T* plane, int64_t at, const Reach& d, const Reach& h) {
    int64_t* const to = indices.data<int64_t>() + at;
    std::fill_n(to, s.axes[2].out, -1);
    each_tap_of_row(s, runs, d, h, [&](int64_t place, int64_t pixel, int64_t) {
      const T v = plane[pixel];
      if (to[place] >= 0) {
        const T best = plane[to[place]];
        if (best != best || !(v > best || v != v)) return;
      }
      to[place] = pixel;
    });
    for (int64_t i = 0; i < s.axes[2].out; ++i) {
      if (to[i] < 0) continue;
      const int64_t k = to[i] % width, row = to[i] / width;
      if (columns_first) to[i] = (k * height + row % height) * depth + row / height;
      to[i] += at / s.out() * s.in();
    }
  });
  c.output(1, std::move(indices));
}

Windows pooling_windows(const Call& c) {
  Windows windows = read_windows(c, spatial_sizes(c));
  place_windows(c, windows);
  return windows;
}

/// Output 0: f(x, n) of the n pixels of each channel; as many axes as the input.
template <class T, class F>
void pool_all(Call& c, F f) {
  const Tensor& x = c.input(0);
  if (x.shape().rank() < 3) c.refuse("the input does not fit", "(N, C, D1, ...)", x.shape().text());
  Sizes sizes = sizes_of(x);
  std::fill(sizes.begin() + 2, sizes.end(), 1);
  Tensor y = c.make(x.dtype(), sizes);
  c.work(x.elements());
  const int64_t n = x.elements() / std::max<int64_t>(y.elements(), 1);
  c.each_range(y.elements(), kTask / std::max<int64_t>(n, 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y.data<T>()[i] = static_cast<T>(f(x.data<T>() + i * n, n));
  });
  c.output(0, std::move(y));
}

int64_t norm_of(const Call& c) {
  constexpr int64_t kMost = 1000;
  const int64_t p = c.integer("p", 2);
  if (p < 1 || p > kMost) c.refuse("`p` is out of range", "1 to 1000", std::to_string(p));
  return p;
}

double powered(double v, int64_t p) {
  return p == 2 ? v * v : std::pow(std::abs(v), static_cast<double>(p));
}
double root(double v, int64_t p) {
  return p == 2 ? std::sqrt(v) : std::pow(v, 1 / static_cast<double>(p));
}

}  // namespace

void max_pool(Call& c) {
  const Windows s = pooling_windows(c);
  for_numbers(c, c.input(0).dtype(), [&](auto zero) {
    pool_greatest<decltype(zero)>(c, s);
    if (c.wanted(1)) pool_indices<decltype(zero)>(c, s, c.integer("storage_order", 0) != 0);
  });
}

/// The mean of the pixels a window reaches, or (`count_include_pad`) the sum over the taps that lie in the
/// image or its padding; 0 where there are none.
void average_pool(Call& c) {
  const Windows s = pooling_windows(c);
  const bool padding = c.integer("count_include_pad", 0) != 0;
  const auto& [D, H, W] = s.axes;
  for_floats(c, c.input(0).dtype(), [&](auto zero) {
    pool_sums<decltype(zero)>(
        c, s, [](double v) { return v; },
        [&](double sum, int64_t count, int64_t place) {
          if (padding) {
            count = D.padded_count(place / (H.out * W.out)) * H.padded_count(place / W.out % H.out) *
                    W.padded_count(place % W.out);
          }
          return count == 0 ? 0 : sum / static_cast<double>(count);
        });
  });
}

/// The p-norm of each window.
void lp_pool(Call& c) {
  const Windows s = pooling_windows(c);
  const int64_t p = norm_of(c);
  for_floats(c, c.input(0).dtype(), [&](auto zero) {
    pool_sums<decltype(zero)>(
        c, s, [p](double v) { return powered(v, p); },
        [p](double sum, int64_t, int64_t) { return root(sum, p); });
  });
}

void global_average_pool(Call& c) {
  for_floats(c, c.input(0).dtype(), [&](auto zero) {
    using T = decltype(zero);
    pool_all<T>(c, [](const T* x, int64_t n) {
      double sum = 0;
      for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]);
      return sum / static_cast<double>(n);
    });
  });
}

void global_max_pool(Call& c) {
  for_floats(c, c.input(0).dtype(), [&](auto zero) {
    using T = decltype(zero);
    pool_all<T>(c, [](const T* x, int64_t n) {
      T best = -std::numeric_limits<T>::infinity();
      for (int64_t i = 0; i < n; ++i) best = x[i] > best || x[i] != x[i] ? x[i] : best;
      return best;
    });
  });
}

void global_lp_pool(Call& c) {
  const int64_t p = norm_of(c);
  for_floats(c, c.input(0).dtype(), [&](auto zero) {
    using T = decltype(zero);
    pool_all<T>(c, [p](const T* x, int64_t n) {
      double sum = 0;
      for (int64_t i = 0; i < n; ++i) sum += powered(static_cast<double>(x[i]), p);
      return root(sum, p);
    });
  });
}

}  // namespace unfold::onnx::ops
