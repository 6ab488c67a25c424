// Outputs larger than the caches are written past them: the same bits as those that are not.
#include "unfold/kernels/far.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <tuple>
#include <utility>

#include "tests/support/geometry.h"
#include "tests/support/targets.h"
#include "unfold/kernels/gemm.h"
#include "unfold/kernels/linear.h"
#include "unfold/kernels/nhwc.h"
#include "unfold/kernels/nhwc_winograd.h"
#include "unfold/tensor.h"

using namespace unfold;

namespace {

/// Aligned floats, NaN at first.
class Floats {
 public:
  explicit Floats(int64_t count) : buffer_(static_cast<size_t>(count) * sizeof(float)), count_(count) {
    std::fill_n(data(), count, std::numeric_limits<float>::quiet_NaN());
  }
  float* data() { return reinterpret_cast<float*>(buffer_.data()); }
  bool operator==(Floats& other) { return std::equal(data(), data() + count_, other.data()); }

 private:
  Buffer buffer_;
  int64_t count_;
};

Floats numbers(int64_t count, Random& random) {
  Floats x(count);
  for (int64_t i = 0; i < count; ++i) x.data()[i] = static_cast<float>(random.normal());
  return x;
}

/// Three images at once, whose output is written past the caches if whole cache lines are written at once (of
/// `row` floats), against one after the other, whose is not. `run(shape, in, out)` computes images of
/// `in_image` floats into some of `out_image`.
template <class Run>
void images_agree(Conv2dShape s, int64_t in_image, int64_t out_image, int64_t row, Run run) {
  Random random(71, "far");
  Floats in = numbers(s.n * in_image, random), whole(s.n * out_image), parts(s.n * out_image);
  REQUIRE(too_far(whole.data(), s.n * out_image, row) == (row % 16 == 0));
  REQUIRE(!too_far(parts.data(), out_image, row));
  run(s, in.data(), whole.data());
  const int64_t images = std::exchange(s.n, 1);
  for (int64_t i = 0; i < images; ++i) run(s, in.data() + i * in_image, parts.data() + i * out_image);
  CHECK(whole == parts);
}

/// Forward of `s`, with and without ReLU.
void forward_agrees(const Conv2dShape& s) {
  Random random(72, "far");
  Floats w = numbers(nhwc_weight_floats(s), random), b = numbers(s.oc, random);
  for (const NhwcEpilogue epilogue : {NhwcEpilogue::none, NhwcEpilogue::relu}) {
    images_agree(s, s.x_image(), s.y_image(), s.group_oc(),
                 [&](const Conv2dShape& some, const float* x, float* y) {
                   Floats scratch(nhwc_forward_scratch(some));
                   nhwc_forward(some, {0, some.n * some.oh, 0, nhwc_output_tiles(some)}, x, w.data(),
                                b.data(), epilogue, y, scratch.data());
                 });
  }
}

void backward_data_agrees(const Conv2dShape& s) {
  Random random(76, "far");
  Floats turned = numbers(nhwc_turned_weight_floats(s), random);
  images_agree(s, s.y_image(), s.x_image(), s.group_ic(),
               [&](const Conv2dShape& some, const float* dy, float* dx) {
                 Floats scratch(nhwc_backward_data_scratch(some));
                 nhwc_backward_data(some, {0, some.n * some.ih, 0, nhwc_input_tiles(some)}, turned.data(), dy,
                                    dx, scratch.data());
               });
}

}  // namespace

TEST_CASE("direct convolutions over NHWC, also groups that do not begin on a cache line") {
  test::on_every_target([](const std::string& target) {
    CAPTURE(target);
    Window2d one = Window2d::square(1);
    forward_agrees(Conv2dShape::infer({3, 16, 160, 160}, 64, one, "test"));
    backward_data_agrees(Conv2dShape::infer({3, 64, 160, 160}, 16, one, "test"));
    one.groups = 2;
    forward_agrees(Conv2dShape::infer({3, 8, 180, 180}, 48, one, "test"));
    backward_data_agrees(Conv2dShape::infer({3, 48, 180, 180}, 8, one, "test"));
  });
}

TEST_CASE("Winograd over NHWC") {
  Random random(73, "far");
  const Conv2dShape s = Conv2dShape::infer({3, 16, 160, 160}, 64, Window2d::square(3, 1, 1), "test");
  Floats packed = numbers(nhwc_winograd_weight_floats(s), random), b = numbers(s.oc, random);
  images_agree(s, s.x_image(), s.y_image(), s.oc, [&](const Conv2dShape& some, const float* x, float* y) {
    Floats scratch(nhwc_winograd_forward_scratch(some));
    nhwc_winograd_forward(some, {0, some.n * nhwc_winograd_output_rows(some), 0, nhwc_output_tiles(some)}, x,
                          packed.data(), b.data(), NhwcEpilogue::relu, y, scratch.data());
  });
}

TEST_CASE("the product, whole rows and ragged ones; where K is cut, what is read again stays") {
  test::on_every_target([](const std::string& target) {
    CAPTURE(target);
    Random random(74, "far");
    for (const auto& [m, n, k] :
         {std::tuple<int64_t, int64_t, int64_t>{45, 64, 20}, {45, 70, 20}, {20, 64, 300}}) {
      const int64_t row = 80;
      Floats a = numbers(m * k, random), b = numbers(k * n, random), bias = numbers(m, random);
      Floats near(m * row), far(m * row), scratch(gemm_scratch(k));
      Gemm g{.m = m,
             .n = n,
             .k = k,
             .a = a.data(),
             .a_row = k,
             .b = b.data(),
             .b_row = n,
             .c = near.data(),
             .c_row = row,
             .bias = bias.data()};
      gemm(g, scratch.data());
      g.c = far.data();
      g.stream = true;
      gemm(g, scratch.data());
      for (int64_t r = 0; r < m; ++r) {
        CHECK(std::equal(near.data() + r * row, near.data() + r * row + n, far.data() + r * row));
        CHECK(std::isnan(far.data()[r * row + n]));
      }
      g.start = GemmStart::add;  // C is read
      gemm(g, scratch.data());
      g.c = near.data();
      g.stream = false;
      gemm(g, scratch.data());
      for (int64_t r = 0; r < m; ++r)
        CHECK(std::equal(near.data() + r * row, near.data() + r * row + n, far.data() + r * row));
    }
  });
}

TEST_CASE("dw of a large linear layer is its naive twin's") {
  Random random(75, "far");
  const int64_t n = 3, in = 4096, out = 1040;
  const auto x = test::integers<float>(n * in, random, 3), dy = test::integers<float>(n * out, random, 3);
  Floats dw(in * out), db(out), scratch(linear_scratch(n, in, out));
  REQUIRE(too_far(dw.data(), in * out, in));
  linear_backward_weights(n, in, out, 0, 500, x.data(), dy.data(), true, dw.data(), db.data(),
                          scratch.data());
  linear_backward_weights(n, in, out, 500, out, x.data(), dy.data(), true, dw.data() + 500 * in,
                          db.data() + 500, scratch.data());
  bool same = true;
  for (int64_t o = 0; o < out; ++o) {
    for (int64_t i = 0; i < in; ++i) {
      float want = 0;
      for (int64_t r = 0; r < n; ++r)
        want += dy[static_cast<size_t>(r * out + o)] * x[static_cast<size_t>(r * in + i)];
      same = same && dw.data()[o * in + i] == want;
    }
  }
  CHECK(same);
}
