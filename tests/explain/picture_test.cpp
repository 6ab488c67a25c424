// Numbers as colours.
#include "unfold/explain/picture.h"

#include <doctest/doctest.h>

#include <limits>

#include "unfold/error.h"

using namespace unfold;
using Bytes = std::vector<uint8_t>;

namespace {

Bytes at(const Image& image, int64_t y, int64_t x) {
  const auto pixel = image.at(y, x);
  return {pixel.begin(), pixel.end()};
}
const Bytes kGround{112, 128, 144};
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();

}  // namespace

TEST_CASE("grey runs from 0 to the largest, diverging from blue over white to red") {
  const std::vector<float> v{-2, -1, 0, 1, 2, kNaN};
  const Image grey = tile({1, 1, 6}, v, {.gap = 0});
  CHECK(grey.width == 6);
  CHECK(grey.height == 1);
  CHECK(at(grey, 0, 0) == Bytes{0, 0, 0});
  CHECK(at(grey, 0, 2) == Bytes{0, 0, 0});
  CHECK(at(grey, 0, 3) == Bytes{128, 128, 128});
  CHECK(at(grey, 0, 4) == Bytes{255, 255, 255});
  CHECK(at(grey, 0, 5) == kGround);
  const Image both = tile({1, 1, 6}, v, {.palette = Palette::diverging, .gap = 0});
  CHECK(at(both, 0, 0) == Bytes{33, 102, 172});
  CHECK(at(both, 0, 1) == Bytes{144, 179, 214});
  CHECK(at(both, 0, 2) == Bytes{255, 255, 255});
  CHECK(at(both, 0, 4) == Bytes{178, 24, 43});
  const Image limited = tile({1, 1, 6}, v, {.limit = 4, .gap = 0});
  CHECK(at(limited, 0, 4) == Bytes{128, 128, 128});
  const Image clipped = tile({1, 1, 6}, v, {.palette = Palette::diverging, .limit = 1, .gap = 0});
  CHECK(at(clipped, 0, 4) == Bytes{178, 24, 43});
  const Image infinite = tile({1, 1, 2}, std::vector<float>{kInf, 1}, {.gap = 0});
  CHECK(at(infinite, 0, 0) == kGround);
  CHECK(at(infinite, 0, 1) == Bytes{255, 255, 255});
}

TEST_CASE("tiles stand in rows with ground around them, enlarged, by one scale or each by its own") {
  const std::vector<float> v{1, 2, 4, 8, 16, 32};  // three tiles of 1 x 2
  const Image image = tile({3, 1, 2}, v, {.columns = 2, .zoom = 3, .gap = 1});
  CHECK(image.width == 2 * (6 + 1) + 1);
  CHECK(image.height == 2 * (3 + 1) + 1);
  CHECK(at(image, 0, 0) == kGround);
  CHECK(at(image, 1, 7) == kGround);
  CHECK(at(image, 1, 1) == Bytes{8, 8, 8});
  CHECK(at(image, 3, 3) == Bytes{8, 8, 8});
  CHECK(at(image, 3, 4) == Bytes{16, 16, 16});
  CHECK(at(image, 5, 4) == Bytes{255, 255, 255});
  CHECK(at(image, 5, 8) == kGround);  // no fourth tile
  const Image each = tile({3, 1, 2}, v, {.each = true, .columns = 3, .gap = 0});
  for (int64_t k = 0; k < 3; ++k) {
    CHECK(at(each, 0, 2 * k) == Bytes{128, 128, 128});
    CHECK(at(each, 0, 2 * k + 1) == Bytes{255, 255, 255});
  }
  CHECK(tile({16, 1, 1}, std::vector<float>(16), {.gap = 0}).width == 4);
  CHECK(at(tile({1, 1, 1}, std::vector<float>(1), {.gap = 0}), 0, 0) == Bytes{0, 0, 0});
}

TEST_CASE("three channels are red, green and blue") {
  const std::vector<float> v{1, 0, /**/ -1, 0.5, /**/ 0, 0};  // planes of two pixels
  const Image grey = tile({1, 3, 1, 2}, v, {.gap = 0});
  CHECK(at(grey, 0, 0) == Bytes{255, 0, 0});
  CHECK(at(grey, 0, 1) == Bytes{0, 128, 0});
  const Image both = tile({1, 3, 1, 2}, v, {.palette = Palette::diverging, .gap = 0});
  CHECK(at(both, 0, 0) == Bytes{255, 0, 128});
}

TEST_CASE("heat lies over a picture, which stays visible") {
  const Shape shape{1, 1, 3};
  const std::vector<float> light{0, 0.5, 1}, heat{0, 0, 1};
  const Image image = heat_over(shape, light, heat, 2);
  CHECK(image.width == 6);
  CHECK(image.height == 2);
  CHECK(at(image, 1, 1) == Bytes{0, 0, 0});
  CHECK(at(image, 0, 2) == Bytes{128, 128, 128});
  CHECK(at(image, 0, 5) == Bytes{197, 82, 96});  // a quarter white, three quarters red
  CHECK_THROWS_AS(heat_over(shape, light, std::vector<float>(2), 1), Error);
}

TEST_CASE("pictures stand side by side on the ground") {
  const Image a = tile({1, 2, 1}, std::vector<float>{1, 1}, {.gap = 0});
  const Image b = tile({1, 1, 1}, std::vector<float>{1}, {.gap = 0});
  const Image pair[] = {a, b};
  const Image image = side_by_side(pair, 1);
  CHECK(image.width == 3);
  CHECK(image.height == 2);
  CHECK(at(image, 1, 0) == Bytes{255, 255, 255});
  CHECK(at(image, 0, 1) == kGround);
  CHECK(at(image, 0, 2) == Bytes{255, 255, 255});
  CHECK(at(image, 1, 2) == kGround);
  CHECK_THROWS_AS(side_by_side({}, 1), Error);
}

TEST_CASE("what is no tile is refused, and so is a picture too large to draw") {
  const std::vector<float> v(4);
  CHECK_THROWS_AS(tile({1, 2, 3}, v, {}), Error);
  CHECK_THROWS_AS(tile({2, 2}, v, {}), Error);
  CHECK_THROWS_AS(tile({1, 2, 2, 1}, v, {}), Error);
  CHECK_THROWS_AS(tile({0, 2, 2}, {}, {}), Error);
  CHECK_THROWS_AS(tile({1, 2, 2}, v, {.zoom = 0}), Error);
  CHECK_THROWS_AS(tile({1, 2, 2}, v, {.gap = -1}), Error);
  CHECK_THROWS_AS(tile({1, 2, 2}, v, {.zoom = 4096, .gap = 4096}), Error);
}
