// Where branches meet: Add, Mul and Concat.
#pragma once

#include "unfold/ops/op.h"

namespace unfold {

/// y = a + b or a * b, element by element. Each axis of an image's shape (C, H, W) is equal in both inputs,
/// or 1 in one of them, which is then repeated along it (NumPy's broadcasting, without the axis of the
/// images).
class Elementwise2 : public Op {
 public:
  int inputs() const override { return 2; }
  Shape output_shape(std::span<const Shape> in, std::string_view where) const override;
};

/// Where a residual branch joins.
class Add final : public Elementwise2 {
 public:
  std::string_view type() const override { return "Add"; }
  std::span<const Implementation<float>> implementations(float) const override;
  std::span<const Implementation<double>> implementations(double) const override;
};

/// The same and a ReLU behind it: made by the lowering.
class AddRelu final : public Elementwise2 {
 public:
  std::string_view type() const override { return "AddRelu"; }
  std::span<const Implementation<float>> implementations(float) const override;
  std::span<const Implementation<double>> implementations(double) const override { return {}; }
};

/// Where a branch gates another, as squeeze and excitation does.
class Mul final : public Elementwise2 {
 public:
  std::string_view type() const override { return "Mul"; }
  std::span<const Implementation<float>> implementations(float) const override;
  std::span<const Implementation<double>> implementations(double) const override;
};

/// The inputs one behind the other along one axis of an image's shape: axis 0 is that of the channels.
class Concat final : public Op {
 public:
  /// Throws usage unless there are 2 to 8 inputs and the axis is at least 0.
  explicit Concat(int inputs, int axis = 0);
  std::string_view type() const override { return "Concat"; }
  Attributes attributes() const override;
  int inputs() const override { return inputs_; }
  int axis() const { return axis_; }
  Shape output_shape(std::span<const Shape> in, std::string_view where) const override;
  std::span<const Implementation<float>> implementations(float) const override;
  std::span<const Implementation<double>> implementations(double) const override;

 private:
  int inputs_, axis_;
};

}  // namespace unfold
