// Elementwise functions on vectors; the naive twins are in kernels/reference/activation.h.
#pragma once

#include <cstdint>

#include "unfold/targets.h"

namespace unfold {

// n floats; the output is overwritten and may be the input. NaN stays NaN. An element's result depends on
// that element alone, so any split into ranges gives the same bits. Errors are against the exact value, over
// every float (tests/kernels/activation_test.cpp measures them); results below 2^-126 are flushed to zero.

/// y = scale * tanh(x).  At most 5 ulp for scale = 1.
void tanh_forward(int64_t n, const float* x, float scale, float* y);
/// dx = dy * (scale - y*y/scale).
void tanh_backward(int64_t n, const float* y, const float* dy, float scale, float* dx);

/// dx = dy where y > 0, else 0. A loop over a select would branch where dx is dy.
void relu_backward(int64_t n, const float* y, const float* dy, float* dx);

/// y = 1 / (1 + exp(-x)).  At most 3 ulp.
void sigmoid_forward(int64_t n, const float* x, float* y);

/// y = exp(x).  At most 2 ulp; above 88.72 infinity.
void exp_forward(int64_t n, const float* x, float* y);

/// Softmax of n rows of `classes` floats, as reference::softmax_forward. Overwrites y; y may be x.
void softmax_forward(int64_t n, int64_t classes, const float* x, float* y);

/// Loss and gradient of n rows of logits, as reference::cross_entropy. Overwrites loss and dx; dx may be x
/// but not null.
void cross_entropy(int64_t n, int64_t classes, const float* x, const Targets& targets, float scale,
                   double* loss, float* dx);

}  // namespace unfold
