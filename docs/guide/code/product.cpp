// One product for two images, and the two ways from its result to images: one is right.
#include "docs/guide/code/matrix.h"
#include "unfold/im2col.h"
#include "unfold/kernels/reference/conv2d.h"

using namespace unfold;
using namespace unfold::guide;

int main() {
  const Tensor x = example_x({2, 1, 3, 3}), w = example_w({2, 1, 2, 2});
  const Window2d window = Window2d::square(2);
  const Conv2dShape s = Conv2dShape::infer(x.shape(), 2, window, "product");

  const Tensor columns = im2col(x, window);                      // (1*2*2, 2*2*2): the images side by side
  const Tensor rows = product(w.reshaped({2, 4}), columns);      // (2, 2*2*2)
  const Tensor y = split_images(rows, 2).reshaped(s.y_shape());  // (2, 2, 2, 2)
  const Tensor wrong = rows.reshaped(s.y_shape());

  print("W columns", rows);
  print("y", y);
  print("wrong", wrong);

  Tensor library = Tensor::zeros<double>(s.y_shape());
  reference::conv2d_forward(s, x.data<double>(), w.data<double>(), static_cast<const double*>(nullptr),
                            library.data<double>());
  return same(y, library) && !same(wrong, library) ? 0 : 1;
}
