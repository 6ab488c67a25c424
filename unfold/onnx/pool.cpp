// Pooling over one to three axes.
#include <algorithm>
#include <limits>

#include "unfold/onnx/elementwise.h"
#include "unfold/onnx/functions.h"
#include "unfold/onnx/window.h"

namespace unfold::onnx::ops {
namespace {

/// The places of windows over (D, H, W), axis by axis.
struct Places {
  explicit Places(const Windows& w) {
    for (size_t i = 0; i < 3; ++i) axes[i] = w.axes[i].reaches();
  }
  std::array<std::vector<Reach>, 3> axes;

  /// Calls place(number, d, h, w) for each in turn.
  template <class F>
  void each(F place) const {
    int64_t number = 0;
    for (const Reach& d : axes[0]) {
      for (const Reach& h : axes[1]) {
        for (const Reach& w : axes[2]) place(number++, d, h, w);
      }
    }
  }
  /// Pixels that windows reach, all in all.
  int64_t taps(size_t axis) const {
    int64_t sum = 0;
    for (const Reach& r : axes[axis]) sum += r.count;
    return sum;
  }
};

/// Calls f(pixel) for those a window reaches, in rising order.
template <class F>
void each_pixel(const Windows& s, const Reach& d, const Reach& h, const Reach& w, F f) {
  for (int64_t i = 0; i < d.count; ++i) {
    for (int64_t j = 0; j < h.count; ++j) {
      const int64_t row =
          ((d.pixel + i * s.axes[0].dilation) * s.axes[1].in + h.pixel + j * s.axes[1].dilation) *
          s.axes[2].in;
      for (int64_t k = 0; k < w.count; ++k) f(row + w.pixel + k * s.axes[2].dilation);
    }
  }
}

/// Output 0, of T: value(plane of x, its number, number of the place, d, h, w) for each place of each
/// channel.
template <class T, class F>
void pool(Call& c, const Windows& s, F value) {
  const Tensor& x = c.input(0);
  Tensor y = c.make(x.dtype(), s.output(x.shape()[0], x.shape()[1]));
  const Places places(s);
  const int64_t planes = x.shape()[0] * x.shape()[1], in = s.in(), out = s.out();
  const int64_t taps[] = {places.taps(0), places.taps(1), places.taps(2)};
  c.work(c.product(taps), planes);
  c.each_range(planes, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      places.each([&](int64_t number, const Reach& d, const Reach& h, const Reach& w) {
        y.data<T>()[p * out + number] = value(x.data<T>() + p * in, p, number, d, h, w);
      });
    }
  });
  c.output(0, std::move(y));
}

Windows pooling_windows(const Call& c) {
  Windows windows = read_windows(c, spatial_sizes(c));
  place_windows(c, windows);
  return windows;
}

/// The greatest pixel and its place, -1 if the window reaches none. NaN is greater than all.
template <class T>
std::pair<T, int64_t> greatest(const Windows& s, const T* plane, const Reach& d, const Reach& h,
                               const Reach& w) {
  T best = std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity()
                                                : std::numeric_limits<T>::lowest();
  int64_t at = -1;
  each_pixel(s, d, h, w, [&](int64_t pixel) {
    const T v = plane[pixel];
    if (at >= 0 && !(v > best) && v == v) return;
    if (best != best) return;
    best = v;
    at = pixel;
  });
  return {best, at};
}

template <class T>
double power_sum(const Windows& s, const T* plane, const Reach& d, const Reach& h, const Reach& w,
                 int64_t p) {
  double sum = 0;
  each_pixel(s, d, h, w, [&](int64_t pixel) {
    const double v = std::abs(static_cast<double>(plane[pixel]));
    sum += p == 2 ? v * v : std::pow(v, static_cast<double>(p));
  });
  return p == 2 ? std::sqrt(sum) : std::pow(sum, 1 / static_cast<double>(p));
}

int64_t norm_of(const Call& c) {
  constexpr int64_t kMost = 1000;
  const int64_t p = c.integer("p", 2);
  if (p < 1 || p > kMost) c.refuse("`p` is out of range", "1 to 1000", std::to_string(p));
  return p;
}

/// One window over all of the image.
Windows global_windows(const Call& c) {
  const auto spatial = c.input(0).shape().sizes();
  if (spatial.size() < 3) c.refuse("the input does not fit", "(N, C, D1, ...)", c.input(0).shape().text());
  Windows windows;
  const int64_t pixels = c.product(spatial.subspan(2));
  windows.axes[2] = {pixels, pixels, 1, 0, 0, 1, 1};
  windows.rank = 1;
  return windows;
}

