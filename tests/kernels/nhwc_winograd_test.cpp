// Winograd over NHWC against the naive convolution in double: its error, and what must not change a bit.
#include "unfold/kernels/nhwc_winograd.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>

#include "tests/support/nhwc.h"
#include "tests/support/targets.h"

using namespace unfold;
using namespace unfold::test;

namespace {

/// Kernels of 3 x 3 and 5 x 5; sizes around tiles of 4 x 4 and of 16 channels, asymmetric padding, images
/// smaller than a patch.
Conv2dShape random_shape(Random& random) {
  while (true) {
    const auto draw = [&](int64_t low, int64_t high) { return low + random.below(high - low + 1); };
    const int64_t side = draw(0, 1) ? 3 : 5;
    Window2d k = Window2d::square(side);
    const int64_t pad = draw(0, 9) ? side - 1 : 5;
    k.pad_top = draw(0, pad);
    k.pad_left = draw(0, pad);
    k.pad_bottom = draw(0, pad);
    k.pad_right = draw(0, pad);
    const int64_t ih = draw(1, 18), iw = draw(1, 18);
    if (ih + k.pad_top + k.pad_bottom < side || iw + k.pad_left + k.pad_right < side) continue;
    const int64_t ic = draw(0, 1) ? 16 * draw(1, 3) : draw(1, 50),
                  oc = draw(0, 1) ? 16 * draw(1, 9) : draw(1, 50);
    return Conv2dShape::infer({draw(1, 3), ic, ih, iw}, oc, k, "test");
  }
}

/// All passes by Winograd; with `random`, in ranges cut at random.
Passes by_winograd(const Conv2dShape& s, const Data& d, Random* random = nullptr,
                   NhwcEpilogue epilogue = NhwcEpilogue::none) {
  const std::vector<float> x = to_nhwc(s.n, s.ic, s.ih * s.iw, d.x),
                           dy = to_nhwc(s.n, s.oc, s.pixels(), d.dy);
  Guarded packed(nhwc_winograd_weight_floats(s)), turned(nhwc_winograd_turned_weight_floats(s));
  Guarded y(s.n * s.y_image()), dx(s.n * s.x_image());
  Guarded forward(nhwc_winograd_forward_scratch(s)), data(nhwc_winograd_backward_data_scratch(s));
  const auto each = [](const std::vector<int64_t>& at, auto run) {
    for (size_t i = 0; i + 1 < at.size(); ++i) run(at[i], at[i + 1]);
  };
  const int64_t out = nhwc_output_tiles(s), in = nhwc_input_tiles(s);
  each(cuts(out, random), [&](int64_t tile0, int64_t tile1) {
    nhwc_winograd_pack_weights(s, tile0, tile1, d.w.data(), packed.data());
  });
  each(cuts(in, random), [&](int64_t tile0, int64_t tile1) {
    nhwc_winograd_pack_weights_turned(s, tile0, tile1, d.w.data(), turned.data());
  });
  const auto ranges = [&](int64_t rows, int64_t tiles, auto run) {
    each(cuts(rows, random), [&](int64_t row0, int64_t row1) {
      each(cuts(tiles, random),
           [&](int64_t tile0, int64_t tile1) { run(NhwcRange{row0, row1, tile0, tile1}); });
    });
  };
  ranges(s.n * nhwc_winograd_output_rows(s), out, [&](const NhwcRange& range) {
    nhwc_winograd_forward(s, range, x.data(), packed.data(), d.b.data(), epilogue, y.data(), forward.data());
  });
  ranges(s.n * nhwc_winograd_input_rows(s), in, [&](const NhwcRange& range) {
    nhwc_winograd_backward_data(s, range, turned.data(), dy.data(), dx.data(), data.data());
  });
  Guarded dw(s.w_shape().elements()), db(s.oc), weights(nhwc_winograd_backward_weights_scratch(s));
  std::fill_n(dw.data(), dw.size(), 0.0f);
  std::fill_n(db.data(), db.size(), 0.0f);
  each(cuts(out, random), [&](int64_t tile0, int64_t tile1) {
    nhwc_winograd_backward_weights(s, 0, s.n, tile0, tile1, x.data(), dy.data(), dw.data(), db.data(),
                                   weights.data());
  });
  for (Guarded* g : {&packed, &turned, &y, &dx, &forward, &data, &dw, &db, &weights}) CHECK(g->intact());
  Passes p;
  p.dw.assign(dw.data(), dw.data() + dw.size());
  p.db.assign(db.data(), db.data() + db.size());
  p.y = to_nchw(s.n, s.oc, s.pixels(), y.data());
  p.dx = to_nchw(s.n, s.ic, s.ih * s.iw, dx.data());
  return p;
}

/// The same in double, by the definition.
struct Exact {
  std::vector<double> y, dx, dw, db;
};
Exact in_double(const Conv2dShape& s, const Data& d) {
  const auto wide = [](const std::vector<float>& v) { return std::vector<double>(v.begin(), v.end()); };
  const auto x = wide(d.x), w = wide(d.w), b = wide(d.b), dy = wide(d.dy);
  Exact e{std::vector<double>(dy.size()), std::vector<double>(x.size()), std::vector<double>(w.size()),
          std::vector<double>(b.size())};
  reference::conv2d_forward(s, x.data(), w.data(), b.data(), e.y.data());
  reference::conv2d_backward_data(s, w.data(), dy.data(), e.dx.data());
  reference::conv2d_backward_weights(s, x.data(), dy.data(), e.dw.data(), e.db.data());
  return e;
}

/// Relative L2 error; NaN where a value is missing.
double error(const std::vector<float>& got, const std::vector<double>& want) {
  REQUIRE(got.size() == want.size());
  double wrong = 0, all = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double e = static_cast<double>(got[i]) - want[i];
    wrong += e * e;
    all += want[i] * want[i];
  }
  return std::sqrt(wrong / all);
}

