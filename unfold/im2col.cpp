#include "unfold/im2col.h"

#include <cstring>
#include <string>
#include <vector>

#include "unfold/error.h"
#include "unfold/kernels/im2col.h"

namespace unfold {
namespace {

using Vector = std::vector<int64_t>;

/// 0, 1, ..., count-1
Vector arange(int64_t count) {
  Vector v;
  for (int64_t value = 0; value < count; ++value) v.push_back(value);
  return v;
}

/// (0 1 2) twice is (0 0 1 1 2 2)
Vector repeat(const Vector& values, int64_t times) {
  Vector v;
  for (const int64_t value : values) v.insert(v.end(), static_cast<size_t>(times), value);
  return v;
}

/// (0 1 2) twice is (0 1 2 0 1 2)
Vector tile(const Vector& values, int64_t times) {
  Vector v;
  for (int64_t time = 0; time < times; ++time) v.insert(v.end(), values.begin(), values.end());
  return v;
}

Vector scaled(int64_t factor, Vector values) {
  for (int64_t& value : values) value *= factor;
  return values;
}

/// m[r][c] = column[r] + row[c]
Tensor broadcast_sum(const Vector& column, const Vector& row) {
  Tensor sum = Tensor::zeros<int64_t>({std::ssize(column), std::ssize(row)});
  int64_t* to = sum.data<int64_t>();
  for (const int64_t a : column) {
    for (const int64_t b : row) *to++ = a + b;
  }
  return sum;
}

/// The sizes of the column matrix; taken through Shape, which refuses products that overflow.
struct ColumnsShape {
  int64_t rows, pixels;
  Shape all;  // (rows, N*pixels)