/// The result of a global pooling, (N, C, 1), with as many axes as the input.
void with_axes(Call& c) {
  Sizes sizes = sizes_of(c.input(0));
  std::fill(sizes.begin() + 2, sizes.end(), 1);
  c.output(0, c.results()[0].reshaped(Shape(sizes)));
}

}  // namespace

void max_pool(Call& c) {
  const Windows s = pooling_windows(c);
  const Tensor& x = c.input(0);
  const bool columns_first = c.integer("storage_order", 0) != 0;
  Tensor indices;
  if (c.wanted(1)) indices = c.make(Dtype::i64, s.output(x.shape()[0], x.shape()[1]));
  int64_t* const to = indices.raw() ? indices.data<int64_t>() : nullptr;
  const int64_t depth = s.axes[0].in, height = s.axes[1].in, width = s.axes[2].in;
  for_numbers(c, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    pool<T>(c, s,
            [&](const T* plane, int64_t p, int64_t number, const Reach& d, const Reach& h, const Reach& w) {
              const auto [best, at] = greatest(s, plane, d, h, w);
              if (to) {
                const int64_t i = at / (height * width), j = at / width % height, k = at % width;
                to[p * s.out() + number] =
                    p * s.in() + (columns_first && at >= 0 ? (k * height + j) * depth + i : at);
              }
              return best;
            });
  });
  if (indices.raw()) c.output(1, std::move(indices));
}

/// The mean of the pixels a window reaches, or (`count_include_pad`) the sum over the taps that lie in the
/// image or its padding.
void average_pool(Call& c) {
  const Windows s = pooling_windows(c);
  const bool padding = c.integer("count_include_pad", 0) != 0;
  std::array<std::vector<int64_t>, 3> counts;
  for (size_t i = 0; i < 3; ++i) {
    for (int64_t place = 0; place < s.axes[i].out; ++place)
      counts[i].push_back(s.axes[i].padded_count(place));
  }
  for_floats(c, c.input(0).dtype(), [&](auto zero) {
    using T = decltype(zero);
    pool<T>(c, s,
            [&](const T* plane, int64_t, int64_t number, const Reach& d, const Reach& h, const Reach& w) {
              double sum = 0;
              each_pixel(s, d, h, w, [&](int64_t pixel) { sum += static_cast<double>(plane[pixel]); });
              const int64_t columns = s.axes[2].out, rows = s.axes[1].out;
              const int64_t all = counts[0][number / (columns * rows)] * counts[1][number / columns % rows] *
                                  counts[2][number % columns];
              const int64_t n = padding ? all : d.count * h.count * w.count;
              return n == 0 ? T{0} : static_cast<T>(sum / static_cast<double>(n));
            });
  });
}

void lp_pool(Call& c) {
  const Windows s = pooling_windows(c);
  const int64_t p = norm_of(c);
  for_floats(c, c.input(0).dtype(), [&](auto zero) {
    using T = decltype(zero);
    pool<T>(c, s, [&](const T* plane, int64_t, int64_t, const Reach& d, const Reach& h, const Reach& w) {
      return static_cast<T>(power_sum(s, plane, d, h, w, p));
    });
  });
}

void global_average_pool(Call& c) {
  const Windows s = global_windows(c);
  for_floats(c, c.input(0).dtype(), [&](auto zero) {
    using T = decltype(zero);
    pool<T>(c, s, [&](const T* plane, int64_t, int64_t, const Reach&, const Reach&, const Reach& w) {
      double sum = 0;
      for (int64_t i = 0; i < w.count; ++i) sum += static_cast<double>(plane[i]);
      return static_cast<T>(sum / static_cast<double>(w.count));
    });
  });
  with_axes(c);
}

void global_max_pool(Call& c) {
  const Windows s = global_windows(c);
  for_floats(c, c.input(0).dtype(), [&](auto zero) {
    using T = decltype(zero);
    pool<T>(c, s, [&](const T* plane, int64_t, int64_t, const Reach& d, const Reach& h, const Reach& w) {
      return greatest(s, plane, d, h, w).first;
    });
  });
  with_axes(c);
}

void global_lp_pool(Call& c) {
  const Windows s = global_windows(c);
  const int64_t p = norm_of(c);
  for_floats(c, c.input(0).dtype(), [&](auto zero) {
    using T = decltype(zero);
    pool<T>(c, s, [&](const T* plane, int64_t, int64_t, const Reach& d, const Reach& h, const Reach& w) {
      return static_cast<T>(power_sum(s, plane, d, h, w, p));
    });
  });
  with_axes(c);
}

}  // namespace unfold::onnx::ops
