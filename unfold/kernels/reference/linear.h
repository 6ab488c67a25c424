// The fully connected layer by its definition.
#pragma once

#include <cstdint>

namespace unfold::reference {

// n rows: x (n,IN), w (OUT,IN), b (OUT) or null, y (n,OUT). Instantiated for float and double.

/// y[r][o] = b[o] + sum over i of x[r][i] * w[o][i].  Overwrites y.
template <class T>
void linear_forward(int64_t n, int64_t in, int64_t out, const T* x, const T* w, const T* b, T* y);

/// dx[r][i] = sum over o of dy[r][o] * w[o][i].  Overwrites dx.
template <class T>
void linear_backward_data(int64_t n, int64_t in, int64_t out, const T* w, const T* dy, T* dx);

/// dw[o][i] += sum over r of dy[r][o] * x[r][i];  db[o] += sum over r of dy[r][o].  Accumulates; db may be
/// null.
template <class T>
void linear_backward_weights(int64_t n, int64_t in, int64_t out, int64_t o0, int64_t o1, const T* x,
                             const T* dy, T* dw, T* db);

}  // namespace unfold::reference
