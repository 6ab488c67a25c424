#include "unfold/kernels/gemm.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/geometry.h"
#include "tests/support/targets.h"
#include "unfold/tensor.h"

using namespace unfold;

TEST_CASE("the product equals its naive twin for every start, stride, tail and target") {
  const int64_t sizes[][3] = {{1, 1, 1},      {6, 16, 25},     {7, 17, 3},     {13, 31, 9},  {5, 8, 0},
                              {150, 100, 16}, {33, 49, 300},   {121, 40, 520}, {6, 784, 25}, {64, 3, 257},
                              {8, 1100, 97},  {16, 1040, 100}, {32, 1025, 49}};
  const auto ran = test::on_every_target([&](const std::string& target) {
    CAPTURE(target);
    Random random(1, "gemm");
    for (const auto& [m, n, k] : sizes) {
      for (const auto start : {GemmStart::bias, GemmStart::chain, GemmStart::add}) {
        for (const bool transposed : {false, true}) {
          const auto a = test::integers<float>(m * k + 1, random, 3),
                     b = test::integers<float>(k * (n + 3) + 1, random, 3);
          const auto bias = test::integers<float>(m, random);
          auto c = test::integers<float>(m * (n + 2), random), want = c;
          if (start == GemmStart::bias) {
            for (int64_t r = 0; r < m; ++r) {
              std::fill_n(c.begin() + r * (n + 2), n, std::numeric_limits<float>::quiet_NaN());
            }
          }
          Buffer scratch(static_cast<size_t>(gemm_scratch(k)) * sizeof(float));
          Gemm g{m,     n,        k,     a.data(), transposed ? 1 : k, transposed ? m : 1, b.data(),
                 n + 3, c.data(), n + 2, start,    bias.data()};
          gemm(g, reinterpret_cast<float*>(scratch.data()));
          g.c = want.data();
          gemm_reference(g);
          CHECK(c == want);  // the two columns behind each row too: nothing is written there
        }
      }
    }
  });
  CHECK(ran.size() >= 1);
  std::string names;
  for (const std::string& name : ran) names += name + " ";
  MESSAGE("targets that ran: " << names);
}

TEST_CASE(
    "an element is one chain over k: its place, the other columns and the blocks do not change its bits") {
  // Real numbers; column j of a wide product against the same column computed alone.
  Random random(2, "chain");
  const int64_t m = 40, n = 37, k = 700;
  std::vector<float> a(m * k), b(k * n), wide(m * n), alone(m);
  for (float& v : a) v = static_cast<float>(random.normal());
  for (float& v : b) v = static_cast<float>(random.normal());
  Buffer scratch(static_cast<size_t>(gemm_scratch(k)) * sizeof(float));
  auto* s = reinterpret_cast<float*>(scratch.data());
  gemm({m, n, k, a.data(), k, 1, b.data(), n, wide.data(), n, GemmStart::bias, nullptr}, s);
  for (int64_t j = 0; j < n; ++j) {
    std::vector<float> column(k);
    for (int64_t i = 0; i < k; ++i) column[static_cast<size_t>(i)] = b[static_cast<size_t>(i * n + j)];
    gemm({m, 1, k, a.data(), k, 1, column.data(), 1, alone.data(), 1, GemmStart::bias, nullptr}, s);
    bool same = true;
    for (int64_t r = 0; r < m; ++r)
      same = same && alone[static_cast<size_t>(r)] == wide[static_cast<size_t>(r * n + j)];
    CHECK(same);
  }
}

TEST_CASE("transpose moves every element") {
  Random random(3, "transpose");
  for (const auto& [rows, cols] : {std::pair<int64_t, int64_t>{1, 1}, {6, 784}, {17, 33}, {40, 5}}) {
    const auto from = test::integers<float>(rows * cols, random, 1000);
    std::vector<float> to(from.size());
    transpose(rows, cols, from.data(), cols, to.data(), rows);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < cols; ++c)
        REQUIRE(to[static_cast<size_t>(c * rows + r)] == from[static_cast<size_t>(r * cols + c)]);
    }
  }
}
