// The convolutions in lanes against their naive twins on small whole numbers, bit for bit, on every SIMD
// target; and against the im2col kernels on any numbers, where both promise the same chain.
#include "unfold/kernels/lanes.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "tests/support/geometry.h"
#include "tests/support/guarded.h"
#include "tests/support/lanes.h"
#include "tests/support/targets.h"
#include "unfold/kernels/conv2d.h"
#include "unfold/kernels/reference/conv2d.h"
#include "unfold/tensor.h"

using namespace unfold;
using namespace unfold::test;

namespace {

using Floats = std::vector<float>;

struct Passes {
  Floats y, dx, dw, db;
  bool operator==(const Passes&) const = default;
};

struct Problem {
  Conv2dShape s;
  Floats x, w, b, dy;
  template <class Draw>
  Problem(const Conv2dShape& shape, Draw draw)
      : s(shape),
        x(draw(s.n * s.x_image())),
        w(draw(s.w_shape().elements())),
        b(draw(s.oc)),
        dy(draw(s.n * s.y_image())) {}
};

Passes naive(const Problem& p) {
  Passes r{Floats(p.dy.size(), kNaN), Floats(p.x.size(), kNaN), Floats(p.w.size(), 1), Floats(p.b.size(), 2)};
  reference::conv2d_forward(p.s, p.x.data(), p.w.data(), p.b.data(), r.y.data());
  reference::conv2d_backward_data(p.s, p.w.data(), p.dy.data(), r.dx.data());
  reference::conv2d_backward_weights(p.s, p.x.data(), p.dy.data(), r.dw.data(), r.db.data());
  return r;
}

Passes in_lanes(const Problem& p, bool winograd = false) {
  const Conv2dShape& s = p.s;
  Passes r{Floats(p.dy.size(), kNaN), Floats(p.x.size(), kNaN), Floats(p.w.size(), 1), Floats(p.b.size(), 2)};
  Guarded x(s.x_image() * 16), dy(s.y_image() * 16), y(s.y_image() * 16), dx(s.x_image() * 16);
  Guarded scratch(winograd ? lanes::winograd_scratch(s) : lanes::conv2d_scratch(s));
  lanes::from_rows(s.n, s.x_image(), p.x.data(), x.data());
  lanes::from_rows(s.n, s.y_image(), p.dy.data(), dy.data());
  if (winograd) {
    Guarded packed(lanes::winograd_packed(s)), values(lanes::winograd_values(s));
    lanes::winograd_pack(s, p.w.data(), packed.data());
    lanes::winograd_to_points(s, x.data(), values.data());
    lanes::winograd_forward(s, values.data(), packed.data(), p.b.data(), y.data(), scratch.data());
    lanes::winograd_backward_data(s, packed.data(), dy.data(), dx.data(), scratch.data());
    lanes::winograd_backward_weights(s, values.data(), dy.data(), r.dw.data(), r.db.data(), scratch.data());
    CHECK(packed.intact());
    CHECK(values.intact());
  } else {
    lanes::conv2d_forward(s, x.data(), p.w.data(), p.b.data(), y.data(), scratch.data());
    lanes::conv2d_backward_data(s, p.w.data(), dy.data(), dx.data(), scratch.data());
    lanes::conv2d_backward_weights(s, x.data(), dy.data(), r.dw.data(), r.db.data(), scratch.data());
  }
  lanes::to_rows(s.n, s.y_image(), y.data(), r.y.data());
  lanes::to_rows(s.n, s.x_image(), dx.data(), r.dx.data());
  CHECK(x.intact());
  CHECK(dy.intact());
  CHECK(y.intact());
  CHECK(dx.intact());
  CHECK(scratch.intact());
  return r;
}

/// Forward `rows` rows at a time, dw `channels` channels and `rows` rows at a time. There is no dx.
Passes by_few(const Problem& p, int64_t rows, int64_t channels) {
  const Conv2dShape& s = p.s;
  Passes r{Floats(p.dy.size(), kNaN), Floats(p.x.size()), Floats(p.w.size(), 1), Floats(p.b.size(), 2)};
  Guarded x(s.x_image() * 16), dy(s.y_image() * 16), y(s.y_image() * 16);
  Guarded values(lanes::winograd_few_values(s)), packed(lanes::winograd_few_packed(s));
  Guarded scratch(lanes::winograd_few_scratch(s, channels));
  lanes::from_rows(s.n, s.x_image(), p.x.data(), x.data());
  lanes::from_rows(s.n, s.y_image(), p.dy.data(), dy.data());
  lanes::winograd_few_pack(s, p.w.data(), packed.data());
  lanes::winograd_few_to_points(s, x.data(), values.data());
  const int64_t row = s.ow * 16, plane = s.oh * row;
  // Between a channel's rows of a band and where they lie in the whole tensor.
  const auto each_row = [&](int64_t oc0, int64_t oc1, int64_t oh0, int64_t oh1, auto visit) {
    for (int64_t c = oc0; c < oc1; ++c)
      visit((c - oc0) * (oh1 - oh0) * row, c * plane + oh0 * row, (oh1 - oh0) * row);
  };
  for (int64_t oh = 0; oh < s.oh; oh += rows) {
    const int64_t end = std::min(s.oh, oh + rows);
    Guarded band(s.oc * (end - oh) * row);
    lanes::winograd_few_forward_rows(s, oh, end, values.data(), packed.data(), p.b.data(), band.data());
    each_row(0, s.oc, oh, end, [&](int64_t from, int64_t to, int64_t count) {
      std::copy(band.data() + from, band.data() + from + count, y.data() + to);
    });
    CHECK(band.intact());
  }
  for (int64_t oc = 0; oc < s.oc; oc += channels) {
    const int64_t last = std::min(s.oc, oc + channels);
    for (int64_t oh = 0; oh < s.oh; oh += rows) {
      const int64_t end = std::min(s.oh, oh + rows);
      Guarded band((last - oc) * (end - oh) * row);
      each_row(oc, last, oh, end, [&](int64_t to, int64_t from, int64_t count) {
        std::copy(dy.data() + from, dy.data() + from + count, band.data() + to);
      });
      lanes::winograd_few_backward_weights_part(s, oc, last, oh, end, values.data(), band.data(), r.dw.data(),
                                                r.db.data(), scratch.data());
    }
  }
  lanes::to_rows(s.n, s.y_image(), y.data(), r.y.data());
  CHECK(values.intact());
  CHECK(packed.intact());
  CHECK(scratch.intact());
  return r;
}

Problem whole_numbers(const Conv2dShape& s, Random& random) {
  REQUIRE((s.n * s.pixels() + s.patch() + s.oc * s.window.taps()) * 16 < (1 << 24));  // every sum is exact
  return {s, [&](int64_t n) { return integers<float>(n, random); }};
}

Problem any_numbers(const Conv2dShape& s, Random& random) {
  return {s, [&](int64_t n) {
            Floats values(static_cast<size_t>(n));
            for (float& v : values) v = static_cast<float>(random.normal());
            return values;
          }};
}

}  // namespace

