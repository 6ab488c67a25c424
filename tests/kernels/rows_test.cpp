// The kernels over single images: bit-equal to the naive twins on whole numbers, on every target.
#include "unfold/kernels/rows.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/support/geometry.h"
#include "tests/support/targets.h"
#include "unfold/kernels/lanes.h"
#include "unfold/kernels/reference/conv2d.h"
#include "unfold/kernels/reference/linear.h"
#include "unfold/kernels/reference/pool2d.h"
#include "unfold/tensor.h"

using namespace unfold;
using test::integers;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// Aligned floats, NaN, with a guard behind them.
class Floats {
 public:
  explicit Floats(int64_t count) : count_(count), buffer_(static_cast<size_t>(count + 64) * sizeof(float)) {
    std::fill_n(data(), count, kNan);
    std::fill_n(data() + count, 64, 77.0f);
  }
  float* data() { return reinterpret_cast<float*>(buffer_.data()); }
  bool intact() {
    return std::all_of(data() + count_, data() + count_ + 64, [](float v) { return v == 77.0f; });
  }

 private:
  int64_t count_;
  Buffer buffer_;
};

}  // namespace

TEST_CASE("convolution of single images: 2,000 geometries, to the bit") {
  test::on_every_target([](const std::string& target) {
    CAPTURE(target);
    Random random(11, "rows");
    std::map<std::string, int> kinds;
    for (int i = 0; i < 2000; ++i) {
      Conv2dShape s = test::random_geometry(random, kinds);
      s.n = 1;
      if (s.window.stride_w == 1 && s.group_oc() <= rows::kPanel) {  // the pixels in the lanes
        if (s.ow >= 16) ++kinds[s.oh % 2 == 0 ? "wide rows in pairs" : "wide rows, one left"];
      } else if (s.group_oc() % (2 * rows::kPanel) > rows::kPanel) {
        ++kinds["pairs of panels"];
      }
      const auto x = integers<float>(s.x_image(), random), w = integers<float>(s.oc * s.patch(), random);
      const auto b = integers<float>(s.oc, random);
      const float* bias = i % 3 == 0 ? nullptr : b.data();
      std::vector<float> want(static_cast<size_t>(s.y_image()), kNan);
      Floats y(s.y_image()), packed(rows::conv2d_packed(s)), scratch(rows::conv2d_scratch(s));
      rows::conv2d_pack(s, w.data(), packed.data());
      rows::conv2d_forward(s, x.data(), packed.data(), bias, y.data(), scratch.data());
      reference::conv2d_forward(s, x.data(), w.data(), bias, want.data());
      CHECK(std::equal(want.begin(), want.end(), y.data()));
      CHECK((y.intact() && packed.intact() && scratch.intact()));
      if (s.window.pad_top + s.window.pad_left + s.window.pad_bottom + s.window.pad_right > 0) continue;
      Conv2dShape pool = s;
      pool.oc = pool.ic;
      pool.window.groups = 1;
      Floats mean(pool.y_image());
      want.assign(static_cast<size_t>(pool.y_image()), kNan);
      rows::avg_pool2d_forward(pool, x.data(), mean.data());
      reference::avg_pool2d_forward(pool, x.data(), want.data(), true);
      CHECK(std::equal(want.begin(), want.end(), mean.data()));
      CHECK(mean.intact());
    }
    for (const auto& [kind, count] : kinds) CHECK_MESSAGE(count >= 50, kind);
  });
}

