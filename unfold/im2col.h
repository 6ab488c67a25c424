// im2col and its adjoint col2im over whole batches: convolution as a matrix product over the matrix of
// patches.
//
//   columns (IC*KH*KW, N*OH*OW)       one column a place of the window, the images side by side
//   w       (OC, IC*KH*KW)            the kernels, one a row: a plain reshape of (OC,IC,KH,KW)
//   w * columns = (OC, N*OH*OW)       the output, images side by side: split_images makes it (N,OC,OH*OW)
//
// Batches lie image after image (N first), the matrices have the images side by side (N inside each row). For
// one image the two orders are the same, so a plain reshape between them seems to work; for two it exchanges
// pixels. split_images and join_images are the way from one to the other.
#pragma once

#include "unfold/shape.h"
#include "unfold/tensor.h"

namespace unfold {

/// Where each element of the columns of one image comes from: columns[r][c] = x[n][d[r]][i[r][c]][j[r][c]].
/// All int64. i and j count in the PADDED image, from its top left corner: take pad_top and pad_left off for
/// places in x itself.
struct Indices {
  Tensor i;  ///< row of the padded image, (IC*KH*KW, OH*OW)
  Tensor j;  ///< column of the padded image, (IC*KH*KW, OH*OW)
  Tensor d;  ///< channel, (IC*KH*KW, 1)
};

/// The index matrices for images of shape x (N,C,H,W), of which N does not matter. Throws usage if the window
/// does not fit.
Indices get_indices(const Shape& x, const Window2d& window);

/// The patches of x (N,IC,IH,IW), float or double, as the columns of a new matrix (IC*KH*KW, N*OH*OW):
///
///   columns[(ic*KH + kh)*KW + kw][n*OH*OW + oh*OW + ow]
///       = x[n][ic][oh*SH - pad_top + kh*DH][ow*SW - pad_left + kw*DW]        0 outside the image
///
/// Groups change nothing here: group g owns the rows from g*IC/G*KH*KW on. Throws usage if the window does
/// not fit or the elements are neither float nor double, runtime if the memory is not to be had.
Tensor im2col(const Tensor& x, const Window2d& window);

/// The adjoint of im2col: <im2col(x), y> = <x, col2im(y)>. Adds each column back to the pixels it was cut
/// from and returns new images of shape x (N,IC,IH,IW); what fell on the padding is dropped. So
/// col2im(im2col(x)) is not x but x times the number of windows over each pixel. Throws usage unless columns
/// is (IC*KH*KW, N*OH*OW).
Tensor col2im(const Tensor& columns, const Shape& x, const Window2d& window);

/// The matrix of image n alone, (rows, P), copied out of one of `images` images side by side, (rows,
/// images*P). Of im2col's matrix it is what torch.nn.Unfold gives for that image. Any dtype.
Tensor image_columns(const Tensor& columns, int64_t n, int64_t images);

/// (rows, images*P), images side by side, to (images, rows, P), image after image: a new tensor of any dtype.
/// np.array(np.hsplit(matrix, images)).
Tensor split_images(const Tensor& matrix, int64_t images);

/// (N, rows, P), image after image, to (rows, N*P), images side by side: a new tensor of any dtype.
/// np.concatenate(batch, axis=-1). The inverse of split_images.
Tensor join_images(const Tensor& batch);

}  // namespace unfold
