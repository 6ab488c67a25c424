// Batch normalisation by vectors: the same sums and products as the reference's, in every bit on every
// target.
#pragma once

#include "unfold/kernels/reference/batch_norm.h"

namespace unfold {

// One image each; see reference/batch_norm.h for what they compute, and for what may be what.

void channel_sums(const ChannelView& view, const float* a, const float* b, double* sum, double* product);

void channel_affine(const ChannelView& view, const float* x, const float* center, const float* scale,
                    const float* shift, float* y);

/// channel_affine, then, if `residual` is not null, its elements added, then max(., 0): NaN and -0 stay.
/// Overwrites y, which may be x or `residual`.
void channel_affine_relu(const ChannelView& view, const float* x, const float* center, const float* scale,
                         const float* shift, const float* residual, float* y);

void channel_affine_backward(const ChannelView& view, const float* dy, const float* scale, const float* x,
                             const float* center, const float* slope, const float* shift, float* dx);

}  // namespace unfold
