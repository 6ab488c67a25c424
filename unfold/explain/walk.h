// One image's way through a network with every value kept, and ways back from any value to an earlier one.
// What the pictures of this folder are made from: one image, so the im2col engine's kernels, node by node.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "unfold/model.h"

namespace unfold {

/// What a ReLU y = max(x, 0) lets back of dy. All else goes back as its gradient: a convolution and a linear
/// layer by their transposed weights, without a bias; max pooling to the place the maximum came from (the
/// switches of Zeiler & Fergus; what windows that overlap send to one place adds up); average pooling evenly
/// to its window; batch normalisation by its factor; tanh, sigmoid and softmax by their derivative, under
/// every rule: the papers know ReLU only. Dropout passes.
enum class ReluRule {
  gradient,   ///< dx = dy where y > 0: the derivative
  deconvnet,  ///< dx = dy where dy > 0 (Zeiler & Fergus 2013, Visualizing and Understanding Convolutional
              ///< Networks)
  guided,     ///< dx = dy where both are (Springenberg et al. 2014, Striving for Simplicity)
};

class Walk {
 public:
  /// Runs the network forward on one preprocessed image x (C, H, W), without dropout. Throws usage if x or
  /// the parameters have another size than the graph's. `model` must outlive this and not change.
  Walk(const Model& model, std::vector<float> x);
  Walk(Walk&&) = default;
  Walk& operator=(Walk&&) = default;

  const Model& model() const { return *model_; }
  const Graph& graph() const { return model_->graph; }
  /// A value in the shape the graph gives it; that of graph().input() is x.
  std::span<const float> value(ValueId value) const { return values_.at(static_cast<size_t>(value.index)); }

  /// What of dy, given at the value `from` and in its shape, arrives at the earlier value `to`, in its shape;
  /// all 0 where no way leads there. Throws usage if dy has another size or `to` lies behind `from`.
  std::vector<float> backward(ValueId from, std::span<const float> dy, ValueId to, ReluRule rule) const;

 private:
  struct Step {
    const Implementation<float>* kernel = nullptr;
    std::vector<Shape> shapes;  // of the inputs
    Call<float> call;           // n = 1, with sizes, weights, inputs and output
    Buffer saved;
  };
  void step_back(size_t node, int input, std::span<const float> dy, ReluRule rule, std::span<float> dx) const;

  const Model* model_;
  std::vector<std::vector<float>> values_;  // by value
  std::vector<Step> steps_;                 // by node
};

/// The network's input (C, H, W) for the bytes of one image (C, image_h, image_w), by the model's
/// preprocessing. Throws usage for another number of bytes.
std::vector<float> network_input(const Model& model, std::span<const uint8_t> image);

/// The way back: a network's input in the brightness of a picture, x * std + mean; 0 is black, 1 white. (C,
/// H, W).
std::vector<float> brightness(const Model& model, std::span<const float> x);

}  // namespace unfold
