#pragma once

#include "unfold/ops/op.h"

namespace unfold {

/// y = scale * tanh(x), any shape. The article's scale is 1.7159 (LeCun 1998); torch.nn.Tanh has 1.
class Tanh final : public Op {
 public:
  explicit Tanh(double scale = 1);

  std::string_view type() const override { return "Tanh"; }
  Attributes attributes() const override { return {{"scale", {scale_}}}; }
  Shape output_shape(std::span<const Shape> in, std::string_view) const override { return in[0]; }
  double scale() const { return scale_; }
  std::span<const Implementation<float>> implementations(float) const override;
  std::span<const Implementation<double>> implementations(double) const override;

 private:
  double scale_;
};

/// y = max(x, 0), any shape.
class Relu final : public Op {
 public:
  std::string_view type() const override { return "Relu"; }
  Shape output_shape(std::span<const Shape> in, std::string_view) const override { return in[0]; }
  std::span<const Implementation<float>> implementations(float) const override;
  std::span<const Implementation<double>> implementations(double) const override;
};

/// y = 1 / (1 + exp(-x)), any shape.
class Sigmoid final : public Op {
 public:
  std::string_view type() const override { return "Sigmoid"; }
  Shape output_shape(std::span<const Shape> in, std::string_view) const override { return in[0]; }
  std::span<const Implementation<float>> implementations(float) const override;
  std::span<const Implementation<double>> implementations(double) const override;
};

}  // namespace unfold
