#include "unfold/data/strokes.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string>

#include "unfold/data/sha256.h"
#include "unfold/error.h"

using namespace unfold;

TEST_CASE("the same seed draws the same images, another seed others") {
  const DatasetPair a = make_strokes(7, 50, 20);
  const DatasetPair b = make_strokes(7, 50, 20);
  const DatasetPair c = make_strokes(8, 50, 20);
  CHECK(a.train.pixels == b.train.pixels);
  CHECK(a.test.labels == b.test.labels);
  CHECK(a.train.pixels != c.train.pixels);
  CHECK(a.train.labels != c.train.labels);
}

TEST_CASE("an image depends on its place, not on how many are drawn; training and test images differ") {
  const DatasetPair few = make_strokes(1, 33, 11);
  const DatasetPair many = make_strokes(1, 200, 100);
  CHECK(std::equal(few.train.pixels.begin(), few.train.pixels.end(), many.train.pixels.begin()));
  CHECK(std::equal(few.train.labels.begin(), few.train.labels.end(), many.train.labels.begin()));
  CHECK(std::equal(few.test.pixels.begin(), few.test.pixels.end(), many.test.pixels.begin()));
  CHECK_FALSE(std::equal(few.test.pixels.begin(), few.test.pixels.end(), few.train.pixels.begin()));
}

TEST_CASE("classes are balanced, no image is blank, none is there twice") {
  const DatasetPair pair = make_strokes(1);
  std::set<std::string> seen;
  for (const Dataset* part : {&pair.train, &pair.test}) {
    REQUIRE(part->image == Shape({1, 28, 28}));
    REQUIRE(std::ssize(part->pixels) == part->size() * 784);
    CHECK(part->classes.size() == 10);
    std::array<int64_t, 10> count{};
    for (int64_t i = 0; i < part->size(); ++i) {
      ++count.at(part->labels[static_cast<size_t>(i)]);
      const auto image = part->at(i);
      const auto inked = std::count_if(image.begin(), image.end(), [](uint8_t p) { return p > 127; });
      CHECK(inked >= 12);
      CHECK(inked <= 350);
      seen.emplace(image.begin(), image.end());
    }
    for (const int64_t n : count) CHECK(n == part->size() / 10);
  }
  CHECK(std::ssize(seen) == pair.train.size() + pair.test.size());
}

TEST_CASE("the digits lie in the image as those of MNIST do: centred by mass, black around") {
  const Dataset part = make_strokes(3, 1000, 10).train;
  for (int64_t i = 0; i < part.size(); ++i) {
    CAPTURE(i);
    const auto image = part.at(i);
    double mass = 0, x = 0, y = 0, rim = 0;
    for (int row = 0; row < 28; ++row) {
      for (int column = 0; column < 28; ++column) {
        const double value = image[static_cast<size_t>(row * 28 + column)];
        mass += value;
        x += value * column;
        y += value * row;
        if (row == 0 || column == 0 || row == 27 || column == 27) rim += value;
      }
    }
    CHECK(std::abs(x / mass - 13.5) < 1.6);
    CHECK(std::abs(y / mass - 13.5) < 1.6);
    CHECK(rim / mass < 0.05);
  }
}

TEST_CASE("the first images are the same on every machine") {
  // No libm function and no fused product is used, and each operation is one that IEEE 754 defines to the
  // last bit; so this holds for any compiler and processor, as long as nobody builds with -ffast-math.
  const Dataset part = make_strokes(1, 100, 1).train;
  CHECK(sha256(std::as_bytes(std::span(part.pixels))) ==
        "6269c67fad11d04e5f64a0fb1dea91f5b6ebe8e2b5489ad28ad97b4e4032e823");
}

TEST_CASE("no images at all is refused") {
  CHECK_THROWS_AS(make_strokes(1, 0, 10), Error);
}
