#include "unfold/ops/fused.h"

#include <algorithm>

#include "unfold/kernels/lanes.h"
#include "unfold/ops/activation.h"
#include "unfold/ops/batch_norm.h"
#include "unfold/ops/conv2d.h"
#include "unfold/ops/join.h"
#include "unfold/ops/pool2d.h"

namespace unfold {
namespace {

/// Both sizes come from the pooling: an activation changes none.
class Fused : public Op {
 public:
  explicit Fused(const Window2d& window) : pool_(window) {}
  Shape output_shape(std::span<const Shape> in, std::string_view where) const override {
    return pool_.output_shape(in, where);
  }
  Conv2dShape window_shape(std::span<const Shape> in) const override { return pool_.window_shape(in); }
  std::span<const Implementation<double>> implementations(double) const override { return {}; }

 private:
  MaxPool2d pool_;
};

class TanhAvgPool final : public Fused {
 public:
  TanhAvgPool(const Window2d& window, double scale) : Fused(window), scale_(static_cast<float>(scale)) {}
  std::string_view type() const override { return "TanhAvgPool2d"; }
  using Fused::implementations;
  float scale() const { return scale_; }
  std::span<const Implementation<float>> implementations(float) const override;

 private:
  float scale_;
};

class ReluMaxPool final : public Fused {
 public:
  using Fused::Fused;
  std::string_view type() const override { return "ReluMaxPool2d"; }
  using Fused::implementations;
  std::span<const Implementation<float>> implementations(float) const override;
};

void tanh_avg_forward(const Op& op, const Call<float>& c) {
  lanes::tanh_avg_pool2d_forward(c.window, 0, c.window.oh, c.x[0],
                                 static_cast<const TanhAvgPool&>(op).scale(), c.y,
                                 static_cast<float*>(c.saved));
}
void tanh_avg_backward(const Op& op, const Call<float>& c) {
  lanes::tanh_avg_pool2d_backward(c.window, 0, c.window.oh, static_cast<const float*>(c.saved), c.dy,
                                  static_cast<const TanhAvgPool&>(op).scale(), c.dx);
}
/// The activation's output.
int64_t tanh_avg_saved(const Op&, const Call<float>& c) {
  return c.training ? lanes::kLanes * c.in * static_cast<int64_t>(sizeof(float)) : 0;
}
void relu_max_forward(const Op&, const Call<float>& c) {
  lanes::relu_max_pool2d_forward(c.window, 0, c.window.oh, c.x[0], c.y, static_cast<int32_t*>(c.saved));
}
void relu_max_backward(const Op&, const Call<float>& c) {
  lanes::relu_max_pool2d_backward(c.window, 0, c.window.oh, c.y, c.dy, static_cast<const int32_t*>(c.saved),
                                  c.dx);
}
/// The argmax of every output.
int64_t relu_max_saved(const Op&, const Call<float>& c) {
  return c.training ? lanes::kLanes * c.out * static_cast<int64_t>(sizeof(int32_t)) : 0;
}

constexpr Implementation<float> kTanhAvg[] = {
    {.name = "tanh+avg_pool2d/lanes",
     .engine = Engine::fast,
     .numerics = "tanh4_4 taps(kh,kw)",
     .forward = tanh_avg_forward,
     .backward_data = tanh_avg_backward,
     .saved = tanh_avg_saved,
     .layout = Layout::chwn16},
};
constexpr Implementation<float> kReluMax[] = {
    {.name = "relu+max_pool2d/lanes",
     .engine = Engine::fast,
     .numerics = "exact",
     .forward = relu_max_forward,
     .backward_data = relu_max_backward,
     .saved = relu_max_saved,
     .layout = Layout::chwn16},
};

/// A first convolution, an activation and a pooling that tiles its output. Sizes of a call are the
/// convolution's.
class ConvPool : public Op {
 public:
  ConvPool(const Conv2dShape& convolution, const Conv2dShape& pooling, float scale)
      : convolution_(convolution), pooling_(pooling), scale_(scale) {}
  Shape output_shape(std::span<const Shape>, std::string_view) const override {
    return pooling_.y_shape().sample();
  }
  Conv2dShape window_shape(std::span<const Shape>) const override { return convolution_; }
  int64_t macs(std::span<const Shape>) const override { return convolution_.macs(); }
  std::span<const Implementation<double>> implementations(double) const override { return {}; }
  using Op::implementations;
  const Conv2dShape& pooling() const { return pooling_; }
  float scale() const { return scale_; }

