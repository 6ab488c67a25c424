#pragma once

#include "unfold/kernels/reference/local_response_norm.h"
#include "unfold/ops/op.h"

namespace unfold {

/// Each number divided by a power of the squares around it in other channels: y (N,C,H,W) <- x.
/// torch.nn.LocalResponseNorm.
class LocalResponseNorm final : public Op {
 public:
  /// Throws usage unless 1 <= size <= 1024, alpha >= 0, beta is finite, k > 0.
  explicit LocalResponseNorm(int64_t size, double alpha = 1e-4, double beta = 0.75, double k = 1);
  std::string_view type() const override { return "LocalResponseNorm"; }
  Attributes attributes() const override;
  Shape output_shape(std::span<const Shape> in, std::string_view where) const override;
  const LocalResponse& how() const { return how_; }
  std::span<const Implementation<float>> implementations(float) const override;
  std::span<const Implementation<double>> implementations(double) const override;

 private:
  LocalResponse how_;
};

}  // namespace unfold
