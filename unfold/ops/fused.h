// Operators that the lowering makes of two or three: one pass over memory in place of several, the same bits.
// They exist only on the fast engine's layouts and never in a graph of the user's.
#pragma once

#include <memory>

#include "unfold/ops/op.h"

namespace unfold {

/// One operator for two, of which the second alone reads the first, or null where there is no such kernel in
/// this layout. In lanes: Tanh with AvgPool2d and Relu with MaxPool2d, for windows that tile the image; in
/// NHWC: Conv2d with Relu; in both: BatchNorm with Relu, and Add with Relu. `in` is the shape of the value
/// between them.
std::shared_ptr<const Op> fuse(const Op& first, const Op& second, const Shape& in, Layout layout);

/// The end of a residual block as one operator, of two inputs: what the normalisation reads, and what is
/// added to its output, which has the same shape. Or null, if these are not a BatchNorm, an Add and a Relu.
std::shared_ptr<const Op> fuse_residual(const Op& norm, const Op& add, const Op& activation);

/// In lanes, a convolution whose input's gradient nobody wants, with its activation and pooling, or null: a
/// band of rows goes through all of them while it lies in the cache. `in` is the convolution's input shape.
std::shared_ptr<const Op> fuse(const Op& convolution, const Op& activation, const Op& pooling,
                               const Shape& in);

}  // namespace unfold
