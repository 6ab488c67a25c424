// Convolution of one image the article's way: im2col, one matrix product per group, col2im.
//
//   y  = w * columns + b          (OC, IC*KH*KW) x (IC*KH*KW, OH*OW)
//   dx = col2im(w^T * dy)
//   dw += dy * columns^T,  db += sum of dy over the pixels
//
// Their naive twins are in kernels/reference/conv2d.h.
#pragma once

#include "unfold/shape.h"

namespace unfold {

// x (IC,IH,IW), w (OC,IC/G,KH,KW), b (OC) or null, y (OC,OH,OW): one image; shape.n is not looked at.
// `scratch` holds conv2d_scratch(shape) floats, 64-byte aligned, overwritten: one image's columns and the
// product's panel.

int64_t conv2d_scratch(const Conv2dShape& shape);

/// Overwrites y.
void conv2d_forward(const Conv2dShape& shape, const float* x, const float* w, const float* b, float* y,
                    float* scratch);

/// Overwrites dx.
void conv2d_backward_data(const Conv2dShape& shape, const float* w, const float* dy, float* dx,
                          float* scratch);

/// Accumulates into dw and db (db may be null). The sum over an image's pixels is cut into row groups of at
/// most 1024 pixels, each summed from 0 and then added: one long chain in float would lose digits.
void conv2d_backward_weights(const Conv2dShape& shape, const float* x, const float* dy, float* dw, float* db,
                             float* scratch);

}  // namespace unfold
