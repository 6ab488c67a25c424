// An image's patches as the columns of a matrix; folded back, each pixel counts the windows over it.
#include <cstdio>

#include "unfold/im2col.h"

int main() {
  float pixels[] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
  const unfold::Tensor x = unfold::Tensor::borrow({1, 1, 3, 3}, pixels);  // one image of ones, 3x3
  const auto window = unfold::Window2d::square(2);
  const unfold::Tensor columns = unfold::im2col(x, window);                 // (4, 4): four patches of 2x2
  const unfold::Tensor count = unfold::col2im(columns, x.shape(), window);  // (1, 1, 3, 3): windows over each
  std::printf("columns %s\n", columns.shape().text().c_str());
  const float* at = count.data<float>();
  for (int row = 0; row < 3; ++row, at += 3) std::printf("%g %g %g\n", at[0], at[1], at[2]);
}
