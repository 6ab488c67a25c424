#include "unfold/data/fit_picture.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <utility>

#include "unfold/data/plane.h"
#include "unfold/error.h"

namespace unfold {
namespace {

/// The picture's value in channel `c` of `channels` at a pixel, 0 to 255.
float value(std::span<const uint8_t> pixel, int64_t c, int64_t channels) {
  const bool colours = pixel.size() >= 3;
  float v = 0;
  if (!colours) {
    v = pixel[0];
  } else if (channels == 3) {
    v = pixel[static_cast<size_t>(c)];
  } else {
    v = 0.299f * static_cast<float>(pixel[0]) + 0.587f * static_cast<float>(pixel[1]) +
        0.114f * static_cast<float>(pixel[2]);
  }
  if (pixel.size() % 2 == 1) return v;
  const float alpha = static_cast<float>(pixel.back()) / 255;
  return alpha * v + (1 - alpha) * 255;
}

}  // namespace

std::vector<uint8_t> fit_picture(const Image& image, int64_t channels, int64_t h, int64_t w) {
  const int64_t bytes = image.width * image.height * image.channels;
  if ((channels != 1 && channels != 3) || h < 1 || w < 1 || image.width < 1 || image.height < 1 ||
      image.channels < 1 || image.channels > 4 || std::cmp_not_equal(image.pixels.size(), bytes)) {
    throw Error(ErrorKind::usage, "a picture cannot be fitted")
        .wanted("1 or 3 channels of at least one pixel, and all of the picture's bytes")
        .got(std::to_string(channels) + "x" + std::to_string(h) + "x" + std::to_string(w) + " from " +
             std::to_string(image.width) + "x" + std::to_string(image.height) + "x" +
             std::to_string(image.channels) + ", " + std::to_string(image.pixels.size()) + " bytes");
  }
  // The middle part: one side whole, the other as the ratio wants it.
  const int64_t part_w = std::clamp<int64_t>((image.height * w + h / 2) / h, 1, image.width);
  const int64_t part_h = std::clamp<int64_t>((image.width * h + w / 2) / w, 1, image.height);
  const int64_t left = (image.width - part_w) / 2, top = (image.height - part_h) / 2;
  std::vector<uint8_t> fitted;
  for (int64_t c = 0; c < channels; ++c) {
    ink::Plane part(part_w, part_h);
    for (int64_t y = 0; y < part_h; ++y) {
      for (int64_t x = 0; x < part_w; ++x) part.at(y, x) = value(image.at(top + y, left + x), c, channels);
    }
    for (const float v : ink::resized(part, w, h).v)
      fitted.push_back(static_cast<uint8_t>(std::lround(std::clamp(v, 0.f, 255.f))));
  }
  return fitted;
}

}  // namespace unfold
