#include "unfold/data/digit.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <span>

#include "unfold/data/image_file.h"
#include "unfold/data/strokes.h"
#include "unfold/error.h"
#include "unfold/random.h"

using namespace unfold;
using Verdict = DigitView::Verdict;

namespace {

/// A ring (a zero) drawn over grey paper: outer radii, stroke and centre in pixels, soft at the edges.
struct Ring {
  double cy, cx, ry, rx, stroke;
};

void draw(Image& image, const Ring& ring, int ink) {
  for (int64_t y = 0; y < image.height; ++y) {
    for (int64_t x = 0; x < image.width; ++x) {
      const double dy = (static_cast<double>(y) + 0.5 - ring.cy) / (ring.ry - ring.stroke / 2);
      const double dx = (static_cast<double>(x) + 0.5 - ring.cx) / (ring.rx - ring.stroke / 2);
      const double off = std::abs(std::hypot(dy, dx) - 1) * std::min(ring.ry, ring.rx);
      const double part = std::clamp(ring.stroke / 2 + 0.5 - off, 0.0, 1.0);
      uint8_t& v = image.pixels[static_cast<size_t>(y * image.width + x)];
      v = static_cast<uint8_t>(std::lround(v + (ink - v) * part));
    }
  }
}

Image page(int64_t w, int64_t h, int paper) {
  return {w, h, 1, std::vector<uint8_t>(static_cast<size_t>(w * h), static_cast<uint8_t>(paper))};
}

/// Ink around an empty middle, as a zero has it, well inside the frame.
void check_zero(const DigitView& view) {
  CHECK(view.verdict == Verdict::ok);
  REQUIRE(view.pixels.size() == 28 * 28);
  const auto at = [&](size_t y, size_t x) { return view.pixels[y * 28 + x]; };
  CHECK(at(14, 14) == 0);
  CHECK(*std::max_element(view.pixels.begin(), view.pixels.end()) == 255);
  CHECK(std::max(at(4, 14), at(5, 14)) > 128);
  CHECK(std::max(at(22, 14), at(23, 14)) > 128);
  for (size_t i = 0; i < 28; ++i) CHECK((at(0, i) | at(27, i) | at(i, 0) | at(i, 27)) == 0);
}

}  // namespace

TEST_CASE("a zero is found in dark on light, light on dark, small and of 12 megapixels") {
  Image dark = page(300, 400, 230);
  draw(dark, {150, 120, 100, 65, 16}, 40);
  const DigitView view = see_digit(dark);
  check_zero(view);
  CHECK(view.inverted);
  CHECK(std::abs(view.top - 50) <= 3);
  CHECK(std::abs(view.height - 200) <= 6);

  Image light = page(300, 400, 20);
  draw(light, {150, 120, 100, 65, 16}, 240);
  check_zero(see_digit(light));
  CHECK_FALSE(see_digit(light).inverted);

  Image tiny = page(16, 16, 255);
  draw(tiny, {8, 8, 7, 5, 2}, 0);
  check_zero(see_digit(tiny));

  Image large = page(4000, 3000, 200);
  draw(large, {1500, 2000, 900, 600, 90}, 50);
  check_zero(see_digit(large));
}

TEST_CASE("what looks like MNIST already stays as it is") {
  Image image = page(28, 28, 0);
  draw(image, {14.4, 14.4, 9.2, 7, 3}, 255);  // 20 pixels high with its soft edges
  CHECK(see_digit(image).pixels == image.pixels);

  // Whole digits, drawn as MNIST's: grey edges and grain, thin and broad strokes.
  const Dataset digits = make_strokes(1, 200, 10).train;
  int same = 0;
  for (int64_t i = 0; i < digits.size(); ++i) {
    const std::span<const uint8_t> pixels = digits.at(i);
    const DigitView view = see_digit({28, 28, 1, {pixels.begin(), pixels.end()}});
    CHECK(view.verdict == Verdict::ok);
    CHECK_FALSE(view.inverted);
    int64_t off = 0;
    for (size_t k = 0; k < pixels.size(); ++k) off += std::abs(view.pixels[k] - pixels[k]);
    same += off < 2 * std::ssize(pixels);
  }
  CHECK(same == 200);
}

