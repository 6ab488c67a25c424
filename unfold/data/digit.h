// What a network that knows MNIST can make of somebody's own picture of a digit: found on the page, cut out,
// and drawn anew as the digits of MNIST are (white on black, 20 pixels long, its centre of mass in the middle
// of 28x28).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "unfold/data/dataset.h"
#include "unfold/data/image.h"

namespace unfold {

/// A picture of a digit as MNIST would show it, and what had to be thought about it.
struct DigitView {
  static constexpr int64_t kSide = 28;
  enum class Verdict {
    ok,       ///< one digit, or what may be one
    blank,    ///< nothing that stands out from the paper; the pixels are all black
    several,  ///< more than one thing of a digit's size; the pixels show the largest
  };
  std::vector<uint8_t> pixels;  ///< (28, 28), ink near 255 on 0
  Verdict verdict = Verdict::ok;
  std::string note;       ///< for people, why the verdict is not ok; empty if it is
  bool inverted = false;  ///< the ink was darker than the paper
  int64_t left = 0, top = 0, width = 0, height = 0;  ///< where the digit is in the picture, in its pixels
};

/// Finds the digit in a picture of any size and 1 to 4 channels: colours become grey, alpha is laid over a
/// ground the ink stands out from, uneven light, ruled lines and specks are taken away, thin strokes are
/// thickened to the width of MNIST's. A digit may stand turned by some ten degrees; it is not turned back.
/// Throws usage if the sizes of the picture and its pixels do not fit.
DigitView see_digit(const Image& image);

/// Whether a data set's images are digits drawn as MNIST's are, as far as can be told: one channel of 28x28,
/// and ten classes "0" to "9". What a network that learned from it should be shown goes through see_digit
/// first.
bool are_digits(const Dataset& data);

/// The 28x28 bytes (0 = black) as 28 lines of 56 plain characters, the darker the byte the emptier; each line
/// ends in a line break. Throws usage for another number of bytes.
std::string ascii_art(std::span<const uint8_t> pixels);

}  // namespace unfold