TEST_CASE("convolution: lanes and naive agree in every bit on 2,200 geometries, all three passes") {
  Random random(1, "lanes");
  std::map<std::string, int> kinds;
  for (int i = 0; i < 2200; ++i) {
    const Conv2dShape s = with_images(test::random_geometry(random, kinds), images_of(random));
    const Problem p = whole_numbers(s, random);
    const Passes want = naive(p);
    CAPTURE(s.x_shape().text());
    CAPTURE(s.w_shape().text());
    CHECK(in_lanes(p) == want);
    CHECK(test::filled(want.y) >= 0.5);
  }
  for (const auto& [kind, count] : kinds) {
    CAPTURE(kind);
    CHECK(count >= 50);
  }
}

TEST_CASE(
    "convolution: every SIMD target gives the same bits on whole numbers, and FMA targets on any numbers") {
  Random random(2, "lanes targets");
  std::map<std::string, int> kinds;
  std::vector<Conv2dShape> shapes;
  for (int i = 0; i < 60; ++i)
    shapes.push_back(with_images(test::random_geometry(random, kinds), images_of(random)));
  for (const int64_t n : {4, 16}) {
    shapes.push_back(Conv2dShape::infer({n, 1, 32, 32}, 6, Window2d::square(5), "conv1"));
    shapes.push_back(Conv2dShape::infer({n, 6, 14, 14}, 16, Window2d::square(5), "conv2"));
    shapes.push_back(Conv2dShape::infer({n, 3, 40, 41}, 7, Window2d::square(3, 1, 1), "groups of rows"));
  }
  for (const Conv2dShape& s : shapes) {
    const Problem whole = whole_numbers(s, random), real = any_numbers(s, random);
    const Passes want = naive(whole);
    std::vector<Passes> fused;
    CAPTURE(s.x_shape().text());
    CAPTURE(s.w_shape().text());
    const auto ran = test::on_every_target([&](const std::string& target) {
      CAPTURE(target);
      CHECK(lanes::target() == target);
      CHECK(in_lanes(whole) == want);
      if (target.starts_with("AVX")) fused.push_back(in_lanes(real));
    });
    CHECK(ran.size() >= 1);
    for (const Passes& passes : fused) CHECK(passes == fused.front());
  }
}

