// How digits are written: the strokes of a pen, as control points of smooth lines.
#pragma once

#include <array>
#include <vector>

namespace unfold {

struct PenPoint {
  float x = 0, y = 0;
  bool corner = false;  ///< the pen turns sharply here
};
using PenStroke = std::vector<PenPoint>;  // control points of a smooth line; the pen is down all along
using Glyph = std::vector<PenStroke>;

/// The ways people write each digit, in a box of 1 x 1, x to the right, y down. An entry that stands there
/// twice is twice as frequent.
const std::array<std::vector<Glyph>, 10>& glyph_styles();

}  // namespace unfold
