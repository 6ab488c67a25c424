#pragma once

#include "unfold/kernels/pointwise_function.h"
#include "unfold/ops/op.h"

namespace unfold {

/// One of the functions of kernels/pointwise_function.h, element by element: y <- x of any shape. Its type
/// is ONNX's name of it: "LeakyRelu", "Elu", "HardSigmoid", "HardSwish", "Silu", "Clip", "Softplus", "Selu",
/// "Softsign".
class PointwiseOp final : public Op {
 public:
  /// Throws usage for settings that are not finite, or a Clip whose upper end lies below the lower.
  explicit PointwiseOp(const PointwiseFunction& function);
  std::string_view type() const override;
  Attributes attributes() const override;
  Shape output_shape(std::span<const Shape> in, std::string_view) const override { return in[0]; }
  const PointwiseFunction& function() const { return function_; }
  std::span<const Implementation<float>> implementations(float) const override;
  std::span<const Implementation<double>> implementations(double) const override;

 private:
  PointwiseFunction function_;
};

/// The function with settings from attributes; what is missing has ONNX's default.
std::shared_ptr<const Op> make_pointwise(Pointwise kind, const Attributes& attributes);

}  // namespace unfold
