// The kernels over NHWC against the naive convolution: on small whole numbers every sum is exact, so every
// bit must agree; on real numbers against double.
#include "unfold/kernels/nhwc.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "tests/support/geometry.h"
#include "tests/support/targets.h"
#include "unfold/kernels/reference/conv2d.h"
#include "unfold/tensor.h"

using namespace unfold;
using test::integers;

namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr int64_t kGuard = 64;

/// Aligned floats full of NaN between two guard zones.
class Guarded {
 public:
  explicit Guarded(int64_t floats) : buffer_(static_cast<size_t>(floats + 2 * kGuard) * 4), floats_(floats) {
    std::fill_n(base(), floats + 2 * kGuard, kNaN);
    std::fill_n(base(), kGuard, 12345.0f);
    std::fill_n(base() + kGuard + floats, kGuard, 12345.0f);
  }
  float* data() { return base() + kGuard; }
  int64_t size() const { return floats_; }
  bool intact() {
    const auto canary = [](float v) { return v == 12345.0f; };
    return std::all_of(base(), data(), canary) &&
           std::all_of(data() + floats_, data() + floats_ + kGuard, canary);
  }

 private:
  float* base() { return reinterpret_cast<float*>(buffer_.data()); }
  Buffer buffer_;
  int64_t floats_;
};

/// NCHW <-> NHWC of a batch, by the definition.
std::vector<float> to_nhwc(int64_t n, int64_t c, int64_t pixels, const std::vector<float>& from) {
  std::vector<float> to(from.size());
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < c; ++j) {
      for (int64_t p = 0; p < pixels; ++p) {
        to[static_cast<size_t>((i * pixels + p) * c + j)] =
            from[static_cast<size_t>((i * c + j) * pixels + p)];
      }
    }
  }
  return to;
}
std::vector<float> to_nchw(int64_t n, int64_t c, int64_t pixels, const float* from) {
  std::vector<float> to(static_cast<size_t>(n * c * pixels));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < c; ++j) {
      for (int64_t p = 0; p < pixels; ++p)
        to[static_cast<size_t>((i * c + j) * pixels + p)] = from[(i * pixels + p) * c + j];
    }
  }
  return to;
}

struct Data {
  std::vector<float> x, w, b, dy;  // NCHW
};
struct Passes {
  std::vector<float> y, dx, dw, db;  // NCHW
  bool operator==(const Passes&) const = default;
};

Data whole_numbers(const Conv2dShape& s, Random& random) {
  // Below 2^24 every partial sum is exact in float.
  REQUIRE((std::max(s.patch(), s.n * s.pixels()) + s.group_oc() * s.window.taps()) * 16 + 16 < (1 << 24));
  return {integers<float>(s.n * s.x_image(), random), integers<float>(s.w_shape().elements(), random),
          integers<float>(s.oc, random), integers<float>(s.n * s.y_image(), random)};
}

Data real_numbers(const Conv2dShape& s, Random& random) {
  Data d;
  const auto draw = [&](std::vector<float>& v, int64_t count) {
    v.resize(static_cast<size_t>(count));
    for (float& value : v) value = static_cast<float>(random.normal());
  };
  draw(d.x, s.n * s.x_image());
  draw(d.w, s.w_shape().elements());
  draw(d.b, s.oc);
  draw(d.dy, s.n * s.y_image());
  return d;
}

Passes naive(const Conv2dShape& s, const Data& d) {
  Passes p{std::vector<float>(static_cast<size_t>(s.n * s.y_image())),
           std::vector<float>(static_cast<size_t>(s.n * s.x_image())), std::vector<float>(d.w.size()),
           std::vector<float>(d.b.size())};
  reference::conv2d_forward(s, d.x.data(), d.w.data(), d.b.data(), p.y.data());
  reference::conv2d_backward_data(s, d.w.data(), d.dy.data(), p.dx.data());
  reference::conv2d_backward_weights(s, d.x.data(), d.dy.data(), p.dw.data(), p.db.data());
  return p;
}

/// 0 = first cut < ... < last cut = count; some of one part, some of several.
std::vector<int64_t> cuts(int64_t count, Random* random) {
  std::vector<int64_t> c{0};
  while (random && c.back() < count) {
    c.push_back(std::min(count, c.back() + 1 + random->below(std::max<int64_t>(1, count))));
  }
  if (c.back() < count) c.push_back(count);
  return c;
}

