#include "unfold/ops/conv_transpose2d.h"

#include <algorithm>

#include "unfold/error.h"
#include "unfold/kernels/conv2d.h"
#include "unfold/kernels/lanes.h"
#include "unfold/kernels/reference/conv2d.h"
#include "unfold/kernels/sum.h"
#include "unfold/ops/window_attributes.h"

namespace unfold {
namespace {

// Everything is a kernel of the convolution that this is the transpose of: forward is its gradient of the
// input, the gradient of the input is its forward, and in the gradient of the weights x and dy change places.
// c.window is that convolution's, whose input has the sizes of y: (IC, IH, IW) there is (OC, OH, OW) here.

/// y[oc] += b[oc], over `run` elements side by side at each pixel.
template <class T>
void add_bias(const Call<T>& c, int64_t images, int64_t run) {
  if (!c.b) return;
  const int64_t plane = c.window.ih * c.window.iw * run;
  for (int64_t i = 0; i < images * c.window.ic; ++i) {
    const T bias = c.b[i % c.window.ic];
    for (int64_t e = i * plane; e < (i + 1) * plane; ++e) c.y[e] += bias;
  }
}

template <class T>
void naive_forward(const Op&, const Call<T>& c) {
  reference::conv2d_backward_data(c.window, c.w, c.x[0], c.y);
  add_bias(c, c.n, 1);
}
template <class T>
void naive_backward_data(const Op&, const Call<T>& c) {
  reference::conv2d_forward<T>(c.window, c.dy, c.w, nullptr, c.dx);
}
template <class T>
void naive_backward_weights(const Op&, const Call<T>& c) {
  reference::conv2d_backward_weights<T>(c.window, c.dy, c.x[0], c.dw, nullptr);
  if (!c.db) return;
  const int64_t plane = c.window.ih * c.window.iw;
  for (int64_t i = 0; i < c.n * c.window.ic; ++i) {
    for (int64_t e = i * plane; e < (i + 1) * plane; ++e) c.db[i % c.window.ic] += c.dy[e];
  }
}

void im2col_forward(const Op&, const Call<float>& c) {
  for (int64_t i = 0; i < c.n; ++i)
    conv2d_backward_data(c.window, c.w, c.x[0] + i * c.in, c.y + i * c.out, c.scratch);
  add_bias(c, c.n, 1);
}
void im2col_backward_data(const Op&, const Call<float>& c) {
  for (int64_t i = 0; i < c.n; ++i)
    conv2d_forward(c.window, c.dy + i * c.out, c.w, nullptr, c.dx + i * c.in, c.scratch);
}
void im2col_backward_weights(const Op&, const Call<float>& c) {
  const int64_t plane = c.window.ih * c.window.iw;
  for (int64_t i = 0; i < c.n; ++i) {
    const float* dy = c.dy + i * c.out;
    conv2d_backward_weights(c.window, dy, c.x[0] + i * c.in, c.dw, nullptr, c.scratch);
    for (int64_t o = 0; c.db && o < c.window.ic; ++o) c.db[o] += sum(plane, dy + o * plane);
  }
}
int64_t im2col_scratch(const Op&, const Call<float>& c) {
  return conv2d_scratch(c.window);
}

void lanes_forward(const Op&, const Call<float>& c) {
  lanes::conv2d_backward_data(c.window, c.w, c.x[0], c.y, c.scratch);
  add_bias(c, 1, lanes::kLanes);
}
void lanes_backward_data(const Op&, const Call<float>& c) {
  lanes::conv2d_forward(c.window, c.dy, c.w, nullptr, c.dx, c.scratch);
}
void lanes_backward_weights(const Op&, const Call<float>& c) {
  lanes::conv2d_backward_weights(c.window, c.dy, c.x[0], c.dw, nullptr, c.scratch);
  const int64_t plane = c.window.ih * c.window.iw * lanes::kLanes;
  for (int64_t o = 0; c.db && o < c.window.ic; ++o) c.db[o] += sum(plane, c.dy + o * plane);
}
int64_t lanes_scratch(const Op&, const Call<float>& c) {
  return lanes::conv2d_scratch(c.window);
}

constexpr Implementation<float> kFloat[] = {
    {.name = "conv_transpose2d/lanes",
     .engine = Engine::fast,
     .numerics = "chain(oc,kh,kw) dw=rows<=1024px,lanes16 db=sum16",
     .forward = lanes_forward,
     .backward_data = lanes_backward_data,
     .backward_weights = lanes_backward_weights,
     .scratch = lanes_scratch,
     .layout = Layout::chwn16},
    {"conv_transpose2d/im2col", Engine::im2col, "col2im of chain(ic) dw=rows<=1024px db=sum16",
     im2col_forward, im2col_backward_data, im2col_backward_weights, im2col_scratch},
    {"conv_transpose2d/reference", Engine::naive, "loop(ic,kh,kw)", naive_forward<float>,
     naive_backward_data<float>, naive_backward_weights<float>},
};
constexpr Implementation<double> kDouble[] = {
    {"conv_transpose2d/reference", Engine::naive, "loop(ic,kh,kw)", naive_forward<double>,
     naive_backward_data<double>, naive_backward_weights<double>},
};

}  // namespace

ConvTranspose2d::ConvTranspose2d(int64_t out_channels, const Window2d& window, int64_t output_padding_h,
                                 int64_t output_padding_w, bool bias)
    : out_channels_(out_channels),
      window_(window),
      output_padding_h_(output_padding_h),
      output_padding_w_(output_padding_w),
      bias_(bias) {
  window.check("ConvTranspose2d");
  const int64_t most_h = std::max(window.stride_h, window.dilation_h),
                most_w = std::max(window.stride_w, window.dilation_w);
  if (output_padding_h < 0 || output_padding_w < 0 || output_padding_h >= most_h ||
      output_padding_w >= most_w) {
    throw Error(ErrorKind::usage, "the output padding is smaller than the stride or the dilation")
        .where("ConvTranspose2d")
        .wanted("below " + std::to_string(most_h) + "x" + std::to_string(most_w))
        .got(std::to_string(output_padding_h) + "x" + std::to_string(output_padding_w));
  }
}

Attributes ConvTranspose2d::attributes() const {
  Attributes a = window_attributes(window_);
  a["out_channels"] = {static_cast<double>(out_channels_)};
  a["groups"] = {static_cast<double>(window_.groups)};
  a["bias"] = {bias_ ? 1.0 : 0.0};
  a["output_padding"] = {static_cast<double>(output_padding_h_), static_cast<double>(output_padding_w_)};
  return a;
}

Conv2dShape ConvTranspose2d::turned(const Shape& x, std::string_view where) const {
  constexpr int64_t kMostSide = 1 << 20;
  const Window2d& k = window_;
  if (x.rank() != 3 || x.elements() < 1) {
    throw Error(ErrorKind::usage, "the input does not fit").where(where).wanted("(C, H, W)").got(x.text());
  }
  if (out_channels_ < 1 || x[0] % k.groups != 0 || out_channels_ % k.groups != 0) {
    throw Error(ErrorKind::usage, "groups do not divide the channels")
        .where(where)
        .wanted("multiples of " + std::to_string(k.groups))
        .got(std::to_string(x[0]) + " input and " + std::to_string(out_channels_) + " output channels");
  }
  Conv2dShape s{1, out_channels_, 0, 0, x[0], x[1], x[2], k};
  if (x[1] <= kMostSide && x[2] <= kMostSide) {  // with the window's limits, far from overflow
    s.ih = (s.oh - 1) * k.stride_h - k.pad_top - k.pad_bottom + k.dilation_h * (k.kernel_h - 1) +
           output_padding_h_ + 1;
    s.iw = (s.ow - 1) * k.stride_w - k.pad_left - k.pad_right + k.dilation_w * (k.kernel_w - 1) +
           output_padding_w_ + 1;
  }
  if (s.ih < 1 || s.iw < 1) {
    throw Error(ErrorKind::usage, "the padding leaves nothing of the output")
        .where(where)
        .wanted("at least 1x1")
        .got(std::to_string(s.ih) + "x" + std::to_string(s.iw));
  }
  return s;
}

Shape ConvTranspose2d::output_shape(std::span<const Shape> in, std::string_view where) const {
  return turned(in[0], where).x_shape().sample();
}

Conv2dShape ConvTranspose2d::window_shape(std::span<const Shape> in) const {
  return turned(in[0], "ConvTranspose2d");
}

std::vector<ParameterSpec> ConvTranspose2d::parameters(std::span<const Shape> in) const {
  const Conv2dShape s = window_shape(in);
  std::vector<ParameterSpec> specs{{"weight", s.w_shape(), s.patch()}};
  if (bias_) specs.push_back({"bias", {out_channels_}, s.patch()});
  return specs;
}

std::span<const Implementation<float>> ConvTranspose2d::implementations(float) const {
  return kFloat;
}
std::span<const Implementation<double>> ConvTranspose2d::implementations(double) const {
  return kDouble;
}

}  // namespace unfold