TEST_CASE("an image gives the same bits in lanes, in rows, and among any neighbours") {
  Random random(3, "lanes and rows");
  std::map<std::string, int> kinds;
  for (int i = 0; i < 200; ++i) {
    const Conv2dShape s = with_images(test::random_geometry(random, kinds), images_of(random));
    const Problem p = any_numbers(s, random);
    const Passes got = in_lanes(p);
    Floats y(p.dy.size(), kNaN);
    Guarded scratch(conv2d_scratch(s));
    for (int64_t n = 0; n < s.n; ++n) {
      conv2d_forward(s, p.x.data() + n * s.x_image(), p.w.data(), p.b.data(), y.data() + n * s.y_image(),
                     scratch.data());
    }
    CAPTURE(s.x_shape().text());
    CAPTURE(s.w_shape().text());
    CHECK(got.y == y);
  }
}

namespace {

struct Errors {
  double y, dx, dw, db;
};

/// Relative L2 errors against the naive passes in double.
Errors errors(const Problem& p, const Passes& got) {
  const Conv2dShape& s = p.s;
  const auto wide = [](const Floats& v) { return std::vector<double>(v.begin(), v.end()); };
  std::vector<double> y(p.dy.size()), dx(p.x.size()), dw(p.w.size(), 1), db(p.b.size(), 2);
  reference::conv2d_forward(s, wide(p.x).data(), wide(p.w).data(), wide(p.b).data(), y.data());
  reference::conv2d_backward_data(s, wide(p.w).data(), wide(p.dy).data(), dx.data());
  reference::conv2d_backward_weights(s, wide(p.x).data(), wide(p.dy).data(), dw.data(), db.data());
  const auto error = [](const Floats& a, const std::vector<double>& b) {
    double difference = 0, size = 0;
    for (size_t i = 0; i < b.size(); ++i) {
      difference += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
      size += b[i] * b[i];
    }
    return std::sqrt(difference / size);
  };
  return {error(got.y, y), error(got.dx, dx), error(got.dw, dw), error(got.db, db)};
}

}  // namespace

TEST_CASE("convolution on any numbers stays within rounding of double") {
  Random random(4, "lanes rounding");
  for (const int64_t n : {1, 13, 16}) {
    const Conv2dShape s = Conv2dShape::infer({n, 6, 44, 40}, 10, Window2d::square(5, 1, 2), "test");
    const Problem p = any_numbers(s, random);
    const Errors e = errors(p, in_lanes(p));
    CHECK(!(e.y > 5e-7));
    CHECK(!(e.dx > 5e-7));
    CHECK(!(e.dw > 3e-6));
    CHECK(!(e.db > 3e-6));
  }
}

