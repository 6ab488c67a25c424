// LeNet-5 (LeCun, Bottou, Bengio, Haffner 1998) as the field trains it today: 61,706 parameters.
#pragma once

#include "unfold/graph.h"

namespace unfold {

/// The article's network: 1.7159 * tanh, average pooling, every map of conv2 connected to every map of pool1.
/// Input (1, 32, 32), output 10 logits.
Graph lenet5();

}  // namespace unfold
