// What backward weights walks: the output pixels in groups, and for each row of taps the points where x and
// dy meet.
#pragma once

#include "unfold/kernels/nhwc.h"
#include "unfold/kernels/nhwc_geometry.h"

namespace unfold::nhwc {

inline constexpr int64_t kMostPanels = 2;  ///< channel tiles that a target sums at once

/// One output pixel of a group: where its values of x begin (or those of the first tile of them, where x is
/// gathered), and of dy.
struct Point {
  const float* x;
  const float* dy;
};

/// Packed rows of dw that share their points: a tap, or a row of taps where few channels make it short.
struct Unit {
  int64_t row, length;
  const Point* points;
  int64_t point_count;
};

/// One call of nhwc_backward_weights.
struct WeightCall {
  const Conv2dShape& shape;
  Gathering g;
  int64_t image0, image1, tile0, tile1;
  const float *x, *dy;
  NhwcSum sum;
  float *dw, *db, *scratch;
};

/// The output pixels in groups: small images together, else whole rows of one, or a part of one long row.
struct Grouping {
  struct Part {
    int64_t row0, row1, column0, column1;
  };

  explicit Grouping(const Conv2dShape& s);
  int64_t of_image() const { return divide_up(oh, rows) * divide_up(ow, columns); }  ///< parts of one image
  Part part(int64_t index) const;
  int64_t most_pixels() const { return images * rows * columns; }

  int64_t oh, ow, rows, columns;
  int64_t images = 1;  ///< of a group: more than one where whole images fit
};

/// db += the sum of each of `width` channels of dy, [pixel][16].
void add_bias(int64_t pixels, const float* dy, int64_t width, float* db);

/// A group of output pixels of a Grouping. Lives in scratch.
class PixelGroup {
 public:
  PixelGroup(const Conv2dShape& s, float* scratch);
  const Grouping& grouping() const { return grouping_; }
  int64_t floats() const { return floats_; }  ///< of scratch
  /// A part of `images` images, at most grouping().images; x, dy are those of the first. Gathered pixels will
  /// lie `gathered_step` apart.
  void build(const Grouping::Part& part, int64_t images, const float* x, const float* dy,
             int64_t gathered_step);

  float* packed = nullptr;    // most_pixels() x 16 of dy, for kMostPanels tiles; the points lead there
  const float* dy = nullptr;  // of the group's first pixel; the others follow OC apart
  int64_t pixels = 0;
  Unit* units = nullptr;
  int64_t unit_count = 0;
  /// The pixels of x that the units read, or null: then points lead into x itself (or a copy of its rows). A
  /// tile reads few channels of many pixels; side by side they are one stream, in place each has a cache line
  /// of its own.
  const float** sources = nullptr;
  int64_t source_count = 0;
  float* gathered = nullptr;  // gathered_floats() for as many tiles as fit
  int64_t gathered_floats() const { return gathered_floats_; }

 private:
  using Part = Grouping::Part;
  void add_sources(const Part& part, int64_t images, const float* x);
  void add_tap_units(const Part& part, int64_t images, int64_t gathered_step);
  void copy_rows(const Part& part, int64_t images, const float* x);
  void add_row_units(const Part& part, int64_t images);

  Conv2dShape s_;
  Grouping grouping_;
  bool folds_ = false;  ///< units are rows of taps, on a copy of x with the padding at its sides
  int64_t copy_width_ = 0, copy_rows_ = 0;  ///< pixels of a row of the copy, rows of an image
  Point* points_ = nullptr;
  float* copy_ = nullptr;
  int64_t* row_places_ = nullptr;  // of a row of x below the group's first: its place among those read, or -1
  int64_t* column_places_ = nullptr;  // the same for columns
  int64_t gathered_floats_ = 0, places_h_ = 0, places_w_ = 0, source_columns_ = 0;
  int64_t floats_ = 0;
};

}  // namespace unfold::nhwc
