// Convolution of wide layers: channels innermost, patches read straight from the image.
//
// Activations are NHWC, x[n][ih][iw][ic]: a patch's row of KW pixels is one contiguous run of KW*IC values,
// so the virtual patch matrix is a list of pixel pointers and no column is ever formed. Every output lies in
// a register tile of some pixels x 16 channels, and all pixels of a tile meet the same taps: padding is
// neither read nor multiplied.
//
// Order of the sums, the same for every vector width, tile, range and batch:
//   y   one chain of fused multiply-adds per element, from the bias over kh, kw, ic in rising order.
//   dx  one chain per element, from 0 over kh and kw in falling, oc in rising order.
//   dw  the output pixels of an image are cut into groups by the geometry without N: as few groups of whole
//       rows as hold at most kNhwcGroupPixels, all but the last of the same height; a longer row is cut
//       alike. Where two images and more fit into a group, it holds nhwc_group_images(s) of them. Each group
//       is one chain from 0 over its pixels, row by row, and the groups' sums are added in order, images in
//       order. db likewise, with additions.
// Taps in the padding are left out or, where that is quicker (depthwise, dw of few input channels),
// multiplied by 0: the same value, but for the sign of a zero.
//
// Weights are packed by explicit functions into tiles of 16 output channels, [tile][k][16], the missing
// channels of a ragged tile zero; dw is computed in the same layout. A convolution of G groups has the tiles
// of each group one behind the other; where every group has one channel in and one out (depthwise), a tile is
// 16 channels.
//
// Below Conv2dShape has all sizes; s.n counts only as the number of images that a range may reach. Scratch,
// packed weights and dw in tiles are 64-byte aligned; scratch is overwritten.
#pragma once

#include <utility>

#include "unfold/shape.h"

namespace unfold {

inline constexpr int64_t kNhwcTile = 16;  ///< channels of a tile: one cache line

/// Most pixels of one chain of dw: a 14 x 14 image and a little more, or several smaller ones. Short, as the
/// error of a chain grows with its length and 16 channels of dy, once copied, stay in the first-level cache.
inline constexpr int64_t kNhwcGroupPixels = 208;

/// The part of a result that one call computes: rows [row0, row1) of all images together (row r is row r % H
/// of image r / H, H = OH for y, IH for dx), channel tiles [tile0, tile1).
struct NhwcRange {
  int64_t row0 = 0, row1 = 0;
  int64_t tile0 = 0, tile1 = 0;
  bool empty() const { return row0 == row1 || tile0 == tile1; }
};

/// Part `part` of `parts` of a result of so many rows and channel tiles: a range of rows or, where there are
/// few and weights would be loaded for too little work, of channel tiles in pairs, which are computed
/// together. It may be empty. No cut changes a bit.
NhwcRange nhwc_part(int64_t rows, int64_t tiles, int64_t part, int64_t parts);

enum class NhwcEpilogue { none, relu };

int64_t nhwc_output_tiles(const Conv2dShape& s);  ///< tiles of y, w and dw
int64_t nhwc_input_tiles(const Conv2dShape& s);   ///< tiles of dx
/// The output channels [first, last) of tiles [tile0, tile1) of y, at least one.
std::pair<int64_t, int64_t> nhwc_tile_channels(const Conv2dShape& s, int64_t tile0, int64_t tile1);
int64_t nhwc_weight_floats(const Conv2dShape& s);         ///< packed w, and dw in tiles
int64_t nhwc_turned_weight_floats(const Conv2dShape& s);  ///< packed for backward data

/// Overwrites `packed`, nhwc_weight_floats(s): tile [kh][kw][ic][16] of w (OC,IC/G,KH,KW).
void nhwc_pack_weights(const Conv2dShape& s, const float* w, float* packed);

/// Overwrites `packed`, nhwc_turned_weight_floats(s): tile [kh'][kw'][oc][16 of ic] of w (OC,IC/G,KH,KW),
/// with the kernel turned by 180 degrees.
void nhwc_pack_weights_turned(const Conv2dShape& s, const float* w, float* packed);

/// Adds dw in tiles to dw (OC,IC/G,KH,KW), the output channels of tiles [tile0, tile1) only.
void nhwc_add_weights(const Conv2dShape& s, const float* tiles, float* dw, int64_t tile0, int64_t tile1);

/// Whole images of one group of dw, by the geometry without N; 1 where an image has more groups, and where
/// the convolution is depthwise. Fewer would read and write all of dw for a few pixels.
int64_t nhwc_group_images(const Conv2dShape& s);

/// Floats of scratch for nhwc_forward, any range.
int64_t nhwc_forward_scratch(const Conv2dShape& s);
/// Floats of scratch for nhwc_backward_data, any range.
int64_t nhwc_backward_data_scratch(const Conv2dShape& s);
/// Floats of scratch for nhwc_backward_weights, any range.
int64_t nhwc_backward_weights_scratch(const Conv2dShape& s);

/// Overwrites the range of y (N,OH,OW,OC), and touches nothing else of it:
///   y[n][oh][ow][oc] = b[oc] + sum over kh, kw, ic of w[oc][ic][kh][kw] *
///   x[n][oh*SH-pad_top+kh*DH][...][ic],
/// then the epilogue. x (N,IH,IW,IC), `packed` from nhwc_pack_weights, b (OC) or null.
void nhwc_forward(const Conv2dShape& s, const NhwcRange& range, const float* x, const float* packed,
                  const float* b, NhwcEpilogue epilogue, float* y, float* scratch);

/// Overwrites the range of dx (N,IH,IW,IC), tiles of IC: dx = the sum of every w[oc][ic][kh][kw] *
/// dy[...][oc] whose output read that pixel. dy (N,OH,OW,OC), `turned` from nhwc_pack_weights_turned.
void nhwc_backward_data(const Conv2dShape& s, const NhwcRange& range, const float* turned, const float* dy,
                        float* dx, float* scratch);

/// What the tiles of dw hold before a call.
enum class NhwcSum {
  overwrite,  ///< nothing: the call's sum replaces them
  add,        ///< the sum over earlier images: the call's groups are added behind it
};

/// Overwrites or adds to (`sum`) tiles [tile0, tile1) of `dw_tiles`, nhwc_weight_floats(s); always adds to
/// the same channels of db (OC), which may be null. Images [image0, image1), at least one, of x (N,IH,IW,IC)
/// and dy (N,OH,OW,OC). Groups begin at image0: a batch cut at multiples of nhwc_group_images(s) has the bits
/// of the whole.
void nhwc_backward_weights(const Conv2dShape& s, int64_t image0, int64_t image1, int64_t tile0, int64_t tile1,
                           const float* x, const float* dy, NhwcSum sum, float* dw_tiles, float* db,
                           float* scratch);

/// Overwrites `to` (H,W,C) with one image `from` (C,H,W); `pixels` = H*W.
void nchw_to_nhwc(int64_t channels, int64_t pixels, const float* from, float* to);
/// Overwrites `to` (C,H,W) with one image `from` (H,W,C); `pixels` = H*W.
void nhwc_to_nchw(int64_t channels, int64_t pixels, const float* from, float* to);

/// Name of the SIMD target that the tiles of y and dx ("AVX2", ...) and of dw run on, told by the kernels.
const char* nhwc_target();
const char* nhwc_backward_weights_target();

}  // namespace unfold
