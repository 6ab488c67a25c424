// The sums of the kernels over NHWC on real numbers: their order, their bits on every SIMD target, their
// accuracy.
#include <doctest/doctest.h>

#include <cmath>

#include "tests/support/nhwc.h"
#include "tests/support/targets.h"

using namespace unfold;
using namespace unfold::test;

namespace {

/// Largest error in units of the largest value.
double error(const std::vector<float>& got, const std::vector<double>& want) {
  double worst = 0, largest = 0;
  REQUIRE(got.size() == want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    const double e = std::abs(static_cast<double>(got[i]) - want[i]);
    if (!(e <= worst)) worst = e;  // a NaN stays
    largest = std::max(largest, std::abs(want[i]));
  }
  return worst / largest;
}

}  // namespace

TEST_CASE("every SIMD target: whole numbers exact, and the same bits of real numbers from all with FMA") {
  Random random(13, "targets");
  std::map<std::string, int> kinds;
  std::vector<Conv2dShape> shapes;
  for (int i = 0; i < 80; ++i) shapes.push_back(wider(test::random_geometry(random, kinds), random));
  shapes.push_back(Conv2dShape::infer({2, 70, 15, 17}, 50, Window2d::square(3, 1, 1), "several blocks of k"));
  shapes.push_back(Conv2dShape::infer({1, 3, 30, 31}, 64, Window2d::square(7, 2, 3), "rows of taps"));
  shapes.push_back(Conv2dShape::infer({2, 100, 9, 9}, 100, Window2d::square(3, 1, 1, 1, 100), "depthwise"));
  shapes.push_back(Conv2dShape::infer({7, 40, 7, 7}, 40, Window2d::square(3, 1, 1), "groups of images"));
  const auto supported = hwy::SupportedAndGeneratedTargets();
  for (const Conv2dShape& s : shapes) {
    const Data whole = whole_numbers(s, random), real = real_numbers(s, random);
    const Passes want = naive(s, whole);
    std::vector<Passes> fused;
    const auto ran = test::on_every_target([&](const std::string& target) {
      CAPTURE(target);
      CHECK(std::string(nhwc_target()) == target);
      CHECK(std::string(nhwc_backward_weights_target()) == target);
      CHECK(over_nhwc(s, whole) == want);
      if (target.starts_with("AVX") || target.starts_with("NEON")) fused.push_back(over_nhwc(s, real));
    });
    CHECK(ran.size() == supported.size());
    for (const Passes& p : fused) CHECK(same_bits(p, fused.front()));
  }
}

