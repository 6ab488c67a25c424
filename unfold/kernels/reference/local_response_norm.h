// Local response normalisation by its definition (Krizhevsky et al. 2012; torch.nn.LocalResponseNorm, ONNX's
// LRN).
#pragma once

#include "unfold/kernels/reference/batch_norm.h"

namespace unfold {

/// s[c] = k + alpha/size * sum of x[j]^2 over the channels c - size/2 .. c + (size-1)/2 that there are.
struct LocalResponse {
  int64_t size = 5;
  double alpha = 1e-4, beta = 0.75, k = 1;
};

namespace reference {

// One image in either order of its axes. Instantiated for float and double.

/// y = x * s^-beta. Overwrites y.
template <class T>
void local_response_norm_forward(const ChannelView& view, const LocalResponse& how, const T* x, T* y);

/// dx[c] = dy[c] s[c]^-beta - 2 alpha beta / size * x[c] * sum of dy[j] y[j] / s[j] over the channels j whose
/// windows hold c. Overwrites dx.
template <class T>
void local_response_norm_backward(const ChannelView& view, const LocalResponse& how, const T* x, const T* y,
                                  const T* dy, T* dx);

}  // namespace reference
}  // namespace unfold
