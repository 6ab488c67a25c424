// Pooling against PyTorch's float64 results.
#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "tests/oracle/oracle.h"
#include "unfold/kernels/pool2d.h"
#include "unfold/kernels/reference/pool2d.h"
#include "unfold/tensor.h"

using namespace unfold;
using oracle::as;
using oracle::relative_error;

TEST_CASE("average pooling agrees with PyTorch: overlap, padding counted or not") {
  const oracle::Values values("pool2d");
  for (int64_t k = 0; k < values.rows("average"); ++k) {
    CAPTURE(k);
    const Conv2dShape s = values.geometry("average", k);
    const bool include = values.row("average", k)[16] != 0;
    const std::string name = "average." + std::to_string(k) + ".";
    const auto want_y = values(name + "y"), want_dx = values(name + "dx");
    const auto x = oracle::numbers(s.x_shape().elements(), 1000 + 2 * k);
    const auto dy = oracle::numbers(s.y_shape().elements(), 1001 + 2 * k);

    std::vector<double> y(want_y.size()), dx(want_dx.size());
    reference::avg_pool2d_forward(s, x.data(), y.data(), include);
    reference::avg_pool2d_backward(s, dy.data(), dx.data(), include);
    CHECK(relative_error(y, want_y) < 1e-10);
    CHECK(relative_error(dx, want_dx) < 1e-10);

    // Each float engine within the bound of its sums of at most KH*KW terms and a division.
    std::vector<double> scale_y(y.size()), scale_dx(dx.size());
    reference::avg_pool2d_forward(s, oracle::magnitudes(x).data(), scale_y.data(), include);
    reference::avg_pool2d_backward(s, oracle::magnitudes(dy).data(), scale_dx.data(), include);
    const auto x32 = as<float>(x), dy32 = as<float>(dy);
    std::vector<float> y32(y.size()), dx32(dx.size());
    reference::avg_pool2d_forward(s, x32.data(), y32.data(), include);
    reference::avg_pool2d_backward(s, dy32.data(), dx32.data(), include);
    CHECK(oracle::float_excess(y32, want_y, scale_y, s.window.taps()) <= 1);
    CHECK(oracle::float_excess(dx32, want_dx, scale_dx, s.window.taps()) <= 1);

    Buffer buffer(static_cast<size_t>(avg_pool2d_scratch(s)) * sizeof(float));
    auto* scratch = reinterpret_cast<float*>(buffer.data());
    std::fill(y32.begin(), y32.end(), NAN);
    std::fill(dx32.begin(), dx32.end(), NAN);
    for (int64_t n = 0; n < s.n; ++n) {
      const int64_t in = n * s.x_image(), at = n * s.y_image();
      avg_pool2d_forward(s, x32.data() + in, y32.data() + at, include, scratch);
      avg_pool2d_backward(s, dy32.data() + at, dx32.data() + in, include, scratch);
    }
    CHECK(oracle::float_excess(y32, want_y, scale_y, s.window.taps()) <= 1);
    CHECK(oracle::float_excess(dx32, want_dx, scale_dx, s.window.taps()) <= 1);
  }
}

TEST_CASE("max pooling agrees with PyTorch to the place of the maximum, ties included") {
  const oracle::Values values("pool2d");
  for (int64_t k = 0; k < values.rows("max"); ++k) {
    CAPTURE(k);
    const Conv2dShape s = values.geometry("max", k);
    const bool ties = values.row("max", k)[16] != 0;
    const std::string name = "max." + std::to_string(k) + ".";
    auto x = oracle::numbers(s.x_shape().elements(), 2000 + 2 * k);
    if (ties) {
      for (double& v : x) v = std::floor(2 * v);
    }
    const auto dy = oracle::numbers(s.y_shape().elements(), 2001 + 2 * k);
    std::vector<double> y(dy.size()), dx(x.size());
    std::vector<int32_t> argmax(dy.size());
    reference::max_pool2d_forward(s, x.data(), y.data(), argmax.data());
    reference::max_pool2d_backward(s, dy.data(), argmax.data(), dx.data());
    CHECK(oracle::equal(y, values(name + "y")));
    CHECK(oracle::equal(argmax, values.operator()<int32_t>(name + "argmax")));
    CHECK(relative_error(dx, values(name + "dx")) < 1e-10);

    const auto x32 = as<float>(x);
    std::vector<float> y32(dy.size());
    reference::max_pool2d_forward(s, x32.data(), y32.data(), argmax.data());
    CHECK(oracle::equal(y32, values(name + "y")));
  }
}
