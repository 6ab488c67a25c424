// Average pooling through columns, forward and backward, for two images with windows that overlap.
#include "docs/guide/code/matrix.h"
#include "unfold/im2col.h"
#include "unfold/kernels/reference/pool2d.h"

using namespace unfold;
using namespace unfold::guide;

/// columns (C*taps, P), read as (C, taps, P), averaged over the middle axis: (C, P)
Tensor mean_over_taps(const Tensor& columns, int64_t C) {
  const int64_t taps = columns.shape()[0] / C, P = columns.shape()[1];
  Tensor mean = Tensor::zeros<double>({C, P});
  for (int64_t c = 0; c < C; ++c)
    for (int64_t tap = 0; tap < taps; ++tap)
      for (int64_t p = 0; p < P; ++p)
        mean.data<double>()[c * P + p] +=
            columns.data<double>()[(c * taps + tap) * P + p] / static_cast<double>(taps);
  return mean;
}

/// dy (C, P) divided by the taps and repeated for each of them: (C*taps, P)
Tensor share_among_taps(const Tensor& dy, int64_t taps) {
  const int64_t C = dy.shape()[0], P = dy.shape()[1];
  Tensor columns = Tensor::zeros<double>({C * taps, P});
  for (int64_t r = 0; r < C * taps; ++r)
    for (int64_t p = 0; p < P; ++p)
      columns.data<double>()[r * P + p] = dy.data<double>()[r / taps * P + p] / static_cast<double>(taps);
  return columns;
}

int main() {
  const Tensor x = example_x({2, 2, 3, 3});
  const Window2d window = Window2d::square(2);
  const Conv2dShape s = Conv2dShape::infer(x.shape(), 2, window, "pooling");
  const Tensor dy = example_dy(s.y_shape());

  const Tensor y = split_images(mean_over_taps(im2col(x, window), s.ic), s.n);
  const Tensor shares = share_among_taps(join_images(dy.reshaped({s.n, s.ic, s.pixels()})), window.taps());
  const Tensor dx = col2im(shares, x.shape(), window);

  print("y", y.reshaped(s.y_shape()));
  print("dx", dx);

  Tensor library_y = Tensor::zeros<double>(s.y_shape()), library_dx = Tensor::zeros<double>(x.shape());
  reference::avg_pool2d_forward(s, x.data<double>(), library_y.data<double>(), true);
  reference::avg_pool2d_backward(s, dy.data<double>(), library_dx.data<double>(), true);
  return same(y.reshaped(s.y_shape()), library_y) && same(dx, library_dx) ? 0 : 1;
}
