// The convolutions that bench_layers times.
#pragma once

#include <span>

#include "unfold/shape.h"

namespace unfold::bench {

/// A square convolution of a square image.
struct Layer {
  const char* name;
  int64_t ic, size, oc, kernel, stride, pad;
  int64_t groups = 1;

  Conv2dShape shape(int64_t batch) const {
    return Conv2dShape::infer({batch, ic, size, size}, oc, Window2d::square(kernel, stride, pad, 1, groups),
                              name);
  }
};

/// Those of AlexNet, VGG-16, ResNet-18 and ResNet-50, every shape once, in the network that has it first;
/// then the depthwise ones of MobileNetV1.
std::span<const Layer> layers();

}  // namespace unfold::bench