/// All passes over NHWC; with `random`, in ranges cut at random, whose parts must make the whole.
Passes over_nhwc(const Conv2dShape& s, const Data& d, Random* random = nullptr,
                 NhwcEpilogue epilogue = NhwcEpilogue::none) {
  const std::vector<float> x = to_nhwc(s.n, s.ic, s.ih * s.iw, d.x),
                           dy = to_nhwc(s.n, s.oc, s.pixels(), d.dy);
  Guarded packed(nhwc_weight_floats(s)), turned(nhwc_turned_weight_floats(s)), dw(nhwc_weight_floats(s));
  Guarded y(s.n * s.y_image()), dx(s.n * s.x_image());
  Guarded forward(nhwc_forward_scratch(s)), data(nhwc_backward_data_scratch(s));
  Guarded weights(nhwc_backward_weights_scratch(s));
  nhwc_pack_weights(s, d.w.data(), packed.data());
  nhwc_pack_weights_turned(s, d.w.data(), turned.data());

  const auto ranges = [&](int64_t rows, int64_t tiles, auto run) {
    const auto r = cuts(rows, random), t = cuts(tiles, random);
    for (size_t i = 0; i + 1 < r.size(); ++i) {
      for (size_t j = 0; j + 1 < t.size(); ++j) run(NhwcRange{r[i], r[i + 1], t[j], t[j + 1]});
    }
  };
  ranges(s.n * s.oh, nhwc_output_tiles(s), [&](const NhwcRange& range) {
    nhwc_forward(s, range, x.data(), packed.data(), d.b.data(), epilogue, y.data(), forward.data());
  });
  ranges(s.n * s.ih, nhwc_input_tiles(s), [&](const NhwcRange& range) {
    nhwc_backward_data(s, range, turned.data(), dy.data(), dx.data(), data.data());
  });
  Passes p;
  p.dw.resize(d.w.size());
  p.db.resize(d.b.size());
  const auto images = cuts(s.n, random), tiles = cuts(nhwc_output_tiles(s), random);
  for (size_t i = 0; i + 1 < images.size(); ++i) {
    for (size_t t = 0; t + 1 < tiles.size(); ++t) {
      nhwc_backward_weights(s, images[i], images[i + 1], tiles[t], tiles[t + 1], x.data(), dy.data(),
                            i == 0 ? NhwcSum::overwrite : NhwcSum::add, dw.data(), p.db.data(),
                            weights.data());
    }
  }
  for (size_t t = 0; t + 1 < tiles.size(); ++t)
    nhwc_add_weights(s, dw.data(), p.dw.data(), tiles[t], tiles[t + 1]);
  for (Guarded* g : {&packed, &turned, &dw, &y, &dx, &forward, &data, &weights}) CHECK(g->intact());
  p.y = to_nchw(s.n, s.oc, s.pixels(), y.data());
  p.dx = to_nchw(s.n, s.ic, s.ih * s.iw, dx.data());
  return p;
}

/// Random geometries with so many channels that tiles are full, ragged and several.
Conv2dShape wider(Conv2dShape s, Random& random) {
  const int64_t groups = s.window.groups, kind = random.below(6);
  Window2d window = s.window;
  int64_t ic = s.ic, oc = s.oc;
  if (kind == 0) {  // depthwise
    ic = oc = window.groups = 1 + random.below(90);
  } else if (kind <= 2) {
    ic = groups * (1 + random.below(40));
    oc = groups * (1 + random.below(50));
  }
  return Conv2dShape::infer({s.n, ic, s.ih, s.iw}, oc, window, "wider");
}

bool same_bits(const Passes& a, const Passes& b) {
  const auto same = [](const std::vector<float>& u, const std::vector<float>& v) {
    return u.size() == v.size() && std::memcmp(u.data(), v.data(), u.size() * sizeof(float)) == 0;
  };
  return same(a.y, b.y) && same(a.dx, b.dx) && same(a.dw, b.dw) && same(a.db, b.db);
}

struct Layer {
  const char* name;
  int64_t ic, size, oc, kernel, stride, pad, groups;
};

