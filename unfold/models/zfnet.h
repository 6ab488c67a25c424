#pragma once

#include "unfold/graph.h"

namespace unfold {

/// ZFNet (Zeiler and Fergus, "Visualizing and understanding convolutional networks", 2013, figure 3): AlexNet
/// with a finer first layer, found by looking through a DeconvNet. Its contrast normalisation across feature
/// maps is the local response normalisation of AlexNet's paper. Poolings count a last window that is not
/// whole (ceil_mode), which gives the paper's sizes.
Graph zfnet(const Shape& image = {3, 224, 224}, int64_t classes = 1000);

/// A form for small images: kernels and strides to match, and smaller linear layers.
Graph zfnet_small(const Shape& image = {3, 32, 32}, int64_t classes = 10);

}  // namespace unfold
