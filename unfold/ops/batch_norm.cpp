#include "unfold/ops/batch_norm.h"

#include <algorithm>
#include <cmath>

#include "unfold/error.h"
#include "unfold/kernels/activation.h"
#include "unfold/kernels/batch_norm.h"
#include "unfold/kernels/lanes.h"
#include "unfold/ops/kept.h"

namespace unfold {
namespace {

const BatchNorm& norm_of(const Op& op) {
  return static_cast<const BatchNorm&>(op);
}

/// Of one image; 16 images in the lanes are an image with 16 times the pixels.
template <class T, Layout kLayout>
ChannelView view_of(const Call<T>& c) {
  const int64_t channels = c.shapes[0][0], pixels = c.in / channels;
  return {channels, kLayout == Layout::chwn16 ? pixels * lanes::kLanes : pixels, kLayout == Layout::nhwc};
}

/// What a step of training keeps: of the batch, by channel, and the sums of every image.
template <class T>
struct Kept {
  int64_t channels;
  double *mean, *deviation, *sum, *product;  ///< (C); the sums are those of the pass at hand
  T *center, *scale, *slope, *shift;         ///< (C)
  double* images;                            ///< (N, 2, C)
  explicit Kept(const Call<T>& c) : channels(c.shapes[0][0]) {
    mean = static_cast<double*>(c.saved);
    deviation = mean + channels;
    sum = deviation + channels;
    product = sum + channels;
    images = product + channels;
    center = reinterpret_cast<T*>(images + 2 * channels * c.batch);
    scale = center + channels;
    slope = scale + channels;
    shift = slope + channels;
  }
  /// Adds up the images' sums, in order.
  void total(int64_t n) const {
    std::fill_n(sum, 2 * channels, 0.0);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t e = 0; e < 2 * channels; ++e) sum[e] += images[2 * channels * i + e];
    }
  }
};
template <class T>
int64_t kept_bytes(const Op&, const Call<T>& c) {
  const int64_t doubles = 4 + 2 * c.batch, size = sizeof(T);
  return c.training ? c.shapes[0][0] * (doubles * static_cast<int64_t>(sizeof(double)) + 4 * size) : 0;
}

/// The kernels of one family.
template <class T>
struct Naive {
  static constexpr auto sums = reference::channel_sums<T>;
  static constexpr auto affine = reference::channel_affine<T>;
  static constexpr auto affine_backward = reference::channel_affine_backward<T>;
};
struct Vector {
  static constexpr auto sums = channel_sums;
  static constexpr auto affine = channel_affine;
  static constexpr auto affine_backward = channel_affine_backward;
};

/// The sums of image c.first: of x and x*x, or of dy and dy*x.
template <class T, class Kernels, Layout kLayout, bool kBackward>
void gather(const Op&, const Call<T>& c) {
  const ChannelView view = view_of<T, kLayout>(c);
  double* const sums = Kept<T>(c).images + 2 * c.first * view.channels;
  Kernels::sums(view, kBackward ? c.dy : c.x[0], c.x[0], sums, sums + view.channels);
}

template <class T, Layout kLayout>
void merge_forward(const Op& op, const Call<T>& c) {
  const ChannelView view = view_of<T, kLayout>(c);
  const Kept<T> kept(c);
  kept.total(c.n);
  const double momentum = norm_of(op).momentum(), count = static_cast<double>(c.n * view.pixels);
  for (int64_t channel = 0; channel < view.channels; ++channel) {
    const double mean = kept.sum[channel] / count;
    const double var = std::max(0.0, kept.product[channel] / count - mean * mean);
    const double deviation = std::sqrt(var + norm_of(op).eps());
    kept.mean[channel] = mean;
    kept.deviation[channel] = deviation;
    kept.center[channel] = static_cast<T>(mean);
    kept.scale[channel] = static_cast<T>(static_cast<double>(c.w[channel]) / deviation);
    const auto moved = [&](T from, double to) {
      return static_cast<T>((1 - momentum) * static_cast<double>(from) + momentum * to);
    };
    c.next_mean[channel] = moved(c.mean[channel], mean);
    c.next_var[channel] = moved(c.var[channel], var * count / std::max(1.0, count - 1));
  }
}