/// Of y, dx and dw: eight points along an axis lose more than six.
double bound_of(int64_t side) {
  return side == 3 ? 3e-6 : 8e-6;
}

/// The largest errors of several layers, by the side of their kernels; a NaN stays.
struct Worst {
  struct Errors {
    double y = 0, dx = 0, dw = 0, db = 0;
  };
  std::map<int64_t, Errors> of;
  void meet(const Conv2dShape& s, const Passes& got, const Exact& want) {
    const auto larger = [](double& worst, double e) {
      if (!(e <= worst)) worst = e;
    };
    Errors& worst = of[s.window.kernel_h];
    larger(worst.y, error(got.y, want.y));
    larger(worst.dx, error(got.dx, want.dx));
    larger(worst.dw, error(got.dw, want.dw));
    larger(worst.db, error(got.db, want.db));
  }
  void print() const {
    for (const auto& [side, e] : of) {
      MESSAGE(side, " x ", side, ": y ", e.y, ", dx ", e.dx, ", dw ", e.dw, ", db ", e.db);
    }
  }
  void check() const {
    for (const auto& [side, e] : of) {
      CAPTURE(side);
      CHECK(e.y <= bound_of(side));
      CHECK(e.dx <= bound_of(side));
      CHECK(e.dw <= bound_of(side));
      CHECK(e.db <= 1e-6);
    }
  }
};

struct Layer {
  const char* name;
  int64_t ic, size, oc, side = 3;
};

/// Every convolution of 3 x 3 or 5 x 5, stride 1 and more than 3 channels of these networks, images cropped
/// where they are large.
constexpr auto kLayers = std::to_array<Layer>({
    {"VGG-16 conv1_2", 64, 30, 64},
    {"VGG-16 conv2_1", 64, 22, 128},
    {"VGG-16 conv2_2", 128, 20, 128},
    {"VGG-16 conv3_1", 128, 14, 256},
    {"VGG-16 conv3_2", 256, 12, 256},
    {"VGG-16 conv4_1", 256, 9, 512},
    {"VGG-16 conv4_2", 512, 8, 512},
    {"VGG-16 conv5", 512, 7, 512},
    {"AlexNet conv2", 64, 14, 192, 5},
    {"AlexNet conv3", 192, 13, 384},
    {"AlexNet conv4", 384, 9, 256},
    {"AlexNet conv5", 256, 13, 256},
    {"ResNet-18 layer1", 64, 28, 64},
    {"ResNet-18 layer2", 128, 14, 128},
    {"ResNet-18 layer3", 256, 7, 256},
    {"GoogLeNet inception 4e", 32, 14, 128, 5},
});

