#include "unfold/explain/picture.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "unfold/error.h"

namespace unfold {
namespace {

using Colour = std::array<double, 3>;
// The ends of ColorBrewer's RdBu, told apart by those who do not tell red from green.
constexpr Colour kWhite{255, 255, 255}, kRed{178, 24, 43}, kBlue{33, 102, 172};
constexpr Colour kYellow{255, 221, 0};
constexpr uint8_t kGround[3] = {112, 128, 144};
constexpr int64_t kMostPixels = 64'000'000;

uint8_t byte(double v) {
  return static_cast<uint8_t>(std::lround(std::clamp(v, 0.0, 255.0)));
}

Colour mix(const Colour& a, const Colour& b, double share) {
  Colour out;
  for (size_t k = 0; k < 3; ++k) out[k] = a[k] + (b[k] - a[k]) * share;
  return out;
}

Image ground(int64_t width, int64_t height) {
  if (width < 1 || height < 1 || width > kMostPixels / height) {
    throw Error(ErrorKind::usage, "a picture of a size that cannot be drawn")
        .wanted("1 to " + std::to_string(kMostPixels) + " pixels")
        .got(std::to_string(width) + "x" + std::to_string(height));
  }
  Image image{width, height, 3, std::vector<uint8_t>(static_cast<size_t>(width * height * 3))};
  for (size_t e = 0; e < image.pixels.size(); ++e) image.pixels[e] = kGround[e % 3];
  return image;
}

/// Fills the zoom x zoom pixels from (top, left) on.
void dot(Image& image, int64_t top, int64_t left, int64_t zoom, const Colour& colour) {
  for (int64_t y = top; y < top + zoom; ++y) {
    uint8_t* to = image.pixels.data() + (y * image.width + left) * 3;
    for (int64_t e = 0; e < zoom * 3; ++e) to[e] = byte(colour[static_cast<size_t>(e % 3)]);
  }
}

double largest(std::span<const float> values) {
  double most = 0;
  for (const float v : values) {
    if (std::isfinite(v)) most = std::max(most, std::abs(static_cast<double>(v)));
  }
  return most;
}

/// One number of one channel, -1 to 1 of the scale.
Colour grey_or_diverging(Palette palette, double t) {
  t = std::clamp(t, -1.0, 1.0);
  if (palette == Palette::diverging) return t < 0 ? mix(kWhite, kBlue, -t) : mix(kWhite, kRed, t);
  return {255 * t, 255 * t, 255 * t};  // below 0: cut off as a byte
}
double channel(Palette palette, double t) {
  return palette == Palette::diverging ? 127.5 * (1 + std::clamp(t, -1.0, 1.0)) : 255 * t;
}

}  // namespace

Image tile(const Shape& maps, std::span<const float> values, const Tiling& how) {
  const int rank = maps.rank();
  const bool fits = (rank == 3 || (rank == 4 && maps[1] == 3)) && maps.elements() > 0 &&
                    std::cmp_equal(values.size(), maps.elements());
  if (!fits || how.zoom < 1 || how.gap < 0 || how.columns < 0 || how.zoom > 4096 || how.gap > 4096) {
    throw Error(ErrorKind::usage, "these numbers are no tiles")
        .wanted("(count, H, W) or (count, 3, H, W)")
        .got(maps.text() + " for " + std::to_string(values.size()) + " numbers");
  }
  const int64_t count = maps[0], h = maps[rank - 2], w = maps[rank - 1], plane = h * w;
  const int64_t step_h = h * how.zoom + how.gap, step_w = w * how.zoom + how.gap;
  int64_t columns = how.columns;
  if (columns == 0) {
    const double area =
        static_cast<double>(count) * static_cast<double>(step_h) / static_cast<double>(step_w);
    columns = static_cast<int64_t>(std::ceil(std::sqrt(area)));
  }
  columns = std::clamp<int64_t>(columns, 1, count);
  const int64_t rows = (count + columns - 1) / columns;
  Image image = ground(columns * step_w + how.gap, rows * step_h + how.gap);
  const double all = how.limit > 0 ? how.limit : largest(values);
  const int64_t size = maps.elements() / count;
  for (int64_t n = 0; n < count; ++n) {
    const auto numbers = values.subspan(static_cast<size_t>(n * size), static_cast<size_t>(size));
    double limit = how.each ? largest(numbers) : all;
    if (!(limit > 0)) limit = 1;
    const int64_t top = n / columns * step_h + how.gap, left = n % columns * step_w + how.gap;
    for (int64_t p = 0; p < plane; ++p) {
      const auto at = [&](int64_t k) {
        return static_cast<double>(numbers[static_cast<size_t>(k * plane + p)]) / limit;
      };
      if (!std::isfinite(at(0))) continue;
      const Colour colour = rank == 3 ? grey_or_diverging(how.palette, at(0))
                                      : Colour{channel(how.palette, at(0)), channel(how.palette, at(1)),
                                               channel(how.palette, at(2))};
      dot(image, top + p / w * how.zoom, left + p % w * how.zoom, how.zoom, colour);
    }
  }
  return image;
}

Image heat_over(const Shape& picture, std::span<const float> light, std::span<const float> heat,
                int64_t zoom) {
  const int64_t plane = picture.rank() == 3 ? picture[1] * picture[2] : 0;
  if (plane < 1 || std::cmp_not_equal(light.size(), picture.elements()) ||
      std::cmp_not_equal(heat.size(), plane) || zoom < 1 || zoom > 4096) {
    throw Error(ErrorKind::usage, "the heat is not of the picture's size").wanted(picture.text());
  }
  constexpr double kMost = 0.75;  // so that the picture stays visible where it is hottest
  Image image = ground(picture[2] * zoom, picture[1] * zoom);
  for (int64_t p = 0; p < plane; ++p) {
    double mean = 0;
    for (int64_t k = 0; k < picture[0]; ++k)
      mean += static_cast<double>(light[static_cast<size_t>(k * plane + p)]);
    const double grey = 255 * std::clamp(mean / static_cast<double>(picture[0]), 0.0, 1.0);
    const double hot = std::clamp(static_cast<double>(heat[static_cast<size_t>(p)]), 0.0, 1.0);
    const Colour colour = mix({grey, grey, grey}, mix(kYellow, kRed, hot), kMost * hot);
    dot(image, p / picture[2] * zoom, p % picture[2] * zoom, zoom, colour);
  }
  return image;
}

Image side_by_side(std::span<const Image> pictures, int64_t gap) {
  int64_t width = -gap, height = 0;
  for (const Image& picture : pictures) {
    if (picture.channels != 3 || gap < 0)
      throw Error(ErrorKind::usage, "only pictures of three channels are joined");
    width += picture.width + gap;
    height = std::max(height, picture.height);
  }
  Image image = ground(width, height);
  int64_t left = 0;
  for (const Image& picture : pictures) {
    for (int64_t y = 0; y < picture.height; ++y) {
      const auto from = picture.pixels.begin() + y * picture.width * 3;
      std::copy(from, from + picture.width * 3, image.pixels.begin() + (y * width + left) * 3);
    }
    left += picture.width + gap;
  }
  return image;
}

}  // namespace unfold
