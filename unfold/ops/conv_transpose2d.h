#pragma once

#include "unfold/ops/op.h"

namespace unfold {

/// Transposed convolution: y (N,OC,OH,OW) is what the gradient of a convolution of y-shaped images with these
/// weights, w (IC,OC/G,KH,KW), would be for the output gradient x (N,IC,IH,IW), and a bias b (OC).
/// torch.nn.ConvTranspose2d: OH = (IH - 1) SH - top - bottom + DH (KH - 1) + output_padding_h + 1.
class ConvTranspose2d final : public Op {
 public:
  /// Throws usage for a window that cannot be, and an output padding that is not smaller than stride or
  /// dilation.
  ConvTranspose2d(int64_t out_channels, const Window2d& window, int64_t output_padding_h = 0,
                  int64_t output_padding_w = 0, bool bias = true);
  std::string_view type() const override { return "ConvTranspose2d"; }
  Attributes attributes() const override;
  Shape output_shape(std::span<const Shape> in, std::string_view where) const override;
  std::vector<ParameterSpec> parameters(std::span<const Shape> in) const override;
  /// Of the convolution it is the transpose of: that one's input is y, its output is x.
  Conv2dShape window_shape(std::span<const Shape> in) const override;
  int64_t macs(std::span<const Shape> in) const override { return window_shape(in).macs(); }
  std::span<const Implementation<float>> implementations(float) const override;
  std::span<const Implementation<double>> implementations(double) const override;

 private:
  Conv2dShape turned(const Shape& x, std::string_view where) const;
  int64_t out_channels_;
  Window2d window_;
  int64_t output_padding_h_, output_padding_w_;
  bool bias_;
};

}  // namespace unfold