TEST_CASE("a digit of MNIST on a larger page, or black on white, comes back") {
  const Dataset digits = make_strokes(2, 100, 10).train;
  int same = 0;
  for (int64_t i = 0; i < digits.size(); ++i) {
    const std::span<const uint8_t> pixels = digits.at(i);
    Image image = page(40, 36, 255);
    for (int64_t y = 0; y < 28; ++y) {
      for (int64_t x = 0; x < 28; ++x) {
        const uint8_t v = pixels[static_cast<size_t>(y * 28 + x)];
        image.pixels[static_cast<size_t>((y + 3) * 40 + x + 9)] = static_cast<uint8_t>(255 - v);
      }
    }
    const DigitView view = see_digit(image);
    CHECK(view.verdict == Verdict::ok);
    CHECK(view.inverted);
    // The best fit of the two within a pixel: it is centred as MNIST is, and these digits lie half a pixel
    // off.
    int64_t least = 28 * 28 * 255;
    for (int64_t dy = -1; dy <= 1; ++dy) {
      for (int64_t dx = -1; dx <= 1; ++dx) {
        int64_t off = 0;
        for (int64_t y = 2; y < 26; ++y) {
          for (int64_t x = 2; x < 26; ++x) {
            off += std::abs(view.pixels[static_cast<size_t>((y + dy) * 28 + x + dx)] -
                            pixels[static_cast<size_t>(y * 28 + x)]);
          }
        }
        least = std::min(least, off);
      }
    }
    same += least < 20 * 28 * 28;
  }
  CHECK(same >= 95);
}

TEST_CASE("a digit cut out tightly may fill more than half of its picture") {
  for (int ink : {0, 255}) {
    Image image = page(60, 80, 255 - ink);
    draw(image, {40, 30, 40, 30, 22}, ink);
    const auto inked = std::count(image.pixels.begin(), image.pixels.end(), static_cast<uint8_t>(ink));
    CHECK(inked > 60 * 80 / 2);
    const DigitView view = see_digit(image);
    CHECK(view.verdict == Verdict::ok);
    CHECK(view.inverted == (ink == 0));
    CHECK(view.pixels[14 * 28 + 14] == 0);
    CHECK(view.pixels[14 * 28 + 8] > 200);
    CHECK(view.height == 80);
  }
}

TEST_CASE("uneven light, ruled lines and specks are no ink") {
  Image image = page(400, 400, 230);
  for (int64_t y = 0; y < 400; ++y) {
    for (int64_t x = 0; x < 400; ++x) {
      if (y % 40 < 2) image.pixels[static_cast<size_t>(y * 400 + x)] = 180;
    }
  }
  draw(image, {200, 200, 110, 75, 18}, 40);
  for (int64_t i = 0; i < 400; ++i) image.pixels[static_cast<size_t>((i * 7919) % 160000)] = 60;
  for (int64_t y = 0; y < 400; ++y) {
    for (int64_t x = 0; x < 400; ++x) {
      uint8_t& v = image.pixels[static_cast<size_t>(y * 400 + x)];
      v = static_cast<uint8_t>(v * (0.5 + 0.5 * static_cast<double>(x + y) / 800));
    }
  }
  check_zero(see_digit(image));
}

TEST_CASE("alpha is laid over what the ink stands out from") {
  for (int ink : {0, 255}) {
    Image mask = page(100, 100, 0), image{100, 100, 2, {}};
    draw(mask, {50, 50, 40, 28, 9}, 255);
    for (uint8_t alpha : mask.pixels) {
      image.pixels.push_back(static_cast<uint8_t>(ink));
      image.pixels.push_back(alpha);
    }
    check_zero(see_digit(image));
  }
}