Conv2dShape shape_of(const Layer& l) {
  return Conv2dShape::infer({1, l.ic, l.size, l.size + 1}, l.oc, Window2d::square(l.side, 1, l.side / 2),
                            l.name);
}

/// x and dy as after a ReLU: no negative value, half of them 0.
Data positive(Data d) {
  for (float& v : d.x) v = std::max(v, 0.0f);
  for (float& v : d.dy) v = std::max(v, 0.0f);
  return d;
}

}  // namespace

TEST_CASE("Winograd over NHWC: 300 random layers within their bounds, whole and in ranges") {
  Random random(31, "winograd");
  Worst worst;
  std::map<std::string, int> kinds;
  for (int i = 0; i < 300; ++i) {
    const Conv2dShape s = random_shape(random);
    CAPTURE(s.x_shape().text());
    CAPTURE(s.w_shape().text());
    const Data d = real_numbers(s, random);
    const Exact want = in_double(s, d);
    const Passes got = by_winograd(s, d, i % 2 ? &random : nullptr);
    worst.meet(s, got, want);
    kinds[s.window.kernel_h == 3 ? "3 x 3" : "5 x 5"] += 1;
    kinds["ragged tiles"] += s.oh % 4 || s.ow % 4;
    kinds["whole tiles"] += s.oh % 4 == 0 && s.ow % 4 == 0;
    kinds["ragged channels"] += s.ic % 16 && s.oc % 16;
    kinds["asymmetric padding"] += s.window.pad_left != s.window.pad_right;
    kinds["smaller than a patch"] += s.ih < s.window.kernel_h + 3 && s.iw < s.window.kernel_h + 3;
    kinds["several images"] += s.n > 1;
  }
  for (const auto& [kind, count] : kinds) {
    CAPTURE(kind);
    CHECK(count >= 10);
  }
  worst.print();
  worst.check();
}

TEST_CASE("Winograd over NHWC: the layers of known networks within their bounds, also after a ReLU") {
  Random random(32, "layers");
  Worst worst;
  for (const Layer& layer : kLayers) {
    CAPTURE(layer.name);
    const Conv2dShape s = shape_of(layer);
    CHECK(nhwc_winograd_suits(s));
    const Data any = real_numbers(s, random), not_negative = positive(any);
    worst.meet(s, by_winograd(s, any), in_double(s, any));
    worst.meet(s, by_winograd(s, not_negative), in_double(s, not_negative));
  }
  worst.print();
  worst.check();
}

TEST_CASE("Winograd over NHWC: what it suits") {
  const auto suits = [](int64_t ic, int64_t size, int64_t oc, const Window2d& window) {
    return nhwc_winograd_suits(Conv2dShape::infer({1, ic, size, size}, oc, window, "test"));
  };
  const Window2d three = Window2d::square(3, 1, 1);
  CHECK(suits(64, 9, 64, three));
  CHECK(suits(512, 7, 512, three));
  CHECK(suits(16, 32, 16, three));
  CHECK(suits(64, 13, 64, Window2d::square(3)));
  CHECK_FALSE(suits(64, 5, 64, three));   // 4 tiles, half empty
  CHECK_FALSE(suits(3, 224, 64, three));  // few channels
  CHECK_FALSE(suits(64, 32, 8, three));
  CHECK_FALSE(suits(17, 28, 17, three));
  CHECK_FALSE(suits(64, 32, 64, Window2d::square(3, 2, 1)));
  CHECK_FALSE(suits(64, 32, 64, Window2d::square(3, 1, 1, 2)));
  CHECK_FALSE(suits(64, 32, 64, Window2d::square(3, 1, 1, 1, 2)));
  CHECK(suits(64, 27, 192, Window2d::square(5, 1, 2)));
  CHECK_FALSE(suits(64, 32, 64, Window2d::square(5, 2, 2)));
  CHECK_FALSE(suits(64, 32, 64, Window2d::square(7, 1, 3)));
  Window2d flat = Window2d::square(5, 1, 1);
  flat.kernel_h = 3;
  CHECK_FALSE(suits(64, 32, 64, flat));
  CHECK_FALSE(suits(64, 32, 64, Window2d::square(1)));
}

