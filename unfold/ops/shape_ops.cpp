#include "unfold/ops/shape_ops.h"

#include <algorithm>

#include "unfold/error.h"
#include "unfold/kernels/activation.h"
#include "unfold/kernels/reference/softmax.h"

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
void add_forward(const Op&, const Call<T>& c) {
  for (int64_t i = 0; i < c.n * c.out; ++i) c.y[i] = c.x[0][i] + c.x[1][i];
}

template <class T>
void softmax_naive_forward(const Op&, const Call<T>& c) {
  reference::softmax_forward(c.n, c.out, c.x[0], c.y);
}
template <class T>
void softmax_naive_backward(const Op&, const Call<T>& c) {
  reference::softmax_backward(c.n, c.out, c.y, c.dy, c.dx);
}
void softmax_vector_forward(const Op&, const Call<float>& c) {
  softmax_forward(c.n, c.out, c.x[0], c.y);
}

template <class T>
constexpr Implementation<T> kFlatten[] = {
    {"flatten/reference", Engine::naive, "exact", flatten_forward<T>, copy_gradient<T>},
};
template <class T>
constexpr Implementation<T> kAdd[] = {
    {"add/reference", Engine::naive, "exact", add_forward<T>, copy_gradient<T>},
};
constexpr Implementation<float> kSoftmaxFloat[] = {
    {"softmax/vector", Engine::im2col, "exp7 sum16", softmax_vector_forward, softmax_naive_backward<float>},
    {"softmax/reference", Engine::naive, "libm", softmax_naive_forward<float>, softmax_naive_backward<float>},
};
constexpr Implementation<double> kSoftmaxDouble[] = {
    {"softmax/reference", Engine::naive, "libm", softmax_naive_forward<double>,
     softmax_naive_backward<double>},
};

}  // namespace

std::span<const Implementation<float>> Flatten::implementations(float) const {
  return kFlatten<float>;
}
std::span<const Implementation<double>> Flatten::implementations(double) const {
  return kFlatten<double>;
}

Shape Add::output_shape(std::span<const Shape> in, std::string_view where) const {
  if (in[0] != in[1]) {
    throw Error(ErrorKind::usage, "the two inputs differ in shape")
        .where(where)
        .wanted(in[0].text())
        .got(in[1].text());
  }
  return in[0];
}
std::span<const Implementation<float>> Add::implementations(float) const {
  return kAdd<float>;
}
std::span<const Implementation<double>> Add::implementations(double) const {
  return kAdd<double>;
}

Shape Softmax::output_shape(std::span<const Shape> in, std::string_view where) const {
  if (in[0].rank() != 1 || in[0][0] < 1) {
    throw Error(ErrorKind::usage, "the input does not fit")
        .where(where)
        .wanted("one axis (classes)")
        .got(in[0].text());
  }
  return in[0];
}
std::span<const Implementation<float>> Softmax::implementations(float) const {
  return kSoftmaxFloat;
}
std::span<const Implementation<double>> Softmax::implementations(double) const {
  return kSoftmaxDouble;
}

}  // namespace unfold
