#pragma once

#include "unfold/ops/op.h"

namespace unfold {

/// y = (x - mean) / sqrt(var + eps) * weight + bias, channel by channel of x (N,C,H,W) or (N,C), as
/// torch.nn.BatchNorm2d has it. In training, mean and variance are those of the batch (over N, H and W; the
/// variance divided by their number), and running_mean and running_var move towards them by `momentum`, the
/// variance then divided by one less; their next values lie in the gradient's twins of them. In inference
/// they are the running ones. The mean and the sums of the gradient are chains in double: of each image, then
/// over the images.
class BatchNorm : public Op {
 public:
  /// Throws usage unless eps > 0 and 0 <= momentum <= 1.
  explicit BatchNorm(double eps = 1e-5, double momentum = 0.1);
  std::string_view type() const override { return "BatchNorm"; }
  Attributes attributes() const override { return {{"eps", {eps_}}, {"momentum", {momentum_}}}; }
  Shape output_shape(std::span<const Shape> in, std::string_view where) const override;
  std::vector<ParameterSpec> parameters(std::span<const Shape> in) const override;
  bool whole_batch() const override { return true; }
  std::span<const Implementation<float>> implementations(float) const override;
  std::span<const Implementation<double>> implementations(double) const override;
  double eps() const { return eps_; }
  double momentum() const { return momentum_; }

 private:
  double eps_, momentum_;
};

/// The same with a ReLU behind it, and before that, if `residual`, a second input of the same shape added:
/// what ends a residual block. One pass over memory, the bits of the operators one by one. Made by the
/// lowering.
class BatchNormRelu final : public BatchNorm {
 public:
  BatchNormRelu(const BatchNorm& norm, bool residual) : BatchNorm(norm), residual_(residual) {}
  std::string_view type() const override { return "BatchNormRelu"; }
  int inputs() const override { return residual_ ? 2 : 1; }
  std::span<const Implementation<float>> implementations(float) const override;
  std::span<const Implementation<double>> implementations(double) const override { return {}; }

 private:
  bool residual_;
};

}  // namespace unfold