TEST_CASE("Winograd over NHWC: ranges put together are the whole, and an image is the same in any batch") {
  Random random(33, "ranges");
  for (int i = 0; i < 60; ++i) {
    const Conv2dShape s = random_shape(random);
    const Data d = real_numbers(s, random);
    const Passes whole = by_winograd(s, d);
    CHECK(same_bits(by_winograd(s, d, &random), whole));
    Conv2dShape one = s;
    one.n = 1;
    Data last = d;
    last.x.erase(last.x.begin(), last.x.end() - s.x_image());
    last.dy.erase(last.dy.begin(), last.dy.end() - s.y_image());
    const Passes alone = by_winograd(one, last);
    CHECK(std::equal(alone.y.begin(), alone.y.end(), whole.y.end() - s.y_image()));
    CHECK(std::equal(alone.dx.begin(), alone.dx.end(), whole.dx.end() - s.x_image()));
  }
}

TEST_CASE("Winograd over NHWC: every SIMD target, and the same bits from all with FMA") {
  Random random(34, "targets");
  std::vector<Conv2dShape> shapes;
  for (int i = 0; i < 30; ++i) shapes.push_back(random_shape(random));
  shapes.push_back(Conv2dShape::infer({2, 70, 15, 17}, 150, Window2d::square(3, 1, 1), "several blocks"));
  shapes.push_back(Conv2dShape::infer({2, 40, 15, 17}, 90, Window2d::square(5, 1, 2), "several blocks"));
  for (const Conv2dShape& s : shapes) {
    const Data d = real_numbers(s, random);
    const Exact want = in_double(s, d);
    std::vector<Passes> fused;
    const auto ran = test::on_every_target([&](const std::string& target) {
      CAPTURE(target);
      CHECK(std::string(nhwc_winograd_target()) == target);
      CHECK(std::string(nhwc_winograd_backward_weights_target()) == target);
      const Passes got = by_winograd(s, d);
      Worst worst;
      worst.meet(s, got, want);
      worst.check();
      if (target.starts_with("AVX") || target.starts_with("NEON")) fused.push_back(got);
    });
    CHECK(ran.size() == hwy::SupportedAndGeneratedTargets().size());
    for (const Passes& p : fused) CHECK(same_bits(p, fused.front()));
  }
}

TEST_CASE("Winograd over NHWC: chains of dw over parts of a row, rows, images and several images") {
  Random random(37, "groups");
  const auto layer = [](int64_t n, int64_t h, int64_t w, int64_t side = 3) {
    return Conv2dShape::infer({n, 19, h, w}, 150, Window2d::square(side, 1, side / 2), "groups");
  };
  Worst worst;
  for (const Conv2dShape& s : {layer(1, 5, 900), layer(2, 61, 60), layer(2, 40, 50), layer(21, 7, 6),
                               layer(1, 3, 450, 5), layer(2, 31, 30, 5), layer(9, 7, 6, 5)}) {
    CAPTURE(s.x_shape().text());
    const Data any = real_numbers(s, random), not_negative = positive(any);
    const Passes whole = by_winograd(s, any);
    worst.meet(s, whole, in_double(s, any));
    worst.meet(s, by_winograd(s, not_negative), in_double(s, not_negative));
    CHECK(same_bits(by_winograd(s, any, &random), whole));
  }
  worst.print();
  worst.check();
}

