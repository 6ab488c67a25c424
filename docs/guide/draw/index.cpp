// From the seven loops to the index matrices and the gather.
#include "docs/guide/draw/figures.h"
#include "unfold/kernels/reference/conv2d.h"

namespace unfold::guide {
namespace {

const Shape kImage{1, 3, 4, 4};
const Window2d kWindow = Window2d::square(2);

Ink channel_of_row(int r) {
  return kChannels[r / 4];
}

/// Row r of a matrix as a matrix of its own; every `step`-th element of it.
Tensor row_of(const Tensor& m, int64_t r, int64_t step = 1) {
  Tensor row = Tensor::zeros<int64_t>({1, m.shape()[1] / step});
  for (int64_t c = 0; c < row.elements(); ++c)
    row.data<int64_t>()[c] = m.data<int64_t>()[r * m.shape()[1] + c * step];
  return row;
}

/// The first column of a matrix, lying down.
Tensor first_column(const Tensor& m) {
  return row_of(m.transposed(0, 1).clone(), 0);
}

/// "0 0 1 1"
std::string listed(const Tensor& t) {
  std::string text;
  for (int64_t k = 0; k < t.elements(); ++k) text += (k ? " " : "") + shown(element(t, k));
  return text;
}

/// Column c of a matrix of double, listed.
std::string listed_column(const Tensor& m, int64_t c) {
  std::string text;
  for (int64_t r = 0; r < m.shape()[0]; ++r) text += (r ? " " : "") + shown(element(m, r * m.shape()[1] + c));
  return text;
}

Drawing overview() {
  const Example e(1, 1, 3);
  Drawing d(
      "Convolution as a matrix product, forward and backward",
      "The patches of a 3 by 3 image become the four columns of a matrix; kernels times columns are the "
      "output. "
      "Backward, the transposed kernels times the gradient of the output are the gradient of the columns, "
      "which col2im adds back to the pixels; the gradient of the output times the transposed columns is the "
      "gradient of the kernels.");
  d.text(0, -34, "forward", Align::left, 15, true);
  const Box x = d.grid(0, 20, plane_grid(e.x, 0, 0, "x"));
  const Box columns = d.grid(180, 10, matrix_grid(e.columns, "columns"));
  d.frame(x.cells(0, 0, 2, 2), Ink::blue);
  d.frame(columns.cells(0, 0, 4, 1), Ink::blue);
  d.arrow(x.right() + 6, 55, columns.x - 6, 55, "im2col");
  const Box w = d.grid(386, 0, matrix_grid(e.flat_w, "times W"));
  const Box y = d.grid(590, 44, matrix_grid(e.y_rows, "y = W columns"));
  d.arrow(columns.right() + 8, y.middle_y(), y.x - 8, y.middle_y());
  d.frame(w.cells(0, 0, 1, 4), Ink::orange);
  d.frame(y.cells(0, 0));

  d.text(0, 160, "backward", Align::left, 15, true);
  const Box dx = d.grid(0, 214, plane_grid(e.dx, 0, 0, "dX"));
  const Box dcolumns = d.grid(180, 204, matrix_grid(e.dcolumns, "dColumns"));
  const Box dy = d.grid(390, 226, matrix_grid(e.dy_rows, "dY"));
  const Box dw = d.grid(630, 226, matrix_grid(e.dw.reshaped({2, 4}), "dW"));
  d.arrow(dcolumns.x - 6, 249, dx.right() + 6, 249, "col2im");
  d.arrow(dy.x - 6, 249, dcolumns.right() + 6, 249, "W\u1d40 dY");
  d.arrow(dy.right() + 6, 249, dw.x - 6, 249, "dY columns\u1d40");
  d.frame(dx.cells(0, 0, 2, 2), Ink::blue);
  d.frame(dcolumns.cells(0, 0, 4, 1), Ink::blue);
  return d;
}

Drawing one_output() {
  const Example e;
  Drawing d("One output pixel: twelve products",
            "The window at row 1, column 1 of three channels; under each channel the kernel's values for it. "
            "The sum of the twelve products is the output pixel.");
  double sum = 0;
  for (int c = 0; c < 3; ++c) {
    const int x = c * 170;
    Grid image = plane_grid(e.x, 0, c, "x, channel " + std::to_string(c));
    image.ink = [c](int r, int col) {
      return r >= 1 && r < 3 && col >= 1 && col < 3 ? kChannels[c] : Ink::paper;
    };
    const Box at = d.grid(x, 0, image);
    d.frame(at.cells(1, 1, 2, 2), kChannels[c]);
    Grid kernel = plane_grid(e.w, 0, c, "w, channel " + std::to_string(c));
    kernel.ink = [c](int, int) { return kChannels[c]; };
    d.grid(x + 32, 138, kernel);
    std::string products;
    for (int64_t k = 0; k < 4; ++k) {
      const double p =
          e.x.data<double>()[c * 16 + (1 + k / 2) * 4 + 1 + k % 2] * e.w.data<double>()[c * 4 + k];
      products += (products.empty() ? "" : p < 0 ? " - " : " + ") + shown(products.empty() ? p : std::abs(p));
      sum += p;
    }
    d.text(x + 64, 208, products, Align::middle, 13);
  }
  if (!(sum == e.y.data<double>()[4]))
    throw Error(ErrorKind::runtime, "the products are not y").where("one-output");
  const Box y = d.grid(540, 20, plane_grid(e.y, 0, 0, "y, channel 0"));
  d.frame(y.cells(1, 1));
  d.text(y.middle_x(), 208, "all together: " + shown(sum), Align::middle, 13, true);
  return d;
}

Drawing unfolding() {
  const Tensor x = places(kImage), columns = im2col(x, kWindow);
  Drawing d("im2col: a patch becomes a column",
            "Three channels of 4 by 4 pixels, numbered by their place. What the window at row 1, column 1 "
            "covers in "
            "them is column 4 of the 12 by 9 matrix: " +
                listed_column(columns, 4) + ".");
  Grid m = matrix_grid(columns, "columns: 3\u00b72\u00b72 rows, 3\u00b73 places");
  m.row_labels = tap_labels(3, kWindow), m.col_labels = place_labels(3, 3), m.band = 4;
  m.ink = [](int r, int c) { return c == 4 ? channel_of_row(r) : Ink::paper; };
  const Box to = d.grid(300, 44, m);
  for (int c = 0; c < 3; ++c) {
    Grid image = plane_grid(x, 0, c, "x, channel " + std::to_string(c));
    image.ink = [c](int r, int col) {
      return r >= 1 && r < 3 && col >= 1 && col < 3 ? kChannels[c] : Ink::paper;
    };
    const Box from = d.grid(0, c * 130, image);
    d.frame(from.cells(1, 1, 2, 2), kChannels[c]);
    d.frame(to.cells(4 * c, 4, 4, 1), kChannels[c]);
    d.arrow(from.right() + 6, from.middle_y(), to.x - 62, to.y + (4 * c + 2) * 23);
  }
  return d;
}

Drawing same_for_every_channel() {
  const Indices at = get_indices(kImage, kWindow);
  Drawing d("The same places in every channel",
            "Row and column (i,j) of every element of the columns, for the three channels: the three blocks "
            "are equal; only the channel d differs.");
  for (int c = 0; c < 3; ++c) {
    Grid g{.rows = 4, .cols = 9, .text = [&at, c](int r, int col) {
             const int64_t k = (c * 4 + r) * 9 + col;
             return shown(element(at.i, k)) + "," + shown(element(at.j, k));
           }};
    const std::string channel = shown(element(at.d, c * 4));
    g.ink = [c](int, int) { return kChannels[c]; };
    g.title = "rows of channel d = " + channel + ": i,j";
    g.cell_w = 46;
    if (c == 0) g.title += " at each place of the window";
    d.grid(0, c * 136, g);
  }
  return d;
}

/// The rows (or columns) that the window sees on each level, on the image and as vectors.
Drawing levels(bool rows) {
  const Indices pixel = get_indices({1, 1, 4, 4}, Window2d::square(1)),
                at = get_indices({1, 1, 4, 4}, kWindow);
  const Tensor &shown_pixels = rows ? pixel.i : pixel.j, &index = rows ? at.i : at.j;
  const std::string name = rows ? "i" : "j";
  const auto places_of = [&](int64_t place) { return listed_column(index, place); };
  Drawing d(rows ? "Index i, level by level" : "Index j, level by level",
            "Each pixel shows its " + std::string(rows ? "row" : "column") +
                ". The first place of each level sees " + places_of(0) + ", " + places_of(3) + ", " +
                places_of(6) + "; the second " + places_of(1) + ", " + places_of(4) + ", " + places_of(7) +
                ".");
  for (int level = 0; level < 3; ++level) {
    Grid image{.rows = 4, .cols = 4, .text = [&shown_pixels](int r, int c) {
                 return shown(element(shown_pixels, r * 4 + c));
               }};
    image.title = "level " + std::to_string(level + 1);
    image.ink = [level](int r, int) { return r == level || r == level + 1 ? kChannels[level] : Ink::paper; };
    image.note = rows ? "each pixel: its row" : "each pixel: its column";
    const Box from = d.grid(level * 210, 0, image);
    d.frame(from.cells(level, 0, 2, 4), kChannels[level]);
    Grid block{.rows = 4, .cols = 3, .text = [&index, level](int r, int c) {
                 return shown(element(index, r * 9 + level * 3 + c));
               }};
    block.ink = [level](int, int) { return kChannels[level]; };
    block.col_labels = {std::to_string(level) + ",0", std::to_string(level) + ",1",
                        std::to_string(level) + ",2"};
    block.note = name + " at its three places";
    const Box to = d.grid(level * 210 + 16, 164, block);
    d.arrow(from.middle_x(), from.bottom() + 26, from.middle_x(), to.y - 20);
  }
  return d;
}

struct Step {
  std::string how;
  Tensor vector;
  int stride = 1;  // of its elements; only for the colours
};

/// A vector in its steps, one row a step; frames around groups of the last one's elements.
Drawing steps(const std::string& title, const std::vector<Step>& list, int group) {
  std::string description;
  for (const Step& step : list)
    description += (description.empty() ? "" : "; ") + step.how + ": " + listed(step.vector);
  Drawing d(title, description + ".");
  for (size_t k = 0; k < list.size(); ++k) {
    const Step& step = list[k];
    const bool last = k + 1 == list.size();
    Grid g = matrix_grid(step.vector, "");
    g.ink = [&step](int, int c) {
      return kChannels[static_cast<int>(element(step.vector, c)) / step.stride % 3];
    };
    const Box at = d.grid(0, static_cast<int>(k) * 62, g);
    d.text(-16, at.middle_y() + 5, step.how, Align::right, 13);
    if (!last) d.arrow(16, at.bottom() + 6, 16, at.bottom() + 34);
    for (int c = 0; last && c < g.cols; c += group) d.frame(at.cells(0, c, 1, group), Ink::grey);
  }
  return d;
}

/// The vector of one patch: of i by repeat, of j by tile; then once more for every channel.
Drawing patch_vector(bool rows) {
  const Indices tall = get_indices({1, 1, 4, 4}, {.kernel_h = 2, .kernel_w = 1}),
                wide = get_indices({1, 1, 4, 4}, {.kernel_h = 1, .kernel_w = 2});
  const Indices one = get_indices({1, 1, 4, 4}, kWindow), all = get_indices(kImage, kWindow);
  return steps(rows ? "The level-1 vector of i" : "The slide-1 vector of j",
               {{rows ? "arange(KH)" : "arange(KW)", first_column(rows ? tall.i : wide.j)},
                {rows ? "repeat, each KW times" : "tile, KH times", first_column(rows ? one.i : one.j)},
                {"tile, once a channel", first_column(rows ? all.i : all.j)}},
               4);
}

/// The vector of all places: of i by repeat, of j by tile; then times the stride.
Drawing place_vector(bool rows) {
  const Indices at = get_indices(kImage, kWindow),
                strided = get_indices({1, 3, 6, 6}, Window2d::square(2, 2));
  const Tensor &index = rows ? at.i : at.j, &wide = rows ? strided.i : strided.j;
  const Tensor first = rows ? row_of(index, 0, 3) : row_of(get_indices({1, 1, 2, 4}, kWindow).j, 0);
  return steps(rows ? "The every-level vector of i" : "The every-slide vector of j",
               {{rows ? "arange(OH)" : "arange(OW)", first},
                {rows ? "repeat, each OW times" : "tile, OH times", row_of(index, 0)},
                {"times the stride, here 2", row_of(wide, 0), 2}},
               3);
}

Drawing broadcast(bool rows) {
  const Indices at = get_indices(kImage, kWindow);
  const Tensor& index = rows ? at.i : at.j;
  const std::string name = rows ? "i" : "j";
  Drawing d("Index " + name + " as a broadcast sum",
            "A column of 12 and a row of 9: each element of the 12 by 9 matrix is the sum of the element at "
            "its left and the one above it. Framed: row 6, place 1,1.");
  Grid sum = matrix_grid(index, "");
  sum.band = 4;
  sum.ink = [](int r, int) { return channel_of_row(r); };
  const Box m = d.grid(110, 70, sum);
  Grid left = matrix_grid(transposed(first_column(index)), "");
  left.row_labels = tap_labels(3, kWindow), left.band = 4;
  left.ink = sum.ink;
  const Box column = d.grid(50, 70, left);
  Grid top = matrix_grid(row_of(index, 0), rows ? "every level" : "every slide");
  top.col_labels = place_labels(3, 3);
  const Box row = d.grid(110, 24, top);
  d.text(column.middle_x(), column.bottom() + 18, rows ? "level 1" : "slide 1", Align::middle, 14, true);
  d.text(m.middle_x(), m.bottom() + 18, name + "[r][c] = column[r] + row[c]");
  d.sign(column.middle_x(), row.middle_y(), "+");
  d.frame(column.cells(6, 0));
  d.frame(row.cells(0, 4));
  d.frame(m.cells(6, 4));
  return d;
}

Drawing gather() {
  const Tensor x = places(kImage), columns = im2col(x, kWindow);
  const Indices at = get_indices(kImage, kWindow);
  constexpr int kRow = 6, kPlace = 4;
  Drawing d("The gather: columns[r][c] = x[d[r]][i[r][c]][j[r][c]]",
            "The matrices d, i and j beside the columns. What they say of row 6, place 1,1 is framed, and "
            "the pixel "
            "that is found there.");
  const auto put = [&](int left, const Tensor& t, const std::string& title, int cell, bool labels) {
    Grid g = matrix_grid(t, title);
    g.band = 4, g.cell_w = cell;
    g.ink = [](int r, int) { return channel_of_row(r); };
    if (labels) g.row_labels = tap_labels(3, kWindow);
    const Box box = d.grid(left, 0, g);
    d.frame(box.cells(kRow, t.shape()[1] == 1 ? 0 : kPlace));
    return box;
  };
  put(0, at.d, "d", 26, true);
  put(54, at.i, "i", 23, false);
  put(289, at.j, "j", 23, false);
  const Box to = put(556, columns, "columns", 28, false);
  const int64_t k = kRow * 9 + kPlace;
  const int channel = static_cast<int>(element(at.d, kRow)), row = static_cast<int>(element(at.i, k)),
            col = static_cast<int>(element(at.j, k));
  Grid image = plane_grid(x, 0, channel, "x, channel " + std::to_string(channel));
  image.ink = [channel](int, int) { return kChannels[channel]; };
  const Box from = d.grid(289, 320, image);
  d.frame(from.cells(row, col));
  d.arrow(from.right() + 8, from.middle_y(), to.x + to.w / 2, to.bottom() + 8);
  d.text(from.x - 16, from.middle_y() + 5,
         "d " + std::to_string(channel) + ", i " + std::to_string(row) + ", j " + std::to_string(col),
         Align::right);
  return d;
}

Drawing stride_and_padding() {
  const Shape shape{1, 1, 5, 5};
  const Window2d window = Window2d::square(3, 2, 1);
  Tensor x = places(shape);
  for (double& v : x.span<double>()) v += 1;  // no pixel is 0: zeros are padding
  const Tensor columns = im2col(x, window);
  // The padding is what a window of one pixel sees with the same pads.
  const Tensor padded = im2col(x, Window2d::square(1, 1, 1)).reshaped({1, 1, 7, 7});
  Drawing d(
      "Stride 2 and padding 1",
      "An image of 5 by 5 pixels, numbered from 1, with a ring of zeros. A window of 3 by 3 that moves by 2 "
      "stands in 3 by 3 places. The place 0,1 is framed; its column is " +
          listed_column(columns, 1) + ".");
  const auto grey_zero = [](const Tensor& t, int64_t cols) {
    return [t, cols](int r, int c) { return element(t, r * cols + c) == 0 ? Ink::grey : Ink::paper; };
  };
  Grid image = plane_grid(padded, 0, 0, "x with its padding");
  image.ink = grey_zero(padded, 7);
  image.note = "grey: zeros that are not stored";
  const Box from = d.grid(0, 36, image);
  Grid m = matrix_grid(columns, "columns");
  m.ink = grey_zero(columns, 9), m.row_labels = tap_labels(1, window), m.col_labels = place_labels(3, 3);
  const Box to = d.grid(350, 16, m);
  d.frame(from.cells(0, 2, 3, 3));
  d.frame(to.cells(0, 1, 9, 1));
  d.arrow(from.right() + 8, from.middle_y(), to.x - 60, from.middle_y(), "im2col");
  return d;
}

}  // namespace

std::vector<Figure> index_figures() {
  return {{"overview", overview()},
          {"one-output", one_output()},
          {"im2col", unfolding()},
          {"same-for-every-channel", same_for_every_channel()},
          {"i-levels", levels(true)},
          {"j-levels", levels(false)},
          {"i-patch", patch_vector(true)},
          {"i-places", place_vector(true)},
          {"i-sum", broadcast(true)},
          {"j-patch", patch_vector(false)},
          {"j-places", place_vector(false)},
          {"j-sum", broadcast(false)},
          {"gather", gather()},
          {"stride-and-padding", stride_and_padding()}};
}

}  // namespace unfold::guide
