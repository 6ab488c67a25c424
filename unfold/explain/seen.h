// What a network looked at in one image, by the methods people use, together.
#pragma once

#include <string>
#include <vector>

#include "unfold/explain/occlusion.h"
#include "unfold/explain/walk.h"

namespace unfold {

/// Sizes are the network's input's, (C, H, W); class scores are logits.
struct Seen {
  std::vector<float> saliency;  ///< (H, W), not negative
  std::vector<float> guided;    ///< guided backprop, (C, H, W)
  std::string layer;            ///< of Grad-CAM and the units: a convolution, or ""
  std::vector<float> grad_cam;  ///< (H, W), not negative; empty without a convolution
  Occlusion occlusion;
  int64_t occlusion_size = 0, occlusion_stride = 0;
  /// Of the layer's units that the image excites most, the first the most: the DeconvNet picture (C, H, W) of
  /// the strongest cell.
  struct Unit {
    int64_t unit = 0;
    float activation = 0;
    std::vector<float> pixels;
  };
  std::vector<Unit> units;
};

/// All of it for one preprocessed image x (C, H, W) and the class `c`; Grad-CAM and the `units` are those of
/// `layer`, a convolution, or of the last one if it is null. Throws what its parts throw.
Seen see(const Model& model, std::vector<float> x, int64_t c, const Node* layer, int64_t units, Engine engine,
         ThreadPool& pool);

}  // namespace unfold
