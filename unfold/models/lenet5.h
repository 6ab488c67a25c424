// LeNet-5 (LeCun, Bottou, Bengio, Haffner 1998) as the field trains it today: 61,706 parameters.
#pragma once

#include "unfold/graph.h"

namespace unfold {

// Every map of conv2 sees every map of pool1. Images (C, H, W) are 16 pixels a side at least.

/// As the field trains it today: ReLU and max pooling.
Graph lenet5(const Shape& image = {1, 32, 32}, int64_t classes = 10);

/// The article's, close to that of 1998: 1.7159 * tanh and average pooling.
Graph lenet5_article(const Shape& image = {1, 32, 32}, int64_t classes = 10);

}  // namespace unfold