// With M pixels in the batch, z = (x - mean) / deviation and g = weight / deviation:
//   db = sum dy,  dw = sum dy z,  dx = g (dy - db/M - z dw/M).
template <class T, Layout kLayout>
void merge_backward(const Op&, const Call<T>& c) {
  const ChannelView view = view_of<T, kLayout>(c);
  const Kept<T> kept(c);
  kept.total(c.n);
  const double count = static_cast<double>(c.n * view.pixels);
  for (int64_t channel = 0; channel < view.channels; ++channel) {
    const double db = kept.sum[channel], deviation = kept.deviation[channel];
    const double dw = (kept.product[channel] - kept.mean[channel] * db) / deviation;
    const double g = static_cast<double>(c.w[channel]) / deviation;
    c.dw[channel] = static_cast<T>(dw);
    c.db[channel] = static_cast<T>(db);
    kept.slope[channel] = static_cast<T>(-g * dw / (count * deviation));
    kept.shift[channel] = static_cast<T>(-g * db / count);
  }
}

/// weight / sqrt(running_var + eps), and zeros behind it: what inference multiplies by, in scratch.
template <class T>
void inference_scale(const Op& op, const Call<T>& c) {
  const int64_t channels = c.shapes[0][0];
  for (int64_t channel = 0; channel < channels; ++channel) {
    const double var = static_cast<double>(c.var[channel]);
    c.scratch[channel] =
        static_cast<T>(static_cast<double>(c.w[channel]) / std::sqrt(var + norm_of(op).eps()));
  }
  std::fill_n(c.scratch + channels, channels, T{0});
}
template <class T>
int64_t inference_scratch(const Op&, const Call<T>& c) {
  return c.training ? 0 : 2 * c.shapes[0][0];
}

/// Calls affine(view, image, center, scale) for every image.
template <class T, Layout kLayout, class Affine>
void each_image(const Op& op, const Call<T>& c, Affine affine) {
  const T *center = c.mean, *scale = c.scratch;
  if (c.training) {
    const Kept<T> kept(c);
    center = kept.center, scale = kept.scale;
  } else {
    inference_scale(op, c);
  }
  for (int64_t i = 0; i < (kLayout == Layout::chwn16 ? 1 : c.n); ++i)
    affine(view_of<T, kLayout>(c), i, center, scale);
}

template <class T, class Kernels, Layout kLayout>
void forward(const Op& op, const Call<T>& c) {
  each_image<T, kLayout>(op, c, [&](const ChannelView& view, int64_t i, const T* center, const T* scale) {
    Kernels::affine(view, c.x[0] + i * c.in, center, scale, c.b, c.y + i * c.out);
  });
}
template <Layout kLayout>
void relu_forward(const Op& op, const Call<float>& c) {
  each_image<float, kLayout>(
      op, c, [&](const ChannelView& view, int64_t i, const float* center, const float* scale) {
        const float* const residual = op.inputs() == 2 ? c.x[1] + i * c.out : nullptr;
        channel_affine_relu(view, c.x[0] + i * c.in, center, scale, c.b, residual, c.y + i * c.out);
      });
}

template <class T, class Kernels, Layout kLayout>
void backward(const Op& op, const Call<T>& c) {
  const ChannelView view = view_of<T, kLayout>(c);
  if (!c.training) {  // running statistics are constants: dx = g dy
    inference_scale(op, c);
    const T* const zero = c.scratch + view.channels;
    for (int64_t i = 0; i < c.n; ++i)
      Kernels::affine(view, c.dy + i * c.out, zero, c.scratch, zero, c.dx + i * c.in);
    return;
  }
  const Kept<T> kept(c);
  for (int64_t i = 0; i < c.n; ++i) {
    Kernels::affine_backward(view, c.dy + i * c.out, kept.scale, c.x[0] + i * c.in, kept.center, kept.slope,
                             kept.shift, c.dx + i * c.in);
  }
}

