// Convolutions against PyTorch's float64 results: 46 geometries, all three passes, each engine.
#include <doctest/doctest.h>

#include <string>

#include "tests/oracle/convolution.h"
#include "tests/oracle/oracle.h"

using namespace unfold;
using oracle::as;
using oracle::magnitudes;
using oracle::relative_error;

namespace {

struct Case {
  Conv2dShape shape;
  std::vector<double> x, w, b, dy;
  std::span<const double> y, dx, dw, db;
};

Case recorded(const oracle::Values& values, int64_t k) {
  const Conv2dShape s = values.geometry("conv2d", k);
  const std::string name = "conv2d." + std::to_string(k) + ".";
  return {s,
          oracle::numbers(s.x_shape().elements(), 4 * k),
          oracle::numbers(s.w_shape().elements(), 4 * k + 1),
          oracle::numbers(s.oc, 4 * k + 2),
          oracle::numbers(s.y_shape().elements(), 4 * k + 3),
          values(name + "y"),
          values(name + "dx"),
          values(name + "dw"),
          values(name + "db")};
}

}  // namespace

TEST_CASE("the naive convolution in double agrees with PyTorch on every recorded geometry") {
  const oracle::Values values("conv2d");
  REQUIRE(values.rows("conv2d") >= 40);
  for (int64_t k = 0; k < values.rows("conv2d"); ++k) {
    CAPTURE(k);
    const Case c = recorded(values, k);
    const auto got = oracle::naive_convolution(c.shape, c.x, c.w, c.b, c.dy);
    CHECK(relative_error(got.y, c.y) < 1e-10);
    CHECK(relative_error(got.dx, c.dx) < 1e-10);
    CHECK(relative_error(got.dw, c.dw) < 1e-10);
    CHECK(relative_error(got.db, c.db) < 1e-10);
  }
}

TEST_CASE("both engines in float stay within the bound of their sums") {
  const oracle::Values values("conv2d");
  for (int64_t k = 0; k < values.rows("conv2d"); ++k) {
    const Case c = recorded(values, k);
    const Conv2dShape& s = c.shape;
    // The same sums over magnitudes: sum |a b| for each output.
    const auto scale =
        oracle::naive_convolution(s, magnitudes(c.x), magnitudes(c.w), magnitudes(c.b), magnitudes(c.dy));
    const auto x = as<float>(c.x), w = as<float>(c.w), b = as<float>(c.b), dy = as<float>(c.dy);
    for (const bool naive : {true, false}) {
      CAPTURE(k);
      CAPTURE(naive);
      const auto got =
          naive ? oracle::naive_convolution(s, x, w, b, dy) : oracle::im2col_convolution(s, x, w, b, dy);
      CHECK(oracle::float_excess(got.y, c.y, scale.y, s.patch() + 1) <= 1);
      CHECK(oracle::float_excess(got.dx, c.dx, scale.dx, s.group_oc() * s.window.taps()) <= 1);
      CHECK(oracle::float_excess(got.dw, c.dw, scale.dw, s.n * s.pixels()) <= 1);
      CHECK(oracle::float_excess(got.db, c.db, scale.db, s.n * s.pixels()) <= 1);
    }
  }
}
