#pragma once

#include "unfold/ops/op.h"

namespace unfold {

/// Average pooling to an output of fixed size: x (N,C,IH,IW) -> y (N,C,OH,OW), torch.nn.AdaptiveAvgPool2d. To
/// 1 x 1 it is global average pooling.
class AdaptiveAvgPool2d final : public Op {
 public:
  /// Throws usage for an output smaller than 1 x 1 or larger than 2^20 a side.
  AdaptiveAvgPool2d(int64_t out_h, int64_t out_w);
  std::string_view type() const override { return "AdaptiveAvgPool2d"; }
  Attributes attributes() const override;
  Shape output_shape(std::span<const Shape> in, std::string_view where) const override;
  int64_t out_h() const { return out_h_; }
  int64_t out_w() const { return out_w_; }
  std::span<const Implementation<float>> implementations(float) const override;
  std::span<const Implementation<double>> implementations(double) const override;

 private:
  int64_t out_h_, out_w_;
};

}  // namespace unfold
