#include "unfold/ops/adaptive_pool2d.h"

#include "unfold/error.h"
#include "unfold/kernels/lanes.h"
#include "unfold/kernels/reference/adaptive_pool2d.h"
#include "unfold/ops/kept.h"

namespace unfold {
namespace {

// The definition's inner loop runs over what lies side by side, so it is the kernel of every layout.

template <class T, Layout kLayout>
reference::AdaptivePool sizes_of(const Op& op, const Call<T>& c) {
  const auto& pool = static_cast<const AdaptiveAvgPool2d&>(op);
  const Shape& x = c.shapes[0];
  reference::AdaptivePool s{x[0], x[1], x[2], pool.out_h(), pool.out_w(), 1};
  if (kLayout == Layout::nhwc) s.outer = 1, s.run = x[0];
  if (kLayout == Layout::chwn16) s.run = lanes::kLanes;
  return s;
}

template <class T, Layout kLayout>
void forward(const Op& op, const Call<T>& c) {
  for (int64_t i = 0; i < (kLayout == Layout::chwn16 ? 1 : c.n); ++i)
    reference::adaptive_avg_pool2d_forward(sizes_of<T, kLayout>(op, c), c.x[0] + i * c.in, c.y + i * c.out);
}
template <class T, Layout kLayout>
void backward(const Op& op, const Call<T>& c) {
  for (int64_t i = 0; i < (kLayout == Layout::chwn16 ? 1 : c.n); ++i)
    reference::adaptive_avg_pool2d_backward(sizes_of<T, kLayout>(op, c), c.dy + i * c.out, c.dx + i * c.in);
}

template <class T, Layout kLayout>
constexpr Implementation<T> implementation(const char* name, Engine engine) {
  return {.name = name,
          .engine = engine,
          .numerics = "chain(h,w)",
          .forward = forward<T, kLayout>,
          .backward_data = backward<T, kLayout>,
          .layout = kLayout};
}

constexpr Implementation<float> kFloat[] = {
    implementation<float, Layout::nhwc>("adaptive_avg_pool2d/nhwc", Engine::fast),
    implementation<float, Layout::chwn16>("adaptive_avg_pool2d/lanes", Engine::fast),
    implementation<float, Layout::nchw>("adaptive_avg_pool2d/reference", Engine::naive),
};
constexpr Implementation<double> kDouble[] = {
    implementation<double, Layout::nchw>("adaptive_avg_pool2d/reference", Engine::naive),
};

}  // namespace

AdaptiveAvgPool2d::AdaptiveAvgPool2d(int64_t out_h, int64_t out_w) : out_h_(out_h), out_w_(out_w) {
  constexpr int64_t kMost = 1 << 20;
  if (out_h < 1 || out_w < 1 || out_h > kMost || out_w > kMost) {
    throw Error(ErrorKind::usage, "AdaptiveAvgPool2d needs an output size")
        .wanted("1 to " + std::to_string(kMost) + " a side")
        .got(std::to_string(out_h) + "x" + std::to_string(out_w));
  }
}

Attributes AdaptiveAvgPool2d::attributes() const {
  return {{"output_size", {static_cast<double>(out_h_), static_cast<double>(out_w_)}}};
}

Shape AdaptiveAvgPool2d::output_shape(std::span<const Shape> in, std::string_view where) const {
  if (in[0].rank() != 3 || in[0].elements() < 1) {
    throw Error(ErrorKind::usage, "the input does not fit")
        .where(where)
        .wanted("(C, H, W)")
        .got(in[0].text());
  }
  return {in[0][0], out_h_, out_w_};
}

std::span<const Implementation<float>> AdaptiveAvgPool2d::implementations(float) const {
  return kept<kFloat>();
}
std::span<const Implementation<double>> AdaptiveAvgPool2d::implementations(double) const {
  return kept_double<kDouble>();
}

}  // namespace unfold
