#include "unfold/ops/fused.h"

#include "unfold/kernels/lanes.h"
#include "unfold/ops/activation.h"
#include "unfold/ops/conv2d.h"
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
  lanes::tanh_avg_pool2d_forward(c.window, c.x[0], static_cast<const TanhAvgPool&>(op).scale(), c.y,
                                 static_cast<float*>(c.saved));
}
void tanh_avg_backward(const Op& op, const Call<float>& c) {
  lanes::tanh_avg_pool2d_backward(c.window, static_cast<const float*>(c.saved), c.dy,
                                  static_cast<const TanhAvgPool&>(op).scale(), c.dx);
}
/// The activation's output.
int64_t tanh_avg_saved(const Op&, const Call<float>& c) {
  return lanes::kLanes * c.in * static_cast<int64_t>(sizeof(float));
}
void relu_max_forward(const Op&, const Call<float>& c) {
  lanes::relu_max_pool2d_forward(c.window, c.x[0], c.y, static_cast<int32_t*>(c.saved));
}
void relu_max_backward(const Op&, const Call<float>& c) {
  lanes::relu_max_pool2d_backward(c.window, c.y, c.dy, static_cast<const int32_t*>(c.saved), c.dx);
}
/// The argmax of every output.
int64_t relu_max_saved(const Op&, const Call<float>& c) {
  return lanes::kLanes * c.out * static_cast<int64_t>(sizeof(int32_t));
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

std::span<const Implementation<float>> TanhAvgPool::implementations(float) const {
  return kTanhAvg;
}
std::span<const Implementation<float>> ReluMaxPool::implementations(float) const {
  return kReluMax;
}

}  // namespace

std::shared_ptr<const Op> fuse(const Op& first, const Op& second, const Shape& in, Layout layout) {
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

}  // namespace unfold
