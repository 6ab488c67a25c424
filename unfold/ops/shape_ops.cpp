#include "unfold/ops/shape_ops.h"

#include <algorithm>

#include "unfold/error.h"
#include "unfold/kernels/activation.h"
#include "unfold/kernels/lanes.h"
#include "unfold/kernels/nhwc.h"
#include "unfold/kernels/reference/softmax.h"
#include "unfold/ops/kept.h"

namespace unfold {
namespace {

template <class T>
void flatten_forward(const Op&, const Call<T>& c) {
  std::copy(c.x[0], c.x[0] + c.n * c.in, c.y);
}
template <class T>
void copy_gradient(const Op&, const Call<T>& c) {
  std::copy(c.dy, c.dy + c.n * c.out, c.dx);
}

template <class T>
void softmax_naive_forward(const Op&, const Call<T>& c) {
  reference::softmax_forward(c.n, c.out, c.x[0], c.y);
}
template <class T>
void softmax_naive_backward(const Op&, const Call<T>& c) {
  reference::softmax_backward(c.n, c.out, c.y, c.dy, c.dx);
}
template <class T>
void log_softmax_forward(const Op&, const Call<T>& c) {
  reference::log_softmax_forward(c.n, c.out, c.x[0], c.y);
}
template <class T>
void log_softmax_backward(const Op&, const Call<T>& c) {
  reference::log_softmax_backward(c.n, c.out, c.y, c.dy, c.dx);
}
void softmax_vector_forward(const Op&, const Call<float>& c) {
  softmax_forward(c.n, c.out, c.x[0], c.y);
}

/// The whole block of lanes, whatever it holds: it is small.
Call<float> block(const Call<float>& c) {
  Call<float> whole = c;
  whole.n = lanes::kLanes;
  return whole;
}
void flatten_lanes_forward(const Op& op, const Call<float>& c) {
  flatten_forward(op, block(c));
}
void copy_lanes_gradient(const Op& op, const Call<float>& c) {
  copy_gradient(op, block(c));
}
void to_lanes_forward(const Op&, const Call<float>& c) {
  lanes::from_rows(c.n, c.in, c.x[0], c.y);
}
void to_lanes_backward(const Op&, const Call<float>& c) {
  lanes::to_rows(c.n, c.in, c.dy, c.dx);
}
void to_rows_forward(const Op&, const Call<float>& c) {
  lanes::to_rows(c.n, c.in, c.x[0], c.y);
}
void to_rows_backward(const Op&, const Call<float>& c) {
  lanes::from_rows(c.n, c.in, c.dy, c.dx);
}

// Images in NHWC: the window is one pixel, and has the image's sizes.
void turn_in(const Call<float>& c, const float* from, float* to) {
  for (int64_t i = 0; i < c.n; ++i)
    nchw_to_nhwc(c.window.ic, c.window.pixels(), from + i * c.in, to + i * c.in);
}
void turn_back(const Call<float>& c, const float* from, float* to) {
  for (int64_t i = 0; i < c.n; ++i)
    nhwc_to_nchw(c.window.ic, c.window.pixels(), from + i * c.in, to + i * c.in);
}
void to_nhwc_forward(const Op&, const Call<float>& c) {
  turn_in(c, c.x[0], c.y);
}
void to_nhwc_backward(const Op&, const Call<float>& c) {
  turn_back(c, c.dy, c.dx);
}
void from_nhwc_forward(const Op&, const Call<float>& c) {
  turn_back(c, c.x[0], c.y);
}
void from_nhwc_backward(const Op&, const Call<float>& c) {
  turn_in(c, c.dy, c.dx);
}

constexpr Implementation<float> kToNhwc[] = {
    {.name = "nchw to nhwc",
     .engine = Engine::fast,
     .numerics = "exact",
     .forward = to_nhwc_forward,
     .backward_data = to_nhwc_backward,
     .layout = Layout::nhwc},
};
constexpr Implementation<float> kFromNhwc[] = {
    {.name = "nhwc to nchw",
     .engine = Engine::fast,
     .numerics = "exact",
     .forward = from_nhwc_forward,
     .backward_data = from_nhwc_backward,
     .layout = Layout::nchw},
};
constexpr Implementation<float> kToLanes[] = {
    {.name = "rows to lanes",
     .engine = Engine::fast,
     .numerics = "exact",
     .forward = to_lanes_forward,
     .backward_data = to_lanes_backward,
     .layout = Layout::chwn16},
};
constexpr Implementation<float> kToRows[] = {
    {.name = "lanes to rows",
     .engine = Engine::fast,
     .numerics = "exact",
     .forward = to_rows_forward,
     .backward_data = to_rows_backward,
     .layout = Layout::nchw},
};

constexpr Implementation<float> kFlattenFloat[] = {
    {.name = "flatten/lanes",
     .engine = Engine::fast,
     .numerics = "exact",
     .forward = flatten_lanes_forward,
     .backward_data = copy_lanes_gradient,
     .layout = Layout::chwn16},
    {"flatten/reference", Engine::naive, "exact", flatten_forward<float>, copy_gradient<float>},
};
constexpr Implementation<double> kFlattenDouble[] = {
    {"flatten/reference", Engine::naive, "exact", flatten_forward<double>, copy_gradient<double>},
};
constexpr Implementation<float> kSoftmaxFloat[] = {
    {"softmax/vector", Engine::im2col, "exp7 sum16", softmax_vector_forward, softmax_naive_backward<float>},
    {"softmax/reference", Engine::naive, "libm", softmax_naive_forward<float>, softmax_naive_backward<float>},
};
constexpr Implementation<double> kSoftmaxDouble[] = {
    {"softmax/reference", Engine::naive, "libm", softmax_naive_forward<double>,
     softmax_naive_backward<double>},
};

template <class T>
constexpr Implementation<T> kLogSoftmax[] = {
    {"log_softmax/reference", Engine::naive, "libm", log_softmax_forward<T>, log_softmax_backward<T>},
};

Shape row_of(std::span<const Shape> in, std::string_view where) {
  if (in[0].rank() == 1 && in[0][0] >= 1) return in[0];
  throw Error(ErrorKind::usage, "the input does not fit")
      .where(where)
      .wanted("one axis (classes)")
      .got(in[0].text());
}

}  // namespace

std::span<const Implementation<float>> Relayout::implementations(float) const {
  if (to_ == Layout::chwn16) return kToLanes;
  if (to_ == Layout::nhwc) return kToNhwc;
  return from_ == Layout::nhwc ? kFromNhwc : kToRows;
}
Conv2dShape Relayout::window_shape(std::span<const Shape> in) const {
  if (in[0].rank() != 3) return {};  // lanes look at the number of elements only
  return Conv2dShape::infer(in[0].batched(1), in[0][0], {}, "Relayout");
}

std::span<const Implementation<float>> Flatten::implementations(float) const {
  return kept<kFlattenFloat>();
}
std::span<const Implementation<double>> Flatten::implementations(double) const {
  return kept_double<kFlattenDouble>();
}

Shape Softmax::output_shape(std::span<const Shape> in, std::string_view where) const {
  return row_of(in, where);
}
std::span<const Implementation<float>> Softmax::implementations(float) const {
  return kept<kSoftmaxFloat>();
}
std::span<const Implementation<double>> Softmax::implementations(double) const {
  return kept_double<kSoftmaxDouble>();
}

Shape LogSoftmax::output_shape(std::span<const Shape> in, std::string_view where) const {
  return row_of(in, where);
}
std::span<const Implementation<float>> LogSoftmax::implementations(float) const {
  return kLogSoftmax<float>;
}
std::span<const Implementation<double>> LogSoftmax::implementations(double) const {
  return kLogSoftmax<double>;
}

}  // namespace unfold
