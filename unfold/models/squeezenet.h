#pragma once

#include "unfold/graph.h"

namespace unfold {

/// SqueezeNet 1.0 or, `small`, 1.1 (Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer
/// parameters", 2016) as torchvision has it, parameters by torchvision's names.
Graph squeezenet(bool small, const Shape& image = {3, 224, 224}, int64_t classes = 1000);

}  // namespace unfold
