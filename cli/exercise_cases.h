// The exercises: what each is given, what it should give back, and how a place in that is called.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "unfold/shape.h"

namespace unfold::cli {

/// All sizes of one case, as `struct Sizes` of the exercises' files: eleven ints in this order.
struct ExerciseSizes {
  int n, c, h, w, oc, kh, kw, stride, pad, oh, ow;

  Conv2dShape shape() const;
  int64_t places() const { return int64_t{oh} * ow; }     ///< of one image
  int64_t patch() const { return int64_t{c} * kh * kw; }  ///< rows of the columns
  /// "2 images of 3 channels of 5x6, 4 kernels 3x2, stride 2, padding 1"; the exercises without kernels say
  /// "window".
  std::string text(bool kernels) const;
};

/// What the numbers of one result are, which says their order and the names of their places.
enum class Layout {
  index,         ///< (C*KH*KW, OH*OW): i and j of get_indices
  index_column,  ///< (C*KH*KW, 1): d
  columns,       ///< (C*KH*KW, N*OH*OW), images side by side
  images,        ///< (N, C, H, W)
  kernels,       ///< (OC, C, KH, KW)
  per_kernel,    ///< (OC)
};

struct Result {
  const char* name;
  Layout layout;
};

struct Exercise {
  int number;
  const char *name, *title, *file;
  std::vector<Result> results;
};

/// All five, in order.
std::span<const Exercise> exercises();

using Vectors = std::vector<std::vector<double>>;

/// One call of the student's function: the sizes and its vectors, in the order of its parameters.
struct ExerciseCase {
  ExerciseSizes sizes;
  Vectors in;
};

/// The cases of an exercise, easy ones first. The first is the worked example of the file; the vectors of the
/// others hold 1, 2, 3, ... in an order drawn from a fixed seed.
std::vector<ExerciseCase> exercise_cases(const Exercise& exercise);

/// What the function should give back, one vector a result, computed by the library: its index matrices,
/// im2col and col2im, and the naive loops of kernels/reference in double.
Vectors wanted_results(const Exercise& exercise, const ExerciseCase& one);

/// A part of a result that can be shown as a matrix: all of it, or the plane that holds a number.
struct MatrixPart {
  int64_t first = 0, rows = 0, columns = 0;
  std::string title;  ///< "dx of image 0, channel 1"
};
MatrixPart part_with(const Result& result, const ExerciseSizes& s, int64_t at);

/// What was given that number `at` of a result is made of, where one matrix shows it; no rows where not.
struct GivenPart {
  MatrixPart part;
  size_t vector = 0;  ///< which of ExerciseCase::in
};
GivenPart given_for(const Exercise& exercise, const ExerciseSizes& s, int64_t at);

/// Which place number `at` of a result is, in words: "dx of image 0, channel 1, row 2, column 3".
std::string place_text(const Result& result, const ExerciseSizes& s, int64_t at);

}  // namespace unfold::cli
