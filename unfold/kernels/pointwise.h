// Elementwise functions by vectors.
#pragma once

#include "unfold/kernels/reference/pointwise.h"

namespace unfold {

// As in reference/pointwise.h, with this library's own exp and log; the same bits on every target with fused
// products.

void pointwise_forward(const PointwiseFunction& f, int64_t n, const float* x, float* y);
void pointwise_backward(const PointwiseFunction& f, int64_t n, const float* x, const float* dy, float* dx);

}  // namespace unfold
