// The gradient of the kernels twice: as a matrix product, and as a convolution of x with dy.
#include "docs/guide/code/matrix.h"
#include "unfold/im2col.h"
#include "unfold/kernels/reference/conv2d.h"

using namespace unfold;
using namespace unfold::guide;

Tensor ones(const Shape& shape) {
  Tensor t = Tensor::zeros<double>(shape);
  for (double& v : t.span<double>()) v = 1;
  return t;
}

/// The first two axes exchanged: (A,B,H,W) to (B,A,H,W)
Tensor exchanged(const Tensor& t) {
  return t.transposed(0, 1).clone();
}

int main() {
  const Tensor x = example_x({2, 3, 4, 4}), dy = example_dy({2, 2, 3, 3});
  const Window2d window = Window2d::square(2);
  const Conv2dShape s = Conv2dShape::infer(x.shape(), 2, window, "kernel_gradient");

  const Tensor dy_rows = join_images(dy.reshaped({2, 2, 9}));         // (OC, N*OH*OW)
  const Tensor dw = product(dy_rows, transposed(im2col(x, window)));  // (OC, IC*KH*KW)
  const Tensor db = product(dy_rows, ones({18, 1}));                  // (OC, 1): sums of rows

  // Channels as images, images as channels: dy slides over x, and what comes out is as large as a kernel.
  const Conv2dShape slide = Conv2dShape::infer({3, 2, 4, 4}, 2, Window2d::square(3), "dy as kernel");
  Tensor by_convolution = Tensor::zeros<double>(slide.y_shape());  // (IC, OC, KH, KW)
  reference::conv2d_forward(slide, exchanged(x).data<double>(), exchanged(dy).data<double>(),
                            static_cast<const double*>(nullptr), by_convolution.data<double>());

  print("dw", dw);
  print("db", transposed(db));

  Tensor library = Tensor::zeros<double>(s.w_shape()), library_db = Tensor::zeros<double>({2, 1});
  reference::conv2d_backward_weights(s, x.data<double>(), dy.data<double>(), library.data<double>(),
                                     library_db.data<double>());
  const bool right = same(dw.reshaped(s.w_shape()), library) && same(db, library_db) &&
                     same(exchanged(by_convolution), library);
  return right ? 0 : 1;
}
