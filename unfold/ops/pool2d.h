#pragma once

#include "unfold/ops/op.h"

namespace unfold {

/// Average pooling: x (N,C,IH,IW) -> y (N,C,OH,OW). torch.nn.AvgPool2d, with padding on four sides and
/// dilation.
class AvgPool2d final : public Op {
 public:
  /// count_include_pad: whether the zeros of the padding count in the mean (torch's default). ceil_mode:
  /// whether there is a last window that is not whole, which starts inside the image or the padding before
  /// it; window_shape() then has so much more padding at the end, which counts nowhere.
  explicit AvgPool2d(const Window2d& window, bool count_include_pad = true, bool ceil_mode = false);

  std::string_view type() const override { return "AvgPool2d"; }
  Attributes attributes() const override;
  Shape output_shape(std::span<const Shape> in, std::string_view where) const override;
  Conv2dShape window_shape(std::span<const Shape> in) const override;
  bool count_include_pad() const { return count_include_pad_; }
  const Window2d& window() const { return window_; }
  std::span<const Implementation<float>> implementations(float) const override;
  std::span<const Implementation<double>> implementations(double) const override;

 private:
  Window2d window_;
  bool count_include_pad_, ceil_mode_;
};

/// Max pooling: x (N,C,IH,IW) -> y (N,C,OH,OW); the gradient goes to the first largest pixel.
/// torch.nn.MaxPool2d.
class MaxPool2d final : public Op {
 public:
  /// ceil_mode as in AvgPool2d.
  explicit MaxPool2d(const Window2d& window, bool ceil_mode = false);

  std::string_view type() const override { return "MaxPool2d"; }
  Attributes attributes() const override;
  Shape output_shape(std::span<const Shape> in, std::string_view where) const override;
  Conv2dShape window_shape(std::span<const Shape> in) const override;
  std::span<const Implementation<float>> implementations(float) const override;
  std::span<const Implementation<double>> implementations(double) const override;

 private:
  Window2d window_;
  bool ceil_mode_;
};

}  // namespace unfold
