#include "unfold/ops/prelu.h"

#include <cmath>

#include "unfold/error.h"
#include "unfold/kernels/lanes.h"
#include "unfold/kernels/prelu.h"

namespace unfold {
namespace {

/// Of one image; 16 images in the lanes are an image with 16 times the pixels, one slope a single channel.
template <class T, Layout kLayout>
ChannelView view_of(const Op& op, const Call<T>& c) {
  const int64_t channels = static_cast<const PRelu&>(op).slopes(), pixels = c.in / channels;
  return {channels, kLayout == Layout::chwn16 ? pixels * lanes::kLanes : pixels, kLayout == Layout::nhwc};
}
template <class T, Layout kLayout>
int64_t images(const Call<T>& c) {
  return kLayout == Layout::chwn16 ? 1 : c.n;
}

template <class T>
void naive_forward(const Op& op, const Call<T>& c) {
  for (int64_t i = 0; i < c.n; ++i)
    reference::prelu_forward(view_of<T, Layout::nchw>(op, c), c.x[0] + i * c.in, c.w, c.y + i * c.out);
}
template <class T>
void naive_backward(const Op& op, const Call<T>& c) {
  for (int64_t i = 0; i < c.n; ++i) {
    reference::prelu_backward(view_of<T, Layout::nchw>(op, c), c.x[0] + i * c.in, c.w, c.dy + i * c.out,
                              c.dx + i * c.in);
  }
}
template <class T>
void naive_backward_weights(const Op& op, const Call<T>& c) {
  for (int64_t i = 0; i < c.n; ++i) {
    reference::prelu_backward_weights(view_of<T, Layout::nchw>(op, c), c.x[0] + i * c.in, c.dy + i * c.out,
                                      c.dw);
  }
}

template <Layout kLayout>
void vector_forward(const Op& op, const Call<float>& c) {
  for (int64_t i = 0; i < images<float, kLayout>(c); ++i)
    prelu_forward(view_of<float, kLayout>(op, c), c.x[0] + i * c.in, c.w, c.y + i * c.out);
}
template <Layout kLayout>
void vector_backward(const Op& op, const Call<float>& c) {
  for (int64_t i = 0; i < images<float, kLayout>(c); ++i) {
    prelu_backward(view_of<float, kLayout>(op, c), c.x[0] + i * c.in, c.w, c.dy + i * c.out, c.dx + i * c.in);
  }
}
template <Layout kLayout>
void vector_backward_weights(const Op& op, const Call<float>& c) {
  for (int64_t i = 0; i < images<float, kLayout>(c); ++i) {
    prelu_backward_weights(view_of<float, kLayout>(op, c), c.x[0] + i * c.in, c.dy + i * c.out, c.dw,
                           c.scratch);
  }
}
template <Layout kLayout>
int64_t vector_scratch(const Op& op, const Call<float>& c) {
  return prelu_scratch(view_of<float, kLayout>(op, c));
}

template <Layout kLayout>
constexpr Implementation<float> vector(const char* name, Engine engine) {
  return {.name = name,
          .engine = engine,
          .numerics = "dw=groups of 1024, sum16 or chains",
          .forward = vector_forward<kLayout>,
          .backward_data = vector_backward<kLayout>,
          .backward_weights = vector_backward_weights<kLayout>,
          .scratch = vector_scratch<kLayout>,
          .layout = kLayout};
}

constexpr Implementation<float> kFloat[] = {
    vector<Layout::nhwc>("prelu/nhwc", Engine::fast),
    vector<Layout::chwn16>("prelu/lanes", Engine::fast),
    vector<Layout::nchw>("prelu/vector", Engine::im2col),
    {"prelu/reference", Engine::naive, "loop", naive_forward<float>, naive_backward<float>,
     naive_backward_weights<float>},
};
constexpr Implementation<double> kDouble[] = {
    {"prelu/reference", Engine::naive, "loop", naive_forward<double>, naive_backward<double>,
     naive_backward_weights<double>},
};

}  // namespace

PRelu::PRelu(int64_t parameters, double init) : parameters_(parameters), init_(init) {
  if (parameters < 1 || !std::isfinite(init)) {
    throw Error(ErrorKind::usage, "PRelu cannot work with these settings")
        .wanted("1 parameter or one a channel, and a finite number to begin with")
        .got(std::to_string(parameters) + " and " + std::to_string(init));
  }
}

Attributes PRelu::attributes() const {
  return {{"num_parameters", {static_cast<double>(parameters_)}}, {"init", {init_}}};
}

Shape PRelu::output_shape(std::span<const Shape> in, std::string_view where) const {
  if (parameters_ != 1 && (in[0].rank() < 1 || in[0][0] != parameters_)) {
    throw Error(ErrorKind::usage, "the input does not fit")
        .where(where)
        .wanted(std::to_string(parameters_) + " channels, a slope each")
        .got(in[0].text());
  }
  return in[0];
}

std::vector<ParameterSpec> PRelu::parameters(std::span<const Shape>) const {
  return {{"weight", {parameters_}, 1, init_}};
}

std::span<const Implementation<float>> PRelu::implementations(float) const {
  return kFloat;
}
std::span<const Implementation<double>> PRelu::implementations(double) const {
  return kDouble;
}

}  // namespace unfold
