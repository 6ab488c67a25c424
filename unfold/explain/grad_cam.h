// Where in the image a layer's maps speak for a class.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "unfold/explain/walk.h"

namespace unfold {

struct GradCam {
  int64_t h = 0, w = 0;        ///< of the layer's maps
  std::vector<float> weights;  ///< (C): the mean over its map of d score / d A
  std::vector<float> map;      ///< (h, w): max(sum over C of weight * A, 0), in units of the score
};

/// Grad-CAM of class c (its logit) at a value A (C, h, w) of the walk: any one behind a convolution, most
/// often the activation of the last (activation_of). Selvaraju et al. 2016, Grad-CAM, equations 1 and 2.
/// Throws usage for a value that is no maps, or a class that is not there.
GradCam grad_cam(const Walk& walk, ValueId layer, int64_t c);

/// The map over the network's input, (H, W): resized, bilinearly.
std::vector<float> over_input(const GradCam& cam, const Walk& walk);

/// A map (h, w) as (out_h, out_w), as torch's interpolate(mode="bilinear", align_corners=False) makes it.
/// Throws usage for sizes below 1 or that do not fit `map`.
std::vector<float> resize_map(std::span<const float> map, int64_t h, int64_t w, int64_t out_h, int64_t out_w);

}  // namespace unfold
