// Elementwise functions by their definition, through the C++ library's own tanh and exp.
#pragma once

#include <cstdint>

namespace unfold::reference {

// n elements; y is overwritten, dx is overwritten. y may be x, dx may be dy. Instantiated for float and
// double.

/// y = scale * tanh(x).
template <class T>
void tanh_forward(int64_t n, const T* x, T scale, T* y);
/// dx = dy * (scale - y*y/scale), which is scale * (1 - tanh(x)^2) written with the saved output.
template <class T>
void tanh_backward(int64_t n, const T* y, const T* dy, T scale, T* dx);

/// y = max(x, 0); NaN stays NaN.
template <class T>
void relu_forward(int64_t n, const T* x, T* y);
/// dx = y > 0 ? dy : 0.
template <class T>
void relu_backward(int64_t n, const T* y, const T* dy, T* dx);

/// y = 1 / (1 + exp(-x)).
template <class T>
void sigmoid_forward(int64_t n, const T* x, T* y);
/// dx = dy * y * (1 - y).
template <class T>
void sigmoid_backward(int64_t n, const T* y, const T* dy, T* dx);

}  // namespace unfold::reference
