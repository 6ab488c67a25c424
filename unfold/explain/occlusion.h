// What the network says when it cannot see a part of the image.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "unfold/model.h"

namespace unfold {

struct OcclusionOptions {
  int64_t size = 8;    ///< side of the square that hides, in pixels of the network's input
  int64_t stride = 2;  ///< how far it moves
  double grey = 0.5;   ///< its brightness: 0 black, 1 white
};

/// The input cut into cells of stride x stride pixels, in rows; each holds what became of the class when a
/// square stood centred over the cell, cut off at the image's edge.
struct Occlusion {
  int64_t rows = 0, columns = 0;
  double whole = 0;                ///< the class's probability when nothing is hidden
  std::vector<float> probability;  ///< (rows, columns)
};

/// Slides a grey square over the network's input x (C, H, W) and asks for class c. Zeiler & Fergus 2013,
/// Visualizing and Understanding Convolutional Networks, section 4.2. Throws usage for a class that is not
/// there, an input of another size, a square or a stride below 1.
Occlusion occlusion(const Model& model, std::span<const float> x, int64_t c, const OcclusionOptions& options,
                    Engine engine, ThreadPool& pool);

}  // namespace unfold
