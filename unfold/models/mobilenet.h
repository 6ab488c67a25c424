#pragma once

#include "unfold/graph.h"

namespace unfold {

/// MobileNet (Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision
/// applications", 2017), width 1, its depthwise and 1 x 1 convolutions each with batch normalisation and
/// ReLU. Parameters are features.I.0 (convolution), features.I.1 (normalisation), fc.
Graph mobilenet_v1(const Shape& image = {3, 224, 224}, int64_t classes = 1000);

/// MobileNetV2 (Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018), width 1, as
/// torchvision has it, parameters by torchvision's names.
Graph mobilenet_v2(const Shape& image = {3, 224, 224}, int64_t classes = 1000);

}  // namespace unfold
