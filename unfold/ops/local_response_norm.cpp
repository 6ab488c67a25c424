#include "unfold/ops/local_response_norm.h"

#include <cmath>

#include "unfold/error.h"
#include "unfold/kernels/lanes.h"
#include "unfold/kernels/local_response_norm.h"
#include "unfold/ops/kept.h"

namespace unfold {
namespace {

const LocalResponse& how_of(const Op& op) {
  return static_cast<const LocalResponseNorm&>(op).how();
}

/// Of one image; 16 images in the lanes are an image with 16 times the pixels.
template <class T, Layout kLayout>
ChannelView view_of(const Call<T>& c) {
  const int64_t channels = c.shapes[0][0], pixels = c.in / channels;
  return {channels, kLayout == Layout::chwn16 ? pixels * lanes::kLanes : pixels, kLayout == Layout::nhwc};
}

template <class T>
void naive_forward(const Op& op, const Call<T>& c) {
  const ChannelView view = view_of<T, Layout::nchw>(c);
  for (int64_t i = 0; i < c.n; ++i)
    reference::local_response_norm_forward(view, how_of(op), c.x[0] + i * c.in, c.y + i * c.out);
}
template <class T>
void naive_backward(const Op& op, const Call<T>& c) {
  const ChannelView view = view_of<T, Layout::nchw>(c);
  for (int64_t i = 0; i < c.n; ++i) {
    reference::local_response_norm_backward(view, how_of(op), c.x[0] + i * c.in, c.y + i * c.out,
                                            c.dy + i * c.out, c.dx + i * c.in);
  }
}

template <Layout kLayout>
void vector_forward(const Op& op, const Call<float>& c) {
  const ChannelView view = view_of<float, kLayout>(c);
  for (int64_t i = 0; i < (kLayout == Layout::chwn16 ? 1 : c.n); ++i)
    local_response_norm_forward(view, how_of(op), c.x[0] + i * c.in, c.y + i * c.out, c.scratch);
}
template <Layout kLayout>
void vector_backward(const Op& op, const Call<float>& c) {
  const ChannelView view = view_of<float, kLayout>(c);
  for (int64_t i = 0; i < (kLayout == Layout::chwn16 ? 1 : c.n); ++i) {
    local_response_norm_backward(view, how_of(op), c.x[0] + i * c.in, c.y + i * c.out, c.dy + i * c.out,
                                 c.dx + i * c.in, c.scratch);
  }
}
int64_t vector_scratch(const Op& op, const Call<float>& c) {
  return local_response_norm_scratch(view_of<float, Layout::nchw>(c), how_of(op));
}

template <Layout kLayout>
constexpr Implementation<float> vector(const char* name, Engine engine) {
  return {.name = name,
          .engine = engine,
          .numerics = "log11 exp7",
          .forward = vector_forward<kLayout>,
          .backward_data = vector_backward<kLayout>,
          .scratch = vector_scratch,
          .layout = kLayout};
}

constexpr Implementation<float> kFloat[] = {
    vector<Layout::nhwc>("local_response_norm/nhwc", Engine::fast),
    vector<Layout::chwn16>("local_response_norm/lanes", Engine::fast),
    vector<Layout::nchw>("local_response_norm/vector", Engine::im2col),
    {"local_response_norm/reference", Engine::naive, "libm", naive_forward<float>, naive_backward<float>},
};
constexpr Implementation<double> kDouble[] = {
    {"local_response_norm/reference", Engine::naive, "libm", naive_forward<double>, naive_backward<double>},
};

}  // namespace

LocalResponseNorm::LocalResponseNorm(int64_t size, double alpha, double beta, double k)
    : how_{size, alpha, beta, k} {
  if (size < 1 || size > 1024 || !(alpha >= 0) || !std::isfinite(alpha) || !std::isfinite(beta) || !(k > 0) ||
      !std::isfinite(k)) {
    throw Error(ErrorKind::usage, "LocalResponseNorm cannot work with these settings")
        .wanted("size 1 to 1024, alpha at least 0, k above 0, all finite")
        .got("size " + std::to_string(size) + ", alpha " + std::to_string(alpha) + ", beta " +
             std::to_string(beta) + ", k " + std::to_string(k));
  }
}

Attributes LocalResponseNorm::attributes() const {
  return {{"size", {static_cast<double>(how_.size)}},
          {"alpha", {how_.alpha}},
          {"beta", {how_.beta}},
          {"k", {how_.k}}};
}

Shape LocalResponseNorm::output_shape(std::span<const Shape> in, std::string_view where) const {
  if (in[0].rank() != 3 || in[0].elements() < 1) {
    throw Error(ErrorKind::usage, "the input does not fit")
        .where(where)
        .wanted("(C, H, W)")
        .got(in[0].text());
  }
  return in[0];
}

std::span<const Implementation<float>> LocalResponseNorm::implementations(float) const {
  return kept<kFloat>();
}
std::span<const Implementation<double>> LocalResponseNorm::implementations(double) const {
  return kept_double<kDouble>();
}

}  // namespace unfold
