#include "unfold/shape.h"

#include <doctest/doctest.h>

#include <string>

#include "unfold/error.h"

using namespace unfold;

TEST_CASE("the output-size formula counts the places a window can stand") {
  // Counted by brute force: slide and see.
  for (int64_t size = 1; size <= 9; ++size) {
    for (int64_t kernel = 1; kernel <= 4; ++kernel) {
      for (int64_t stride = 1; stride <= 4; ++stride) {
        for (int64_t begin = 0; begin <= 2; ++begin) {
          for (int64_t end = 0; end <= 2; ++end) {
            for (int64_t dilation = 1; dilation <= 3; ++dilation) {
              int64_t places = 0;
              for (int64_t at = -begin; at + dilation * (kernel - 1) < size + end; at += stride) ++places;
              CHECK(output_size(size, kernel, stride, begin, end, dilation) == places);
            }
          }
        }
      }
    }
  }
}

TEST_CASE("shapes refuse what cannot be") {
  CHECK_THROWS_AS(Shape({1, -1}), Error);
  CHECK_THROWS_AS(Shape({1, 1, 1, 1, 1, 1, 1, 1, 1}), Error);
  CHECK_THROWS_AS(Shape({int64_t{1} << 40, int64_t{1} << 40}), Error);
  CHECK(Shape({2, 3, 4}).elements() == 24);
  CHECK(Shape({}).elements() == 1);
  CHECK(Shape({3, 4}).batched(2) == Shape({2, 3, 4}));
  CHECK(Shape({2, 3, 4}).sample() == Shape({3, 4}));
  CHECK(Shape({2, 3}).text() == "(2, 3)");
}

TEST_CASE("a window that does not fit names the layer, what it wanted and what it got") {
  try {
    Conv2dShape::infer({1, 3, 4, 4}, 2, Window2d::square(5), "conv1");
    FAIL("not refused");
  } catch (const Error& e) {
    CHECK(std::string(e.what()) ==
          "conv1: the kernel is larger than the padded input (wanted at least 5x5, got 4x4)");
    CHECK(e.kind() == ErrorKind::usage);
    CHECK_FALSE(e.hint().empty());
  }
  CHECK_THROWS_AS(Conv2dShape::infer({1, 3, 4, 4}, 2, Window2d::square(2, 0), "conv1"), Error);
  CHECK_THROWS_AS(Conv2dShape::infer({1, 3, 4, 4}, 2, Window2d::square(2, 1, -1), "conv1"), Error);
  CHECK_THROWS_AS(Conv2dShape::infer({1, 3, 4, 4}, 2, Window2d::square(2, 1, 0, 1, 2), "conv1"), Error);
  CHECK_THROWS_AS(Conv2dShape::infer({1, 3, 4}, 2, Window2d::square(2), "conv1"), Error);
}
