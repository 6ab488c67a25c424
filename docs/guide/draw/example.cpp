#include "docs/guide/draw/figures.h"
#include "unfold/kernels/reference/conv2d.h"

namespace unfold::guide {
namespace {

void must_agree(const Tensor& product, const Tensor& loops, const char* what) {
  if (!same(product, loops)) {
    throw Error(ErrorKind::runtime, "the matrix product is not what the loops compute").where(what);
  }
}

}  // namespace

Example::Example(int64_t images, int64_t channels, int64_t side)
    : s(Conv2dShape::infer({images, channels, side, side}, 2, window, "the guide's example")),
      x(example_x(s.x_shape())),
      w(example_w(s.w_shape())),
      dy(example_dy(s.y_shape())),
      columns(im2col(x, window)),
      flat_w(w.reshaped({s.oc, s.patch()})),
      y(Tensor::zeros<double>(s.y_shape())),
      y_rows(product(flat_w, columns)),
      dy_rows(join_images(dy.reshaped({s.n, s.oc, s.pixels()}))),
      dcolumns(product(transposed(flat_w), dy_rows)),
      dx(Tensor::zeros<double>(s.x_shape())),
      dw(Tensor::zeros<double>(s.w_shape())) {
  const double* const no_bias = nullptr;
  double* const no_gradient = nullptr;
  reference::conv2d_forward(s, x.data<double>(), w.data<double>(), no_bias, y.data<double>());
  reference::conv2d_backward_data(s, w.data<double>(), dy.data<double>(), dx.data<double>());
  reference::conv2d_backward_weights(s, x.data<double>(), dy.data<double>(), dw.data<double>(), no_gradient);
  must_agree(split_images(y_rows, s.n).reshaped(s.y_shape()), y, "y");
  must_agree(col2im(dcolumns, s.x_shape(), window), dx, "dx");
  must_agree(product(dy_rows, transposed(columns)).reshaped(s.w_shape()), dw, "dw");
}

std::string shown(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value == 0 ? 0.0 : value);
  return text;
}

double element(const Tensor& t, int64_t k) {
  return t.dtype() == Dtype::i64 ? static_cast<double>(t.data<int64_t>()[k]) : t.data<double>()[k];
}

Grid matrix_grid(const Tensor& t, const std::string& title) {
  const int64_t cols = t.shape()[1];
  Grid g{.rows = static_cast<int>(t.shape()[0]),
         .cols = static_cast<int>(cols),
         .text = [t, cols](int r, int c) { return shown(element(t, r * cols + c)); }};
  g.title = title;
  return g;
}

Grid plane_grid(const Tensor& t, int64_t n, int64_t c, const std::string& title) {
  const Shape& s = t.shape();
  const int64_t first = (n * s[1] + c) * s[2] * s[3];
  Grid g{.rows = static_cast<int>(s[2]),
         .cols = static_cast<int>(s[3]),
         .text = [t, first, w = s[3]](int row, int col) { return shown(element(t, first + row * w + col)); }};
  g.title = title;
  return g;
}

std::vector<std::string> tap_labels(int64_t channels, const Window2d& window) {
  std::vector<std::string> labels;
  for (int64_t k = 0; k < channels * window.taps(); ++k) {
    labels.push_back(std::to_string(k / window.taps()) + "," +
                     std::to_string(k % window.taps() / window.kernel_w) + "," +
                     std::to_string(k % window.kernel_w));
  }
  return labels;
}

std::vector<std::string> place_labels(int64_t oh, int64_t ow) {
  std::vector<std::string> labels;
  for (int64_t p = 0; p < oh * ow; ++p)
    labels.push_back(std::to_string(p / ow) + "," + std::to_string(p % ow));
  return labels;
}

}  // namespace unfold::guide
