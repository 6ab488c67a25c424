// Normalisations. Means and variances are computed in double.
#include <algorithm>

#include "unfold/onnx/elementwise.h"
#include "unfold/onnx/functions.h"

namespace unfold::onnx::ops {
namespace {

constexpr double kEpsilon = 1e-5;

/// Refuses an input that is no list of `count` numbers of input 0's type.
void check_list(const Call& c, size_t i, int64_t count) {
  c.same_type(0, i);
  if (c.input(i).shape().rank() != 1 || c.input(i).elements() != count) {
    c.refuse("input " + std::to_string(i) + " does not fit the input", sizes_text(Sizes{count}),
             c.input(i).shape().text());
  }
}

void check_image(const Call& c, int least_rank) {
  if (c.input(0).shape().rank() >= least_rank) return;
  c.refuse("the input does not fit", least_rank == 2 ? "(N, C, ...)" : "(N, C, D1, ...)",
           c.input(0).shape().text());
}

int64_t pixels_of(const Tensor& x) {
  return x.shape().rank() < 2 ? 1 : x.elements() / std::max<int64_t>(x.shape()[0] * x.shape()[1], 1);
}

struct Moments {
  double mean, inverse;  ///< inverse: 1 / sqrt(variance + epsilon)
};

template <class T>
Moments moments_of(const T* x, int64_t n, double epsilon) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]);
  const double mean = sum / static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i)
    squares += (static_cast<double>(x[i]) - mean) * (static_cast<double>(x[i]) - mean);
  return {mean, 1 / std::sqrt(squares / static_cast<double>(n) + epsilon)};
}

/// y = (x - mean) * scale + shift for n numbers.
template <class T>
void normalise(int64_t n, const T* x, double mean, double scale, double shift, T* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<T>((static_cast<double>(x[i]) - mean) * scale + shift);
}

/// y = (x - mean) / sqrt(variance + epsilon) * scale + shift, planes of `each` elements by the statistics of
/// theirs.
template <class T>
Tensor by_statistics(const Call& c, int64_t each, const Tensor& means, const Tensor& variances) {
  const Tensor& x = c.input(0);
  const double epsilon = c.real("epsilon", kEpsilon);
  Tensor y = c.make(x.dtype(), x.shape().sizes());
  const T *scale = c.input(1).data<T>(), *shift = c.input(2).data<T>();
  const T *mean = means.data<T>(), *variance = variances.data<T>();
  const int64_t planes = each == 0 ? 0 : x.elements() / each;
  c.each_range(planes, kTask / std::max<int64_t>(each, 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t k = i % means.elements();
      const double factor =
          static_cast<double>(scale[k]) / std::sqrt(static_cast<double>(variance[k]) + epsilon);
      normalise(each, x.data<T>() + i * each, static_cast<double>(mean[k]), factor,
                static_cast<double>(shift[k]), y.data<T>() + i * each);
    }
  });
  return y;
}

/// Training: by the batch's own mean and variance, which move the ones given: outputs 1 and 2.
template <class T>
void normalise_batch(Call& c, int64_t channels, int64_t pixels) {
  const Tensor& x = c.input(0);
  Tensor means = c.make(x.dtype(), Sizes{channels}), variances = c.make(x.dtype(), Sizes{channels});
  Tensor next_means = c.make(x.dtype(), Sizes{channels}), next_variances = c.make(x.dtype(), Sizes{channels});
  const double momentum = c.real("momentum", 0.9), n = static_cast<double>(x.shape()[0] * pixels);
  c.work(x.elements(), 2);
  for (int64_t k = 0; k < channels; ++k) {
    const auto sum = [&](double mean, bool squared) {
      double total = 0;
      for (int64_t image = 0; image < x.shape()[0]; ++image) {
        const T* from = x.data<T>() + (image * channels + k) * pixels;
        for (int64_t i = 0; i < pixels; ++i) {
          const double v = static_cast<double>(from[i]) - mean;
          total += squared ? v * v : v;
        }
      }
      return total / n;
    };
    const double mean = sum(0, false), variance = sum(mean, true);
    const auto moved = [momentum](T old, double now) {
      return static_cast<T>(static_cast<double>(old) * momentum + now * (1 - momentum));
    };
    means.data<T>()[k] = static_cast<T>(mean);
    variances.data<T>()[k] = static_cast<T>(variance);
    next_means.data<T>()[k] = moved(c.input(3).data<T>()[k], mean);
    next_variances.data<T>()[k] = moved(c.input(4).data<T>()[k], variance);
  }
  c.output(0, by_statistics<T>(c, pixels, means, variances));
  if (c.wanted(1)) c.output(1, std::move(next_means));
  if (c.wanted(2)) c.output(2, std::move(next_variances));
}

}  // namespace

