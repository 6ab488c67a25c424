#pragma once

#include "unfold/graph.h"

namespace unfold {

/// VGG-16 (configuration D of Simonyan and Zisserman, "Very deep convolutional networks for large-scale image
/// recognition", 2014) for 3 x 224 x 224 images. Parameters go by torchvision's names.
Graph vgg16(int64_t classes = 1000);

}  // namespace unfold
