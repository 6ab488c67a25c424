#include "cli/exercise_cases.h"

#include <algorithm>
#include <numeric>

#include "unfold/im2col.h"
#include "unfold/kernels/reference/conv2d.h"
#include "unfold/kernels/reference/pool2d.h"
#include "unfold/random.h"

namespace unfold::cli {
namespace {

std::string counted(int64_t count, const char* what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::string by(int64_t height, int64_t width) {
  return std::to_string(height) + "x" + std::to_string(width);
}

/// OH and OW are filled in.
ExerciseSizes sizes(int n, int c, int h, int w, int oc, int kh, int kw, int stride, int pad) {
  return {
      n, c, h, w, oc, kh, kw, stride, pad, (h + 2 * pad - kh) / stride + 1, (w + 2 * pad - kw) / stride + 1};
}

std::vector<double> counting(int64_t count) {
  std::vector<double> values(static_cast<size_t>(count));
  std::iota(values.begin(), values.end(), 1.0);
  return values;
}

/// 1 to count in an order drawn: whole, all different, so that each can be found again.
std::vector<double> drawn(int64_t count, Random& random) {
  std::vector<double> values = counting(count);
  for (int64_t k = count - 1; k > 0; --k) {
    std::swap(values[static_cast<size_t>(k)], values[static_cast<size_t>(random.below(k + 1))]);
  }
  return values;
}

Tensor tensor_of(const std::vector<double>& values, const Shape& shape) {
  Tensor tensor = Tensor::zeros<double>(shape);
  std::copy(values.begin(), values.end(), tensor.data<double>());
  return tensor;
}

template <class T>
std::vector<double> values_of(const Tensor& tensor) {
  const auto span = tensor.span<T>();
  return {span.begin(), span.end()};
}

}  // namespace

Conv2dShape ExerciseSizes::shape() const {
  Window2d window;
  window.kernel_h = kh, window.kernel_w = kw;
  window.stride_h = window.stride_w = stride;
  window.pad_top = window.pad_left = window.pad_bottom = window.pad_right = pad;
  return Conv2dShape::infer({n, c, h, w}, oc, window, "exercise");
}

std::string ExerciseSizes::text(bool kernels) const {
  std::string text = counted(n, "image") + " of " + counted(c, "channel") + " of " + by(h, w) + ", " +
                     (kernels ? counted(oc, "kernel") : "window") + " " + by(kh, kw);
  if (stride != 1) text += ", stride " + std::to_string(stride);
  if (pad != 0) text += ", padding " + std::to_string(pad);
  return text;
}

std::span<const Exercise> exercises() {
  static const Exercise kExercises[] = {
      {1,
       "get_indices",
       "where each element of the columns comes from",
       "1_get_indices.cpp",
       {{"i", Layout::index}, {"j", Layout::index}, {"d", Layout::index_column}}},
      {2, "im2col", "patches become columns", "2_im2col.cpp", {{"columns", Layout::columns}}},
      {3, "col2im", "columns go back, overlaps add up", "3_col2im.cpp", {{"x", Layout::images}}},
      {4,
       "conv_backward",
       "dx, dw and db of a convolution",
       "4_conv_backward.cpp",
       {{"dx", Layout::images}, {"dw", Layout::kernels}, {"db", Layout::per_kernel}}},
      {5, "avg_pool_backward", "dx of average pooling", "5_avg_pool_backward.cpp", {{"dx", Layout::images}}},
  };
  return kExercises;
}

std::vector<ExerciseCase> exercise_cases(const Exercise& exercise) {
  std::vector<ExerciseSizes> all = {
      sizes(1, 1, 3, 3, 1, 2, 2, 1, 0),  // the worked example
      sizes(1, 1, 3, 5, 1, 2, 3, 1, 0),  // not square
      sizes(1, 2, 3, 3, 3, 2, 2, 1, 0),  // channels
      sizes(1, 1, 4, 4, 1, 2, 2, 2, 0),  // stride, windows side by side
      sizes(1, 1, 5, 5, 1, 3, 3, 2, 0),  // stride, windows that overlap
      sizes(1, 1, 3, 3, 1, 3, 3, 1, 1),  // padding
      sizes(2, 2, 3, 3, 2, 2, 2, 1, 0),  // images
      sizes(1, 1, 5, 8, 1, 2, 2, 3, 0),  // pixels between the windows
      sizes(2, 3, 5, 6, 4, 3, 2, 2, 1),  // everything at once
  };
  // The images of a batch share their indices.
  if (exercise.number == 1) std::erase_if(all, [](const ExerciseSizes& s) { return s.n == 2 && s.pad == 0; });

  std::vector<ExerciseCase> cases;
  Random random(0, "exercise");
  for (const ExerciseSizes& s : all) {
    const Conv2dShape shape = s.shape();
    const auto values = [&](int64_t count) { return cases.empty() ? counting(count) : drawn(count, random); };
    ExerciseCase one{s, {}};
    const std::vector<double> x = values(shape.n * shape.x_image());
    if (exercise.number == 2) one.in = {x};
    if (exercise.number == 3) {
      one.in = {values(s.patch() * s.n * s.places())};
      if (cases.empty()) one.in = {values_of<double>(im2col(tensor_of(x, shape.x_shape()), shape.window))};
    }
    if (exercise.number == 4) {
      one.in = {x, values(shape.w_shape().elements()), values(shape.n * shape.y_image())};
    }
    if (exercise.number == 5) {
      one.in = {values(int64_t{s.n} * s.c * s.places())};
      for (double& value : one.in[0]) value *= s.kh * s.kw;  // so that the parts are whole numbers
    }
    cases.push_back(std::move(one));
  }
  return cases;
}

Vectors wanted_results(const Exercise& exercise, const ExerciseCase& one) {
  const ExerciseSizes& s = one.sizes;
  Conv2dShape shape = s.shape();
  if (exercise.number == 1) {
    const Indices index = get_indices(shape.x_shape(), shape.window);
    return {values_of<int64_t>(index.i), values_of<int64_t>(index.j), values_of<int64_t>(index.d)};
  }
  if (exercise.number == 2) {
    return {values_of<double>(im2col(tensor_of(one.in[0], shape.x_shape()), shape.window))};
  }
  if (exercise.number == 3) {
    const Tensor columns = tensor_of(one.in[0], {s.patch(), s.n * s.places()});
    return {values_of<double>(col2im(columns, shape.x_shape(), shape.window))};
  }
  std::vector<double> dx(static_cast<size_t>(shape.n * shape.x_image()));
  if (exercise.number == 5) {
    shape = Conv2dShape::infer(shape.x_shape(), shape.ic, shape.window, "exercise");
    reference::avg_pool2d_backward(shape, one.in[0].data(), dx.data(), true);
    return {dx};
  }
  const double *x = one.in[0].data(), *w = one.in[1].data(), *dy = one.in[2].data();
  std::vector<double> dw(one.in[1].size()), db(static_cast<size_t>(s.oc));
  reference::conv2d_backward_data(shape, w, dy, dx.data());
  reference::conv2d_backward_weights(shape, x, dy, dw.data(), db.data());
  return {dx, dw, db};
}

MatrixPart part_with(const Result& result, const ExerciseSizes& s, int64_t at) {
  const std::string name = result.name;
  const auto plane = [&](int64_t rows, int64_t columns, const char* first) {
    const int64_t size = rows * columns, number = at / size;
    return MatrixPart{number * size, rows, columns,
                      name + " of " + first + " " + std::to_string(number / s.c) + ", channel " +
                          std::to_string(number % s.c)};
  };
  switch (result.layout) {
    case Layout::index:
      return {0, s.patch(), s.places(), name};
    case Layout::index_column:
      return {0, s.patch(), 1, name};
    case Layout::columns:
      return {0, s.patch(), s.n * s.places(), name};
    case Layout::images:
      return plane(s.h, s.w, "image");
    case Layout::kernels:
      return plane(s.kh, s.kw, "kernel");
    case Layout::per_kernel:
      break;
  }
  return {0, 1, s.oc, name};
}

GivenPart given_for(const Exercise& exercise, const ExerciseSizes& s, int64_t at) {
  const int64_t width = s.n * s.places();
  const auto plane = [&](const char* name, int64_t number, int64_t rows, int64_t columns) {
    return MatrixPart{number * rows * columns, rows, columns,
                      std::string(name) + " of image " + std::to_string(number / s.c) + ", channel " +
                          std::to_string(number % s.c)};
  };
  switch (exercise.number) {
    case 2:  // the plane of the column's image and the row's channel
      return {plane("x", at % width / s.places() * s.c + at / width / (s.kh * s.kw), s.h, s.w), 0};
    case 3:
      return {{0, s.patch(), width, "columns"}, 0};
    case 5:
      return {plane("dy", at / (s.h * s.w), s.oh, s.ow), 0};
    default:
      return {};
  }
}

std::string place_text(const Result& result, const ExerciseSizes& s, int64_t at) {
  const MatrixPart part = part_with(result, s, at);
  const int64_t row = (at - part.first) / part.columns, column = (at - part.first) % part.columns;
  if (result.layout == Layout::per_kernel) return part.title + " of kernel " + std::to_string(column);
  std::string text = part.title + ", row " + std::to_string(row);
  if (result.layout == Layout::images || result.layout == Layout::kernels) {
    return text + ", column " + std::to_string(column);
  }
  text += " (channel " + std::to_string(row / (s.kh * s.kw)) + ", kh " + std::to_string(row / s.kw % s.kh) +
          ", kw " + std::to_string(row % s.kw) + ")";
  if (result.layout == Layout::index_column) return text;
  const int64_t place = column % s.places();
  return text + ", column " + std::to_string(column) + " (" +
         (result.layout == Layout::columns ? "image " + std::to_string(column / s.places()) + ", " : "") +
         "oh " + std::to_string(place / s.ow) + ", ow " + std::to_string(place % s.ow) + ")";
}

}  // namespace unfold::cli
