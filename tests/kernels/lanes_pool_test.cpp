// Pooling and activations in lanes against their naive twins and the kernels on rows, bit for bit, on every
// SIMD target.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "tests/support/geometry.h"
#include "tests/support/guarded.h"
#include "tests/support/lanes.h"
#include "tests/support/targets.h"
#include "unfold/kernels/activation.h"
#include "unfold/kernels/lanes.h"
#include "unfold/kernels/reference/activation.h"
#include "unfold/kernels/reference/pool2d.h"

using namespace unfold;
using namespace unfold::test;
using Floats = std::vector<float>;

TEST_CASE("pooling: lanes and naive agree in every bit on 1,000 geometries and every target") {
  Random random(5, "lanes pooling");
  std::map<std::string, int> kinds;
  for (int i = 0; i < 1000; ++i) {
    Conv2dShape s = with_images(test::random_geometry(random, kinds, false), images_of(random));
    if (i % 3 == 0)
      s = Conv2dShape::infer({s.n, s.ic, 2 * s.oh, 2 * s.ow}, s.ic, Window2d::square(2, 2), "halves");
    s.oc = s.ic;
    const Floats x = integers<float>(s.n * s.x_image(), random),
                 dy = integers<float>(s.n * s.y_image(), random);
    const bool include = random.below(2) == 0;
    Floats avg(dy.size()), avg_dx(x.size()), max(dy.size()), max_dx(x.size());
    std::vector<int32_t> index(dy.size());
    reference::avg_pool2d_forward(s, x.data(), avg.data(), include);
    reference::avg_pool2d_backward(s, dy.data(), avg_dx.data(), include);
    reference::max_pool2d_forward(s, x.data(), max.data(), index.data());
    reference::max_pool2d_backward(s, dy.data(), index.data(), max_dx.data());
    CAPTURE(s.x_shape().text());
    test::on_every_target([&](const std::string& target) {
      CAPTURE(target);
      Guarded lx(s.x_image() * 16), ldy(s.y_image() * 16), y(s.y_image() * 16), dx(s.x_image() * 16),
          at(s.y_image() * 16);
      lanes::from_rows(s.n, s.x_image(), x.data(), lx.data());
      lanes::from_rows(s.n, s.y_image(), dy.data(), ldy.data());
      const auto rows = [&](Guarded& from, size_t size) {
        Floats out(size, kNaN);
        lanes::to_rows(s.n, static_cast<int64_t>(size) / s.n, from.data(), out.data());
        CHECK(from.intact());
        return out;
      };
      lanes::avg_pool2d_forward(s, lx.data(), y.data(), include);
      CHECK(rows(y, avg.size()) == avg);
      lanes::avg_pool2d_backward(s, ldy.data(), dx.data(), include);
      CHECK(rows(dx, x.size()) == avg_dx);
      auto* argmax = reinterpret_cast<int32_t*>(at.data());
      lanes::max_pool2d_forward(s, lx.data(), y.data(), argmax);
      CHECK(rows(y, max.size()) == max);
      lanes::max_pool2d_backward(s, ldy.data(), argmax, dx.data());
      CHECK(rows(dx, x.size()) == max_dx);
      CHECK(at.intact());
    });
  }
}