TEST_CASE("a blank page and two digits are said") {
  CHECK(see_digit(page(200, 200, 240)).verdict == Verdict::blank);
  CHECK(see_digit(page(1, 1, 0)).verdict == Verdict::blank);
  CHECK_FALSE(see_digit(page(1, 1, 0)).note.empty());
  Image two = page(400, 300, 240);
  draw(two, {150, 110, 90, 55, 14}, 30);
  draw(two, {150, 280, 90, 55, 14}, 30);
  CHECK(see_digit(two).verdict == Verdict::several);
  Image unlike = page(400, 300, 240);  // written with pens as unlike as can be
  draw(unlike, {150, 110, 90, 55, 24}, 30);
  draw(unlike, {150, 280, 90, 55, 3}, 30);
  CHECK(see_digit(unlike).verdict == Verdict::several);
  CHECK_THROWS_AS(see_digit({2, 2, 1, {0}}), Error);
}

TEST_CASE("a photograph of an empty page is blank, with grain, uneven light, a shadow or ruled lines") {
  enum class Page { grain, shadow, ruled };
  for (Page kind : {Page::grain, Page::shadow, Page::ruled}) {
    for (bool written : {false, true}) {
      CAPTURE(static_cast<int>(kind));
      CAPTURE(written);
      Image image = page(320, 240, 210);
      if (written) draw(image, {120, 160, 70, 45, 10}, 60);
      Random dice(7, "page", static_cast<uint64_t>(kind));
      for (int64_t y = 0; y < 240; ++y) {
        for (int64_t x = 0; x < 320; ++x) {
          uint8_t& v = image.pixels[static_cast<size_t>(y * 320 + x)];
          double light = 0.8 + 0.2 * static_cast<double>(x) / 320;
          if (kind == Page::shadow)
            light *= 1 - 0.3 / (1 + std::exp(static_cast<double>(x - 2 * y + 60) / 8));
          if (kind == Page::ruled && (y - x / 20) % 24 == 0) light *= 0.75;
          const double grain = 8 * (dice.uniform() + dice.uniform() - 1);
          v = static_cast<uint8_t>(std::lround(std::clamp(v * light + grain, 0.0, 255.0)));
        }
      }
      const DigitView view = see_digit(image);
      if (written) {
        check_zero(view);
      } else {
        CHECK(view.verdict == Verdict::blank);
        CHECK(std::count(view.pixels.begin(), view.pixels.end(), 0) == 28 * 28);
      }
    }
  }
}

TEST_CASE("our ten pictures of digits are small, and each shows one") {
  for (int d = 0; d < 10; ++d) {
    CAPTURE(d);
    const auto path = std::filesystem::path(UNFOLD_EXAMPLES) / "digits" / (std::to_string(d) + ".png");
    CHECK(std::filesystem::file_size(path) < 8192);
    const DigitView view = see_digit(read_image(path));
    CHECK(view.verdict == Verdict::ok);
    CHECK(view.inverted == (d != 3 && d != 8));
  }
}

TEST_CASE("the picture for the terminal has 28 lines of 56 plain characters") {
  std::vector<uint8_t> pixels(28 * 28, 0);
  pixels[29] = 255;
  const std::string art = ascii_art(pixels);
  CHECK(art.size() == 28 * 57);
  CHECK(art.substr(57, 5) == "  @@ ");
  CHECK_THROWS_AS(ascii_art(std::vector<uint8_t>(5)), Error);
}

TEST_CASE("ten classes called 0 to 9 of 28x28 grey pixels are digits, others are not") {
  Dataset data{.name = "some", .image = {1, 28, 28}, .pixels = {}, .labels = {}, .classes = {}};
  for (int c = 0; c < 10; ++c) data.classes.push_back(std::to_string(c));
  CHECK(are_digits(data));
  data.classes[3] = "Dress";
  CHECK_FALSE(are_digits(data));
  data.classes[3] = "3";
  data.classes.emplace_back("10");
  CHECK_FALSE(are_digits(data));
  data.classes.pop_back();
  data.image = {1, 32, 32};
  CHECK_FALSE(are_digits(data));
}
