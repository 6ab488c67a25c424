// What the files of Winograd over NHWC share: where tiles lie in an image, and their values in scratch.
#pragma once

#include <algorithm>

#include "unfold/kernels/nhwc_geometry.h"
#include "unfold/kernels/nhwc_winograd.h"

namespace unfold::nhwc {

inline constexpr int64_t kTileSide = 4;  ///< of a tile of outputs

inline int64_t channel_tiles(int64_t channels) {
  return divide_up(channels, kNhwcTile);
}

/// A correlation with kernels of 3 x 3 or 5 x 5, cut into tiles of 4 x 4 outputs: from x to y, or from dy
/// to dx.
struct TileGrid {
  int64_t in, ih, iw;         ///< the source: channels, height, width
  int64_t out, oh, ow;        ///< what is computed
  int64_t pad_top, pad_left;  ///< output (0, 0) begins at source (-pad_top, -pad_left)
  int64_t taps;               ///< side of the kernel

  static TileGrid forward(const Conv2dShape& s) {
    return {s.ic, s.ih, s.iw, s.oc, s.oh, s.ow, s.window.pad_top, s.window.pad_left, s.window.kernel_h};
  }
  static TileGrid backward(const Conv2dShape& s) {
    const int64_t last = s.window.kernel_h - 1;
    return {s.oc, s.oh, s.ow, s.ic, s.ih, s.iw, last - s.window.pad_top, last - s.window.pad_left, last + 1};
  }
  int64_t rows() const { return divide_up(oh, kTileSide); }  ///< tile rows of an image
  int64_t cols() const { return divide_up(ow, kTileSide); }
  int64_t patch() const { return kTileSide + taps - 1; }  ///< side of a tile's pixels of the source
  int64_t points() const { return patch() * patch(); }
  int64_t in_tiles() const { return channel_tiles(in); }
  int64_t out_tiles() const { return channel_tiles(out); }
};

/// Where a tile lies; row and column in pixels of the output.
struct TilePlace {
  int64_t image = 0, row = 0, col = 0;
};

/// The place of tile `index` of all images.
inline TilePlace place_of(const TileGrid& g, int64_t index) {
  const int64_t row = index / g.cols();
  return {row / g.rows(), row % g.rows() * kTileSide, index % g.cols() * kTileSide};
}

/// Values at the points, [point][channel tile][tile][16]; points lie an odd number of cache lines apart, as
/// at a multiple of 4 KiB all would fall into the same few lines of a cache.
struct PointBlock {
  float* data;
  int64_t points, channel_tiles, tiles;  ///< room

  int64_t channel_step() const { return tiles * kNhwcTile; }
  int64_t point_step() const { return (channel_tiles * tiles | 1) * kNhwcTile; }
  int64_t floats() const { return points * point_step(); }
};

/// Packed weights, and the sums of dw, [channel tile][point][k][16]: k counts the source's channels, in
/// whole tiles. Points lie an odd number of cache lines apart here too.
struct PointWeights {
  int64_t k, points;

  explicit PointWeights(const TileGrid& g) : k(g.in_tiles() * kNhwcTile), points(g.points()) {}
  int64_t point_step() const { return (k + 1) * kNhwcTile; }
  int64_t tile_step() const { return points * point_step(); }
};

}  // namespace unfold::nhwc