TEST_CASE("an activation fused with its pooling gives the bits of one after the other, on every target") {
  Random random(8, "lanes fused");
  for (int i = 0; i < 40; ++i) {
    const int64_t n = images_of(random), c = 1 + random.below(5), kh = 1 + random.below(3),
                  kw = 1 + random.below(3);
    const Window2d k{.kernel_h = kh, .kernel_w = kw, .stride_h = kh, .stride_w = kw};
    const Shape image{n, c, kh * (1 + random.below(6)), kw * (1 + random.below(6))};
    const Conv2dShape s = Conv2dShape::infer(image, c, k, "fused");
    REQUIRE(lanes::tiles(s));
    Floats x(static_cast<size_t>(s.n * s.x_image())), dy(static_cast<size_t>(s.n * s.y_image()));
    for (float& v : x) v = static_cast<float>(random.normal());
    for (float& v : dy) v = static_cast<float>(random.normal());
    x[0] = kNaN;
    test::on_every_target([&](const std::string& target) {
      CAPTURE(target);
      const int64_t in = s.x_image() * 16, out = s.y_image() * 16;
      Guarded lx(in), ldy(out), a(in), y(out), da(in), dx(in), fused_a(in), fused_y(out), fused_dx(in),
          at(out), fused_at(out);
      lanes::from_rows(n, s.x_image(), x.data(), lx.data());
      lanes::from_rows(n, s.y_image(), dy.data(), ldy.data());
      const auto same = [&](Guarded& got, Guarded& want, int64_t elements) {
        Floats left(static_cast<size_t>(n * elements)), right(left.size());
        lanes::to_rows(n, elements, got.data(), left.data());
        lanes::to_rows(n, elements, want.data(), right.data());
        CHECK(got.intact());
        return std::equal(left.begin(), left.end(), right.begin(),
                          [](float p, float q) { return p == q || (std::isnan(p) && std::isnan(q)); });
      };
      lanes::tanh_forward(n, s.x_image(), lx.data(), 1.7159f, a.data());
      lanes::avg_pool2d_forward(s, a.data(), y.data(), true);
      lanes::avg_pool2d_backward(s, ldy.data(), da.data(), true);
      lanes::tanh_backward(n, s.x_image(), a.data(), da.data(), 1.7159f, dx.data());
      lanes::tanh_avg_pool2d_forward(s, 0, s.oh, lx.data(), 1.7159f, fused_y.data(), fused_a.data());
      lanes::tanh_avg_pool2d_backward(s, 0, s.oh, fused_a.data(), ldy.data(), 1.7159f, fused_dx.data());
      CHECK(same(fused_a, a, s.x_image()));
      CHECK(same(fused_y, y, s.y_image()));
      CHECK(same(fused_dx, dx, s.x_image()));

      auto *index = reinterpret_cast<int32_t*>(at.data()),
           *fused_index = reinterpret_cast<int32_t*>(fused_at.data());
      lanes::relu_forward(n, s.x_image(), lx.data(), a.data());
      lanes::max_pool2d_forward(s, a.data(), y.data(), index);
      lanes::max_pool2d_backward(s, ldy.data(), index, da.data());
      lanes::relu_backward(n, s.x_image(), a.data(), da.data(), dx.data());
      lanes::relu_max_pool2d_forward(s, 0, s.oh, lx.data(), fused_y.data(), fused_index);
      lanes::relu_max_pool2d_backward(s, 0, s.oh, fused_y.data(), ldy.data(), fused_index, fused_dx.data());
      CHECK(same(fused_y, y, s.y_image()));
      CHECK(same(fused_dx, dx, s.x_image()));
    });
  }
}

TEST_CASE("elementwise: lanes give the bits of the rows, on every target; NaN stays NaN") {
  Random random(6, "lanes elementwise");
  constexpr int64_t kElements = 37;
  for (const int64_t n : {1, 5, 8, 9, 16}) {
    Floats x(static_cast<size_t>(n * kElements)), dy(x.size());
    for (float& v : x) v = static_cast<float>(3 * random.normal());
    for (float& v : dy) v = static_cast<float>(random.normal());
    x[3] = kNaN;
    x[5] = 0;
    test::on_every_target([&](const std::string& target) {
      CAPTURE(target);
      Guarded lx(kElements * 16), ldy(kElements * 16), y(kElements * 16);
      lanes::from_rows(n, kElements, x.data(), lx.data());
      lanes::from_rows(n, kElements, dy.data(), ldy.data());
      const auto same = [&](const Floats& want) {
        Floats got(want.size());
        lanes::to_rows(n, kElements, y.data(), got.data());
        CHECK(y.intact());
        return std::equal(got.begin(), got.end(), want.begin(),
                          [](float a, float b) { return a == b || (std::isnan(a) && std::isnan(b)); });
      };
      Floats want(x.size());
      lanes::tanh_forward(n, kElements, lx.data(), 1.7159f, y.data());
      tanh_forward(n * kElements, x.data(), 1.7159f, want.data());
      CHECK(same(want));
      lanes::tanh_backward(n, kElements, lx.data(), ldy.data(), 1.7159f, y.data());
      tanh_backward(n * kElements, x.data(), dy.data(), 1.7159f, want.data());
      CHECK(same(want));
      lanes::relu_forward(n, kElements, lx.data(), y.data());
      reference::relu_forward(n * kElements, x.data(), want.data());
      CHECK(same(want));
      lanes::relu_backward(n, kElements, lx.data(), ldy.data(), y.data());
      reference::relu_backward(n * kElements, x.data(), dy.data(), want.data());
      CHECK(same(want));
    });
  }
}