  explicit ColumnsShape(const Conv2dShape& s)
      : rows(Shape({s.ic, s.window.kernel_h, s.window.kernel_w}).elements()),
        pixels(Shape({s.oh, s.ow}).elements()),
        all({rows, Shape({s.n, pixels}).elements()}) {}
};

template <class T>
Tensor im2col_of(const Conv2dShape& s, const Tensor& x) {
  const ColumnsShape shape(s);
  Tensor columns = Tensor::zeros<T>(shape.all);
  for (int64_t n = 0; n < s.n; ++n) {
    im2col(s, x.data<T>() + n * s.x_image(), columns.data<T>() + n * shape.pixels, shape.all[1]);
  }
  return columns;
}

template <class T>
Tensor col2im_of(const Conv2dShape& s, const Tensor& columns) {
  const ColumnsShape shape(s);
  Tensor x = Tensor::zeros<T>(s.x_shape());
  for (int64_t n = 0; n < s.n; ++n) {
    col2im(s, columns.data<T>() + n * shape.pixels, shape.all[1], x.data<T>() + n * s.x_image());
  }
  return x;
}

Error not_floating(std::string_view where, const Tensor& tensor) {
  return Error(ErrorKind::usage, "the elements have the wrong type")
      .where(where)
      .wanted("F32 or F64")
      .got(dtype_name(tensor.dtype()));
}

Tensor in_one_piece(const Tensor& tensor) {
  return tensor.contiguous() ? tensor : tensor.clone();
}

/// The width P of one image in (rows, images*P).
int64_t image_width(const Tensor& matrix, int64_t images, std::string_view where) {
  if (matrix.shape().rank() != 2 || images < 1 || matrix.shape()[1] % images != 0) {
    throw Error(ErrorKind::usage, "the matrix does not divide into images")
        .where(where)
        .wanted("(rows, " + std::to_string(images) + " * P)")
        .got(matrix.shape().text());
  }
  return matrix.shape()[1] / images;
}

}  // namespace

Indices get_indices(const Shape& x, const Window2d& window) {
  const Conv2dShape s = Conv2dShape::infer(x, x.rank() == 4 ? x[1] : 1, window, "get_indices");
  // Rows. The window at the top left reads 0 0 .. 1 1 ..: each row of the kernel KW times, for every channel
  // again.
  const Vector level1 =
      scaled(window.dilation_h, tile(repeat(arange(window.kernel_h), window.kernel_w), s.ic));
  // A level is one slide from left to right: OW places on the same row; each level begins SH lower.
  const Vector every_level = scaled(window.stride_h, repeat(arange(s.oh), s.ow));

  // Columns. The first slide reads 0 1 .. 0 1 ..: the columns of the kernel, for each of its rows, for every
  // channel.
  const Vector slide1 = scaled(window.dilation_w, tile(tile(arange(window.kernel_w), window.kernel_h), s.ic));
  // Each slide stands SW further right, and every level does the same again.
  const Vector every_slide = scaled(window.stride_w, tile(arange(s.ow), s.oh));

  // Channels: KH*KW rows each.
  const Vector channel = repeat(arange(s.ic), window.taps());
  return {broadcast_sum(level1, every_level), broadcast_sum(slide1, every_slide),
          broadcast_sum(channel, {0})};
}

Tensor im2col(const Tensor& x, const Window2d& window) {
  const Shape& shape = x.shape();
  const Conv2dShape s = Conv2dShape::infer(shape, shape.rank() == 4 ? shape[1] : 1, window, "im2col");
  const Tensor whole = in_one_piece(x);
  if (x.dtype() == Dtype::f32) return im2col_of<float>(s, whole);
  if (x.dtype() == Dtype::f64) return im2col_of<double>(s, whole);
  throw not_floating("im2col", x);
}

Tensor col2im(const Tensor& columns, const Shape& x, const Window2d& window) {
  const Conv2dShape s = Conv2dShape::infer(x, x.rank() == 4 ? x[1] : 1, window, "col2im");
  if (const Shape wanted = ColumnsShape(s).all; columns.shape() != wanted) {
    throw Error(ErrorKind::usage, "these are not the columns of such images")
        .where("col2im")
        .wanted(wanted.text())
        .got(columns.shape().text());
  }
  const Tensor whole = in_one_piece(columns);
  if (columns.dtype() == Dtype::f32) return col2im_of<float>(s, whole);
  if (columns.dtype() == Dtype::f64) return col2im_of<double>(s, whole);
  throw not_floating("col2im", columns);
}

Tensor image_columns(const Tensor& columns, int64_t n, int64_t images) {
  const int64_t width = image_width(columns, images, "image_columns");
  if (n < 0 || n >= images) {
    throw Error(ErrorKind::usage, "there is no such image")
        .where("image_columns")
        .wanted("0 to " + std::to_string(images - 1))
        .got(std::to_string(n));
  }
  const Tensor whole = in_one_piece(columns);
  const int64_t rows = columns.shape()[0];
  Tensor image(columns.dtype(), {rows, width});
  const size_t bytes = static_cast<size_t>(width) * dtype_size(columns.dtype());
  const auto* from = static_cast<const std::byte*>(whole.raw()) + static_cast<size_t>(n) * bytes;
  auto* to = static_cast<std::byte*>(image.raw());
  for (int64_t row = 0; row < rows && bytes > 0;
       ++row, to += bytes, from += static_cast<size_t>(images) * bytes) {
    std::memcpy(to, from, bytes);
  }
  return image;
}

Tensor split_images(const Tensor& matrix, int64_t images) {
  const int64_t width = image_width(matrix, images, "split_images");
  return in_one_piece(matrix).reshaped({matrix.shape()[0], images, width}).transposed(0, 1).clone();
}

Tensor join_images(const Tensor& batch) {
  const Shape& shape = batch.shape();
  if (shape.rank() != 3) {
    throw Error(ErrorKind::usage, "the batch does not fit")
        .where("join_images")
        .wanted("3 axes (N, rows, P)")
        .got(shape.text());
  }
  return batch.transposed(0, 1).clone().reshaped({shape[1], shape[0] * shape[2]});
}

}  // namespace unfold