/// Every layer of these networks, at image sizes that a test has time for: border, stride and channels stay.
constexpr auto kLayers = std::to_array<Layer>({
    {"AlexNet conv1", 3, 63, 64, 11, 4, 2, 1},
    {"AlexNet conv2", 64, 13, 192, 5, 1, 2, 1},
    {"AlexNet conv3", 192, 5, 384, 3, 1, 1, 1},
    {"AlexNet conv4", 384, 4, 256, 3, 1, 1, 1},
    {"AlexNet conv5", 256, 5, 256, 3, 1, 1, 1},
    {"VGG-16 conv1_1", 3, 30, 64, 3, 1, 1, 1},
    {"VGG-16 conv1_2", 64, 20, 64, 3, 1, 1, 1},
    {"VGG-16 conv2_1", 64, 12, 128, 3, 1, 1, 1},
    {"VGG-16 conv2_2", 128, 10, 128, 3, 1, 1, 1},
    {"VGG-16 conv3_1", 128, 7, 256, 3, 1, 1, 1},
    {"VGG-16 conv3_2", 256, 6, 256, 3, 1, 1, 1},
    {"VGG-16 conv4_1", 256, 4, 512, 3, 1, 1, 1},
    {"VGG-16 conv4_2", 512, 4, 512, 3, 1, 1, 1},
    {"ResNet conv1", 3, 56, 64, 7, 2, 3, 1},
    {"ResNet-18 layer2 first", 64, 14, 128, 3, 2, 1, 1},
    {"ResNet-18 layer2 downsample", 64, 14, 128, 1, 2, 0, 1},
    {"ResNet-18 layer3 first", 128, 9, 256, 3, 2, 1, 1},
    {"ResNet-18 layer3 downsample", 128, 9, 256, 1, 2, 0, 1},
    {"ResNet-18 layer4 first", 256, 7, 512, 3, 2, 1, 1},
    {"ResNet-18 layer4 downsample", 256, 7, 512, 1, 2, 0, 1},
    {"ResNet-50 layer1 narrow", 256, 14, 64, 1, 1, 0, 1},
    {"ResNet-50 layer1 wide", 64, 14, 256, 1, 1, 0, 1},
    {"ResNet-50 layer2 narrow", 512, 7, 128, 1, 1, 0, 1},
    {"ResNet-50 layer2 downsample", 256, 9, 512, 1, 2, 0, 1},
    {"ResNet-50 layer3 wide", 256, 7, 1024, 1, 1, 0, 1},
    {"ResNet-50 layer4 narrow", 2048, 3, 512, 1, 1, 0, 1},
    {"ResNet-50 layer4 wide", 512, 3, 2048, 1, 1, 0, 1},
    {"MobileNet conv1", 3, 33, 32, 3, 2, 1, 1},
    {"MobileNetV1 depthwise 32", 32, 20, 32, 3, 1, 1, 32},
    {"MobileNetV1 depthwise 64 / 2", 64, 15, 64, 3, 2, 1, 64},
    {"MobileNetV1 depthwise 512", 512, 7, 512, 3, 1, 1, 512},
    {"MobileNetV1 depthwise 1024", 1024, 4, 1024, 3, 1, 1, 1024},
    {"MobileNetV1 pointwise 32-64", 32, 15, 64, 1, 1, 0, 1},
    {"MobileNetV1 pointwise 512-1024", 512, 3, 1024, 1, 1, 0, 1},
    {"MobileNetV2 expand 16-96", 16, 14, 96, 1, 1, 0, 1},
    {"MobileNetV2 expand 24-144", 24, 14, 144, 1, 1, 0, 1},
    {"MobileNetV2 depthwise 144 / 2", 144, 13, 144, 3, 2, 1, 144},
    {"MobileNetV2 project 144-24", 144, 13, 24, 1, 1, 0, 1},
    {"MobileNetV2 depthwise 960", 960, 5, 960, 3, 1, 1, 960},
    {"MobileNetV2 project 960-320", 960, 3, 320, 1, 1, 0, 1},
    {"GoogLeNet conv2", 64, 12, 192, 3, 1, 1, 1},
    {"GoogLeNet 3a 1x1", 192, 9, 16, 1, 1, 0, 1},
    {"GoogLeNet 3a 3x3", 96, 9, 128, 3, 1, 1, 1},
    {"GoogLeNet 3a 5x5", 16, 9, 32, 5, 1, 2, 1},
    {"GoogLeNet 4b reduce", 512, 7, 24, 1, 1, 0, 1},
    {"GoogLeNet 4d 3x3", 144, 7, 288, 3, 1, 1, 1},
    {"GoogLeNet 5b 5x5", 48, 7, 128, 5, 1, 2, 1},
});

