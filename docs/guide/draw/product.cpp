// Kernels times columns, the batch, and images in the lanes.
#include "docs/guide/draw/figures.h"

namespace unfold::guide {
namespace {

const Window2d kWindow = Window2d::square(2);

Drawing kernels_flat() {
  const Example e;
  Drawing d("Each kernel becomes a row",
            "Two kernels of three channels of 2 by 2 weights; laid out channel after channel, row after row, "
            "each is one row of the 2 by 12 matrix W.");
  for (int oc = 0; oc < 2; ++oc) {
    d.text(-14, oc * 94 + 28, "kernel " + std::to_string(oc), Align::right, 14, true);
    for (int c = 0; c < 3; ++c) {
      Grid g = plane_grid(e.w, oc, c, oc == 0 ? "channel " + std::to_string(c) : "");
      g.ink = [c](int, int) { return kChannels[c]; };
      d.grid(20 + c * 132, oc * 94, g);
    }
  }
  Grid flat = matrix_grid(e.flat_w, "");
  flat.ink = [](int, int c) { return kChannels[c / 4]; };
  flat.row_labels = {"kernel 0", "kernel 1"};
  flat.note = "W: a plain reshape of w (2,3,2,2) to (2,12)";
  const Box w = d.grid(10, 200, flat);
  d.arrow(w.middle_x(), 148, w.middle_x(), w.y - 8);
  d.frame(w.cells(0, 0, 1, 12), Ink::grey);
  d.frame(w.cells(1, 0, 1, 12), Ink::grey);
  return d;
}

Drawing the_product() {
  const Example e;
  Drawing d("Kernels times columns",
            "W, 2 by 12, times the columns, 12 by 9, is 2 by 9: one row an output channel, one column a "
            "place. Framed: row 0 of W, column 4, and the output that they make, term by term below.");
  Grid columns = matrix_grid(e.columns, "columns");
  columns.band = 4, columns.col_labels = place_labels(3, 3), columns.row_labels = tap_labels(3, kWindow);
  columns.ink = [](int r, int c) { return c == 4 ? kChannels[r / 4] : Ink::paper; };
  const Box right = d.grid(440, 0, columns);
  Grid flat = matrix_grid(e.flat_w, "W");
  flat.row_labels = {"kernel 0", "kernel 1"};
  flat.ink = [](int r, int c) { return r == 0 ? kChannels[c / 4] : Ink::paper; };
  const Box left = d.grid(0, 306, flat);
  Grid out = matrix_grid(e.y_rows, "");
  out.note = "y: (2, 9)";
  const Box y = d.grid(440, 306, out);
  d.sign(404, 329, "=");
  d.frame(left.cells(0, 0, 1, 12));
  d.frame(right.cells(0, 4, 12, 1));
  d.frame(y.cells(0, 4));
  std::string line = "y[0][4] =";
  double sum = 0;
  for (int64_t k = 0; k < 12; ++k) {
    const double w = e.flat_w.data<double>()[k], x = e.columns.data<double>()[k * 9 + 4];
    sum += w * x;
    line += (k == 0 ? " " : " + ") + (w < 0 ? "(" + shown(w) + ")" : shown(w)) + "\u00b7" + shown(x);
  }
  if (!(sum == e.y_rows.data<double>()[4]))
    throw Error(ErrorKind::runtime, "the terms are not y").where("product");
  d.text(0, 398, line, Align::left, 13);
  d.text(0, 420, "= " + shown(sum), Align::left, 13, true);
  return d;
}

Drawing batch_columns() {
  const Tensor x = places({2, 1, 3, 3}), columns = im2col(x, kWindow);
  Drawing d("Two images: their columns side by side",
            "Image 0 holds 0 to 8, image 1 holds 9 to 17. The four columns of image 0 stand left of the four "
            "of image 1.");
  const auto ink = [](int, int c) { return c < 4 ? Ink::blue : Ink::orange; };
  Grid m = matrix_grid(columns, "columns (4, 8)");
  m.ink = ink, m.row_labels = tap_labels(1, kWindow);
  const Box to = d.grid(250, 50, m);
  for (int n = 0; n < 2; ++n) {
    Grid image = plane_grid(x, n, 0, "image " + std::to_string(n));
    image.ink = [n](int, int) { return kChannels[n]; };
    const Box from = d.grid(0, n * 116, image);
    d.arrow(from.right() + 8, from.middle_y(), to.x - 60, to.y + 20 + n * 52);
    d.frame(to.cells(0, n * 4, 4, 4), kChannels[n]);
    d.text(to.cells(0, n * 4, 4, 4).middle_x(), to.bottom() + 18, "image " + std::to_string(n), Align::middle,
           12);
  }
  return d;
}

/// Which image each element of a matrix with the images side by side belongs to, carried through the same
/// reordering as the numbers.
Tensor owners(const Tensor& rows, int64_t images) {
  Tensor owner = Tensor::zeros<double>(rows.shape());
  const int64_t width = rows.shape()[1], one = width / images;
  for (int64_t k = 0; k < rows.elements(); ++k) {
    const int64_t image = k % width / one;
    owner.data<double>()[k] = static_cast<double>(image);
  }
  return owner;
}

void images_of(Drawing& d, int x, int y, const Tensor& values, const Tensor& owner,
               const std::string& title) {
  d.text(x, y - 40, title, Align::left, 14, true);
  for (int n = 0; n < 2; ++n) {
    for (int c = 0; c < 2; ++c) {
      Grid g = plane_grid(values, n, c, n == 0 ? "channel " + std::to_string(c) : "");
      const int64_t first = (n * 2 + c) * 4;
      g.ink = [owner, first](int r, int col) {
        return kChannels[static_cast<int>(element(owner, first + r * 2 + col))];
      };
      const bool wrong = element(owner, first) != n;
      g.note = wrong ? "of image " + shown(element(owner, first)) + "!" : "";
      const Box at = d.grid(x + 70 + c * 110, y + n * 90, g);
      if (wrong) d.frame(at);
      if (c == 0) d.text(x, at.middle_y() + 5, "image " + std::to_string(n), Align::left, 13);
    }
  }
}

Drawing reshape_output() {
  const Example e(2, 1, 3);
  Drawing d("From the product back to images: the right way and the wrong one",
            "The product of two images is 2 by 8, each row image 0, then image 1. Split into its images it "
            "is right; a plain reshape gives image 0 channel 0 of both images.");
  Grid m = matrix_grid(e.y_rows, "y = W columns: image 0, then image 1");
  m.ink = [](int, int c) { return kChannels[c / 4]; };
  m.row_labels = {"channel 0", "channel 1"};
  const Box from = d.grid(180, 0, m);
  const Tensor owner = owners(e.y_rows, 2);
  images_of(d, 0, 146, split_images(e.y_rows, 2).reshaped(e.s.y_shape()),
            split_images(owner, 2).reshaped(e.s.y_shape()), "split_images: right");
  images_of(d, 340, 146, e.y_rows.reshaped(e.s.y_shape()), owner.reshaped(e.s.y_shape()),
            "a plain reshape: wrong");
  d.arrow(from.x + 60, from.bottom() + 8, 110, 90);
  d.arrow(from.right() - 60, from.bottom() + 8, 430, 90);
  return d;
}

Drawing join_gradient() {
  const Example e(2, 1, 3);
  Drawing d("The gradient of two images as one matrix: the right way and the wrong one",
            "dY lies image after image. Joined, each row of the matrix is one channel of image 0, then of "
            "image 1. A plain reshape puts both channels of image 0 into row 0.");
  const Tensor plain = e.dy.reshaped(e.dy_rows.shape());
  for (int n = 0; n < 2; ++n) {
    for (int c = 0; c < 2; ++c) {
      Grid g = plane_grid(e.dy, n, c, n == 0 ? "channel " + std::to_string(c) : "");
      g.ink = [n](int, int) { return kChannels[n]; };
      const Box at = d.grid(80 + c * 110, n * 74, g);
      if (c == 0) d.text(66, at.middle_y() + 5, "dY, image " + std::to_string(n), Align::right, 13);
    }
  }
  Grid right = matrix_grid(e.dy_rows, "join_images: right");
  right.row_labels = {"channel 0", "channel 1"};
  right.ink = [](int, int c) { return kChannels[c / 4]; };
  d.grid(420, 6, right);
  Grid wrong = matrix_grid(plain, "a plain reshape: wrong");
  wrong.row_labels = right.row_labels;
  wrong.ink = [](int r, int) { return kChannels[r]; };  // row r is all of image r
  wrong.note = "row 0 is image 0, row 1 image 1: channels are lost";
  const Box at = d.grid(420, 92, wrong);
  d.frame(at.cells(0, 4, 1, 4));
  d.frame(at.cells(1, 0, 1, 4));
  d.arrow(266, 60, 330, 60);
  return d;
}

Drawing lanes() {
  const Example e(4, 1, 3);
  Drawing d(
      "One image a lane",
      "Four images in the four lanes of a register. For each of the four taps one load brings the pixel of "
      "all images, one weight multiplies them, and the sums of the four images grow side by side.");
  const auto ink = [](int, int c) { return c % 2 == 0 ? Ink::blue : Ink::orange; };
  const Tensor columns = im2col(e.x, kWindow);
  // The tap of the first place of each image: column n*P of the matrix with the images side by side.
  Grid pixels{
      .rows = 4, .cols = 4, .text = [&](int r, int n) { return shown(element(columns, (r * 4 + n) * 4)); }};
  pixels.ink = ink;
  pixels.title = "one load: a pixel of 4 images";
  pixels.col_labels = {"image 0", "image 1", "image 2", "image 3"};
  pixels.row_labels = {"tap 0,0", "tap 0,1", "tap 1,0", "tap 1,1"};
  pixels.cell_w = 62;
  const Box p = d.grid(250, 0, pixels);
  Grid weights = matrix_grid(e.flat_w.reshaped({8, 1}), "one weight");
  weights.rows = 4;
  const Box w = d.grid(80, 0, weights);
  d.sign(w.right() + 32, w.middle_y(), "\u00d7");
  Grid sums{.rows = 1, .cols = 4, .text = [&](int, int n) { return shown(element(e.y, n * 8)); }};
  sums.ink = ink, sums.cell_w = 62;
  sums.note = "the output at place 0,0 of each image";
  const Box s = d.grid(250, 130, sums);
  d.arrow(p.middle_x(), p.bottom() + 4, s.middle_x(), s.y - 4, "sum");
  return d;
}

}  // namespace

std::vector<Figure> product_figures() {
  return {{"kernels-flat", kernels_flat()},   {"product", the_product()},
          {"batch-columns", batch_columns()}, {"reshape-output", reshape_output()},
          {"join-gradient", join_gradient()}, {"lanes", lanes()}};
}

}  // namespace unfold::guide
