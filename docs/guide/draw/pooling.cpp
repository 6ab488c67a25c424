// Average and max pooling, forward and backward.
#include "docs/guide/draw/figures.h"
#include "unfold/kernels/reference/pool2d.h"

namespace unfold::guide {
namespace {

/// Where windows of 2x2 that do not overlap take the largest or the mean of two channels of 4x4.
struct Pooling {
  Window2d window = Window2d::square(2, 2);
  Conv2dShape s = Conv2dShape::infer({1, 2, 4, 4}, 2, window, "the guide's pooling");
  Tensor x = example_x(s.x_shape()), columns = im2col(x, window);
  Tensor mean = Tensor::zeros<double>(s.y_shape()), largest = Tensor::zeros<double>(s.y_shape());
  Tensor dy = numbers(s.y_shape(), 5, 7, 2), dx = Tensor::zeros<double>(s.x_shape());
  std::vector<int32_t> argmax = std::vector<int32_t>(8);

  Pooling() {
    reference::avg_pool2d_forward(s, x.data<double>(), mean.data<double>(), true);
    reference::max_pool2d_forward(s, x.data<double>(), largest.data<double>(), argmax.data());
    reference::max_pool2d_backward(s, dy.data<double>(), argmax.data(), dx.data<double>());
  }
};

Ink channel_of_row(int r) {
  return kChannels[r / 4];
}

Drawing average() {
  const Pooling p;
  Drawing d("Average pooling by columns",
            "Two channels of 4 by 4 pixels, windows of 2 by 2 that do not overlap. The columns are 8 by 4; "
            "read as (2, 4, 4), their means over the middle axis are the 2 by 4 matrix of outputs.");
  Grid columns = matrix_grid(p.columns, "columns, read as (C, KH\u00b7KW, P)");
  columns.band = 4, columns.row_labels = tap_labels(2, p.window), columns.col_labels = place_labels(2, 2);
  columns.ink = [](int r, int) { return channel_of_row(r); };
  const Box m = d.grid(240, 40, columns);
  Grid means = matrix_grid(p.mean.reshaped({2, 4}), "means");
  means.ink = [](int r, int) { return kChannels[r]; };
  means.cell_w = 44;
  const Box y = d.grid(460, m.middle_y() - 23, means);
  for (int c = 0; c < 2; ++c) {
    Grid image = plane_grid(p.x, 0, c, "x, channel " + std::to_string(c));
    image.ink = [c](int, int) { return kChannels[c]; };
    const Box at = d.grid(0, c * 130, image);
    for (int k = 0; k < 4; ++k) d.frame(at.cells(k / 2 * 2, k % 2 * 2, 2, 2), Ink::grey);
    d.arrow(at.right() + 8, at.middle_y(), m.x - 54, m.y + 46 + c * 92);
    Grid out = plane_grid(p.mean, 0, c, "y, channel " + std::to_string(c));
    out.ink = image.ink, out.cell_w = 44;
    const Box to = d.grid(710, 20 + c * 130, out);
    d.arrow(y.right() + 8, y.y + 12 + c * 23, to.x - 8, to.middle_y());
  }
  d.frame(m.cells(0, 1, 4, 1));
  d.frame(y.cells(0, 1));
  d.arrow(m.right() + 8, y.middle_y(), y.x - 8, y.middle_y());
  return d;
}

Drawing largest() {
  const Pooling p;
  Drawing d("Max pooling: forward takes the largest, backward gives to it alone",
            "One channel of 4 by 4 pixels; the largest of each 2 by 2 window is framed. Backward each "
            "gradient goes to the pixel that was the largest; all others get 0.");
  const auto framed = [&](const Box& at) {
    for (size_t k = 0; k < 4; ++k) d.frame(at.cells(p.argmax[k] / 4, p.argmax[k] % 4));
  };
  const auto windows = [](int r, int c) { return (r / 2 + c / 2) % 2 == 0 ? Ink::blue : Ink::orange; };
  const auto places = [](int r, int c) { return (r + c) % 2 == 0 ? Ink::blue : Ink::orange; };
  Grid image = plane_grid(p.x, 0, 0, "x");
  image.ink = windows;
  const Box x = d.grid(0, 0, image);
  framed(x);
  Grid out = plane_grid(p.largest, 0, 0, "y");
  out.ink = places;
  const Box y = d.grid(200, 23, out);
  d.arrow(x.right() + 8, x.middle_y(), y.x - 8, x.middle_y(), "max");
  Grid gradient = plane_grid(p.dy, 0, 0, "dY");
  gradient.ink = places;
  const Box dy = d.grid(330, 23, gradient);
  Grid back = plane_grid(p.dx, 0, 0, "dX");
  back.ink = windows;
  const Box dx = d.grid(490, 0, back);
  framed(dx);
  d.arrow(dy.right() + 8, dy.middle_y(), dx.x - 8, dy.middle_y(), "back");
  return d;
}

Drawing average_backward() {
  const Window2d window = Window2d::square(2);
  const Conv2dShape s = Conv2dShape::infer({1, 2, 3, 3}, 2, window, "the guide's pooling");
  Tensor dy = numbers(s.y_shape(), 3, 7, 0);
  for (double& v : dy.span<double>()) v *= 4;  // so that their quarters are whole
  Tensor dx = Tensor::zeros<double>(s.x_shape()), shares = dy.clone().reshaped({2, 4});
  reference::avg_pool2d_backward(s, dy.data<double>(), dx.data<double>(), true);
  for (double& v : shares.span<double>()) v /= static_cast<double>(window.taps());
  Tensor repeated = Tensor::zeros<double>({8, 4});
  for (int64_t k = 0; k < 32; ++k) repeated.data<double>()[k] = shares.data<double>()[k / 16 * 4 + k % 4];
  if (!same(col2im(repeated, s.x_shape(), window), dx))
    throw Error(ErrorKind::runtime, "the steps are not dx").where("pool-average-backward");
  Drawing d("Average pooling backward: divide, repeat, col2im",
            "Two channels, windows of 2 by 2 that overlap. Each gradient is divided by 4 and repeated down "
            "the 4 rows of its channel; col2im adds them up: the pixel in the middle gets all four.");
  const auto by_row = [](int r, int) { return kChannels[r]; };
  Grid rows = matrix_grid(dy.reshaped({2, 4}), "dY");
  rows.ink = by_row;
  const Box from = d.grid(0, 130, rows);
  Grid divided = matrix_grid(shares, "1: dY / 4");
  divided.ink = by_row;
  const Box q = d.grid(170, 130, divided);
  Grid columns = matrix_grid(repeated, "2: repeat 4 times");
  columns.ink = [](int r, int) { return channel_of_row(r); };
  columns.band = 4;
  const Box m = d.grid(350, 61, columns);
  d.arrow(from.right() + 6, 153, q.x - 6, 153);
  d.arrow(q.right() + 6, 153, m.x - 6, 153);
  for (int c = 0; c < 2; ++c) {
    Grid image = plane_grid(dx, 0, c, c == 0 ? "3: col2im" : "");
    image.ink = [c](int, int) { return kChannels[c]; };
    image.note = "dX, channel " + std::to_string(c);
    const Box to = d.grid(560, 26 + c * 130, image);
    d.frame(to.cells(1, 1));
    d.arrow(m.right() + 8, m.y + 46 + c * 92, to.x - 8, to.middle_y());
  }
  return d;
}

}  // namespace

std::vector<Figure> pooling_figures() {
  return {
      {"pool-average", average()}, {"pool-max", largest()}, {"pool-average-backward", average_backward()}};
}

}  // namespace unfold::guide