TEST_CASE("Winograd over NHWC: dw and db are added to, of the range alone; db may be null") {
  Random random(38, "added");
  const Conv2dShape s = Conv2dShape::infer({3, 20, 9, 8}, 60, Window2d::square(3, 1, 1), "test");
  const Data d = real_numbers(s, random);
  const auto x = to_nhwc(s.n, s.ic, s.ih * s.iw, d.x), dy = to_nhwc(s.n, s.oc, s.pixels(), d.dy);
  const Passes whole = by_winograd(s, d);
  std::vector<float> dw = d.w, db = d.b, without_db = d.w;
  Guarded scratch(nhwc_winograd_backward_weights_scratch(s));
  nhwc_winograd_backward_weights(s, 0, 3, 1, 3, x.data(), dy.data(), dw.data(), db.data(), scratch.data());
  nhwc_winograd_backward_weights(s, 0, 3, 1, 3, x.data(), dy.data(), without_db.data(), nullptr,
                                 scratch.data());
  CHECK(dw == without_db);
  const auto expect = [&](const std::vector<float>& got, const std::vector<float>& before,
                          const std::vector<float>& sum) {
    for (size_t i = 0; i < got.size(); ++i) {
      const size_t channel = i / (got.size() / 60);
      CHECK(got[i] == (channel >= 16 && channel < 48 ? before[i] + sum[i] : before[i]));
    }
  };
  expect(dw, d.w, whole.dw);
  expect(db, d.b, whole.db);
  // Images one by one: other roundings, the same sum.
  std::vector<float> apart(dw.size()), bias(db.size());
  for (int64_t i = 0; i < 3; ++i) {
    nhwc_winograd_backward_weights(s, i, i + 1, 0, 4, x.data(), dy.data(), apart.data(), bias.data(),
                                   scratch.data());
  }
  const Exact want = in_double(s, d);
  CHECK(error(apart, want.dw) <= 3e-6);
  CHECK(error(bias, want.db) <= 1e-6);
}

TEST_CASE("Winograd over NHWC: a range touches nothing else of y") {
  Random random(35, "untouched");
  const Conv2dShape s = Conv2dShape::infer({3, 40, 9, 8}, 40, Window2d::square(3, 1, 1), "test");
  const Data d = real_numbers(s, random);
  const auto x = to_nhwc(s.n, s.ic, s.ih * s.iw, d.x);
  const auto whole = to_nhwc(s.n, s.oc, s.pixels(), by_winograd(s, d).y);
  Guarded packed(nhwc_winograd_weight_floats(s)), y(s.n * s.y_image());
  Guarded scratch(nhwc_winograd_forward_scratch(s));
  nhwc_winograd_pack_weights(s, 0, 3, d.w.data(), packed.data());
  // 9 rows are 3 tile rows an image: from row 8 of the first image to row 7 of the second.
  nhwc_winograd_forward(s, {2, 5, 1, 3}, x.data(), packed.data(), d.b.data(), NhwcEpilogue::none, y.data(),
                        scratch.data());
  int64_t computed = 0;
  for (int64_t i = 0; i < y.size(); ++i) {
    const int64_t row = i / (s.ow * s.oc), channel = i % s.oc;
    if (row >= 8 && row < 9 + 8 && channel >= 16) {
      CHECK(y.data()[i] == whole[static_cast<size_t>(i)]);
      ++computed;
    } else {
      CHECK(std::isnan(y.data()[i]));
    }
  }
  CHECK(computed == 9 * 8 * 24);
}

TEST_CASE("Winograd over NHWC: the epilogue is ReLU after bias; no bias means 0; NaN passes") {
  Random random(36, "epilogue");
  for (int i = 0; i < 20; ++i) {
    const Conv2dShape s = random_shape(random);
    const Data d = real_numbers(s, random);
    std::vector<float> want = by_winograd(s, d).y;
    for (float& v : want) v = std::max(v, 0.0f);
    CHECK(by_winograd(s, d, &random, NhwcEpilogue::relu).y == want);
  }
  const Conv2dShape s = Conv2dShape::infer({1, 16, 4, 4}, 17, Window2d::square(3, 1, 1), "test");
  Data d = real_numbers(s, random);
  std::fill(d.b.begin(), d.b.end(), 0.0f);
  std::vector<float> x = to_nhwc(1, s.ic, s.ih * s.iw, d.x);
  const std::vector<float> want = to_nhwc(1, s.oc, s.pixels(), by_winograd(s, d).y);
  Guarded packed(nhwc_winograd_weight_floats(s)), y(s.y_image()), scratch(nhwc_winograd_forward_scratch(s));
  nhwc_winograd_pack_weights(s, 0, 2, d.w.data(), packed.data());
  nhwc_winograd_forward(s, {0, 1, 0, 2}, x.data(), packed.data(), nullptr, NhwcEpilogue::none, y.data(),
                        scratch.data());
  CHECK(std::equal(want.begin(), want.end(), y.data()));
  x[0] = kNaN;
  nhwc_winograd_forward(s, {0, 1, 0, 2}, x.data(), packed.data(), nullptr, NhwcEpilogue::relu, y.data(),
                        scratch.data());
  CHECK(std::isnan(y.data()[0]));
}
