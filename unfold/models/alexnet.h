#pragma once

#include "unfold/graph.h"

namespace unfold {

/// AlexNet for 3 x 224 x 224 images as torchvision has it: the one-tower variant of Krizhevsky, "One weird
/// trick for parallelizing convolutional neural networks" (2014). Parameters go by torchvision's names.
Graph alexnet(int64_t classes = 1000);

}  // namespace unfold
