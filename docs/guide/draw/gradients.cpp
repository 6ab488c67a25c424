// The gradient of the layer's input and of its kernels.
#include "docs/guide/draw/figures.h"
#include "unfold/kernels/reference/conv2d.h"

namespace unfold::guide {
namespace {

const Window2d kWindow = Window2d::square(2);

/// Output channels: 0 blue, 1 orange.
Ink by_row(int r, int) {
  return kChannels[r];
}

Drawing gradient_rows() {
  const Example e;
  Drawing d(
      "dY: one row an output channel",
      "The gradient of the output, two channels of 3 by 3, laid out as the two rows of a 2 by 9 matrix.");
  Grid rows = matrix_grid(e.dy_rows, "dY as a matrix (2, 9)");
  rows.ink = by_row, rows.col_labels = place_labels(3, 3);
  const Box to = d.grid(200, 70, rows);
  for (int c = 0; c < 2; ++c) {
    Grid plane = plane_grid(e.dy, 0, c, "dY, channel " + std::to_string(c));
    plane.ink = [c](int, int) { return kChannels[c]; };
    const Box from = d.grid(0, c * 110, plane);
    d.arrow(from.right() + 8, from.middle_y(), to.x - 8, to.y + 12 + c * 23);
  }
  return d;
}

Drawing transposed_weights() {
  const Example e;
  Drawing d("W and its transpose",
            "The two rows of W, 2 by 12, become the two columns of its transpose, 12 by 2.");
  Grid w = matrix_grid(e.flat_w, "W: a row a kernel");
  w.ink = by_row, w.row_labels = {"kernel 0", "kernel 1"};
  const Box from = d.grid(0, 116, w);
  Grid t = matrix_grid(transposed(e.flat_w), "W\u1d40");
  t.ink = [](int, int c) { return kChannels[c]; };
  t.band = 4, t.row_labels = tap_labels(3, kWindow);
  const Box to = d.grid(530, 0, t);
  d.arrow(from.right() + 10, from.middle_y(), to.x - 60, from.middle_y());
  return d;
}

Drawing column_gradient() {
  const Example e;
  Drawing d("The gradient of the columns",
            "The transpose of W, 12 by 2, times dY, 2 by 9, is 12 by 9, as the columns are. Framed: row 6 of "
            "the one, place 4 of the other, and their product.");
  Grid top = matrix_grid(e.dy_rows, "dY");
  top.ink = by_row, top.col_labels = place_labels(3, 3);
  const Box right = d.grid(190, 0, top);
  Grid t = matrix_grid(transposed(e.flat_w), "W\u1d40");
  t.ink = [](int, int c) { return kChannels[c]; };
  t.band = 4, t.row_labels = tap_labels(3, kWindow);
  const Box left = d.grid(60, 84, t);
  Grid out = matrix_grid(e.dcolumns, "");
  out.band = 4, out.note = "dColumns = W\u1d40 dY: (12, 9)";
  const Box to = d.grid(190, 84, out);
  d.sign(155, 222, "=");
  d.frame(left.cells(6, 0, 1, 2));
  d.frame(right.cells(0, 4, 2, 1));
  d.frame(to.cells(6, 4));
  const double w0 = e.flat_w.data<double>()[6], w1 = e.flat_w.data<double>()[18],
               g0 = e.dy_rows.data<double>()[4], g1 = e.dy_rows.data<double>()[13];
  const auto bracket = [](double v) { return v < 0 ? "(" + shown(v) + ")" : shown(v); };
  d.text(490, to.cells(6, 4).middle_y() + 5,
         bracket(w0) + "\u00b7" + bracket(g0) + " + " + bracket(w1) + "\u00b7" + bracket(g1) + " = " +
             shown(element(e.dcolumns, 6 * 9 + 4)),
         Align::left);
  return d;
}

/// dX of channel 0 when dY is 0 but for some elements of its first channel.
Tensor share(const Example& e, const std::vector<int64_t>& kept) {
  Tensor dy = Tensor::zeros<double>(e.s.y_shape()), dx = Tensor::zeros<double>(e.s.x_shape());
  for (const int64_t k : kept) dy.data<double>()[k] = e.dy.data<double>()[k];
  reference::conv2d_backward_data(e.s, e.w.data<double>(), dy.data<double>(), dx.data<double>());
  return dx;
}

Drawing error_to_kernels() {
  const Example e;
  Drawing d("Each element of dY sends the kernel, times itself, back to its place",
            "Four of the nine elements of dY's channel 0, each times kernel 0's channel 0, laid where its "
            "window stood; the last picture is the sum of all nine.");
  Grid plane = plane_grid(e.dy, 0, 0, "dY, channel 0");
  const Box dy = d.grid(0, 0, plane);
  Grid kernel = plane_grid(e.w, 0, 0, "kernel 0");
  kernel.ink = [](int, int) { return Ink::blue; };
  d.grid(140, 11, kernel);
  const int64_t picked[] = {0, 2, 4, 8};
  for (int k = 0; k < 4; ++k) {
    const int64_t at = picked[k];
    const int r = static_cast<int>(at / 3), c = static_cast<int>(at % 3);
    Grid part = plane_grid(share(e, {at}), 0, 0, "place " + std::to_string(r) + "," + std::to_string(c));
    part.ink = [r, c](int row, int col) {
      return row >= r && row < r + 2 && col >= c && col < c + 2 ? Ink::blue : Ink::paper;
    };
    part.note = shown(element(e.dy, at)) + " times the kernel";
    const Box to = d.grid(k * 165, 134, part);
    d.frame(to.cells(r, c, 2, 2), Ink::blue);
    d.frame(dy.cells(r, c));
    if (k > 0) d.sign(to.x - 22, to.middle_y(), "+");
  }
  const Tensor sum = share(e, {0, 1, 2, 3, 4, 5, 6, 7, 8});
  Grid all = plane_grid(sum, 0, 0, "all nine");
  all.note = "dX of channel 0, from output channel 0";
  d.grid(330, 290, all);
  d.text(300, 340, "+ the other five  =", Align::right, 14);
  return d;
}

Drawing folding() {
  const Example e;
  Drawing d("col2im: what overlaps adds up",
            "The first four rows of dColumns, those of channel 0, and dX of channel 0. The pixel in row 1, "
            "column 1 lies under four windows: the four framed elements, one a row, add up to it. "
            "At the right the number of windows over each pixel.");
  Grid rows = matrix_grid(e.dcolumns, "dColumns, rows of channel 0");
  rows.rows = 4, rows.row_labels = tap_labels(1, kWindow), rows.col_labels = place_labels(3, 3);
  const Indices at = get_indices(e.s.x_shape(), kWindow);
  const auto lands = [&](int r, int c) {
    return element(at.i, r * 9 + c) == 1 && element(at.j, r * 9 + c) == 1;
  };
  rows.ink = [&](int r, int c) { return lands(r, c) ? Ink::purple : Ink::paper; };
  const Box from = d.grid(0, 0, rows);
  std::string terms;
  for (int r = 0; r < 4; ++r) {
    for (int c = 0; c < 9; ++c) {
      if (!lands(r, c)) continue;
      d.frame(from.cells(r, c));
      const double v = element(e.dcolumns, r * 9 + c);
      terms += (terms.empty() ? "" : v < 0 ? " - " : " + ") + shown(terms.empty() ? v : std::abs(v));
    }
  }
  Grid image = plane_grid(col2im(e.dcolumns, e.s.x_shape(), kWindow), 0, 0, "dX, channel 0");
  image.ink = [](int r, int c) { return r == 1 && c == 1 ? Ink::purple : Ink::paper; };
  image.note = terms + " = " + shown(element(e.dx, 5));
  const Box dx = d.grid(360, 0, image);
  d.frame(dx.cells(1, 1));
  d.arrow(from.right() + 8, dx.middle_y(), dx.x - 8, dx.middle_y(), "col2im");
  Tensor ones = Tensor::zeros<double>(e.columns.shape());
  for (double& v : ones.span<double>()) v = 1;
  Grid overlap = plane_grid(col2im(ones, e.s.x_shape(), kWindow), 0, 0, "windows over it");
  overlap.ink = [](int r, int c) { return r == 1 && c == 1 ? Ink::purple : Ink::paper; };
  overlap.note = "col2im(ones)";
  const Box count = d.grid(570, 0, overlap);
  d.frame(count.cells(1, 1));
  return d;
}

/// w (OC,IC,KH,KW) turned by 180 degrees, its two kinds of channels exchanged: (IC,OC,KH,KW).
Tensor turned(const Tensor& w) {
  const Shape& s = w.shape();
  Tensor t = Tensor::zeros<double>({s[1], s[0], s[2], s[3]});
  const int64_t taps = s[2] * s[3];
  for (int64_t k = 0; k < w.elements(); ++k) {
    const int64_t oc = k / (s[1] * taps), ic = k / taps % s[1];
    t.data<double>()[(ic * s[0] + oc) * taps + taps - 1 - k % taps] = w.data<double>()[k];
  }
  return t;
}

Drawing full_convolution() {
  const Example e;
  const Window2d ring = Window2d::square(2, 1, 1);
  const Tensor padded = im2col(e.dy, Window2d::square(1, 1, 1)).reshaped({1, 2, 5, 5}), w = turned(e.w);
  const Conv2dShape s = Conv2dShape::infer(e.s.y_shape(), 3, ring, "the guide's example");
  Tensor dx = Tensor::zeros<double>(s.y_shape());
  const double* const no_bias = nullptr;
  reference::conv2d_forward(s, e.dy.data<double>(), w.data<double>(), no_bias, dx.data<double>());
  if (!same(dx, e.dx))
    throw Error(ErrorKind::runtime, "the full convolution is not dx").where("full-convolution");
  Drawing d("dX as a full convolution",
            "dY with a ring of zeros, convolved with the kernels turned by 180 degrees, summed over the "
            "output channels: the same dX that col2im gives. The framed window makes the framed pixel.");
  for (int oc = 0; oc < 2; ++oc) {
    Grid plane = plane_grid(padded, 0, oc, "dY, channel " + std::to_string(oc));
    plane.ink = [oc](int r, int c) {
      return r == 0 || c == 0 || r == 4 || c == 4 ? Ink::grey : kChannels[oc];
    };
    const Box from = d.grid(0, oc * 150, plane);
    d.frame(from.cells(1, 1, 2, 2));
    Grid kernel = plane_grid(w, 0, oc, "kernel " + std::to_string(oc) + ", turned");
    kernel.ink = [oc](int, int) { return kChannels[oc]; };
    const Box k = d.grid(230, from.middle_y() - 23, kernel);
    d.sign(190, from.middle_y(), "\u2217");
    d.frame(k);
    d.arrow(k.right() + 10, k.middle_y(), 400, 118 + oc * 40);
  }
  d.text(340, 138, "+", Align::middle, 22);
  Grid out = plane_grid(dx, 0, 0, "dX, channel 0");
  const Box to = d.grid(410, 86, out);
  d.frame(to.cells(1, 1));
  return d;
}

Drawing kernel_product() {
  const Example e;
  Drawing d("The gradient of the kernels",
            "dY, 2 by 9, times the transposed columns, 9 by 12, is 2 by 12: the gradient of every weight. "
            "Framed: row 0, column 6, and the sum of their nine products.");
  Grid t = matrix_grid(transposed(e.columns), "columns\u1d40");
  t.ink = [](int, int c) { return c == 6 ? kChannels[c / 4] : Ink::paper; };
  t.row_labels = place_labels(3, 3), t.col_labels = tap_labels(3, kWindow), t.cell_w = 42;
  const Box right = d.grid(360, 0, t);
  Grid rows = matrix_grid(e.dy_rows, "dY");
  rows.ink = by_row;
  const Box left = d.grid(0, 238, rows);
  Grid out = matrix_grid(e.dw.reshaped({2, 12}), "");
  out.cell_w = 42, out.note = "dW = dY columns\u1d40: (2, 12)";
  const Box to = d.grid(360, 238, out);
  d.sign(316, 261, "=");
  d.frame(left.cells(0, 0, 1, 9));
  d.frame(right.cells(0, 6, 9, 1));
  d.frame(to.cells(0, 6));
  return d;
}

Drawing error_to_slides() {
  const Example e;
  Drawing d("dW as a convolution of x with dY",
            "dY's channel 0 slides over x's channel 0 and stands in as many places as the kernel has "
            "weights: four. Each place's sum of nine products is the gradient of one weight.");
  Grid plane = plane_grid(e.dy, 0, 0, "dY, channel 0");
  plane.ink = [](int, int) { return Ink::blue; };
  const Box dy = d.grid(0, 40, plane);
  Grid grid = plane_grid(e.dw, 0, 0, "dW, kernel 0, channel 0");
  grid.cell_w = 44;
  d.grid(1, 168, grid);
  d.arrow(dy.middle_x(), dy.bottom() + 6, dy.middle_x(), 142);
  for (int k = 0; k < 4; ++k) {
    const int kh = k / 2, kw = k % 2;
    double sum = 0;
    for (int64_t p = 0; p < 9; ++p) sum += element(e.columns, k * 9 + p) * element(e.dy_rows, p);
    if (!(sum == element(e.dw, k))) throw Error(ErrorKind::runtime, "the sum is not dw").where("dw-slides");
    Grid x = plane_grid(e.x, 0, 0, "tap " + std::to_string(kh) + "," + std::to_string(kw));
    x.ink = [kh, kw](int r, int c) {
      return r >= kh && r < kh + 3 && c >= kw && c < kw + 3 ? Ink::blue : Ink::paper;
    };
    x.note = "x under dY: sum " + shown(sum);
    const Box at = d.grid(220 + kw * 180, kh * 150, x);
    d.frame(at.cells(kh, kw, 3, 3), Ink::blue);
  }
  return d;
}

Drawing kernel_reshape() {
  const Example e;
  Drawing d("dW back in the kernels' shape",
            "Each row of dW, 2 by 12, is cut into three channels of 2 by 2: the shape of the kernels.");
  Grid flat = matrix_grid(e.dw.reshaped({2, 12}), "dW as a matrix (2, 12)");
  flat.ink = [](int, int c) { return kChannels[c / 4]; };
  flat.row_labels = {"kernel 0", "kernel 1"}, flat.cell_w = 38;
  const Box from = d.grid(0, 0, flat);
  for (int oc = 0; oc < 2; ++oc) {
    for (int c = 0; c < 3; ++c) {
      Grid g = plane_grid(e.dw, oc, c, oc == 0 ? "channel " + std::to_string(c) : "");
      g.ink = [c](int, int) { return kChannels[c]; };
      g.cell_w = 38;
      const Box at = d.grid(38 + c * 152, 120 + oc * 70, g);
      if (c == 0) d.text(-6, at.middle_y() + 5, "kernel " + std::to_string(oc), Align::right, 13);
    }
  }
  d.arrow(from.middle_x(), from.bottom() + 8, from.middle_x(), 92);
  return d;
}

}  // namespace

std::vector<Figure> gradient_figures() {
  return {{"dy-rows", gradient_rows()},
          {"w-transposed", transposed_weights()},
          {"dcolumns", column_gradient()},
          {"dy-to-kernels", error_to_kernels()},
          {"col2im", folding()},
          {"full-convolution", full_convolution()},
          {"dw-product", kernel_product()},
          {"dy-to-slides", error_to_slides()},
          {"dw-reshape", kernel_reshape()}};
}

}  // namespace unfold::guide
