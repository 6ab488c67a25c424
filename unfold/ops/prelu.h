#pragma once

#include "unfold/ops/op.h"

namespace unfold {

/// ReLU whose slope below zero is learned: y = x where x > 0, else weight[c] x, of any shape whose first axis
/// are the channels. torch.nn.PReLU.
class PRelu final : public Op {
 public:
  /// `parameters`: 1, one slope for all, or as many as there are channels. `init`: what they begin with.
  /// Throws usage if there are none, or `init` is not finite.
  explicit PRelu(int64_t parameters = 1, double init = 0.25);
  std::string_view type() const override { return "PRelu"; }
  Attributes attributes() const override;
  Shape output_shape(std::span<const Shape> in, std::string_view where) const override;
  std::vector<ParameterSpec> parameters(std::span<const Shape> in) const override;
  int64_t slopes() const { return parameters_; }
  std::span<const Implementation<float>> implementations(float) const override;
  std::span<const Implementation<double>> implementations(double) const override;

 private:
  int64_t parameters_;
  double init_;
};

}  // namespace unfold
