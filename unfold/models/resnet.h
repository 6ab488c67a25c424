#pragma once

#include "unfold/graph.h"

namespace unfold {

// Residual networks (He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2015) as
// torchvision has them (stride 2 in the 3 x 3 convolution of a bottleneck), parameters by torchvision's
// names.

/// 18, 34 or 50 layers, for images (3, H, W) of 32 pixels a side and more. Throws usage for another depth.
Graph resnet(int depth, const Shape& image = {3, 224, 224}, int64_t classes = 1000);

/// The paper's networks for CIFAR, of 6n + 2 layers: three stages of n blocks with 16, 32 and 64 channels.
/// Where the channels double, the short cut is a 1 x 1 convolution (the paper's option B) under torchvision's
/// names. Throws usage for another depth.
Graph resnet_cifar(int depth, const Shape& image = {3, 32, 32}, int64_t classes = 10);

}  // namespace unfold
