#pragma once

#include "unfold/ops/op.h"

namespace unfold {

/// Fully connected layer: x (N,IN), w (OUT,IN), b (OUT) -> y (N,OUT) = x * w^T + b. torch.nn.Linear.
class Linear final : public Op {
 public:
  explicit Linear(int64_t out_features, bool bias = true);

  std::string_view type() const override { return "Linear"; }
  Attributes attributes() const override;
  Shape output_shape(std::span<const Shape> in, std::string_view where) const override;
  std::vector<ParameterSpec> parameters(std::span<const Shape> in) const override;
  int64_t macs(std::span<const Shape> in) const override { return in[0].elements() * out_features_; }
  bool splits_rows() const override { return true; }
  int64_t out_features() const { return out_features_; }
  std::span<const Implementation<float>> implementations(float) const override;
  std::span<const Implementation<double>> implementations(double) const override;

 private:
  int64_t out_features_;
  bool bias_;
};

}  // namespace unfold
