// The fully connected layer as matrix products; the naive twins are in kernels/reference/linear.h.
#pragma once

#include <cstdint>

namespace unfold {

// n rows: x (n,IN), w (OUT,IN), b (OUT) or null, y (n,OUT). `scratch` holds linear_scratch floats, 64-byte
// aligned, overwritten. Each output is one chain over its inputs, whatever n is.

int64_t linear_scratch(int64_t n, int64_t in, int64_t out);

/// y = x * w^T + b, outputs [o0, o1) of it.  Overwrites them. Computed as y^T = w * x^T, so that x is
/// transposed and w is read as it lies.
void linear_forward(int64_t n, int64_t in, int64_t out, int64_t o0, int64_t o1, const float* x,
                    const float* w, const float* b, float* y, float* scratch);

/// dx = dy * w, inputs [i0, i1) of it.  Overwrites them.
void linear_backward_data(int64_t n, int64_t in, int64_t out, int64_t i0, int64_t i1, const float* w,
                          const float* dy, float* dx, float* scratch);

/// dw[o0 .. o1) = (dy^T * x)[o0 .. o1),  db[o0 .. o1) likewise.  Adds to them, or overwrites them where
/// `overwrite`; dw and db point at row o0; db may be null. Rows of dw are independent of one another: any
/// split into ranges gives the same bits.
void linear_backward_weights(int64_t n, int64_t in, int64_t out, int64_t o0, int64_t o1, const float* x,
                             const float* dy, bool overwrite, float* dw, float* db, float* scratch);

}  // namespace unfold