Conv2dShape shape_of(const Layer& l, int64_t n) {
  return Conv2dShape::infer({n, l.ic, l.size, l.size + 1}, l.oc,
                            Window2d::square(l.kernel, l.stride, l.pad, 1, l.groups), l.name);
}

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

TEST_CASE("NHWC and naive agree in every bit on 2,400 geometries, all three passes, whole and in ranges") {
  Random random(11, "nhwc");
  std::map<std::string, int> kinds;
  for (int i = 0; i < 2400; ++i) {
    const Conv2dShape s = wider(test::random_geometry(random, kinds), random);
    const Data d = whole_numbers(s, random);
    const Passes want = naive(s, d), got = over_nhwc(s, d, i % 2 ? &random : nullptr);
    CAPTURE(s.x_shape().text());
    CAPTURE(s.w_shape().text());
    CAPTURE(s.window.groups);
    CHECK(got.y == want.y);
    CHECK(got.dx == want.dx);
    CHECK(got.dw == want.dw);
    CHECK(got.db == want.db);
    CHECK(test::filled(want.y) >= 0.5);
    kinds["depthwise"] += s.group_ic() == 1 && s.group_oc() == 1;
    kinds["more than a tile"] += s.group_oc() > kNhwcTile;
    kinds["groups of several channels"] += s.window.groups > 1 && s.group_ic() > 1;
  }
  std::string histogram;
  for (const auto& [kind, count] : kinds) {
    histogram += kind + ": " + std::to_string(count) + "; ";
    CHECK(count >= 50);
  }
  MESSAGE(histogram);
}

TEST_CASE("NHWC and naive agree in every bit on the layers of known networks") {
  Random random(12, "layers");
  for (const Layer& layer : kLayers) {
    CAPTURE(layer.name);
    const Conv2dShape s = shape_of(layer, 1);
    const Data d = whole_numbers(s, random);
    CHECK(over_nhwc(s, d) == naive(s, d));
  }
}

