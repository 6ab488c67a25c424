// Linear layers' weights' gradients over many blocks of lanes: the order of the sums as promised, on every
// SIMD target.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/support/geometry.h"
#include "tests/support/nhwc.h"
#include "tests/support/targets.h"
#include "unfold/kernels/lanes.h"
#include "unfold/kernels/reference/linear.h"
#include "unfold/kernels/sum.h"

using namespace unfold;
using test::Guarded;
using Floats = std::vector<float>;

namespace {

/// n images in blocks as a plan leaves them in its slabs: NaN where no image is, and between the blocks.
struct Blocks {
  int64_t block;
  Guarded x, dy;
  Blocks(int64_t n, int64_t in, int64_t out, const Floats& x_rows, const Floats& dy_rows)
      : block((in + out + 1) * 16), x((n + 15) / 16 * block), dy((n + 15) / 16 * block) {
    for (int64_t i = 0; i < n; ++i) {
      const int64_t at = i / 16 * block + i % 16;
      for (int64_t e = 0; e < in; ++e) x.data()[at + e * 16] = x_rows[static_cast<size_t>(i * in + e)];
      for (int64_t e = 0; e < out; ++e) dy.data()[at + e * 16] = dy_rows[static_cast<size_t>(i * out + e)];
    }
  }
};

struct Sums {
  Floats dw, db;
  Sums(int64_t in, int64_t out)
      : dw(static_cast<size_t>(out * in), std::numeric_limits<float>::quiet_NaN()),
        db(static_cast<size_t>(out), dw[0]) {}
  bool operator==(const Sums&) const = default;
};

/// Four pieces, cut at random.
Sums lanes_sums(int64_t n, int64_t in, int64_t out, Blocks& blocks, Random& random) {
  Sums got(in, out);
  Guarded scratch(lanes::linear_scratch(in, out));
  const int64_t rows[] = {0, random.below(out + 1), out}, cols[] = {0, random.below(in + 1), in};
  for (int r = 0; r < 2; ++r) {
    for (int c = 0; c < 2; ++c) {
      lanes::linear_backward_weights(n, blocks.block, in, rows[r], rows[r + 1], cols[c], cols[c + 1],
                                     blocks.x.data(), blocks.dy.data(), false, got.dw.data(),
                                     c == 0 ? got.db.data() : nullptr, scratch.data());
    }
  }
  CHECK(scratch.intact());
  return got;
}

/// The promised order, number by number.
Sums promised(int64_t n, int64_t in, int64_t out, const Floats& x, const Floats& dy) {
  Sums want(in, out);
  for (int64_t o = 0; o < out; ++o) {
    Floats column;
    for (int64_t i = 0; i < n; ++i) column.push_back(dy[static_cast<size_t>(i * out + o)]);
    want.db[static_cast<size_t>(o)] = sum(n, column.data());
    for (int64_t e = 0; e < in; ++e) {
      float& total = want.dw[static_cast<size_t>(o * in + e)];
      for (int64_t first = 0; first < n; first += 128) {
        float chain = 0;
        for (int64_t i = first; i < std::min(n, first + 128); ++i) {
          chain = std::fma(column[static_cast<size_t>(i)], x[static_cast<size_t>(i * in + e)], chain);
        }
        total = first == 0 ? chain : total + chain;
      }
    }
  }
  return want;
}

}  // namespace

