// Elementwise functions by their definition.
#pragma once

#include "unfold/kernels/pointwise_function.h"

namespace unfold::reference {

// n elements. NaN stays NaN. Instantiated for float and double.

/// y = f(x). Overwrites y; y may be x.
template <class T>
void pointwise_forward(const PointwiseFunction& f, int64_t n, const T* x, T* y);

/// dx = dy f'(x); where f bends, PyTorch's choice: a for leaky_relu and elu, a b for selu, 0 for clip and
/// hard_sigmoid, 0 at -3 and 1 at 3 for hard_swish. Overwrites dx; dx may be dy.
template <class T>
void pointwise_backward(const PointwiseFunction& f, int64_t n, const T* x, const T* dy, T* dx);

}  // namespace unfold::reference