TEST_CASE("Winograd of single images: the bits of the lanes, near the naive twin") {
  test::on_every_target([](const std::string& target) {
    CAPTURE(target);
    Random random(13, "rows winograd");
    double worst = 0;
    for (int shapes = 0; shapes < 300;) {
      std::map<std::string, int> kinds;
      Conv2dShape s = test::random_geometry(random, kinds);
      Window2d k = s.window;
      k.groups = k.stride_w = k.dilation_w = 1;
      k.kernel_w = random.below(2) ? 3 : 5;
      const int64_t ic = 3 + random.below(10), oc = 8 + random.below(30);
      if (s.iw + k.pad_left + k.pad_right < k.kernel_w) continue;
      s = Conv2dShape::infer({1, ic, s.ih, s.iw}, oc, k, "test");
      if (!lanes::winograd_suits(s)) continue;
      ++shapes;
      const auto draw = [&](int64_t n) {
        std::vector<float> values(static_cast<size_t>(n));
        for (float& v : values) v = static_cast<float>(random.normal());
        return values;
      };
      const auto x = draw(s.x_image()), w = draw(s.oc * s.patch()), b = draw(s.oc);
      const float* bias = shapes % 3 == 0 ? nullptr : b.data();
      Floats y(s.y_image()), packed(rows::winograd_packed(s)), scratch(rows::winograd_scratch(s));
      rows::winograd_pack(s, w.data(), packed.data());
      rows::winograd_forward(s, x.data(), packed.data(), bias, y.data(), scratch.data());
      CHECK((y.intact() && packed.intact() && scratch.intact()));

      Floats in(s.x_image() * lanes::kLanes), out(s.y_image() * lanes::kLanes), same(s.y_image());
      Floats lane_packed(lanes::winograd_packed(s)), lane_scratch(lanes::winograd_scratch(s));
      Floats values(lanes::winograd_values(s));
      lanes::from_rows(1, s.x_image(), x.data(), in.data());
      lanes::winograd_pack(s, w.data(), lane_packed.data());
      lanes::winograd_to_points(s, in.data(), values.data());
      lanes::winograd_forward(s, values.data(), lane_packed.data(), bias, out.data(), lane_scratch.data());
      lanes::to_rows(1, s.y_image(), out.data(), same.data());
      CHECK(std::equal(same.data(), same.data() + s.y_image(), y.data()));

      const auto wide = [](const std::vector<float>& v) { return std::vector<double>(v.begin(), v.end()); };
      const auto dx = wide(x), dw = wide(w), db = wide(b);
      std::vector<double> want(static_cast<size_t>(s.y_image()));
      reference::conv2d_forward(s, dx.data(), dw.data(), bias ? db.data() : nullptr, want.data());
      double difference = 0, size = 0;
      for (size_t i = 0; i < want.size(); ++i) {
        difference += std::pow(static_cast<double>(y.data()[i]) - want[i], 2);
        size += want[i] * want[i];
      }
      const double error = std::sqrt(difference / size);
      CHECK(error <= 3e-6);
      if (!(error <= worst)) worst = error;
    }
    MESSAGE("worst relative L2 error " << worst);
  });
}

TEST_CASE("linear layers of single images, to the bit; pooling by 2 x 2") {
  test::on_every_target([](const std::string& target) {
    CAPTURE(target);
    Random random(12, "rows");
    for (int i = 0; i < 200; ++i) {
      const int64_t in = 1 + random.below(300), out = 1 + random.below(200);
      const auto x = integers<float>(in, random), w = integers<float>(in * out, random);
      const auto b = integers<float>(out, random);
      std::vector<float> want(static_cast<size_t>(out));
      Floats y(out), packed(rows::linear_packed(in, out));
      rows::linear_pack(in, out, w.data(), packed.data());
      rows::linear_forward(in, out, x.data(), packed.data(), i % 2 ? b.data() : nullptr, y.data());
      reference::linear_forward(1, in, out, x.data(), w.data(), i % 2 ? b.data() : nullptr, want.data());
      CHECK(std::equal(want.begin(), want.end(), y.data()));
      CHECK((y.intact() && packed.intact()));
      const Conv2dShape half = Conv2dShape::infer({1, 3, 2 + random.below(9), 2 + random.below(20)}, 3,
                                                  Window2d::square(2, 2), "pool");
      const auto image = integers<float>(half.x_image(), random);
      Floats mean(half.y_image());
      want.assign(static_cast<size_t>(half.y_image()), kNan);
      rows::avg_pool2d_forward(half, image.data(), mean.data());
      reference::avg_pool2d_forward(half, image.data(), want.data(), true);
      CHECK(std::equal(want.begin(), want.end(), mean.data()));
      CHECK(mean.intact());
    }
  });
}
