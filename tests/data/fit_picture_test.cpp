// Pictures as a network's bytes, against means worked out by hand.
#include "unfold/data/fit_picture.h"

#include <doctest/doctest.h>

#include "unfold/error.h"

using namespace unfold;

TEST_CASE("a picture of the size that is wanted stays as it is") {
  const std::vector<uint8_t> grey = {0, 50, 100, 150, 200, 255};
  CHECK(fit_picture({3, 2, 1, grey}, 1, 2, 3) == grey);
  // Pixels to planes.
  CHECK(fit_picture({2, 1, 3, {1, 2, 3, 4, 5, 6}}, 3, 1, 2) == std::vector<uint8_t>{1, 4, 2, 5, 3, 6});
}

TEST_CASE("a larger picture becomes the mean of areas, of its middle part") {
  // 4 x 4 to 2 x 2: each quarter's mean.
  CHECK(fit_picture({4, 4, 1, {0, 4, 8, 8, 0, 4, 8, 8, 100, 100, 1, 2, 100, 100, 3, 6}}, 1, 2, 2) ==
        std::vector<uint8_t>{2, 8, 100, 3});
  // 6 x 2 to 2 x 2: the two columns on either side are left out; and the same on end.
  CHECK(fit_picture({6, 2, 1, {9, 9, 1, 2, 9, 9, 9, 9, 3, 4, 9, 9}}, 1, 2, 2) ==
        std::vector<uint8_t>{1, 2, 3, 4});
  CHECK(fit_picture({2, 6, 1, {9, 9, 9, 9, 1, 2, 3, 4, 9, 9, 9, 9}}, 1, 2, 2) ==
        std::vector<uint8_t>{1, 2, 3, 4});
  // A wide part of a square: its middle two rows.
  CHECK(fit_picture({4, 4, 1, {9, 9, 9, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9}}, 1, 2, 4) ==
        std::vector<uint8_t>{1, 2, 3, 4, 5, 6, 7, 8});
}

TEST_CASE("colours become grey by their weights, grey becomes all three colours, alpha lies over white") {
  CHECK(fit_picture({3, 1, 3, {255, 0, 0, 0, 255, 0, 0, 0, 255}}, 1, 1, 3) ==
        std::vector<uint8_t>{76, 150, 29});  // 0.299, 0.587, 0.114 of 255
  CHECK(fit_picture({2, 1, 1, {7, 8}}, 3, 1, 2) == std::vector<uint8_t>{7, 8, 7, 8, 7, 8});
  CHECK(fit_picture({3, 1, 2, {100, 255, 100, 0, 0, 51}}, 1, 1, 3) == std::vector<uint8_t>{100, 255, 204});
  CHECK(fit_picture({1, 1, 4, {10, 20, 30, 0}}, 3, 1, 1) == std::vector<uint8_t>{255, 255, 255});
}

TEST_CASE("a picture without pixels, of the wrong number of bytes, or for a strange network is refused") {
  const auto refused = [](const Image& image, int64_t channels, int64_t h, int64_t w) {
    try {
      fit_picture(image, channels, h, w);
      FAIL("not refused");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::usage);
    }
  };
  refused({0, 0, 1, {}}, 1, 2, 2);
  refused({2, 2, 1, {1, 2, 3}}, 1, 2, 2);
  refused({1, 1, 1, {1}}, 2, 1, 1);
  refused({1, 1, 1, {1}}, 1, 0, 1);
  refused({1, 1, 5, {1, 2, 3, 4, 5}}, 1, 1, 1);
}
