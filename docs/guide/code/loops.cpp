// The seven loops, on three channels of 4x4 pixels and two kernels of 2x2.
#include "docs/guide/code/matrix.h"
#include "unfold/kernels/reference/conv2d.h"

using namespace unfold;
using namespace unfold::guide;

int main() {
  const int64_t N = 1, IC = 3, IH = 4, IW = 4, OC = 2, KH = 2, KW = 2;
  const int64_t OH = IH - KH + 1, OW = IW - KW + 1;
  const Tensor image = example_x({N, IC, IH, IW}), kernels = example_w({OC, IC, KH, KW});
  Tensor output = Tensor::zeros<double>({N, OC, OH, OW});
  const double *x = image.data<double>(), *w = kernels.data<double>();
  double* y = output.data<double>();

  for (int64_t n = 0; n < N; ++n)
    for (int64_t oc = 0; oc < OC; ++oc)
      for (int64_t oh = 0; oh < OH; ++oh)
        for (int64_t ow = 0; ow < OW; ++ow)
          for (int64_t ic = 0; ic < IC; ++ic)
            for (int64_t kh = 0; kh < KH; ++kh)
              for (int64_t kw = 0; kw < KW; ++kw)
                y[((n * OC + oc) * OH + oh) * OW + ow] += x[((n * IC + ic) * IH + oh + kh) * IW + ow + kw] *
                                                          w[((oc * IC + ic) * KH + kh) * KW + kw];

  print("y", output);

  const Conv2dShape s = Conv2dShape::infer(image.shape(), OC, Window2d::square(2), "loops");
  Tensor library = Tensor::zeros<double>(s.y_shape());
  reference::conv2d_forward(s, x, w, static_cast<const double*>(nullptr), library.data<double>());
  return same(output, library) ? 0 : 1;
}
