// Pooling over NHWC: bit-equal to the naive twin on every target, any window.
#include "unfold/kernels/nhwc_pool2d.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/targets.h"
#include "unfold/kernels/nhwc.h"
#include "unfold/kernels/reference/pool2d.h"
#include "unfold/random.h"

using namespace unfold;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<float> turned(int64_t channels, int64_t pixels, const std::vector<float>& from) {
  std::vector<float> to(from.size());
  nchw_to_nhwc(channels, pixels, from.data(), to.data());
  return to;
}
std::vector<float> back(int64_t channels, int64_t pixels, const std::vector<float>& from) {
  std::vector<float> to(from.size());
  nhwc_to_nchw(channels, pixels, from.data(), to.data());
  return to;
}

/// Any window that fits an image of some channels.
Conv2dShape draw(Random& random) {
  const int64_t channels = 1 + random.below(40);
  Window2d k{.kernel_h = 1 + random.below(4), .kernel_w = 1 + random.below(4)};
  k.stride_h = 1 + random.below(3);
  k.stride_w = 1 + random.below(3);
  k.dilation_h = 1 + random.below(2);
  k.dilation_w = 1 + random.below(2);
  k.pad_top = random.below(3);
  k.pad_left = random.below(3);
  k.pad_bottom = random.below(3);
  k.pad_right = random.below(3);
  const int64_t least_h = k.dilation_h * (k.kernel_h - 1) + 1, least_w = k.dilation_w * (k.kernel_w - 1) + 1;
  return Conv2dShape::infer({1, channels, least_h + random.below(9), least_w + random.below(9)}, channels, k,
                            "pool");
}

}  // namespace

TEST_CASE("max and average pooling over NHWC are the naive ones, bit for bit, on every target") {
  test::on_every_target([](const std::string& target) {
    CAPTURE(target);
    Random random(5, "pool");
    for (int i = 0; i < 300; ++i) {
      const Conv2dShape s = draw(random);
      const int64_t in = s.ih * s.iw, out = s.pixels();
      std::vector<float> x(static_cast<size_t>(s.x_image())), dy(static_cast<size_t>(s.y_image()));
      for (float& v : x) v = static_cast<float>(random.below(9) - 4);        // many ties
      for (float& v : dy) v = static_cast<float>(random.below(9) - 4) * 36;  // divides without rounding
      if (i % 10 == 0) x[static_cast<size_t>(random.below(s.x_image()))] = kNan;
      const auto x_in = turned(s.ic, in, x), dy_in = turned(s.ic, out, dy);

      std::vector<float> y(dy.size(), kNan), want_y = y, dx(x.size(), kNan), want_dx = dx;
      std::vector<int32_t> argmax(dy.size(), 77), want_argmax = argmax;
      nhwc_max_pool2d_forward(s, x_in.data(), y.data(), argmax.data());
      nhwc_max_pool2d_backward(s, dy_in.data(), argmax.data(), dx.data());
      reference::max_pool2d_forward(s, x.data(), want_y.data(), want_argmax.data());
      reference::max_pool2d_backward(s, dy.data(), want_argmax.data(), want_dx.data());
      y = back(s.ic, out, y);
      for (size_t e = 0; e < y.size(); ++e) {
        CHECK((y[e] == want_y[e] || (std::isnan(y[e]) && std::isnan(want_y[e]))));
        const size_t pixel = e % static_cast<size_t>(out), channel = e / static_cast<size_t>(out);
        CHECK(argmax[pixel * static_cast<size_t>(s.ic) + channel] == want_argmax[e]);
      }
      CHECK(back(s.ic, in, dx) == want_dx);

      if (i % 10 == 0) continue;  // with a NaN no sum is equal to itself
      const bool count_include_pad = random.below(2) == 0;
      std::fill(dx.begin(), dx.end(), kNan);
      nhwc_avg_pool2d_forward(s, x_in.data(), y.data(), count_include_pad);
      nhwc_avg_pool2d_backward(s, dy_in.data(), dx.data(), count_include_pad);
      reference::avg_pool2d_forward(s, x.data(), want_y.data(), count_include_pad);
      reference::avg_pool2d_backward(s, dy.data(), want_dx.data(), count_include_pad);
      CHECK(back(s.ic, out, y) == want_y);
      CHECK(back(s.ic, in, dx) == want_dx);
    }
  });
}