TEST_CASE("the sums run in the order that the header states") {
  Random random(19, "order");
  std::map<std::string, int> kinds;
  std::vector<Conv2dShape> shapes;
  for (int i = 0; i < 150; ++i) shapes.push_back(wider(test::random_geometry(random, kinds), random));
  shapes.push_back(
      Conv2dShape::infer({1, 40, 20, 24}, 20, Window2d::square(3, 1, 1), "several groups of rows"));
  shapes.push_back(Conv2dShape::infer({2, 3, 2, 500}, 17, Window2d::square(3, 2, 1), "parts of a row"));
  shapes.push_back(Conv2dShape::infer({1, 70, 6, 7}, 16, Window2d::square(3, 1, 1), "several blocks of k"));
  shapes.push_back(Conv2dShape::infer({10, 18, 7, 7}, 17, Window2d::square(3, 1, 1), "groups of images"));
  shapes.push_back(Conv2dShape::infer({60, 17, 4, 4}, 18, Window2d::square(3, 2, 1), "more images"));
  shapes.push_back(Conv2dShape::infer({7, 3, 9, 9}, 17, Window2d::square(3, 1, 1), "rows of taps, images"));
  if (!std::string(nhwc_target()).starts_with("AVX") && !std::string(nhwc_target()).starts_with("NEON"))
    return;
  for (const Conv2dShape& s : shapes) {
    CAPTURE(s.x_shape().text());
    CAPTURE(s.w_shape().text());
    const Data d = real_numbers(s, random);
    const Passes got = over_nhwc(s, d);
    const Window2d& k = s.window;
    // Every product of the definition, in whatever order the caller asks.
    const auto x_at = [&](int64_t n, int64_t ic, int64_t oh, int64_t ow, int64_t kh, int64_t kw) -> int64_t {
      const int64_t ih = oh * k.stride_h - k.pad_top + kh * k.dilation_h;
      const int64_t iw = ow * k.stride_w - k.pad_left + kw * k.dilation_w;
      return ih < 0 || ih >= s.ih || iw < 0 || iw >= s.iw ? -1 : ((n * s.ic + ic) * s.ih + ih) * s.iw + iw;
    };
    const auto at = [](const std::vector<float>& v, int64_t i) { return v[static_cast<size_t>(i)]; };
    std::vector<float> y(d.dy.size()), dx(d.x.size()), dw(d.w.size()), db(d.b.size());
    for (int64_t n = 0; n < s.n; ++n) {
      for (int64_t oc = 0; oc < s.oc; ++oc) {
        const int64_t ic0 = oc / s.group_oc() * s.group_ic();
        for (int64_t p = 0; p < s.pixels(); ++p) {
          float sum = at(d.b, oc);
          for (int64_t kh = 0; kh < k.kernel_h; ++kh) {
            for (int64_t kw = 0; kw < k.kernel_w; ++kw) {
              for (int64_t ic = 0; ic < s.group_ic(); ++ic) {
                const int64_t from = x_at(n, ic0 + ic, p / s.ow, p % s.ow, kh, kw);
                const int64_t w = ((oc * s.group_ic() + ic) * k.kernel_h + kh) * k.kernel_w + kw;
                if (from >= 0) sum = std::fma(at(d.x, from), at(d.w, w), sum);
              }
            }
          }
          y[static_cast<size_t>((n * s.oc + oc) * s.pixels() + p)] = sum;
        }
      }
      // dx: scattering in falling order of the taps gives each pixel its chain.
      for (int64_t kh = k.kernel_h - 1; kh >= 0; --kh) {
        for (int64_t kw = k.kernel_w - 1; kw >= 0; --kw) {
          for (int64_t oc = 0; oc < s.oc; ++oc) {
            for (int64_t p = 0; p < s.pixels(); ++p) {
              for (int64_t ic = 0; ic < s.group_ic(); ++ic) {
                const int64_t to = x_at(n, oc / s.group_oc() * s.group_ic() + ic, p / s.ow, p % s.ow, kh, kw);
                if (to < 0) continue;
                const int64_t w = ((oc * s.group_ic() + ic) * k.kernel_h + kh) * k.kernel_w + kw;
                float& sum = dx[static_cast<size_t>(to)];
                sum = std::fma(at(d.dy, (n * s.oc + oc) * s.pixels() + p), at(d.w, w), sum);
              }
            }
          }
        }
      }
    }
    // dw: as few groups of whole rows as hold at most kNhwcGroupPixels, of one height; long rows alike;
    // images together where they fit.
    const bool depthwise = s.group_ic() == 1 && s.group_oc() == 1;
    const int64_t images = depthwise ? 1 : std::max<int64_t>(1, kNhwcGroupPixels / s.pixels());
    CHECK(nhwc_group_images(s) == images);
    for (int64_t first = 0; first < s.n; first += images) {
      const auto even = [](int64_t size, int64_t most) {
        const int64_t parts = (size + most - 1) / most;
        return (size + parts - 1) / parts;
      };
      const int64_t rows = even(s.oh, std::max<int64_t>(1, kNhwcGroupPixels / s.ow));
      const int64_t columns = even(s.ow, kNhwcGroupPixels);
      for (int64_t row = 0; row < s.oh; row += rows) {
        for (int64_t column = 0; column < s.ow; column += columns) {
          for (int64_t oc = 0; oc < s.oc; ++oc) {
            const auto each_pixel = [&](auto add) {
              for (int64_t n = first; n < std::min(s.n, first + images); ++n) {
                for (int64_t oh = row; oh < std::min(s.oh, row + rows); ++oh) {
                  for (int64_t ow = column; ow < std::min(s.ow, column + columns); ++ow) {
                    add(n, oh, ow, at(d.dy, ((n * s.oc + oc) * s.oh + oh) * s.ow + ow));
                  }
                }
              }
            };
            float bias = 0;
            each_pixel([&](int64_t, int64_t, int64_t, float dy) { bias += dy; });
            db[static_cast<size_t>(oc)] += bias;
            for (int64_t w = 0; w < s.patch(); ++w) {
              float sum = 0;
              each_pixel([&](int64_t n, int64_t oh, int64_t ow, float dy) {
                const int64_t ic = oc / s.group_oc() * s.group_ic() + w / k.taps();
                const int64_t from = x_at(n, ic, oh, ow, w % k.taps() / k.kernel_w, w % k.kernel_w);
                if (from >= 0) sum = std::fma(at(d.x, from), dy, sum);
              });
              dw[static_cast<size_t>(oc * s.patch() + w)] += sum;
            }
          }
        }
      }
    }
    CHECK(got.y == y);
    CHECK(got.dx == dx);
    CHECK(got.dw == dw);
    CHECK(got.db == db);
  }
}

