// How much ink is where in a picture: light, paper and ruled lines taken away. First half of see_digit.
#pragma once

#include "unfold/data/image.h"
#include "unfold/data/plane.h"

namespace unfold::ink {

/// What see_ink found.
struct Ink {
  Plane amount;         ///< 0 = paper, 1 = as black (or white) as can be; noise lies around 0
  float noise = 0;      ///< standard deviation of the paper
  float threshold = 0;  ///< above it is ink
  float peak = 0;       ///< amount in the middle of the strokes
  bool dark = false;    ///< the ink is darker than the paper
  bool blank = false;   ///< nothing stands out
  bool photo = false;   ///< the paper has grain and shadows, as a camera sees it
  double scale = 1;     ///< pixels of the picture in one of the plane's
};

/// The picture in grey, 0 to 1, each value the mean of factor x factor pixels (fewer at the far rims); alpha
/// is laid over a ground the ink stands out from.
Plane grey(const Image& image, int64_t factor);

/// Reduces the picture to at most 512 pixels a side and separates ink from paper.
Ink see_ink(const Image& image);

}  // namespace unfold::ink
