#pragma once

#include "unfold/ops/op.h"

namespace unfold {

/// Dropout, any shape: in training y = x / (1 - p) with probability 1 - p, else 0; in inference y = x.
/// torch.nn.Dropout. Which elements fall out is drawn by (seed, name of the node, epoch, sample), element by
/// element in the order of (C,H,W): the same for any batch, layout and number of threads.
class Dropout final : public Op {
 public:
  /// Throws usage unless 0 <= p < 1.
  explicit Dropout(double p = 0.5);

  std::string_view type() const override { return "Dropout"; }
  Attributes attributes() const override { return {{"p", {p_}}}; }
  Shape output_shape(std::span<const Shape> in, std::string_view) const override { return in[0]; }
  double p() const { return p_; }
  std::span<const Implementation<float>> implementations(float) const override;
  std::span<const Implementation<double>> implementations(double) const override;

 private:
  double p_;
};

}  // namespace unfold
