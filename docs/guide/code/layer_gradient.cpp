// The gradient of a convolution's input three times: by col2im, as a full convolution, and by the library's
// loops.
#include "docs/guide/code/matrix.h"
#include "unfold/im2col.h"
#include "unfold/kernels/reference/conv2d.h"

using namespace unfold;
using namespace unfold::guide;

/// w (OC,IC,KH,KW) turned by 180 degrees, input and output channels exchanged: (IC,OC,KH,KW)
Tensor turned(const Tensor& w) {
  const int64_t OC = w.shape()[0], IC = w.shape()[1], KH = w.shape()[2], KW = w.shape()[3];
  Tensor t = Tensor::zeros<double>({IC, OC, KH, KW});
  for (int64_t oc = 0; oc < OC; ++oc)
    for (int64_t ic = 0; ic < IC; ++ic)
      for (int64_t kh = 0; kh < KH; ++kh)
        for (int64_t kw = 0; kw < KW; ++kw)
          t.data<double>()[((ic * OC + oc) * KH + KH - 1 - kh) * KW + KW - 1 - kw] =
              w.data<double>()[((oc * IC + ic) * KH + kh) * KW + kw];
  return t;
}

int main() {
  const Tensor w = example_w({2, 3, 2, 2}), dy = example_dy({2, 2, 3, 3});
  const Shape image{2, 3, 4, 4};
  const Window2d window = Window2d::square(2);

  const Tensor dy_rows = join_images(dy.reshaped({2, 2, 9}));                 // (OC, N*OH*OW)
  const Tensor dcolumns = product(transposed(w.reshaped({2, 12})), dy_rows);  // (IC*KH*KW, N*OH*OW)
  const Tensor dx = col2im(dcolumns, image, window);

  // The same as a convolution of dy, with padding KH-1 and KW-1.
  const Conv2dShape full = Conv2dShape::infer(dy.shape(), 3, Window2d::square(2, 1, 1), "full convolution");
  Tensor by_convolution = Tensor::zeros<double>(image);
  reference::conv2d_forward(full, dy.data<double>(), turned(w).data<double>(),
                            static_cast<const double*>(nullptr), by_convolution.data<double>());

  print("dx of image 0, channel 0", Tensor::borrow({4, 4}, dx.data<double>()));

  const Conv2dShape s = Conv2dShape::infer(image, 2, window, "layer_gradient");
  Tensor library = Tensor::zeros<double>(image);
  reference::conv2d_backward_data(s, w.data<double>(), dy.data<double>(), library.data<double>());
  return same(dx, by_convolution) && same(dx, library) ? 0 : 1;
}
