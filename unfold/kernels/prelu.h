// ReLU with a learned slope, by vectors.
#pragma once

#include "unfold/kernels/reference/prelu.h"

namespace unfold {

// As in reference/prelu.h; the same bits on every target.

void prelu_forward(const ChannelView& view, const float* x, const float* w, float* y);
void prelu_backward(const ChannelView& view, const float* x, const float* w, const float* dy, float* dx);

/// Accumulates into dw: of each channel, or, where channels lie innermost, of each group of 1,024 pixels, one
/// sum after the other; a channel's pixels in the 16 chains and the tree of sum(), in groups of the same
/// size. `scratch`: prelu_scratch() floats.
void prelu_backward_weights(const ChannelView& view, const float* x, const float* dy, float* dw,
                            float* scratch);
int64_t prelu_scratch(const ChannelView& view);

}  // namespace unfold
