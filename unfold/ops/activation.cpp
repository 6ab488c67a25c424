#include "unfold/ops/activation.h"

#include <cmath>

#include "unfold/error.h"
#include "unfold/kernels/activation.h"
#include "unfold/kernels/lanes.h"
#include "unfold/kernels/reference/activation.h"
#include "unfold/ops/kept.h"

namespace unfold {
namespace {

template <class T>
T scale_of(const Op& op) {
  return static_cast<T>(static_cast<const Tanh&>(op).scale());
}

template <class T>
void tanh_naive_forward(const Op& op, const Call<T>& c) {
  reference::tanh_forward(c.n * c.out, c.x[0], scale_of<T>(op), c.y);
}
template <class T>
void tanh_naive_backward(const Op& op, const Call<T>& c) {
  reference::tanh_backward(c.n * c.out, c.y, c.dy, scale_of<T>(op), c.dx);
}
void tanh_vector_forward(const Op& op, const Call<float>& c) {
  tanh_forward(c.n * c.out, c.x[0], scale_of<float>(op), c.y);
}
void tanh_vector_backward(const Op& op, const Call<float>& c) {
  tanh_backward(c.n * c.out, c.y, c.dy, scale_of<float>(op), c.dx);
}

template <class T>
void relu_naive_forward(const Op&, const Call<T>& c) {
  reference::relu_forward(c.n * c.out, c.x[0], c.y);
}
template <class T>
void relu_naive_backward(const Op&, const Call<T>& c) {
  reference::relu_backward(c.n * c.out, c.y, c.dy, c.dx);
}

void relu_vector_backward(const Op&, const Call<float>& c) {
  relu_backward(c.n * c.out, c.y, c.dy, c.dx);
}

template <class T>
void sigmoid_naive_forward(const Op&, const Call<T>& c) {
  reference::sigmoid_forward(c.n * c.out, c.x[0], c.y);
}
template <class T>
void sigmoid_naive_backward(const Op&, const Call<T>& c) {
  reference::sigmoid_backward(c.n * c.out, c.y, c.dy, c.dx);
}
void sigmoid_vector_forward(const Op&, const Call<float>& c) {
  sigmoid_forward(c.n * c.out, c.x[0], c.y);
}

void tanh_lanes_forward(const Op& op, const Call<float>& c) {
  lanes::tanh_forward(c.n, c.out, c.x[0], scale_of<float>(op), c.y);
}
void tanh_lanes_backward(const Op& op, const Call<float>& c) {
  lanes::tanh_backward(c.n, c.out, c.y, c.dy, scale_of<float>(op), c.dx);
}
void relu_lanes_forward(const Op&, const Call<float>& c) {
  lanes::relu_forward(c.n, c.out, c.x[0], c.y);
}
void relu_lanes_backward(const Op&, const Call<float>& c) {
  lanes::relu_backward(c.n, c.out, c.y, c.dy, c.dx);
}
void sigmoid_lanes_forward(const Op&, const Call<float>& c) {
  sigmoid_forward(lanes::kLanes * c.out, c.x[0], c.y);
}
void sigmoid_lanes_backward(const Op&, const Call<float>& c) {
  reference::sigmoid_backward(lanes::kLanes * c.out, c.y, c.dy, c.dx);
}

constexpr Implementation<float> kTanhFloat[] = {
    {.name = "tanh/nhwc",
     .engine = Engine::fast,
     .numerics = "tanh4_4",
     .forward = tanh_vector_forward,
     .backward_data = tanh_vector_backward,
     .layout = Layout::nhwc},
    {.name = "tanh/lanes",
     .engine = Engine::fast,
     .numerics = "tanh4_4",
     .forward = tanh_lanes_forward,
     .backward_data = tanh_lanes_backward,
     .layout = Layout::chwn16},
    {"tanh/vector", Engine::im2col, "tanh4_4", tanh_vector_forward, tanh_vector_backward},
    {"tanh/reference", Engine::naive, "libm", tanh_naive_forward<float>, tanh_naive_backward<float>},
};
constexpr Implementation<double> kTanhDouble[] = {
    {"tanh/reference", Engine::naive, "libm", tanh_naive_forward<double>, tanh_naive_backward<double>},
};
constexpr Implementation<float> kReluFloat[] = {
    {.name = "relu/nhwc",
     .engine = Engine::fast,
     .numerics = "exact",
     .forward = relu_naive_forward<float>,
     .backward_data = relu_vector_backward,
     .layout = Layout::nhwc},
    {.name = "relu/lanes",
     .engine = Engine::fast,
     .numerics = "exact",
     .forward = relu_lanes_forward,
     .backward_data = relu_lanes_backward,
     .layout = Layout::chwn16},
    {"relu/vector", Engine::im2col, "exact", relu_naive_forward<float>, relu_vector_backward},
    {"relu/reference", Engine::naive, "exact", relu_naive_forward<float>, relu_naive_backward<float>},
};
constexpr Implementation<double> kReluDouble[] = {
    {"relu/reference", Engine::naive, "exact", relu_naive_forward<double>, relu_naive_backward<double>},
};
constexpr Implementation<float> kSigmoidFloat[] = {
    {.name = "sigmoid/nhwc",
     .engine = Engine::fast,
     .numerics = "exp7",
     .forward = sigmoid_vector_forward,
     .backward_data = sigmoid_naive_backward<float>,
     .layout = Layout::nhwc},
    {.name = "sigmoid/lanes",
     .engine = Engine::fast,
     .numerics = "exp7",
     .forward = sigmoid_lanes_forward,
     .backward_data = sigmoid_lanes_backward,
     .layout = Layout::chwn16},
    {"sigmoid/vector", Engine::im2col, "exp7", sigmoid_vector_forward, sigmoid_naive_backward<float>},
    {"sigmoid/reference", Engine::naive, "libm", sigmoid_naive_forward<float>, sigmoid_naive_backward<float>},
};
constexpr Implementation<double> kSigmoidDouble[] = {
    {"sigmoid/reference", Engine::naive, "libm", sigmoid_naive_forward<double>,
     sigmoid_naive_backward<double>},
};

}  // namespace

Tanh::Tanh(double scale) : scale_(scale) {
  if (!(scale > 0) || !std::isfinite(scale)) {
    throw Error(ErrorKind::usage, "Tanh needs a positive scale").got(std::to_string(scale));
  }
}

std::span<const Implementation<float>> Tanh::implementations(float) const {
  return kept<kTanhFloat>();
}
std::span<const Implementation<double>> Tanh::implementations(double) const {
  return kept_double<kTanhDouble>();
}
std::span<const Implementation<float>> Relu::implementations(float) const {
  return kept<kReluFloat>();
}
std::span<const Implementation<double>> Relu::implementations(double) const {
  return kept_double<kReluDouble>();
}
std::span<const Implementation<float>> Sigmoid::implementations(float) const {
  return kept<kSigmoidFloat>();
}
std::span<const Implementation<double>> Sigmoid::implementations(double) const {
  return kept_double<kSigmoidDouble>();
}

}  // namespace unfold
