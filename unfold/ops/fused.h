// Operators that the lowering makes of two: one pass over memory in place of two, the same bits. They exist
// only on the lane layout and never in a graph of the user's.
#pragma once

#include <memory>

#include "unfold/ops/op.h"

namespace unfold {

/// An activation and the pooling that alone reads it, or null where there is no such kernel: Tanh with
/// AvgPool2d and Relu with MaxPool2d, for windows that tile the image. `in` is the activation's input shape.
std::shared_ptr<const Op> fuse(const Op& activation, const Op& pooling, const Shape& in);

}  // namespace unfold
