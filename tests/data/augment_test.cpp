#include "unfold/data/augment.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "unfold/error.h"

using namespace unfold;

namespace {

const Shape kShape{2, 5, 7};

std::vector<float> image() {
  std::vector<float> x(static_cast<size_t>(kShape.elements()));
  std::iota(x.begin(), x.end(), 1.0f);
  return x;
}

}  // namespace

TEST_CASE("flip: half of the images, each row turned round, the same for the same sample") {
  const Augmentation how{.flip = true};
  int flipped = 0;
  for (uint64_t sample = 0; sample < 400; ++sample) {
    std::vector<float> x = image(), again = x, mirrored = x;
    augment(how, kShape, 3, 1, sample, x.data());
    augment(how, kShape, 3, 1, sample, again.data());
    CHECK(x == again);
    for (int64_t row = 0; row < 10; ++row)
      std::reverse(mirrored.begin() + row * 7, mirrored.begin() + (row + 1) * 7);
    CHECK((x == image() || x == mirrored));
    flipped += x == mirrored;
  }
  CHECK(flipped > 150);  // five standard deviations
  CHECK(flipped < 250);
}

TEST_CASE("cutout: one square of zeros around a pixel, the same in all channels; every pixel is hit") {
  const Augmentation how{.cutout = 3};
  std::vector<int> hit(35);
  for (uint64_t sample = 0; sample < 500; ++sample) {
    std::vector<float> x = image();
    augment(how, kShape, 3, 1, sample, x.data());
    int64_t y0 = 9, y1 = -1, x0 = 9, x1 = -1, zeros = 0;
    for (int64_t i = 0; i < 35; ++i) {
      const bool zero = x[static_cast<size_t>(i)] == 0;
      CHECK(zero == (x[static_cast<size_t>(35 + i)] == 0));
      if (!zero) {
        CHECK(x[static_cast<size_t>(i)] == static_cast<float>(i + 1));
        continue;
      }
      ++zeros;
      ++hit[static_cast<size_t>(i)];
      y0 = std::min(y0, i / 7), y1 = std::max(y1, i / 7);
      x0 = std::min(x0, i % 7), x1 = std::max(x1, i % 7);
    }
    CHECK(zeros == (y1 - y0 + 1) * (x1 - x0 + 1));                   // a rectangle
    CHECK((y1 - y0 == 2 || ((y0 == 0 || y1 == 4) && y1 - y0 < 2)));  // smaller at the edge only
    CHECK((x1 - x0 == 2 || ((x0 == 0 || x1 == 6) && x1 - x0 < 2)));
  }
  CHECK(std::all_of(hit.begin(), hit.end(), [](int n) { return n > 0; }));
}

TEST_CASE("another seed, epoch or sample draws anew") {
  const Augmentation how{.flip = true, .cutout = 2};
  const auto one = [&](uint64_t seed, uint64_t epoch, uint64_t sample) {
    std::vector<float> x = image();
    augment(how, kShape, seed, epoch, sample, x.data());
    return x;
  };
  int seeds = 0, epochs = 0, samples = 0;
  for (uint64_t i = 0; i < 50; ++i) {
    seeds += one(i, 0, 0) != one(i + 1, 0, 0);
    epochs += one(0, i, 0) != one(0, i + 1, 0);
    samples += one(0, 0, i) != one(0, 0, i + 1);
  }
  CHECK(std::min({seeds, epochs, samples}) > 25);
}

TEST_CASE("as text, and back") {
  for (const Augmentation& how : {Augmentation{}, Augmentation{.flip = true}, Augmentation{.cutout = 8},
                                  Augmentation{.flip = true, .cutout = 16}}) {
    CHECK(augmentation_from(augmentation_text(how)) == how);
  }
  CHECK(augmentation_from("cutout:4,flip") == Augmentation{.flip = true, .cutout = 4});
  for (const char* bad : {"flop", "cutout", "cutout:", "cutout:0", "cutout:-3", "cutout:4x", "cutout:99999",
                          "flip;", "flip cutout:3", "", "flip,", ",flip", "flip,flip", "cutout:8,cutout:4"})
    CHECK_THROWS_AS(augmentation_from(bad), Error);
}
