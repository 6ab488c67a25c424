// Average pooling of one image the article's way: the columns of the image, read as (C, KH*KW, OH*OW),
// averaged over the middle axis; backward the gradient is divided, repeated KH*KW times and folded back by
// col2im.
#pragma once

#include "unfold/shape.h"

namespace unfold {

// x (C,IH,IW), y (C,OH,OW): one image; the shape has OC = IC = C, shape.n is not looked at. `scratch` holds
// avg_pool2d_scratch(shape) floats: the columns. The naive twins are in kernels/reference/pool2d.h.

int64_t avg_pool2d_scratch(const Conv2dShape& shape);

/// Overwrites y.
void avg_pool2d_forward(const Conv2dShape& shape, const float* x, float* y, bool count_include_pad,
                        float* scratch);

/// Overwrites dx.
void avg_pool2d_backward(const Conv2dShape& shape, const float* dy, float* dx, bool count_include_pad,
                         float* scratch);

}  // namespace unfold
