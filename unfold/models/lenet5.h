// LeNet-5 (LeCun, Bottou, Bengio, Haffner 1998) as the field trains it today: 61,706 parameters.
#pragma once

#include "unfold/graph.h"

namespace unfold {

// Both map input (1, 32, 32) to 10 logits, and every map of conv2 sees every map of pool1.

/// As the field trains it today: ReLU and max pooling.
Graph lenet5();

/// The article's, close to that of 1998: 1.7159 * tanh and average pooling.
Graph lenet5_article();

}  // namespace unfold
