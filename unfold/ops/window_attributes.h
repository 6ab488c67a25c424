// Window2d to and from an operator's attributes, in ONNX's names: kernel_shape, strides, pads, dilations,
// group.
#pragma once

#include "unfold/ops/op.h"

namespace unfold {

/// kernel_shape (2), strides (2), pads (top, left, bottom, right), dilations (2).
Attributes window_attributes(const Window2d& window);

/// The reverse; `groups` is read where present. Throws model naming the attribute if one is missing or no
/// whole number.
Window2d window_of(const Attributes& attributes);

/// One whole number, or `otherwise` where it is missing.
int64_t integer_of(const Attributes& attributes, const std::string& name, int64_t otherwise);

}  // namespace unfold