template <class T, class Kernels, Layout kLayout>
constexpr Implementation<T> implementation(const char* name, Engine engine) {
  return {.name = name,
          .engine = engine,
          .numerics = "sums in double: an image's pixels, images",
          .forward = forward<T, Kernels, kLayout>,
          .backward_data = backward<T, Kernels, kLayout>,
          .scratch = inference_scratch<T>,
          .saved = kept_bytes<T>,
          .layout = kLayout,
          .forward_batch = {gather<T, Kernels, kLayout, false>, merge_forward<T, kLayout>},
          .backward_batch = {gather<T, Kernels, kLayout, true>, merge_backward<T, kLayout>}};
}

/// dy before the ReLU, in place.
void mask_gradient(const Op&, const Call<float>& c) {
  relu_backward(c.n * c.out, c.y, c.dx, c.dx);
}
/// The gradient of what was added is dy, which has been masked.
template <Layout kLayout>
void relu_backward_data(const Op& op, const Call<float>& c) {
  if (c.input == 1) {
    std::copy_n(c.dy, c.n * c.out, c.dx);
  } else {
    backward<float, Vector, kLayout>(op, c);
  }
}

template <Layout kLayout>
constexpr Implementation<float> with_relu(const char* name) {
  Implementation<float> made = implementation<float, Vector, kLayout>(name, Engine::fast);
  made.forward = relu_forward<kLayout>;
  made.backward_data = relu_backward_data<kLayout>;
  made.prepare = mask_gradient;
  return made;
}

constexpr Implementation<float> kReluFloat[] = {
    with_relu<Layout::nhwc>("batch_norm+relu/nhwc"),
    with_relu<Layout::chwn16>("batch_norm+relu/lanes"),
};
constexpr Implementation<float> kFloat[] = {
    implementation<float, Vector, Layout::nhwc>("batch_norm/nhwc", Engine::fast),
    implementation<float, Vector, Layout::chwn16>("batch_norm/lanes", Engine::fast),
    implementation<float, Vector, Layout::nchw>("batch_norm/vector", Engine::im2col),
    implementation<float, Naive<float>, Layout::nchw>("batch_norm/reference", Engine::naive),
};
constexpr Implementation<double> kDouble[] = {
    implementation<double, Naive<double>, Layout::nchw>("batch_norm/reference", Engine::naive),
};

}  // namespace

BatchNorm::BatchNorm(double eps, double momentum) : eps_(eps), momentum_(momentum) {
  if (!(eps > 0) || !std::isfinite(eps) || !(momentum >= 0 && momentum <= 1)) {
    throw Error(ErrorKind::usage, "BatchNorm cannot work with these settings")
        .wanted("eps above 0, momentum from 0 to 1")
        .got("eps " + std::to_string(eps) + ", momentum " + std::to_string(momentum));
  }
}

Shape BatchNorm::output_shape(std::span<const Shape> in, std::string_view where) const {
  if ((in[0].rank() != 1 && in[0].rank() != 3) || in[0].elements() < 1) {
    throw Error(ErrorKind::usage, "the input does not fit")
        .where(where)
        .wanted("(C, H, W) or (C)")
        .got(in[0].text());
  }
  return in[0];
}

std::vector<ParameterSpec> BatchNorm::parameters(std::span<const Shape> in) const {
  const Shape channels = {in[0][0]};
  return {{"weight", channels, 1, 1.0},
          {"bias", channels, 1, 0.0},
          {"running_mean", channels, 1, 0.0, ParameterKind::buffer},
          {"running_var", channels, 1, 1.0, ParameterKind::buffer}};
}

std::span<const Implementation<float>> BatchNorm::implementations(float) const {
  return kept<kFloat>();
}
std::span<const Implementation<double>> BatchNorm::implementations(double) const {
  return kept_double<kDouble>();
}
std::span<const Implementation<float>> BatchNormRelu::implementations(float) const {
  return kReluFloat;
}

}  // namespace unfold
