// Local response normalisation by vectors.
#pragma once

#include "unfold/kernels/reference/local_response_norm.h"

namespace unfold {

// As in reference/local_response_norm.h, with a power by the vector log and exp: about 4 ulp from it. The
// same bits on every target with fused products.

/// Floats of scratch that both want.
int64_t local_response_norm_scratch(const ChannelView& view, const LocalResponse& how);

void local_response_norm_forward(const ChannelView& view, const LocalResponse& how, const float* x, float* y,
                                 float* scratch);
void local_response_norm_backward(const ChannelView& view, const LocalResponse& how, const float* x,
                                  const float* y, const float* dy, float* dx, float* scratch);

}  // namespace unfold
