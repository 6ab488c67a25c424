// The vector functions against their definitions in double, over the whole range and on every target.
#include "unfold/kernels/pointwise.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "tests/support/nhwc.h"
#include "tests/support/targets.h"
#include "unfold/kernels/local_response_norm.h"
#include "unfold/random.h"

using namespace unfold;
using test::Guarded;

namespace {

/// Every size of number, where functions bend, and what is not finite.
std::vector<float> inputs() {
  std::vector<float> x;
  for (int i = -6000; i <= 6000; ++i) x.push_back(static_cast<float>(i) / 64);
  for (float v = 1e-30f; v < 1e30f; v *= 1.37f) x.insert(x.end(), {v, -v});
  for (const float v : {-3.0f, 3.0f, 6.0f, -0.0f, std::numeric_limits<float>::infinity()})
    x.insert(x.end(), {v, -v});
  return x;
}

}  // namespace

TEST_CASE("elementwise functions: within 1e-6 of the definition, relative, or of 1e-30; NaN stays") {
  const std::vector<float> x = inputs();
  const auto n = static_cast<int64_t>(x.size());
  const std::vector<double> wide(x.begin(), x.end()), ones(x.size(), 1.0);
  const std::vector<float> dy(x.size(), 1.0f);
  for (const PointwiseFunction& f :
       {PointwiseFunction{Pointwise::leaky_relu, 0.1}, PointwiseFunction{Pointwise::elu, 1.5},
        PointwiseFunction{Pointwise::hard_sigmoid, 0.25, 0.5}, PointwiseFunction{Pointwise::hard_swish},
        PointwiseFunction{Pointwise::silu}, PointwiseFunction{Pointwise::clip, 0, 6},
        PointwiseFunction{Pointwise::softplus}, PointwiseFunction{Pointwise::selu, 1.67, 1.05},
        PointwiseFunction{Pointwise::softsign}}) {
    CAPTURE(static_cast<int>(f.kind));
    std::vector<double> y(x.size()), dx(x.size());
    reference::pointwise_forward(f, n, wide.data(), y.data());
    reference::pointwise_backward(f, n, wide.data(), ones.data(), dx.data());
    std::vector<float> first_y, first_dx;
    test::on_every_target([&](const std::string& target) {
      CAPTURE(target);
      Guarded got_y(n), got_dx(n);
      pointwise_forward(f, n, x.data(), got_y.data());
      pointwise_backward(f, n, x.data(), dy.data(), got_dx.data());
      CHECK(got_y.intact());
      CHECK(got_dx.intact());
      double worst = 0, worst_slope = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        const auto off = [&](float got, double want) {
          if (!std::isfinite(want)) return std::isnan(want) == std::isnan(got) ? 0.0 : 1.0;
          return std::abs(static_cast<double>(got) - want) / std::max(std::abs(want), 1e-30);
        };
        // Below the smallest normal float there are fewer digits, and none where denormals are flushed.
        if (std::abs(y[i]) > 1e-37 || y[i] == 0) worst = std::max(worst, off(got_y.data()[i], y[i]));
        // silu bends at -1.278: there its slope is the difference of numbers that are all but equal.
        if (std::abs(dx[i]) > 1e-37 || dx[i] == 0)
          worst_slope =
              std::max(worst_slope, std::abs(static_cast<double>(got_dx.data()[i]) - dx[i]) /
                                        std::max(std::abs(dx[i]), f.kind == Pointwise::silu ? 0.1 : 1e-30));
      }
      CHECK(worst <= 1.5e-6);
      CHECK(worst_slope <= 1.5e-6);
      if (target.starts_with("AVX") || target == "NEON") {
        const std::vector<float> all(got_y.data(), got_y.data() + n),
            slopes(got_dx.data(), got_dx.data() + n);
        if (first_y.empty()) first_y = all, first_dx = slopes;
        CHECK(std::memcmp(first_y.data(), all.data(), all.size() * sizeof(float)) == 0);
        CHECK(std::memcmp(first_dx.data(), slopes.data(), slopes.size() * sizeof(float)) == 0);
      }
    });
    const float nan = std::nanf("");
    float y1 = 0, dx1 = 0;
    pointwise_forward(f, 1, &nan, &y1);
    pointwise_backward(f, 1, &nan, dy.data(), &dx1);
    CHECK(std::isnan(y1));
    CHECK(std::isnan(dx1));
  }
}

TEST_CASE("local response normalisation: the definition in double, in both orders of the axes") {
  Random random(4, "lrn");
  for (int i = 0; i < 40; ++i) {
    const ChannelView view{1 + random.below(40), 1 + random.below(40), i % 2 == 0};
    const LocalResponse how{1 + random.below(8), 0.1 + random.uniform(), 0.5 + random.uniform(),
                            1 + random.uniform()};
    const int64_t n = view.channels * view.pixels;
    CAPTURE(view.channels);
    CAPTURE(view.pixels);
    CAPTURE(view.last);
    CAPTURE(how.size);
    std::vector<float> x(static_cast<size_t>(n)), dy(x.size());
    for (float& v : x) v = static_cast<float>(2 * random.normal());
    for (float& v : dy) v = static_cast<float>(random.normal());
    const std::vector<double> wide_x(x.begin(), x.end()), wide_dy(dy.begin(), dy.end());
    std::vector<double> y(x.size()), dx(x.size());
    reference::local_response_norm_forward(view, how, wide_x.data(), y.data());
    reference::local_response_norm_backward(view, how, wide_x.data(), y.data(), wide_dy.data(), dx.data());
    test::on_every_target([&](const std::string& target) {
      CAPTURE(target);
      Guarded got_y(n), got_dx(n), scratch(local_response_norm_scratch(view, how));
      local_response_norm_forward(view, how, x.data(), got_y.data(), scratch.data());
      local_response_norm_backward(view, how, x.data(), got_y.data(), dy.data(), got_dx.data(),
                                   scratch.data());
      CHECK(got_y.intact());
      CHECK(got_dx.intact());
      CHECK(scratch.intact());
      double worst = 0;
      for (size_t e = 0; e < x.size(); ++e) {
        worst = std::max(
            worst, std::abs(static_cast<double>(got_y.data()[e]) - y[e]) / std::max(std::abs(y[e]), 1e-3));
        const double off = std::abs(static_cast<double>(got_dx.data()[e]) - dx[e]);
        worst = std::max(worst, std::isnan(off) ? 1 : off / 4);
      }
      CHECK(worst <= 2e-6);
    });
  }
}