TEST_CASE(
    "Winograd along x: relative L2 error of at most 3e-6 on 400 geometries; FMA targets agree in every bit") {
  Random random(7, "winograd");
  double worst = 0;
  for (int i = 0; i < 400; ++i) {
    const auto draw = [&](int64_t low, int64_t high) { return low + random.below(high - low + 1); };
    Window2d k;
    k.kernel_w = draw(0, 1) ? 5 : 3;
    k.kernel_h = draw(1, 5);
    k.stride_h = draw(1, 2);
    k.dilation_h = draw(1, 2);
    k.pad_top = draw(0, 2), k.pad_bottom = draw(0, 3), k.pad_left = draw(0, 5), k.pad_right = draw(0, 3);
    const int64_t least = (12 + k.kernel_h - 1) / k.kernel_h;
    const Shape x{images_of(random), draw(least, least + 6), draw(9, 16), draw(5, 20)};
    const Conv2dShape s = Conv2dShape::infer(x, draw(8, 20), k, "winograd");
    REQUIRE(lanes::winograd_suits(s));
    const Problem p = any_numbers(s, random);
    CAPTURE(s.x_shape().text());
    CAPTURE(s.w_shape().text());
    CAPTURE(k.pad_left);
    std::vector<Passes> fused;
    if (i % 10 == 0) {
      test::on_every_target([&](const std::string& target) {
        CAPTURE(target);
        const Passes passes = in_lanes(p, true);
        const Errors e = errors(p, passes);
        CHECK(!(std::max({e.y, e.dx, e.dw, e.db}) > 3e-6));
        if (target.starts_with("AVX")) fused.push_back(passes);
      });
      for (const Passes& passes : fused) CHECK(passes == fused.front());
    }
    const Errors e = errors(p, in_lanes(p, true));
    for (const double error : {e.y, e.dx, e.dw, e.db}) {
      CHECK(!(error > 3e-6));
      worst = std::max(worst, error);
    }
  }
  MESSAGE("worst relative L2 error " << worst);
}

TEST_CASE("Winograd with few channels: relative L2 error of at most 3e-6, the same bits for any cut") {
  Random random(8, "winograd few");
  double worst = 0;
  for (int i = 0; i < 200; ++i) {
    const auto draw = [&](int64_t low, int64_t high) { return low + random.below(high - low + 1); };
    Window2d k;
    k.kernel_w = 5;
    k.kernel_h = draw(1, 5);
    k.stride_h = draw(1, 2);
    k.dilation_h = draw(1, 2);
    k.pad_top = draw(0, 2), k.pad_bottom = draw(0, 3), k.pad_left = draw(0, 5), k.pad_right = draw(0, 3);
    const Shape x{images_of(random), draw(1, 4), draw(9, 16), draw(14, 28)};
    const Conv2dShape s = Conv2dShape::infer(x, draw(1, 7), k, "winograd few");
    REQUIRE(lanes::winograd_few_suits(s));
    Problem p = any_numbers(s, random);
    CAPTURE(s.x_shape().text());
    CAPTURE(s.w_shape().text());
    const Passes whole = by_few(p, s.oh, s.oc);
    CHECK(by_few(p, draw(1, s.oh), draw(1, s.oc)) == whole);
    std::vector<Passes> fused;
    if (i % 10 == 0) {
      test::on_every_target([&](const std::string& target) {
        CAPTURE(target);
        const Passes passes = by_few(p, 2, 2);
        const Errors e = errors(p, passes);
        CHECK(!(std::max({e.y, e.dw, e.db}) > 3e-6));
        if (target.starts_with("AVX")) fused.push_back(passes);
      });
      for (const Passes& passes : fused) CHECK(passes == fused.front());
    }
    const Errors e = errors(p, whole);
    for (const double error : {e.y, e.dw, e.db}) {
      CHECK(!(error > 3e-6));
      worst = std::max(worst, error);
    }
  }
  MESSAGE("worst relative L2 error " << worst);
}
