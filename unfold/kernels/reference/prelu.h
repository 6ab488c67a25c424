// ReLU with a learned slope below zero, a channel its own or one for all (He et al. 2015).
#pragma once

#include "unfold/kernels/reference/batch_norm.h"

namespace unfold::reference {

// One image in either order of its axes, w (C) of view.channels slopes; one slope for all is a view of one
// channel. Instantiated for float and double.

/// y = x where x > 0, else w[c] x. Overwrites y.
template <class T>
void prelu_forward(const ChannelView& view, const T* x, const T* w, T* y);

/// dx = dy where x > 0, else w[c] dy. Overwrites dx; dx may be dy.
template <class T>
void prelu_backward(const ChannelView& view, const T* x, const T* w, const T* dy, T* dx);

/// dw[c] += sum over the channel's pixels where x is not above 0 of x dy. Accumulates.
template <class T>
void prelu_backward_weights(const ChannelView& view, const T* x, const T* dy, T* dw);

}  // namespace unfold::reference
