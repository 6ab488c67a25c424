// Maps, filters and inputs as pictures of eight bits a channel; encode_png (data/image_file.h) makes files of
// them.
#pragma once

#include <cstdint>
#include <span>

#include "unfold/data/image.h"
#include "unfold/shape.h"

namespace unfold {

/// How a number becomes a colour. `limit` is the magnitude at the scale's end; beyond it nothing changes any
/// more.
enum class Palette {
  grey,       ///< 0 and below black, limit white
  diverging,  ///< -limit blue, 0 white, limit red; of colours, 0 is middle grey
};

struct Tiling {
  Palette palette = Palette::grey;
  double limit = 0;     ///< 0: the largest magnitude there is
  bool each = false;    ///< each tile by its own largest magnitude, in place of one for all
  int64_t columns = 0;  ///< tiles in a row; 0: so many that the picture is about square
  int64_t zoom = 1;     ///< a number becomes zoom x zoom pixels
  int64_t gap = 2;      ///< pixels of ground between tiles and around them
};

/// Tiles in rows, in colours (C = 3 of the picture). `maps` is (count, H, W), or (count, 3, H, W) for tiles
/// that are red, green, blue. A number that is not finite shows the ground. Throws usage if `values` are not
/// the shape's, there are none, or the picture would pass 64 million pixels.
Image tile(const Shape& maps, std::span<const float> values, const Tiling& how);

/// A picture (C, H, W) of brightness 0 to 1 (C is 1 or 3, of any other number the mean is shown) in grey, and
/// over it `heat` (H, W) from 0, clear, to 1, red. Throws usage if the sizes do not fit.
Image heat_over(const Shape& picture, std::span<const float> light, std::span<const float> heat,
                int64_t zoom);

/// Pictures of three channels side by side, in one row, `gap` pixels of ground between them and below lower
/// ones.
Image side_by_side(std::span<const Image> pictures, int64_t gap);

}  // namespace unfold
