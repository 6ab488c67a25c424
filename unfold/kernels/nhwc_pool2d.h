// Pooling of one image with the channels innermost: every pixel is a row of vectors. The naive twins are in
// kernels/reference/pool2d.h; the same bits.
#pragma once

#include "unfold/shape.h"

namespace unfold {

// x (IH,IW,C), y (OH,OW,C); the shape has OC = IC = C, s.n is not looked at. dx is overwritten.

/// Overwrites y and argmax (OH,OW,C): the place ih*IW + iw of the largest, or -1 under a window wholly in the
/// padding.
void nhwc_max_pool2d_forward(const Conv2dShape& s, const float* x, float* y, int32_t* argmax);
void nhwc_max_pool2d_backward(const Conv2dShape& s, const float* dy, const int32_t* argmax, float* dx);

/// Overwrites y.
void nhwc_avg_pool2d_forward(const Conv2dShape& s, const float* x, float* y, bool count_include_pad);
void nhwc_avg_pool2d_backward(const Conv2dShape& s, const float* dy, float* dx, bool count_include_pad);

}  // namespace unfold