TEST_CASE("dw of linear layers in lanes: what later images give is added where asked for") {
  Random random(13, "lanes linear added");
  for (int i = 0; i < 20; ++i) {
    const int64_t head = 16 * (1 + random.below(10)), n = head + 1 + random.below(i % 4 == 0 ? 128 : 31);
    const int64_t in = 1 + random.below(100), out = 1 + random.below(20);
    CAPTURE(head);
    CAPTURE(n);
    CAPTURE(in);
    CAPTURE(out);
    Floats x(static_cast<size_t>(n * in)), dy(static_cast<size_t>(n * out));
    for (float& v : x) v = static_cast<float>(random.normal());
    for (float& v : dy) v = static_cast<float>(random.normal());
    Sums want = promised(head, in, out, x, dy);
    const Sums rest =
        promised(n - head, in, out, {x.begin() + head * in, x.end()}, {dy.begin() + head * out, dy.end()});
    for (size_t e = 0; e < want.dw.size(); ++e) want.dw[e] += rest.dw[e];
    for (size_t e = 0; e < want.db.size(); ++e) want.db[e] += rest.db[e];
    Blocks blocks(n, in, out, x, dy);
    Guarded scratch(lanes::linear_scratch(in, out));
    test::on_every_target([&](const std::string& target) {
      CAPTURE(target);
      Sums got(in, out);
      for (const int64_t first : {int64_t{0}, head}) {
        const int64_t at = first / 16 * blocks.block;
        lanes::linear_backward_weights(first == 0 ? head : n - head, blocks.block, in, 0, out, 0, in,
                                       blocks.x.data() + at, blocks.dy.data() + at, first > 0, got.dw.data(),
                                       got.db.data(), scratch.data());
      }
      CHECK(got.db == want.db);
      if (target.starts_with("AVX") || target == "NEON") CHECK(got.dw == want.dw);  // with fused products
      CHECK(scratch.intact());
    });
  }
}

TEST_CASE("dw of linear layers in lanes: chains of 128 images, whatever the target and the cut") {
  Random random(12, "lanes linear");
  for (int i = 0; i < 60; ++i) {
    const int64_t n = 1 + random.below(i % 4 == 0 ? 400 : 40), in = 1 + random.below(100),
                  out = 1 + random.below(20);
    CAPTURE(n);
    CAPTURE(in);
    CAPTURE(out);
    const Floats whole_x = test::integers<float>(n * in, random),
                 whole_dy = test::integers<float>(n * out, random);
    Floats x(whole_x.size()), dy(whole_dy.size());
    for (float& v : x) v = static_cast<float>(random.normal());
    for (float& v : dy) v = static_cast<float>(random.normal());
    Sums naive(in, out);
    std::fill(naive.dw.begin(), naive.dw.end(), 0.0f);
    std::fill(naive.db.begin(), naive.db.end(), 0.0f);
    reference::linear_backward_weights<float>(n, in, out, 0, out, whole_x.data(), whole_dy.data(),
                                              naive.dw.data(), naive.db.data());
    const Sums want = promised(n, in, out, x, dy);
    Blocks wholes(n, in, out, whole_x, whole_dy), any(n, in, out, x, dy);
    test::on_every_target([&](const std::string& target) {
      CAPTURE(target);
      CHECK(lanes_sums(n, in, out, wholes, random) == naive);
      const Sums got = lanes_sums(n, in, out, any, random);
      CHECK(got.db == want.db);
      if (target.starts_with("AVX") || target == "NEON") CHECK(got.dw == want.dw);  // with fused products
    });
  }
}

TEST_CASE("linear layers in lanes: every lane of a vector that holds an image is computed") {
  // The next kernel loads whole vectors: a lane left as it was would bring numbers of other images into sums.
  constexpr int64_t kIn = 5, kOut = 7;
  Random random(14, "lanes linear width");
  const Floats w = test::integers<float>(kOut * kIn, random), b(kOut, 1.0f);
  for (int64_t n = 1; n <= 16; ++n) {
    CAPTURE(n);
    test::on_every_target([&](const std::string& target) {
      CAPTURE(target);
      const int64_t wide = target.starts_with("AVX3") ? 16 : target == "AVX2" ? 8 : 4;
      const int64_t used = (n + wide - 1) / wide * wide;
      Floats x(kIn * 16, 0.0f), dy(kOut * 16, 0.0f);
      Guarded y(kOut * 16), dx(kIn * 16), scratch(lanes::linear_scratch(kIn, kOut));  // NaN before
      lanes::linear_forward(n, kIn, kOut, x.data(), w.data(), b.data(), y.data(), scratch.data());
      lanes::linear_backward_data(n, kIn, kOut, w.data(), dy.data(), dx.data(), scratch.data());
      for (int64_t lane = 0; lane < used; ++lane) {
        for (int64_t o = 0; o < kOut; ++o) CHECK(y.data()[o * 16 + lane] == 1.0f);
        for (int64_t i = 0; i < kIn; ++i) CHECK(dx.data()[i * 16 + lane] == 0.0f);
      }
    });
  }
}