TEST_CASE("every SIMD target: whole numbers exact, and the same bits of real numbers from all with FMA") {
  Random random(13, "targets");
  std::map<std::string, int> kinds;
  std::vector<Conv2dShape> shapes;
  for (int i = 0; i < 80; ++i) shapes.push_back(wider(test::random_geometry(random, kinds), random));
  shapes.push_back(Conv2dShape::infer({2, 70, 15, 17}, 50, Window2d::square(3, 1, 1), "several blocks of k"));
  shapes.push_back(Conv2dShape::infer({1, 3, 30, 31}, 64, Window2d::square(7, 2, 3), "rows of taps"));
  shapes.push_back(Conv2dShape::infer({2, 100, 9, 9}, 100, Window2d::square(3, 1, 1, 1, 100), "depthwise"));
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

TEST_CASE("ranges put together are the whole, bit for bit, on real numbers; so is an image in any batch") {
  Random random(14, "ranges");
  std::map<std::string, int> kinds;
  for (int i = 0; i < 300; ++i) {
    const Conv2dShape s = wider(test::random_geometry(random, kinds), random);
    const Data d = real_numbers(s, random);
    const Passes whole = over_nhwc(s, d);
    CHECK(same_bits(over_nhwc(s, d, &random), whole));
    // The last image alone.
    Conv2dShape one = s;
    one.n = 1;
    Data last = d;
    last.x.erase(last.x.begin(), last.x.end() - s.x_image());
    last.dy.erase(last.dy.begin(), last.dy.end() - s.y_image());
    const Passes alone = over_nhwc(one, last);
    CHECK(std::equal(alone.y.begin(), alone.y.end(), whole.y.end() - s.y_image()));
    CHECK(std::equal(alone.dx.begin(), alone.dx.end(), whole.dx.end() - s.x_image()));
  }
}

TEST_CASE("a range touches nothing else of y and dx") {
  Random random(15, "untouched");
  const Conv2dShape s = Conv2dShape::infer({3, 40, 9, 8}, 40, Window2d::square(3, 1, 1), "test");
  const Data d = whole_numbers(s, random);
  const Passes want = naive(s, d);
  const auto x = to_nhwc(s.n, s.ic, s.ih * s.iw, d.x), wanted = to_nhwc(s.n, s.oc, s.pixels(), want.y);
  Guarded packed(nhwc_weight_floats(s)), y(s.n * s.y_image()), scratch(nhwc_forward_scratch(s));
  nhwc_pack_weights(s, d.w.data(), packed.data());
  nhwc_forward(s, {11, 20, 1, 3}, x.data(), packed.data(), d.b.data(), NhwcEpilogue::none, y.data(),
               scratch.data());
  int64_t computed = 0;
  for (int64_t i = 0; i < y.size(); ++i) {
    const int64_t row = i / (s.ow * s.oc), channel = i % s.oc;
    if (row >= 11 && row < 20 && channel >= 16) {
      CHECK(y.data()[i] == wanted[static_cast<size_t>(i)]);
      ++computed;
    } else {
      CHECK(std::isnan(y.data()[i]));
    }
  }
  CHECK(computed == 9 * 8 * 24);
}

TEST_CASE("the epilogue: ReLU after the last term only, NaN passes; no bias means 0") {
  Random random(16, "epilogue");
  std::map<std::string, int> kinds;
  for (int i = 0; i < 100; ++i) {
    // Several blocks of k in some: a partial sum must not be cut off at 0.
    const Conv2dShape s = i % 4 ? wider(test::random_geometry(random, kinds), random)
                                : Conv2dShape::infer({1, 120, 5, 6}, 40, Window2d::square(3, 1, 1), "blocks");
    Data d = whole_numbers(s, random);
    Passes want = naive(s, d);
    for (float& v : want.y) v = std::max(v, 0.0f);
    CHECK(over_nhwc(s, d, nullptr, NhwcEpilogue::relu) == want);
  }
  const Conv2dShape s = Conv2dShape::infer({1, 2, 3, 3}, 17, Window2d::square(2), "test");
  const Data d = whole_numbers(s, random);
  std::vector<float> x = to_nhwc(1, 2, 9, d.x), want(static_cast<size_t>(s.y_image()));
  Guarded packed(nhwc_weight_floats(s)), y(s.y_image()), scratch(nhwc_forward_scratch(s));
  nhwc_pack_weights(s, d.w.data(), packed.data());
  nhwc_forward(s, {0, 2, 0, 2}, x.data(), packed.data(), nullptr, NhwcEpilogue::none, y.data(),
               scratch.data());
  reference::conv2d_forward<float>(s, d.x.data(), d.w.data(), nullptr, want.data());
  CHECK(to_nchw(1, 17, 4, y.data()) == want);
  x[0] = kNaN;
  nhwc_forward(s, {0, 2, 0, 2}, x.data(), packed.data(), nullptr, NhwcEpilogue::relu, y.data(),
               scratch.data());
  CHECK(std::isnan(y.data()[0]));
  CHECK(y.data()[17] >= 0);
}

TEST_CASE("float accuracy: within 2 sqrt(K) eps of the largest value, and rows longer than a group") {
  Random random(17, "accuracy");
  const std::vector<Conv2dShape> shapes{
      Conv2dShape::infer({1, 64, 40, 41}, 32, Window2d::square(3, 1, 1), "wide"),
      Conv2dShape::infer({2, 512, 7, 7}, 64, Window2d::square(1), "pointwise"),
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

TEST_CASE("images between NCHW and NHWC") {
  Random random(18, "layout");
  for (int i = 0; i < 200; ++i) {
    const int64_t channels = 1 + random.below(i % 2 ? 70 : 6), pixels = 1 + random.below(90);
    const auto from = integers<float>(channels * pixels, random, 1000);
    Guarded nhwc(channels * pixels), nchw(channels * pixels);
    test::on_every_target([&](const std::string&) {
      nchw_to_nhwc(channels, pixels, from.data(), nhwc.data());
      nhwc_to_nchw(channels, pixels, nhwc.data(), nchw.data());
      const auto want = to_nhwc(1, channels, pixels, from);
      CHECK(std::equal(want.begin(), want.end(), nhwc.data()));
      CHECK(std::equal(from.begin(), from.end(), nchw.data()));
    });
    CHECK(nhwc.intact());
    CHECK(nchw.intact());
  }
}