/// With the statistics that are given, one for each channel, or (`spatial` = 0, before opset 9) one for each
/// element of an image; with `training_mode` (from opset 14 on) with the batch's own.
void batch_normalization(Call& c) {
  const Tensor& x = c.input(0);
  const bool training = c.integer("training_mode", 0) != 0, spatial = c.integer("spatial", 1) != 0;
  for (size_t i = 1; i < c.outputs() && !training; ++i) {
    if (c.wanted(i)) c.refuse("statistics of a batch, which only training has, are wanted", "one output");
  }
  check_image(c, spatial && !training ? 1 : 2);
  const int64_t channels = x.shape().rank() < 2 ? 1 : x.shape()[1], pixels = pixels_of(x);
  const int64_t count = spatial ? channels : channels * pixels;
  for (size_t i = 1; i <= 4; ++i) {
    if (spatial) check_list(c, i, count);
    c.same_type(0, i);
    if (c.input(i).elements() != count) {
      c.refuse("input " + std::to_string(i) + " does not fit the input", std::to_string(count) + " elements",
               c.input(i).shape().text());
    }
  }
  for_floats(c, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    if (training) return normalise_batch<T>(c, channels, pixels);
    c.output(0, by_statistics<T>(c, spatial ? pixels : 1, c.input(3), c.input(4)));
  });
}

namespace {

/// Groups of channels, each of one image, by their own mean and variance; scale and shift for each channel.
void normalise_groups(Call& c, int64_t groups) {
  const Tensor& x = c.input(0);
  const int64_t channels = x.shape()[1], pixels = pixels_of(x), each = channels / groups;
  check_list(c, 1, channels);
  check_list(c, 2, channels);
  const double epsilon = c.real("epsilon", kEpsilon);
  for_floats(c, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    Tensor y = c.make(x.dtype(), x.shape().sizes());
    c.work(x.elements(), 2);
    const T *scale = c.input(1).data<T>(), *shift = c.input(2).data<T>();
    const int64_t size = each * pixels, parts = size == 0 ? 0 : x.elements() / size;
    c.each_range(parts, kTask / std::max<int64_t>(size, 1) + 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const Moments m = moments_of(x.data<T>() + i * size, size, epsilon);
        for (int64_t k = 0; k < each; ++k) {
          const int64_t channel = i % groups * each + k, at = i * size + k * pixels;
          normalise(pixels, x.data<T>() + at, m.mean, m.inverse * static_cast<double>(scale[channel]),
                    static_cast<double>(shift[channel]), y.data<T>() + at);
        }
      }
    });
    c.output(0, std::move(y));
  });
}

}  // namespace

void instance_normalization(Call& c) {
  check_image(c, 3);
  if (c.input(0).shape()[1] == 0) c.refuse("no channels", "(N, C, D1, ...)", c.input(0).shape().text());
  normalise_groups(c, c.input(0).shape()[1]);
}

void group_normalization(Call& c) {
  check_image(c, 2);
  const int64_t groups = c.integer("num_groups"), channels = c.input(0).shape()[1];
  if (groups < 1 || channels < 1 || channels % groups != 0) {
    c.refuse("`num_groups` does not divide the channels", std::to_string(channels), std::to_string(groups));
  }
  normalise_groups(c, groups);
}

