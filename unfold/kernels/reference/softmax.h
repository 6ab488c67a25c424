// Softmax, and the cross-entropy of logits, by their definition in their stable form.
#pragma once

#include <cstdint>

#include "unfold/targets.h"

namespace unfold::reference {

// n rows of `classes` logits. Instantiated for float and double.

/// y[r][c] = exp(x[r][c] - m) / sum over k of exp(x[r][k] - m), m = the row's largest x.  Overwrites y; y may
/// be x.
template <class T>
void softmax_forward(int64_t n, int64_t classes, const T* x, T* y);

/// dx[r][c] = y[r][c] * (dy[r][c] - sum over k of dy[r][k] * y[r][k]).  Overwrites dx; dx may be dy.
template <class T>
void softmax_backward(int64_t n, int64_t classes, const T* y, const T* dy, T* dx);

/// y[r][c] = x[r][c] - m - log(sum over k of exp(x[r][k] - m)).  Overwrites y; y may be x.
template <class T>
void log_softmax_forward(int64_t n, int64_t classes, const T* x, T* y);

/// dx[r][c] = dy[r][c] - exp(y[r][c]) * sum over k of dy[r][k].  Overwrites dx; dx may be dy.
template <class T>
void log_softmax_backward(int64_t n, int64_t classes, const T* y, const T* dy, T* dx);

/// loss[r] = sum over c of t[c] * (log(sum over k of exp(x[r][k] - m)) - (x[r][c] - m)): the row's
/// cross-entropy with its target t in nats, in double (torch.nn.CrossEntropyLoss). dx[r][c] = scale *
/// (softmax(x[r])[c] - t[c]): with scale = 1/N the gradient of the batch's mean. Overwrites loss (n) and dx
/// (n, classes); dx may be null or x.
template <class T>
void cross_entropy(int64_t n, int64_t classes, const T* x, const Targets& targets, T scale, double* loss,
                   T* dx);

}  // namespace unfold::reference
