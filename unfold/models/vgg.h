#pragma once

#include "unfold/graph.h"

namespace unfold {

// VGG (Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014) as
// torchvision has it, parameters by torchvision's names.

/// Configuration A, B, D or E of the paper by its number of layers: 11, 13, 16 or 19, with batch
/// normalisation behind each convolution or without. Images (3, H, W) of 32 pixels a side and more. Throws
/// usage for another depth.
Graph vgg(int depth, bool batch_norm, const Shape& image = {3, 224, 224}, int64_t classes = 1000);

/// The same convolutions for small images, with one linear layer behind them.
Graph vgg_small(int depth, bool batch_norm, const Shape& image = {3, 32, 32}, int64_t classes = 10);

}  // namespace unfold