 private:
  Conv2dShape convolution_, pooling_;
  float scale_;
};

class ConvTanhAvgPool final : public ConvPool {
 public:
  using ConvPool::ConvPool;
  std::string_view type() const override { return "ConvTanhAvgPool2d"; }
  using ConvPool::implementations;
  std::span<const Implementation<float>> implementations(float) const override;
};

class ConvReluMaxPool final : public ConvPool {
 public:
  using ConvPool::ConvPool;
  std::string_view type() const override { return "ConvReluMaxPool2d"; }
  using ConvPool::implementations;
  std::span<const Implementation<float>> implementations(float) const override;
};

/// Rows of the pooling's output in a band of backward: some hundred pixels make each chain worth its start.
/// And its channels: with Winograd, as many as the first-level cache has room for beside the values of x.
int64_t band_rows(const Conv2dShape& pooling) {
  return std::clamp<int64_t>(112 / (pooling.window.kernel_h * pooling.iw), 1, pooling.oh);
}
constexpr int64_t kBandChannels = 2;

int64_t band_floats(const Conv2dShape& pooling, int64_t channels, int64_t rows) {
  return channels * rows * pooling.window.kernel_h * pooling.iw * lanes::kLanes;
}

/// What a layer with Winograd's kernels keeps: the values of x, and behind them what the pooling does.
float* values_of(const Call<float>& c) {
  return static_cast<float*>(c.saved);
}
template <class T, bool kWinograd>
T* kept_by_pool(const Call<float>& c) {
  const int64_t values = kWinograd ? lanes::winograd_few_values(c.window) : 0;
  return c.saved ? reinterpret_cast<T*>(static_cast<float*>(c.saved) + values) : nullptr;
}

/// A row of the pooling's output at a time: `pool(shape, oh0, oh1, band)` takes the convolution's rows.
template <bool kWinograd, class Pool>
void conv_pool_forward(const Op& op, const Call<float>& c, Pool pool) {
  Conv2dShape shape = static_cast<const ConvPool&>(op).pooling();
  shape.n = c.n;
  const int64_t rows = shape.window.kernel_h;
  float *const band = c.scratch, *const scratch = band + band_floats(shape, shape.ic, 1);
  const bool winograd = kWinograd && c.training;
  if (winograd) lanes::winograd_few_to_points(c.window, c.x[0], values_of(c));
  for (int64_t oh = 0; oh < shape.oh; ++oh) {
    const int64_t first = oh * rows;
    if (winograd) {
      lanes::winograd_few_forward_rows(c.window, first, first + rows, values_of(c), c.packed, c.b, band);
    } else {
      lanes::conv2d_forward_rows(c.window, first, first + rows, c.x[0], c.w, c.b, band, scratch);
    }
    pool(shape, oh, oh + 1, band);
  }
}

/// `pool(shape, first, oh0, oh1, band)` writes the gradient of some rows of the convolution's output, of the
/// shape's channels from `first` on, and dw follows at once.
template <bool kWinograd, class Pool>
void conv_pool_backward(const Op& op, const Call<float>& c, Pool pool) {
  Conv2dShape shape = static_cast<const ConvPool&>(op).pooling();
  shape.n = c.n;
  float* const band = c.scratch;
  if constexpr (!kWinograd) {
    pool(shape, 0, 0, shape.oh, band);
    float* const scratch = band + band_floats(shape, shape.ic, shape.oh);
    lanes::conv2d_backward_weights(c.window, c.x[0], band, c.dw, c.db, scratch);
    return;
  }
  const int64_t rows = shape.window.kernel_h, most = band_rows(shape), channels = shape.ic;
  float* const scratch = band + band_floats(shape, kBandChannels, most);
  for (int64_t first = 0; first < channels; first += kBandChannels) {
    shape.ic = std::min(kBandChannels, channels - first);
    for (int64_t oh = 0; oh < shape.oh; oh += most) {
      const int64_t end = std::min(shape.oh, oh + most);
      pool(shape, first, oh, end, band);
      lanes::winograd_few_backward_weights_part(c.window, first, first + shape.ic, oh * rows, end * rows,
                                                values_of(c), band, c.dw, c.db, scratch);
    }
  }
}
/// Where a channel begins in the pooling's input, and in its output.
int64_t in_channel(const Conv2dShape& pooling, int64_t channel) {
  return channel * pooling.ih * pooling.iw * lanes::kLanes;
}
int64_t out_channel(const Conv2dShape& pooling, int64_t channel) {
  return channel * pooling.oh * pooling.ow * lanes::kLanes;
}

template <bool kWinograd>
void conv_tanh_avg_forward(const Op& op, const Call<float>& c) {
  const float scale = static_cast<const ConvPool&>(op).scale();
  float* const kept = kept_by_pool<float, kWinograd>(c);
  const auto pool = [&](const Conv2dShape& s, int64_t oh0, int64_t oh1, const float* band) {
    lanes::tanh_avg_pool2d_forward(s, oh0, oh1, band, scale, c.y, kept);
  };
  conv_pool_forward<kWinograd>(op, c, pool);
}
template <bool kWinograd>
void conv_tanh_avg_backward(const Op& op, const Call<float>& c) {
  const float scale = static_cast<const ConvPool&>(op).scale();
  const float* const kept = kept_by_pool<float, kWinograd>(c);
  const auto pool = [&](const Conv2dShape& s, int64_t first, int64_t oh0, int64_t oh1, float* band) {
    lanes::tanh_avg_pool2d_backward(s, oh0, oh1, kept + in_channel(s, first), c.dy + out_channel(s, first),
                                    scale, band);
  };
  conv_pool_backward<kWinograd>(op, c, pool);
}
template <bool kWinograd>
void conv_relu_max_forward(const Op& op, const Call<float>& c) {
  auto* const kept = kept_by_pool<int32_t, kWinograd>(c);
  const auto pool = [&](const Conv2dShape& s, int64_t oh0, int64_t oh1, const float* band) {
    lanes::relu_max_pool2d_forward(s, oh0, oh1, band, c.y, kept);
  };
  conv_pool_forward<kWinograd>(op, c, pool);
}
template <bool kWinograd>
void conv_relu_max_backward(const Op& op, const Call<float>& c) {
  const auto* const kept = kept_by_pool<int32_t, kWinograd>(c);
  const auto pool = [&](const Conv2dShape& s, int64_t first, int64_t oh0, int64_t oh1, float* band) {
    const int64_t at = out_channel(s, first);
    lanes::relu_max_pool2d_backward(s, oh0, oh1, c.y + at, c.dy + at, kept + at, band);
  };
  conv_pool_backward<kWinograd>(op, c, pool);
}

/// The activation's output.
template <bool kWinograd>
int64_t conv_tanh_avg_saved(const Op&, const Call<float>& c) {
  const int64_t values = kWinograd ? lanes::winograd_few_values(c.window) : 0;
  return c.training ? (values + lanes::kLanes * c.window.y_image()) * static_cast<int64_t>(sizeof(float)) : 0;
}
/// The argmax of every output.
template <bool kWinograd>
int64_t conv_relu_max_saved(const Op& op, const Call<float>& c) {
  const int64_t values = kWinograd ? lanes::winograd_few_values(c.window) : 0;
  return relu_max_saved(op, c) + (c.training ? values * static_cast<int64_t>(sizeof(float)) : 0);
}
template <bool kWinograd>
int64_t conv_pool_scratch(const Op& op, const Call<float>& c) {
  const Conv2dShape& pooling = static_cast<const ConvPool&>(op).pooling();
  const int64_t forward = band_floats(pooling, pooling.ic, 1) + lanes::conv2d_scratch(c.window);
  if (!c.training) return forward;
  const int64_t backward =
      kWinograd ? band_floats(pooling, kBandChannels, band_rows(pooling)) +
                      lanes::winograd_few_scratch(c.window, kBandChannels)
                : band_floats(pooling, pooling.ic, pooling.oh) + lanes::conv2d_scratch(c.window);
  return std::max(forward, backward);
}
/// Few channels: bands are worth it where a whole image passes the cache but a band's sums do not. Not what
/// Winograd's kernels take: they sum in another order, and a single image, which goes through them, is to
/// have the same bits.
bool conv_pool_suits(const Op&, const Call<float>& c) {
  return c.window.oc * c.window.patch() <= (1 << 11) && !lanes::winograd_suits(c.window);
}
bool conv_pool_winograd_suits(const Op& op, const Call<float>& c) {
  return conv_pool_suits(op, c) && lanes::winograd_few_suits(c.window);
}
int64_t few_packed(const Op&, const Call<float>& c) {
  return lanes::winograd_few_packed(c.window);
}
void few_pack(const Op&, const Call<float>& c) {
  lanes::winograd_few_pack(c.window, c.w, c.packed);
}

constexpr Implementation<float> kConvTanhAvg[] = {
    {.name = "conv2d+tanh+avg_pool2d/lanes-winograd-few",
     .engine = Engine::fast,
     .numerics = "winograd F(kw,kw) along x, inference chain, tanh4_4 taps(kh,kw)",
     .forward = conv_tanh_avg_forward<true>,
     .backward_data = nullptr,
     .backward_weights = conv_tanh_avg_backward<true>,
     .scratch = conv_pool_scratch<true>,
     .saved = conv_tanh_avg_saved<true>,
     .layout = Layout::chwn16,
     .exact = false,
     .suits = conv_pool_winograd_suits,
     .packed = few_packed,
     .pack = few_pack},
    {.name = "conv2d+tanh+avg_pool2d/lanes",
     .engine = Engine::fast,
     .numerics = "chain(ic,kh,kw) dw=rows<=1024px,lanes16; tanh4_4 taps(kh,kw)",
     .forward = conv_tanh_avg_forward<false>,
     .backward_data = nullptr,
     .backward_weights = conv_tanh_avg_backward<false>,
     .scratch = conv_pool_scratch<false>,
     .saved = conv_tanh_avg_saved<false>,
     .layout = Layout::chwn16,
     .suits = conv_pool_suits},
};
constexpr Implementation<float> kConvReluMax[] = {
    {.name = "conv2d+relu+max_pool2d/lanes-winograd-few",
     .engine = Engine::fast,
     .numerics = "winograd F(kw,kw) along x, inference chain(ic,kh,kw)",
     .forward = conv_relu_max_forward<true>,
     .backward_data = nullptr,
     .backward_weights = conv_relu_max_backward<true>,
     .scratch = conv_pool_scratch<true>,
     .saved = conv_relu_max_saved<true>,
     .layout = Layout::chwn16,
     .exact = false,
     .suits = conv_pool_winograd_suits,
     .packed = few_packed,
     .pack = few_pack},
    {.name = "conv2d+relu+max_pool2d/lanes",
     .engine = Engine::fast,
     .numerics = "chain(ic,kh,kw) dw=rows<=1024px,lanes16",
     .forward = conv_relu_max_forward<false>,
     .backward_data = nullptr,
     .backward_weights = conv_relu_max_backward<false>,
     .scratch = conv_pool_scratch<false>,
     .saved = relu_max_saved,
     .layout = Layout::chwn16,
     .suits = conv_pool_suits},
};

std::span<const Implementation<float>> ConvTanhAvgPool::implementations(float) const {
  return kConvTanhAvg;
}
std::span<const Implementation<float>> ConvReluMaxPool::implementations(float) const {
  return kConvReluMax;
}

std::span<const Implementation<float>> TanhAvgPool::implementations(float) const {
  return kTanhAvg;
}
std::span<const Implementation<float>> ReluMaxPool::implementations(float) const {
  return kReluMax;
}

}  // namespace

std::shared_ptr<const Op> fuse(const Op& first, const Op& second, const Shape& in, Layout layout) {
  if (second.type() == "Relu" && first.type() == "BatchNorm")
    return std::make_shared<BatchNormRelu>(static_cast<const BatchNorm&>(first), false);
  if (second.type() == "Relu" && first.type() == "Add") return std::make_shared<AddRelu>();
  if (layout == Layout::nhwc) {
    const bool both = first.type() == "Conv2d" && second.type() == "Relu";
    return both ? std::make_shared<Conv2dRelu>(static_cast<const Conv2d&>(first)) : nullptr;
  }
  const Conv2dShape shape = in.rank() == 3 ? second.window_shape(std::span(&in, 1)) : Conv2dShape{};
  if (shape.ic == 0 || !lanes::tiles(shape)) return nullptr;
  if (first.type() == "Tanh" && second.type() == "AvgPool2d") {
    return std::make_shared<TanhAvgPool>(shape.window, static_cast<const Tanh&>(first).scale());
  }
  if (first.type() == "Relu" && second.type() == "MaxPool2d")
    return std::make_shared<ReluMaxPool>(shape.window);
  return nullptr;
}

std::shared_ptr<const Op> fuse_residual(const Op& norm, const Op& add, const Op& activation) {
  if (norm.type() != "BatchNorm" || add.type() != "Add" || activation.type() != "Relu") return nullptr;
  return std::make_shared<BatchNormRelu>(static_cast<const BatchNorm&>(norm), true);
}

std::shared_ptr<const Op> fuse(const Op& convolution, const Op& activation, const Op& pooling,
                               const Shape& in) {
  if (convolution.type() != "Conv2d" || (activation.type() != "Relu" && activation.type() != "Tanh"))
    return nullptr;
  const Shape middle = convolution.output_shape(std::span(&in, 1), "fuse");
  const auto both = fuse(activation, pooling, middle, Layout::chwn16);
  if (!both) return nullptr;
  const Conv2dShape first = convolution.window_shape(std::span(&in, 1)),
                    second = pooling.window_shape(std::span(&middle, 1));
  if (activation.type() == "Relu") return std::make_shared<ConvReluMaxPool>(first, second, 1.0f);
  const double scale = static_cast<const Tanh&>(activation).scale();
  return std::make_shared<ConvTanhAvgPool>(first, second, static_cast<float>(scale));
}

}  // namespace unfold
