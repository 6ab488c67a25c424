// Pooling by its definition: plain loops. The oracle of the im2col pooling, and the `naive` engine.
#pragma once

#include "unfold/shape.h"

namespace unfold::reference {

// x (N,C,IH,IW), y (N,C,OH,OW); the shape has OC = IC = C. Instantiated for float and double.

/// Rows and columns of the shape's padding that are there for a last window that is not whole (ceil_padding),
/// and count nowhere.
struct Beyond {
  int64_t bottom = 0, right = 0;
};

/// y[n][c][oh][ow] = mean of x under the window. Overwrites y. The mean divides by KH*KW, counting the zeros
/// of the padding (but not what is `beyond` it), or, without count_include_pad, by the number of pixels
/// inside the image (0 pixels: y = 0).
template <class T>
void avg_pool2d_forward(const Conv2dShape& s, const T* x, T* y, bool count_include_pad,
                        const Beyond& beyond = {});

/// dx = each dy divided as in the forward pass and handed to every pixel under its window. Overwrites dx.
template <class T>
void avg_pool2d_backward(const Conv2dShape& s, const T* dy, T* dx, bool count_include_pad,
                         const Beyond& beyond = {});

/// y[n][c][oh][ow] = largest x under the window; argmax holds its place ih*IW + iw (the first one in row
/// order where several are equal, as in PyTorch; NaN wins, so that it is not hidden). A window wholly inside
/// the padding gives 0 and argmax -1. Overwrites y and argmax.
template <class T>
void max_pool2d_forward(const Conv2dShape& s, const T* x, T* y, int32_t* argmax);

/// dx[n][c][argmax[n][c][oh][ow]] += dy[n][c][oh][ow].  Overwrites dx.
template <class T>
void max_pool2d_backward(const Conv2dShape& s, const T* dy, const int32_t* argmax, T* dx);

}  // namespace unfold::reference
