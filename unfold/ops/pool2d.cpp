#include "unfold/ops/pool2d.h"

#include "unfold/error.h"
#include "unfold/kernels/lanes.h"
#include "unfold/kernels/nhwc_pool2d.h"
#include "unfold/kernels/pool2d.h"
#include "unfold/kernels/reference/pool2d.h"
#include "unfold/kernels/rows.h"
#include "unfold/ops/kept.h"
#include "unfold/ops/window_attributes.h"

namespace unfold {
namespace {

Conv2dShape pooling(std::span<const Shape> in, Window2d window, bool ceil_mode, std::string_view where) {
  if (ceil_mode && in[0].rank() == 3) {
    const Window2d& w = window;
    window.pad_bottom +=
        ceil_padding(in[0][1], w.kernel_h, w.stride_h, w.pad_top, w.pad_bottom, w.dilation_h);
    window.pad_right += ceil_padding(in[0][2], w.kernel_w, w.stride_w, w.pad_left, w.pad_right, w.dilation_w);
  }
  const int64_t channels = in[0].rank() == 3 ? in[0][0] : 1;  // a wrong rank is named by infer()
  return Conv2dShape::infer(in[0].batched(1), channels, window, where);
}

bool include_pad(const Op& op) {
  return static_cast<const AvgPool2d&>(op).count_include_pad();
}
template <class T>
reference::Beyond beyond(const Op& op, const Call<T>& c) {
  const Window2d& counted = static_cast<const AvgPool2d&>(op).window();
  return {c.window.window.pad_bottom - counted.pad_bottom, c.window.window.pad_right - counted.pad_right};
}
/// Whether all windows divide alike, or by what lies inside the image.
bool avg_suits(const Op& op, const Call<float>& c) {
  const reference::Beyond b = beyond(op, c);
  return !include_pad(op) || (b.bottom == 0 && b.right == 0);
}

template <class T>
void avg_naive_forward(const Op& op, const Call<T>& c) {
  reference::avg_pool2d_forward(c.window, c.x[0], c.y, include_pad(op), beyond(op, c));
}
template <class T>
void avg_naive_backward(const Op& op, const Call<T>& c) {
  reference::avg_pool2d_backward(c.window, c.dy, c.dx, include_pad(op), beyond(op, c));
}

void avg_im2col_forward(const Op& op, const Call<float>& c) {
  for (int64_t i = 0; i < c.n; ++i) {
    avg_pool2d_forward(c.window, c.x[0] + i * c.in, c.y + i * c.out, include_pad(op), c.scratch);
  }
}
void avg_im2col_backward(const Op& op, const Call<float>& c) {
  for (int64_t i = 0; i < c.n; ++i) {
    avg_pool2d_backward(c.window, c.dy + i * c.out, c.dx + i * c.in, include_pad(op), c.scratch);
  }
}
int64_t avg_im2col_scratch(const Op&, const Call<float>& c) {
  return avg_pool2d_scratch(c.window);
}

template <class T>
void max_naive_forward(const Op&, const Call<T>& c) {
  reference::max_pool2d_forward(c.window, c.x[0], c.y, static_cast<int32_t*>(c.saved));
}
template <class T>
void max_naive_backward(const Op&, const Call<T>& c) {
  reference::max_pool2d_backward(c.window, c.dy, static_cast<const int32_t*>(c.saved), c.dx);
}

/// The argmax of every output.
template <class T>
int64_t max_saved(const Op&, const Call<T>& c) {
  return c.n * c.out * static_cast<int64_t>(sizeof(int32_t));
}

void avg_lanes_forward(const Op& op, const Call<float>& c) {
  lanes::avg_pool2d_forward(c.window, c.x[0], c.y, include_pad(op));
}
void avg_lanes_backward(const Op& op, const Call<float>& c) {
  lanes::avg_pool2d_backward(c.window, c.dy, c.dx, include_pad(op));
}
void max_lanes_forward(const Op&, const Call<float>& c) {
  lanes::max_pool2d_forward(c.window, c.x[0], c.y, static_cast<int32_t*>(c.saved));
}
void max_lanes_backward(const Op&, const Call<float>& c) {
  lanes::max_pool2d_backward(c.window, c.dy, static_cast<const int32_t*>(c.saved), c.dx);
}
int64_t max_lanes_saved(const Op&, const Call<float>& c) {
  return lanes::kLanes * c.out * static_cast<int64_t>(sizeof(int32_t));
}

void avg_rows_forward(const Op&, const Call<float>& c) {
  for (int64_t i = 0; i < c.n; ++i) rows::avg_pool2d_forward(c.window, c.x[0] + i * c.in, c.y + i * c.out);
}
bool no_padding(const Op&, const Call<float>& c) {
  const Window2d& k = c.window.window;
  return k.pad_top == 0 && k.pad_left == 0 && k.pad_bottom == 0 && k.pad_right == 0;
}
void avg_nhwc_forward(const Op& op, const Call<float>& c) {
  for (int64_t i = 0; i < c.n; ++i)
    nhwc_avg_pool2d_forward(c.window, c.x[0] + i * c.in, c.y + i * c.out, include_pad(op));
}
void avg_nhwc_backward(const Op& op, const Call<float>& c) {
  for (int64_t i = 0; i < c.n; ++i)
    nhwc_avg_pool2d_backward(c.window, c.dy + i * c.out, c.dx + i * c.in, include_pad(op));
}
void max_nhwc_forward(const Op&, const Call<float>& c) {
  auto* const argmax = static_cast<int32_t*>(c.saved);
  for (int64_t i = 0; i < c.n; ++i)
    nhwc_max_pool2d_forward(c.window, c.x[0] + i * c.in, c.y + i * c.out, argmax + i * c.out);
}
void max_nhwc_backward(const Op&, const Call<float>& c) {
  const auto* const argmax = static_cast<const int32_t*>(c.saved);
  for (int64_t i = 0; i < c.n; ++i)
    nhwc_max_pool2d_backward(c.window, c.dy + i * c.out, argmax + i * c.out, c.dx + i * c.in);
}

constexpr Implementation<float> kAvgFloat[] = {
    {.name = "avg_pool2d/nhwc",
     .engine = Engine::fast,
     .numerics = "taps(kh,kw)",
     .forward = avg_nhwc_forward,
     .backward_data = avg_nhwc_backward,
     .layout = Layout::nhwc,
     .suits = avg_suits},
    {.name = "avg_pool2d/lanes",
     .engine = Engine::fast,
     .numerics = "taps(kh,kw)",
     .forward = avg_lanes_forward,
     .backward_data = avg_lanes_backward,
     .layout = Layout::chwn16,
     .suits = avg_suits},
    {.name = "avg_pool2d/rows",
     .engine = Engine::fast,
     .numerics = "taps(kh,kw)",
     .forward = avg_rows_forward,
     .backward_data = avg_im2col_backward,
     .scratch = avg_im2col_scratch,
     .suits = no_padding},
    {.name = "avg_pool2d/im2col",
     .engine = Engine::im2col,
     .numerics = "taps(kh,kw)",
     .forward = avg_im2col_forward,
     .backward_data = avg_im2col_backward,
     .scratch = avg_im2col_scratch,
     .suits = avg_suits},
    {"avg_pool2d/reference", Engine::naive, "taps(kh,kw)", avg_naive_forward<float>,
     avg_naive_backward<float>},
};
constexpr Implementation<double> kAvgDouble[] = {
    {"avg_pool2d/reference", Engine::naive, "taps(kh,kw)", avg_naive_forward<double>,
     avg_naive_backward<double>},
};
template <class T>
constexpr Implementation<T> kMaxNaive = {.name = "max_pool2d/reference",
                                         .engine = Engine::naive,
                                         .numerics = "exact",
                                         .forward = max_naive_forward<T>,
                                         .backward_data = max_naive_backward<T>,
                                         .saved = max_saved<T>};
constexpr Implementation<float> kMaxFloat[] = {
    {.name = "max_pool2d/nhwc",
     .engine = Engine::fast,
     .numerics = "exact",
     .forward = max_nhwc_forward,
     .backward_data = max_nhwc_backward,
     .saved = max_saved<float>,
     .layout = Layout::nhwc},
    {.name = "max_pool2d/lanes",
     .engine = Engine::fast,
     .numerics = "exact",
     .forward = max_lanes_forward,
     .backward_data = max_lanes_backward,
     .saved = max_lanes_saved,
     .layout = Layout::chwn16},
    kMaxNaive<float>,
};
constexpr Implementation<double> kMaxDouble[] = {kMaxNaive<double>};

void no_groups(const Window2d& window, std::string_view where) {
  window.check(where);
  if (window.groups != 1) throw Error(ErrorKind::usage, "pooling has no groups").where(where);
}

}  // namespace

AvgPool2d::AvgPool2d(const Window2d& window, bool count_include_pad, bool ceil_mode)
    : window_(window), count_include_pad_(count_include_pad), ceil_mode_(ceil_mode) {
  no_groups(window, "AvgPool2d");
}

Attributes AvgPool2d::attributes() const {
  Attributes a = window_attributes(window_);
  a["count_include_pad"] = {count_include_pad_ ? 1.0 : 0.0};
  if (ceil_mode_) a["ceil_mode"] = {1.0};
  return a;
}
Shape AvgPool2d::output_shape(std::span<const Shape> in, std::string_view where) const {
  return pooling(in, window_, ceil_mode_, where).y_shape().sample();
}
Conv2dShape AvgPool2d::window_shape(std::span<const Shape> in) const {
  return pooling(in, window_, ceil_mode_, "AvgPool2d");
}
std::span<const Implementation<float>> AvgPool2d::implementations(float) const {
  return kept<kAvgFloat>();
}
std::span<const Implementation<double>> AvgPool2d::implementations(double) const {
  return kept_double<kAvgDouble>();
}

MaxPool2d::MaxPool2d(const Window2d& window, bool ceil_mode) : window_(window), ceil_mode_(ceil_mode) {
  no_groups(window, "MaxPool2d");
}

Attributes MaxPool2d::attributes() const {
  Attributes a = window_attributes(window_);
  if (ceil_mode_) a["ceil_mode"] = {1.0};
  return a;
}
Shape MaxPool2d::output_shape(std::span<const Shape> in, std::string_view where) const {
  return pooling(in, window_, ceil_mode_, where).y_shape().sample();
}
Conv2dShape MaxPool2d::window_shape(std::span<const Shape> in) const {
  return pooling(in, window_, ceil_mode_, "MaxPool2d");
}
std::span<const Implementation<float>> MaxPool2d::implementations(float) const {
  return kept<kMaxFloat>();
}
std::span<const Implementation<double>> MaxPool2d::implementations(double) const {
  return kept_double<kMaxDouble>();
}

}  // namespace unfold
