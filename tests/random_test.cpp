#include "unfold/random.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

using namespace unfold;

TEST_CASE("philox gives the published words") {
  // Known answers of Philox4x32-10 from the authors' Random123 distribution (kat_vectors).
  CHECK(philox({0, 0, 0, 0}, 0) == std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, 0xffffffffffffffff) ==
        std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
}

TEST_CASE("streams are reproducible and independent of one another") {
  Random a(1, "shuffle", 2), same(1, "shuffle", 2), seed(2, "shuffle", 2), stream(1, "init", 2),
      epoch(1, "shuffle", 3);
  const uint32_t first = a.bits();
  CHECK(first == same.bits());
  CHECK(first != seed.bits());
  CHECK(first != stream.bits());
  CHECK(first != epoch.bits());
}

TEST_CASE("the distributions have their moments") {
  Random random(7, "test");
  double sum = 0, squares = 0, uniform = 0;
  std::vector<int> counts(7);
  constexpr int kDraws = 70000;
  for (int i = 0; i < kDraws; ++i) {
    const double x = random.normal();
    sum += x;
    squares += x * x;
    uniform += random.uniform();
    ++counts[static_cast<size_t>(random.below(7))];
  }
  CHECK(std::abs(sum / kDraws) < 0.02);
  CHECK(std::abs(squares / kDraws - 1) < 0.03);
  CHECK(std::abs(uniform / kDraws - 0.5) < 0.01);
  for (const int count : counts) CHECK(std::abs(count - kDraws / 7) < 600);
}
