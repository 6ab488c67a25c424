// The same elements of an image under other axes: Transpose and Reshape.
#pragma once

#include "unfold/ops/op.h"

namespace unfold {

/// An image's axes in another order: axis k of y is axis perm[k] of x, the images' own left alone. NumPy's
/// transpose, torch's permute.
class Transpose final : public Op {
 public:
  /// Throws usage unless `perm` holds 0 .. its size-1, each once.
  explicit Transpose(std::vector<int64_t> perm);
  std::string_view type() const override { return "Transpose"; }
  Attributes attributes() const override;
  Shape output_shape(std::span<const Shape> in, std::string_view where) const override;
  const std::vector<int64_t>& perm() const { return perm_; }
  std::span<const Implementation<float>> implementations(float) const override;
  std::span<const Implementation<double>> implementations(double) const override;

 private:
  std::vector<int64_t> perm_;
};

/// An image's elements in their order under another shape.
class Reshape final : public Op {
 public:
  /// One size may be -1: what is left. Throws usage for more of them, other sizes below 1, or not 1 to 7
  /// axes.
  explicit Reshape(std::vector<int64_t> shape);
  std::string_view type() const override { return "Reshape"; }
  Attributes attributes() const override;
  Shape output_shape(std::span<const Shape> in, std::string_view where) const override;
  std::span<const Implementation<float>> implementations(float) const override;
  std::span<const Implementation<double>> implementations(double) const override;

 private:
  std::vector<int64_t> shape_;
};

}  // namespace unfold
