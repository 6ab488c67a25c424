#pragma once

#include "unfold/ops/op.h"

namespace unfold {

/// Convolution (cross-correlation, as everywhere in the field): x (N,IC,IH,IW), w (OC,IC/G,KH,KW), b (OC) ->
/// y (N,OC,OH,OW); stride, padding on four sides, dilation, groups. torch.nn.Conv2d.
class Conv2d : public Op {
 public:
  explicit Conv2d(int64_t out_channels, const Window2d& window, bool bias = true);

  std::string_view type() const override { return "Conv2d"; }
  Attributes attributes() const override;
  Shape output_shape(std::span<const Shape> in, std::string_view where) const override;
  std::vector<ParameterSpec> parameters(std::span<const Shape> in) const override;
  Conv2dShape window_shape(std::span<const Shape> in) const override;
  int64_t macs(std::span<const Shape> in) const override { return window_shape(in).macs(); }
  int64_t out_channels() const { return out_channels_; }
  const Window2d& window() const { return window_; }
  std::span<const Implementation<float>> implementations(float) const override;
  std::span<const Implementation<double>> implementations(double) const override;

 private:
  int64_t out_channels_;
  Window2d window_;
  bool bias_;
};

/// The same and a ReLU behind it: made by the lowering for layers in NHWC.
class Conv2dRelu final : public Conv2d {
 public:
  explicit Conv2dRelu(const Conv2d& conv2d) : Conv2d(conv2d) {}
  std::string_view type() const override { return "Conv2dRelu"; }
  std::span<const Implementation<float>> implementations(float) const override;
  std::span<const Implementation<double>> implementations(double) const override { return {}; }
};

}  // namespace unfold