TEST_CASE("float accuracy: within 2 sqrt(K) eps of the largest value, and rows longer than a group") {
  Random random(17, "accuracy");
  const std::vector<Conv2dShape> shapes{
      Conv2dShape::infer({1, 64, 40, 41}, 32, Window2d::square(3, 1, 1), "wide"),
      Conv2dShape::infer({9, 512, 7, 7}, 64, Window2d::square(1), "pointwise"),
      Conv2dShape::infer({1, 3, 90, 95}, 32, Window2d::square(7, 2, 3), "first"),
      Conv2dShape::infer({1, 5, 3, 1100}, 20, Window2d::square(3, 1, 1), "long rows"),
      Conv2dShape::infer({1, 20, 2, 700}, 5, Window2d::square(2), "long rows, no padding"),
      Conv2dShape::infer({1, 48, 50, 50}, 48, Window2d::square(3, 1, 1, 1, 48), "depthwise"),
  };
  for (const Conv2dShape& s : shapes) {
    const Data d = real_numbers(s, random);
    const auto wide = [](const std::vector<float>& v) { return std::vector<double>(v.begin(), v.end()); };
    const auto x = wide(d.x), w = wide(d.w), b = wide(d.b), dy = wide(d.dy);
    std::vector<double> y(dy.size()), dx(x.size()), dw(w.size()), db(b.size());
    reference::conv2d_forward(s, x.data(), w.data(), b.data(), y.data());
    reference::conv2d_backward_data(s, w.data(), dy.data(), dx.data());
    reference::conv2d_backward_weights(s, x.data(), dy.data(), dw.data(), db.data());
    const Passes got = over_nhwc(s, d);
    const auto bound = [](int64_t terms) { return 2 * std::sqrt(static_cast<double>(terms)) * 6e-8; };
    CHECK(!(error(got.y, y) > bound(s.patch())));
    CHECK(error(got.y, y) <= bound(s.patch()));
    CHECK(error(got.dx, dx) <= bound(s.group_oc() * s.window.taps()));
    // Chains of dw are short, so that more pixels cost no more digits.
    CHECK(error(got.dw, dw) <= bound(kNhwcGroupPixels));
    CHECK(error(got.db, db) <= bound(kNhwcGroupPixels));
    CHECK(same_bits(over_nhwc(s, d, &random), got));
  }
}
