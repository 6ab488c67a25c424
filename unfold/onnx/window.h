// Windows that slide over one to three axes: kernel, strides, pads, dilations, and where they stand.
#pragma once

#include <array>
#include <vector>

#include "unfold/onnx/call.h"
#include "unfold/shape.h"

namespace unfold::onnx {

/// The taps of a window at one place that lie inside: `count` of them from pixel `pixel`, which is tap `tap`.
struct Reach {
  int64_t tap = 0, count = 0, pixel = 0;
};

/// The places [first, last) of a window along an axis whose tap number `tap` lies inside, and that tap's
/// pixel at the first of them.
struct TapRun {
  int64_t first = 0, last = 0, pixel = 0;
};

/// A window along one axis.
struct WindowAxis {
  int64_t in = 1, kernel = 1, stride = 1, begin = 0, end = 0, dilation = 1, out = 1;

  int64_t extent() const { return dilation * (kernel - 1) + 1; }  ///< pixels from the first tap to the last
  /// For each place. `c` is charged.
  std::vector<Reach> reaches(const Call& c) const;
  /// For each tap. `c` is charged.
  std::vector<TapRun> runs(const Call& c) const;
  /// Taps at a place that lie in the image or its padding.
  int64_t padded_count(int64_t place) const;
};

/// A window over (N, C, D1, ...) as one over three axes, (D, H, W): those in front that are missing have
/// size 1.
struct Windows {
  std::array<WindowAxis, 3> axes;
  int rank = 0;  ///< axes that there are

  const WindowAxis* begin() const { return axes.data() + 3 - rank; }
  const WindowAxis* end() const { return axes.data() + 3; }
  WindowAxis* begin() { return axes.data() + 3 - rank; }
  WindowAxis* end() { return axes.data() + 3; }
  int64_t in() const { return axes[0].in * axes[1].in * axes[2].in; }
  int64_t out() const { return axes[0].out * axes[1].out * axes[2].out; }
  int64_t taps() const { return axes[0].kernel * axes[1].kernel * axes[2].kernel; }
  /// The sizes of (N, C, O1, ...).
  Sizes output(int64_t n, int64_t channels) const;
  /// As one over (H, W), where D is of size 1.
  bool flat() const;
  Window2d flat_window() const;
};

/// Along one row of places (d, h, all of w) over a plane: calls f(place, pixel, tap) for every tap of every
/// window that lies inside; taps of one window in rising order, places innermost.
template <class F>
void each_tap_of_row(const Windows& s, const std::vector<TapRun>& runs, const Reach& d, const Reach& h, F f) {
  const auto& [D, H, W] = s.axes;
  for (int64_t i = 0; i < d.count; ++i) {
    for (int64_t j = 0; j < h.count; ++j) {
      const int64_t row = ((d.pixel + i * D.dilation) * H.in + h.pixel + j * H.dilation) * W.in;
      const int64_t tap = ((d.tap + i) * H.kernel + h.tap + j) * W.kernel;
      for (int64_t k = 0; k < W.kernel; ++k) {
        const TapRun& run = runs[static_cast<size_t>(k)];
        const int64_t first = row + run.pixel - run.first * W.stride;
        for (int64_t place = run.first; place < run.last; ++place)
          f(place, first + place * W.stride, tap + k);
      }
    }
  }
}

/// The window of a node over an input of these spatial sizes: attributes kernel_shape, strides, pads,
/// dilations, without `in` and `out`. `kernel`: its size, where the weights tell it. Refuses what is out of
/// range.
Windows read_windows(const Call& c, std::span<const int64_t> spatial, std::span<const int64_t> kernel = {});

/// Where the window of a convolution or pooling stands: auto_pad and ceil_mode. Refuses one that fits
/// nowhere.
void place_windows(const Call& c, Windows& windows);

/// The spatial sizes of input 0, which must be (N, C, D1), (N, C, D1, D2) or (N, C, D1, D2, D3).
std::span<const int64_t> spatial_sizes(const Call& c);

}  // namespace unfold::onnx
