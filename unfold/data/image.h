// A picture in memory: rows of pixels, eight bits a channel.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace unfold {

/// Pixels (H, W, C), 0 = dark; C is 1 (grey), 2 (grey, alpha), 3 (red, green, blue) or 4 (with alpha).
struct Image {
  int64_t width = 0, height = 0, channels = 0;
  std::vector<uint8_t> pixels;

  /// The C bytes of the pixel in row y, column x.
  std::span<const uint8_t> at(int64_t y, int64_t x) const {
    return {pixels.data() + (y * width + x) * channels, static_cast<size_t>(channels)};
  }
};

}  // namespace unfold
