// im2col: the patches of one image as the columns of a matrix; col2im: its adjoint, which adds each column
// back to the pixels it was cut from. Raw memory, one image; unfold/im2col.h has the batch and the checks.
#pragma once

#include "unfold/shape.h"

namespace unfold {

/// columns[(ic*KH + kh)*KW + kw][oh*OW + ow] <- image[ic][oh*SH - pad_top + kh*DH][ow*SW - pad_left + kw*DW]
///
/// image    (IC, IH, IW); a pixel outside it (in the padding) reads as 0
/// columns  (IC*KH*KW, OH*OW), overwritten; row r starts at columns + r*ld, ld >= OH*OW. All groups together:
///          group g owns rows g*IC/G*KH*KW and on
/// Instantiated for float and double. As torch.nn.Unfold.
template <class T>
void im2col(const Conv2dShape& shape, const T* image, T* columns, int64_t ld);

/// image[ic][oh*SH - pad_top + kh*DH][ow*SW - pad_left + kw*DW] += columns[(ic*KH + kh)*KW + kw][oh*OW + ow]
///
/// Overwrites the image (IC, IH, IW): the sum starts from 0. What falls into the padding is dropped. Each
/// pixel's sum runs over its taps (kh, kw) in rising order. As torch.nn.Fold.
template <class T>
void col2im(const Conv2dShape& shape, const T* columns, int64_t ld, T* image);

}  // namespace unfold
