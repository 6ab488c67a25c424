// A data set without any file: handwritten-looking digits that the program draws itself.
#pragma once

#include <cstdint>

#include "unfold/data/dataset.h"

namespace unfold {

/// Draws `train` and `test` images (1, 28, 28) of the digits 0 to 9 in the manner of MNIST: white on black,
/// about 20x20 pixels large, the centre of mass in the middle. Every ten images in a row (counted from 0)
/// hold each digit once, in random order. Image i of a part depends on (seed, part, i) alone, not on the
/// counts, and is the same on every machine: only + - * / and sqrt are used, which IEEE 754 defines to the
/// last bit. Takes about 0.05 ms an image. Throws usage if a count is below 1.
DatasetPair make_strokes(uint64_t seed, int64_t train = 10000, int64_t test = 2000);

}  // namespace unfold
