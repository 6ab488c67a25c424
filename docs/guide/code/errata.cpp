// What goes wrong, in numbers: the article's code in plain C++ beside what is right.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "docs/guide/code/matrix.h"
#include "unfold/im2col.h"
#include "unfold/kernels/reference/activation.h"
#include "unfold/kernels/reference/conv2d.h"
#include "unfold/kernels/reference/pool2d.h"
#include "unfold/kernels/reference/softmax.h"

using namespace unfold;
using namespace unfold::guide;

namespace {

bool right = true;

void expect(bool condition) {
  right = right && condition;
}

/// 1: the shape of padded[pad:-pad, pad:-pad, :, :] and of padded[:, :, pad:-pad, pad:-pad].
void padding() {
  const int64_t N = 4, C = 3, H = 4, W = 4, pad = 1;
  const Shape padded{N, C, H + 2 * pad, W + 2 * pad};
  const Shape wrong{padded[0] - 2 * pad, padded[1] - 2 * pad, padded[2], padded[3]};
  const Window2d window = Window2d::square(3, 1, pad);
  const Tensor dx = col2im(im2col(places({N, C, H, W}), window), {N, C, H, W}, window);
  std::printf("1  dx: cropped %s, wanted %s\n", wrong.text().c_str(), dx.shape().text().c_str());
  expect(!(wrong == dx.shape()));
}

/// 2: the slope of 1.7159 tanh(x) at 0.5.
void slope() {
  const double x = 0.5, h = 1e-5, scale = 1.7159, dy = 1;
  const double difference = scale * (std::tanh(x + h) - std::tanh(x - h)) / (2 * h);
  double y = 0, dx = 0;
  reference::tanh_forward(1, &x, scale, &y);
  reference::tanh_backward(1, &y, &dy, scale, &dx);
  const double without = 1 - std::tanh(x) * std::tanh(x);
  std::printf("2  slope: without the factor %.4f, with it %.4f, by differences %.4f\n", without, dx,
              difference);
  expect(std::fabs(dx - difference) < 1e-6 && std::fabs(without - difference) > 0.1);
}

/// 3: average pooling's gradient with its two plain reshapes: the planes of images and channels change places
/// twice.
void reshaped_twice() {
  const int64_t N = 2, C = 3;
  const Window2d window = Window2d::square(2);
  const Conv2dShape s = Conv2dShape::infer({N, C, 3, 3}, C, window, "pooling");
  const Tensor dy = example_dy(s.y_shape());
  const Tensor rows = dy.reshaped({C, N * s.pixels()});  // not join_images
  Tensor columns = Tensor::zeros<double>({C * 4, N * s.pixels()});
  for (int64_t k = 0; k < columns.elements(); ++k) {
    const int64_t width = N * s.pixels();
    columns.data<double>()[k] = rows.data<double>()[k / width / 4 * width + k % width] / 4;
  }
  const Tensor folded = col2im(columns, s.x_shape(), window);
  // reshape(N, -1), hsplit into C, reshape to (N, C, H, W)
  const Tensor dx = folded.reshaped({N, C, 9}).transposed(0, 1).clone().reshaped(s.x_shape());
  Tensor wanted = Tensor::zeros<double>(s.x_shape());
  reference::avg_pool2d_backward(s, dy.data<double>(), wanted.data<double>(), true);
  std::printf("3  dx of pooling: after col2im %s, after the second exchange %s\n",
              same(folded, wanted) ? "right" : "wrong", same(dx, wanted) ? "right" : "wrong");
  expect(!same(folded, wanted) && same(dx, wanted));
}

/// 5: the kernels' gradient of one image, and of the same image four times.
void sums_and_means() {
  const Window2d window = Window2d::square(2);
  const auto first_weight = [&](int64_t N) {
    const Conv2dShape s = Conv2dShape::infer({N, 1, 3, 3}, 1, window, "sums");
    Tensor x = Tensor::zeros<double>(s.x_shape()), dy = Tensor::zeros<double>(s.y_shape()),
           dw = Tensor::zeros<double>(s.w_shape());
    for (int64_t k = 0; k < x.elements(); ++k) x.data<double>()[k] = static_cast<double>(k % 9);
    for (double& v : dy.span<double>()) v = 0.5;
    reference::conv2d_backward_weights(s, x.data<double>(), dy.data<double>(), dw.data<double>(),
                                       static_cast<double*>(nullptr));
    return dw.data<double>()[0];
  };
  const double one = first_weight(1), four = first_weight(4);
  std::printf("5  dw of an image: %g; of the same four times: sum %g, mean %g\n", one, four, four / 4);
  expect(four == 4 * one && one != 0);
}

/// 6: the first step of Adam, and of Adam without its correction, at gradient 0.5.
void first_step() {
  const double g = 0.5, lr = 0.001, b1 = 0.9, b2 = 0.999, epsilon = 1e-8;
  const double m = (1 - b1) * g, v = (1 - b2) * g * g;
  const double plain = lr * m / (std::sqrt(v) + epsilon);
  const double corrected = lr * (m / (1 - b1)) / (std::sqrt(v / (1 - b2)) + epsilon);
  std::printf("6  Adam's first step: without correction %.5f, with it %.5f\n", plain, corrected);
  expect(std::fabs(corrected - lr) < 1e-9 && plain > 3 * lr);
}

/// 6: softmax of a row that lies 1,000 below another one of the batch.
void one_maximum() {
  const double logits[] = {1000, 999, 1, 0};
  const double by_batch[] = {std::exp(logits[2] - 1000), std::exp(logits[3] - 1000)};
  const double sum = by_batch[0] + by_batch[1];
  double p[4];
  reference::softmax_forward(2, 2, logits, p);
  std::printf("6  softmax of (1, 0): one maximum for the batch %g / %g, each row its own %.4f\n", by_batch[0],
              sum, p[2]);
  expect(sum == 0 && std::fabs(p[2] - 1 / (1 + std::exp(-1.0))) < 1e-12);
}

/// 7: how many places a window has, and what its columns read with stride 2.
void places_and_strides() {
  const int64_t places = output_size(4, 2, 1, 0, 0, 1);
  const Indices at = get_indices({1, 1, 6, 6}, Window2d::square(2, 2));
  std::printf("7  4 pixels, kernel 2: n - k = %d, places %d\n", 4 - 2, static_cast<int>(places));
  std::printf("7  stride 2: levels start at rows %d %d %d\n", static_cast<int>(at.i.data<int64_t>()[0]),
              static_cast<int>(at.i.data<int64_t>()[3]), static_cast<int>(at.i.data<int64_t>()[6]));
  expect(places == 3 && at.i.data<int64_t>()[3] == 2);
}

/// 8: the size that int((n + 2 pad - k) / stride) + 1 gives a window that is larger than the image.
void window_too_large() {
  const int n = 2, k = 3, stride = 2;
  std::printf("8  2 pixels, kernel 3, stride 2: the article %d, floor %d\n",
              static_cast<int>(static_cast<double>(n - k) / stride) + 1,
              static_cast<int>(output_size(n, k, stride, 0, 0, 1)));
  expect(output_size(n, k, stride, 0, 0, 1) == 0);
}

/// 9: dX of a kernel of 2x2 as a full convolution of dY, with the kernel as it is and turned by 180 degrees.
void unturned() {
  const Tensor w = example_w({1, 1, 2, 2}), dy = example_dy({1, 1, 2, 2});
  Tensor turned = w.clone();
  std::reverse(turned.span<double>().begin(), turned.span<double>().end());
  const Conv2dShape full = Conv2dShape::infer(dy.shape(), 1, Window2d::square(2, 1, 1), "full convolution");
  const auto convolved = [&](const Tensor& kernel) {
    Tensor dx = Tensor::zeros<double>({1, 1, 3, 3});
    reference::conv2d_forward(full, dy.data<double>(), kernel.data<double>(),
                              static_cast<const double*>(nullptr), dx.data<double>());
    return dx;
  };
  const Tensor dcolumns = product(transposed(w.reshaped({1, 4})), dy.reshaped({1, 4}));
  const Tensor wanted = col2im(dcolumns, {1, 1, 3, 3}, Window2d::square(2));
  std::printf("9  dX[0][0]: kernel as it is %g, turned %g, by col2im %g\n", convolved(w).data<double>()[0],
              convolved(turned).data<double>()[0], wanted.data<double>()[0]);
  expect(same(convolved(turned), wanted) && !same(convolved(w), wanted));
}

/// 10: dW of a kernel of 2x2 that moved by 2 over 4x4 pixels, as a convolution of x with dY.
void unspread() {
  const Tensor x = example_x({1, 1, 4, 4}), dy = example_dy({1, 1, 2, 2});
  const Conv2dShape s = Conv2dShape::infer(x.shape(), 1, Window2d::square(2, 2), "stride 2");
  const Conv2dShape plain = Conv2dShape::infer(x.shape(), 1, Window2d::square(2), "dY as it is");
  const Conv2dShape spread = Conv2dShape::infer(x.shape(), 1, Window2d::square(2, 1, 0, 2), "dY spread");
  Tensor dw = Tensor::zeros<double>(s.w_shape()), slid = Tensor::zeros<double>(spread.y_shape());
  reference::conv2d_backward_weights(s, x.data<double>(), dy.data<double>(), dw.data<double>(),
                                     static_cast<double*>(nullptr));
  reference::conv2d_forward(spread, x.data<double>(), dy.data<double>(), static_cast<const double*>(nullptr),
                            slid.data<double>());
  std::printf("10 dW with stride 2: dY as it is %s, spread by the stride %s, wanted %s\n",
              plain.y_shape().text().c_str(), slid.shape().text().c_str(), dw.shape().text().c_str());
  expect(same(slid, dw) && !(plain.y_shape() == dw.shape()));
}

}  // namespace

int main() {
  padding();
  slope();
  reshaped_twice();
  sums_and_means();
  first_step();
  one_maximum();
  places_and_strides();
  window_too_large();
  unturned();
  unspread();
  return right ? 0 : 1;
}
