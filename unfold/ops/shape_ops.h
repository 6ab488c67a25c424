#pragma once

#include "unfold/ops/op.h"

namespace unfold {

/// y (N, C*H*W) <- x (N,C,H,W): the same elements in the same order.
class Flatten final : public Op {
 public:
  std::string_view type() const override { return "Flatten"; }
  Shape output_shape(std::span<const Shape> in, std::string_view) const override {
    return {in[0].elements()};
  }
  std::span<const Implementation<float>> implementations(float) const override;
  std::span<const Implementation<double>> implementations(double) const override;
};

/// The same value in another layout: put in by the lowering, never in a graph of the user's.
class Relayout final : public Op {
 public:
  /// One of the two is nchw.
  Relayout(Layout from, Layout to) : from_(from), to_(to) {}
  std::string_view type() const override { return "Relayout"; }
  Shape output_shape(std::span<const Shape> in, std::string_view) const override { return in[0]; }
  std::span<const Implementation<float>> implementations(float) const override;
  Conv2dShape window_shape(std::span<const Shape> in) const override;
  std::span<const Implementation<double>> implementations(double) const override { return {}; }

 private:
  Layout from_, to_;
};

/// Softmax over the features (N, classes). For training, give the loss the logits instead: it is stabler and
/// faster.
class Softmax final : public Op {
 public:
  std::string_view type() const override { return "Softmax"; }
  Shape output_shape(std::span<const Shape> in, std::string_view where) const override;
  std::span<const Implementation<float>> implementations(float) const override;
  std::span<const Implementation<double>> implementations(double) const override;
};

/// The logarithm of Softmax, by its stable form.
class LogSoftmax final : public Op {
 public:
  std::string_view type() const override { return "LogSoftmax"; }
  Shape output_shape(std::span<const Shape> in, std::string_view where) const override;
  std::span<const Implementation<float>> implementations(float) const override;
  std::span<const Implementation<double>> implementations(double) const override;
};

}  // namespace unfold
