// What the kernels over NHWC share: which taps reach a pixel, and scratch cut into arrays.
#pragma once

#include <cstddef>
#include <cstdint>

#include "unfold/shape.h"

namespace unfold::nhwc {

inline bool depthwise(const Conv2dShape& s) {
  return s.group_ic() == 1 && s.group_oc() == 1;
}

inline int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

/// Takes arrays from a block of scratch, each on a cache line. Without a block it only counts.
class Carver {
 public:
  explicit Carver(float* base) : base_(reinterpret_cast<std::byte*>(base)) {}
  template <class T>
  T* take(int64_t count) {
    T* const part = base_ ? reinterpret_cast<T*>(base_ + bytes_) : nullptr;
    bytes_ += divide_up(count * static_cast<int64_t>(sizeof(T)), 64) * 64;
    return part;
  }
  int64_t floats() const { return bytes_ / static_cast<int64_t>(sizeof(float)); }

 private:
  std::byte* base_;
  int64_t bytes_ = 0;
};

/// The taps that reach one position along one axis: tap first + j*tap_step reads source + j*source_step of
/// the axis, for j < count. Positions with the same first and count meet the same weights.
struct Taps {
  int64_t first = 0, count = 0, source = 0;
  bool same(const Taps& other) const { return first == other.first && count == other.count; }
};

/// Outputs out0 + i*out_step of an axis, i < outs, and the taps tap0 + j*tap_step, j < taps, that they all
/// meet: output i's tap j reads source0 + i*source_step + j*source_of_tap, inside the source or beside it.
struct Phase {
  int64_t out0, out_step, outs;
  int64_t tap0, tap_step, taps;
  int64_t source0, source_step, source_of_tap;
};

/// One axis of a convolution as seen from what is computed: from y looking at x, or from dx looking at dy
/// (then taps are counted in the turned kernel, so that a later tap reads a later source).
struct Axis {
  int64_t outputs = 0, sources = 0, taps = 0;
  int64_t tap_step = 1, source_step = 1;

  static Axis forward(int64_t outputs, int64_t sources, int64_t kernel, int64_t stride, int64_t pad,
                      int64_t dilation);
  static Axis backward(int64_t outputs, int64_t sources, int64_t kernel, int64_t stride, int64_t pad,
                       int64_t dilation);
  Taps at(int64_t position) const;
  int64_t most_classes() const;  ///< no fewer than the different sets of taps among all positions
  int64_t phases() const { return divisor_; }
  Phase phase(int64_t index) const;  ///< some phases may have no taps, or no outputs

 private:
  // Tap t at position p reads (p*scale + t*rise + shift) / divisor, where that is whole and inside.
  int64_t scale_ = 1, rise_ = 1, shift_ = 0, divisor_ = 1;
};

/// A convolution as a gathering: every output pixel sums over taps of source pixels.
struct Gathering {
  Axis h, w;
  int64_t groups = 1, group_in = 0, group_out = 0;  ///< channels of a group of the source, of the output
  bool depthwise = false;

  static Gathering forward(const Conv2dShape& s);
  static Gathering backward(const Conv2dShape& s);
  int64_t in() const { return groups * group_in; }
  int64_t out() const { return groups * group_out; }
  int64_t group_tiles() const;  ///< tiles of 16 output channels of a group; depthwise: of all channels
  int64_t tiles() const { return depthwise ? group_tiles() : groups * group_tiles(); }
  int64_t k() const { return h.taps * w.taps * group_in; }  ///< rows of a packed tile
  bool folds() const {  ///< is a row of taps one contiguous run of the source?
    return groups == 1 && !depthwise && w.tap_step == 1 && w.source_step == 1;
  }
};

/// A piece of a chain: `length` packed rows from row `w`, that meet consecutive values from `source`, counted
/// from the pixel's first.
struct Run {
  int64_t w, source, length;
};

/// Pixels that meet the same taps, [pixel0, pixel1), and their runs, [run0, run1), w rising.
struct PixelClass {
  int64_t pixel0, pixel1, run0, run1;
};

/// Some rows of the output, sorted into classes. Lives in scratch.
class PixelBlock {
 public:
  PixelBlock(const Gathering& g, float* scratch);
  /// Sorts the pixels of rows [row0, row1) of all images: at most rows() of them.
  void build(int64_t row0, int64_t row1, const float* source, float* out);

  int64_t rows() const { return rows_; }
  int64_t pixels() const { return pixel_count_; }  ///< in what is built
  int64_t k_block() const { return k_block_; }     ///< no run crosses a multiple of it
  int64_t floats() const { return floats_; }       ///< of scratch

  const float** from = nullptr;   // each pixel's first source value
  float** to = nullptr;           // each pixel's output
  PixelClass* classes = nullptr;  // class_count of them; what is built
  int64_t class_count = 0;
  Run* runs = nullptr;

 private:
  struct ColumnClass {
    Taps taps;
    int64_t begin, end;
  };
  void add_class(int64_t row0, int64_t row, int64_t rows, const ColumnClass& c, const float* source,
                 float* out);
  void add_run(Run run);

  Gathering g_;
  int64_t rows_ = 1, k_block_ = 1, floats_ = 0;
  Taps* row_taps_ = nullptr;
  Taps* column_taps_ = nullptr;
  int64_t* columns_ = nullptr;  // sorted by class
  ColumnClass* column_classes_ = nullptr;
  int64_t column_class_count_ = 0, pixel_count_ = 0, run_count_ = 0;
};

}  // namespace unfold::nhwc
