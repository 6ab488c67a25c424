#pragma once

#include "unfold/kernels/reference/pad.h"
#include "unfold/ops/op.h"

namespace unfold {

/// Pixels put around an image (C, H, W): a value, the image mirrored, or its edge repeated. torch.nn's
/// ConstantPad2d, ReflectionPad2d and ReplicationPad2d, ONNX's Pad.
class Pad final : public Op {
 public:
  /// Throws usage if a pad is negative or beyond 2^20, or the value is not finite.
  Pad(int64_t top, int64_t left, int64_t bottom, int64_t right, PadMode mode = PadMode::constant,
      double value = 0);
  std::string_view type() const override { return "Pad"; }
  Attributes attributes() const override;
  Shape output_shape(std::span<const Shape> in, std::string_view where) const override;
  /// The pads and the mode, without sizes of an image.
  const PadShape& how() const { return how_; }
  std::span<const Implementation<float>> implementations(float) const override;
  std::span<const Implementation<double>> implementations(double) const override;

 private:
  PadShape how_;
};

/// From attributes: `pads` (4), `mode` (0 constant, 1 reflect, 2 edge), `value`. Throws as Pad, and for
/// another mode.
std::shared_ptr<const Op> make_pad(const std::vector<int64_t>& pads, int64_t mode, double value);

}  // namespace unfold
