// The kernels over NHWC against the naive convolution: on small whole numbers every sum is exact, so every
// bit must agree.
#include "unfold/kernels/nhwc.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "tests/support/layer_lists.h"
#include "tests/support/nhwc.h"
#include "tests/support/targets.h"

using namespace unfold;
using namespace unfold::test;

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

TEST_CASE("NHWC: parts cover a result once, by rows or by pairs of channel tiles") {
  int64_t by_rows = 0, by_tiles = 0, empty = 0;
  for (const int64_t parts : {1, 4, 8, 12, 64}) {
    for (int64_t rows = 1; rows <= 70; rows += 3) {
      for (int64_t tiles = 1; tiles <= 33; ++tiles) {
        std::vector<int> covered(static_cast<size_t>(rows * tiles));
        for (int64_t part = 0; part < parts; ++part) {
          const NhwcRange r = nhwc_part(rows, tiles, part, parts);
          const bool whole_rows = r.row0 == 0 && r.row1 == rows;
          CHECK((whole_rows || (r.tile0 == 0 && r.tile1 == tiles)));
          if (r.tile1 < tiles) CHECK((r.tile1 - r.tile0) % 2 == 0);
          by_rows += !whole_rows;
          by_tiles += r.tile1 - r.tile0 < tiles;
          empty += r.empty();
          for (int64_t row = r.row0; row < r.row1; ++row) {
            for (int64_t tile = r.tile0; tile < r.tile1; ++tile)
              ++covered[static_cast<size_t>(row * tiles + tile)];
          }
        }
        CHECK(std::count(covered.begin(), covered.end(), 1) == rows * tiles);
      }
    }
  }
  CHECK(std::min({by_rows, by_tiles, empty}) > 100);
}

TEST_CASE("NHWC and naive agree in every bit on the layers of known networks") {
  Random random(12, "layers");
  for (const Layer& layer : kLayers) {
    CAPTURE(layer.name);
    const Conv2dShape s = layer.shape(1);
    const Data d = whole_numbers(s, random);
    CHECK(over_nhwc(s, d) == naive(s, d));
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
