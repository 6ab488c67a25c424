// Mistakes that many make in the exercises: what comes out of each, and what to say to whoever made it.
#pragma once

#include <string>

#include "cli/exercise_cases.h"

namespace unfold::cli {

enum class Mistake {
  none,
  zeros,           ///< nothing is written yet
  no_stride,       ///< the stride is ignored
  no_pad,          ///< the padding is not taken off
  no_pad_rows,     ///< ... not off the rows
  no_pad_columns,  ///< ... not off the columns
  unpadded,        ///< indices count in the image, not in the padded one
  swapped,         ///< rows and columns exchanged
  kernel_first,    ///< rows of the columns: the channel runs fastest
  down_first,      ///< places counted down first
  place_first,     ///< columns of the columns: the image runs fastest
  wrong_width,     ///< places taken apart by OH in place of OW
  mirrored,        ///< the kernel turned by 180 degrees
  overwritten,     ///< = in place of +=, going through the window's elements
  kept_first,      ///< the same, going through the places
  averaged,        ///< overlaps averaged in place of added
  over_images,     ///< a mean over the images in place of a sum
  reshaped,        ///< dy taken as a matrix by a plain reshape
  undivided,       ///< pooling without the division
  inside,          ///< pooling divided by the pixels inside the image
};

/// What the function gives back with that mistake in it, one vector a result. With `none` it is what is
/// wanted: by the definition, as a check of this file itself.
Vectors mistaken_results(const Exercise& exercise, const ExerciseCase& one, Mistake mistake);

/// The mistake that gives exactly `got` for result number `result` of case number `which`, and what is wanted
/// does not; where several do, the one that explains most cases. `got` has the answers of all cases. `none`
/// where no mistake is known.
Mistake recognise(const Exercise& exercise, const std::vector<ExerciseCase>& cases,
                  const std::vector<Vectors>& got, size_t which, size_t result);

/// What to say about it, a sentence; "" for `none`.
std::string advice(const Exercise& exercise, Mistake mistake);

}  // namespace unfold::cli
