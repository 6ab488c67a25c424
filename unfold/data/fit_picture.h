// A picture of any kind as a network's bytes: the middle of it, scaled. What see_digit is for digits, for all
// else.
#pragma once

#include <cstdint>
#include <vector>

#include "unfold/data/image.h"

namespace unfold {

/// (channels, h, w) bytes of a picture with 1 to 4 channels: of its largest middle part with the ratio h : w,
/// each byte the mean of the area it covers. One channel is grey, 0.299 R + 0.587 G + 0.114 B; three are red,
/// green and blue; alpha is laid over white. Throws usage for other channels, sizes below 1, or an image
/// whose sizes and pixels do not fit.
std::vector<uint8_t> fit_picture(const Image& image, int64_t channels, int64_t h, int64_t w);

}  // namespace unfold