/// The axes from `axis` on by their own mean and variance, which are outputs 1 and 2.
void layer_normalization(Call& c) {
  const Tensor& x = c.input(0);
  const Sizes sizes = sizes_of(x);
  const int64_t axis = c.axis(c.integer("axis", -1), x.shape().rank());
  Sizes outer = sizes;
  const Sizes inner(sizes.begin() + axis, sizes.end());
  std::fill(outer.begin() + axis, outer.end(), 1);
  const int64_t n = c.product(inner), rows = n == 0 ? 0 : x.elements() / n;
  for (size_t i = 1; i <= 2; ++i) {
    if (i == 2 && !c.given(2)) continue;
    c.same_type(0, i);
    if (broadcast(c, inner, c.input(i).shape().sizes()) != inner) {
      c.refuse("input " + std::to_string(i) + " does not fit the input", sizes_text(inner),
               c.input(i).shape().text());
    }
  }
  const double epsilon = c.real("epsilon", kEpsilon);
  for_floats(c, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    Tensor y = c.make(x.dtype(), sizes), means = c.make(Dtype::f32, outer),
           inverses = c.make(Dtype::f32, outer);
    c.work(x.elements(), 3);
    for (int64_t i = 0; i < rows; ++i) {
      const Moments m = moments_of(x.data<T>() + i * n, n, epsilon);
      normalise(n, x.data<T>() + i * n, m.mean, m.inverse, 0, y.data<T>() + i * n);
      means.data<float>()[i] = static_cast<float>(m.mean);
      inverses.data<float>()[i] = static_cast<float>(m.inverse);
    }
    const Tensor& scale = c.input(1);
    y = zip<T, T, T>(c, y, sizes, scale, scale.shape().sizes(), std::multiplies<>());
    if (c.given(2)) y = zip<T, T, T>(c, y, sizes, c.input(2), c.input(2).shape().sizes(), std::plus<>());
    c.output(0, std::move(y));
    if (c.wanted(1)) c.output(1, std::move(means));
    if (c.wanted(2)) c.output(2, std::move(inverses));
  });
}

/// Across channels: y = x / (bias + alpha / size * sum of squares of `size` channels around)^beta.
void lrn(Call& c) {
  const Tensor& x = c.input(0);
  check_image(c, 2);
  const int64_t size = c.integer("size"), channels = x.shape()[1], pixels = pixels_of(x);
  constexpr int64_t kMost = 1 << 20;
  if (size < 1 || size > kMost) c.refuse("`size` is out of range", "1 to 2^20", std::to_string(size));
  const double alpha = c.real("alpha", 1e-4) / static_cast<double>(size), beta = c.real("beta", 0.75),
               bias = c.real("bias", 1);
  for_floats(c, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    Tensor y = c.make(x.dtype(), x.shape().sizes());
    c.work(x.elements(), std::min(size, channels));
    c.each_range(
        channels == 0 ? 0 : x.elements() / std::max<int64_t>(pixels, 1), 1, [&](int64_t begin, int64_t end) {
          std::vector<double> sums(static_cast<size_t>(pixels));
          for (int64_t i = begin; i < end; ++i) {
            const int64_t channel = i % channels, first = std::max<int64_t>(0, channel - (size - 1) / 2),
                          last = std::min(channels, channel + size / 2 + 1);
            std::ranges::fill(sums, 0);
            for (int64_t k = first; k < last; ++k) {
              const T* from = x.data<T>() + (i - channel + k) * pixels;
              for (int64_t p = 0; p < pixels; ++p)
                sums[p] += static_cast<double>(from[p]) * static_cast<double>(from[p]);
            }
            for (int64_t p = 0; p < pixels; ++p) {
              const double v = static_cast<double>(x.data<T>()[i * pixels + p]);
              y.data<T>()[i * pixels + p] = static_cast<T>(v / std::pow(bias + alpha * sums[p], beta));
            }
          }
        });
    c.output(0, std::move(y));
  });
}

}  // namespace unfold::onnx::ops
