// Convolution of wide layers with Winograd's F(4x4, 3x3) and F(4x4, 5x5): kernels of 3 x 3 or 5 x 5, stride
// 1, no dilation, no groups, channels innermost as in nhwc.h. A tile of 4 x 4 outputs takes 36 products a
// pair of channels in place of 144 (5 x 5: 64 in place of 400): tiles of 6 x 6 input pixels (8 x 8) and the
// kernels are read as polynomials in two variables and evaluated at 6 x 6 points (8 x 8), each point is one
// product of matrices (tiles x IC) * (IC x OC), and the products' values are turned back. (S. Winograd,
// Arithmetic Complexity of Computations, 1980; A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural
// Networks, 2016; the matrices are those of Toom and Cook.)
//
// Points 0, +-5/8, +-3/2, infinity for 3 x 3: the error is less than half of that of 0, +-1, +-2, infinity.
// For 5 x 5 0, +-1/2, +-1, +-2, infinity, the best of all triples of small fractions. Relative L2 errors
// against double, worst of the tests: 3 x 3, y and dx 2.1e-6 (typically 0.5e-6 to 1.2e-6), dw 1.1e-6;
// 5 x 5, y 5.1e-6 (typically 1.5e-6 to 3e-6), dx 6.7e-6, dw 2.9e-6; db 1e-6. That is several
// times a direct sum's, and the order of the sums is another: for training with `--numerics fast`.
//
// Order of the sums, the same for every vector width, range and batch, and on every processor with fused
// multiply-adds: y and dx sum each point over the channels of their source in rising order in one chain. dw
// sums each point over a group of tiles in one chain; a group is fixed by the geometry without N, at most
// kNhwcWinogradGroup3x3 or 5x5 tiles: whole tile rows of an image (as few groups as hold them, all but the
// last of the same height), a part of a very long tile row, or several whole images (then a power of two of
// them, at most 16, counted from the call's first image). Groups are added in order, and their sum is turned
// back and added to dw at the end of the call. db sums tiles, then groups.
//
// Below Conv2dShape has all sizes; s.n counts only as the number of images that a range may reach. Packed
// weights and scratch are 64-byte aligned; scratch is overwritten. Whatever suits nhwc_winograd_suits or has
// a kernel of 3 x 3 or 5 x 5 with stride, dilation and groups 1 is computed rightly: any sizes, channels and
// padding.
#pragma once

#include "unfold/kernels/nhwc.h"
#include "unfold/shape.h"

namespace unfold {

/// Most tiles of one chain of dw; a group's values at the points are to stay in a near cache.
inline constexpr int64_t kNhwcWinogradGroup3x3 = 208, kNhwcWinogradGroup5x5 = 52;

/// Whether the three passes are computed, and sooner than by the direct kernels (by the geometry without N,
/// for batches of some images): 16 channels and more, tiles of pixels and channels that are not mostly empty.
bool nhwc_winograd_suits(const Conv2dShape& s);

int64_t nhwc_winograd_output_rows(const Conv2dShape& s);    ///< tile rows of an image of y: OH/4, rounded up
int64_t nhwc_winograd_input_rows(const Conv2dShape& s);     ///< tile rows of an image of dx, likewise
int64_t nhwc_winograd_weight_floats(const Conv2dShape& s);  ///< packed w
int64_t nhwc_winograd_turned_weight_floats(const Conv2dShape& s);  ///< packed for backward data

/// Overwrites channel tiles [tile0, tile1) of nhwc_output_tiles(s) in `packed`,
/// nhwc_winograd_weight_floats(s), from w (OC,IC,KH,KW): the kernels' values at the points.
void nhwc_winograd_pack_weights(const Conv2dShape& s, int64_t tile0, int64_t tile1, const float* w,
                                float* packed);

/// Overwrites channel tiles [tile0, tile1) of nhwc_input_tiles(s) in `packed`,
/// nhwc_winograd_turned_weight_floats(s), from w (OC,IC,KH,KW) turned by 180 degrees.
void nhwc_winograd_pack_weights_turned(const Conv2dShape& s, int64_t tile0, int64_t tile1, const float* w,
                                       float* packed);

/// Floats of scratch for nhwc_winograd_forward, any range.
int64_t nhwc_winograd_forward_scratch(const Conv2dShape& s);
/// Floats of scratch for nhwc_winograd_backward_data, any range.
int64_t nhwc_winograd_backward_data_scratch(const Conv2dShape& s);
/// Floats of scratch for nhwc_winograd_backward_weights, any range.
int64_t nhwc_winograd_backward_weights_scratch(const Conv2dShape& s);

/// Overwrites the range of y (N,OH,OW,OC) as nhwc_forward does, and touches nothing else of it. Rows of the
/// range are tile rows of all images together: row r is rows 4 * (r % R) up to 4 further of image r / R,
/// R = nhwc_winograd_output_rows(s). x (N,IH,IW,IC), `packed` from
/// nhwc_winograd_pack_weights, b (OC) or null. Every call walks the weights of its channel tiles: where these
/// are larger than y, cut the work by channels rather than by rows.
void nhwc_winograd_forward(const Conv2dShape& s, const NhwcRange& range, const float* x, const float* packed,
                           const float* b, NhwcEpilogue epilogue, float* y, float* scratch);

/// Overwrites the range of dx (N,IH,IW,IC) as nhwc_backward_data does, channel tiles of IC; tile rows as
/// above with R = nhwc_winograd_input_rows(s). dy (N,OH,OW,OC), `turned` from
/// nhwc_winograd_pack_weights_turned.
void nhwc_winograd_backward_data(const Conv2dShape& s, const NhwcRange& range, const float* turned,
                                 const float* dy, float* dx, float* scratch);

/// Adds to output channel tiles [tile0, tile1) of dw (OC,IC,KH,KW), and to the same channels of db (OC),
/// which may be null: the sum over images [image0, image1), at least one, of x (N,IH,IW,IC) and dy
/// (N,OH,OW,OC). Cut by channel tiles as you like; another cut of the images gives other roundings. Every
/// call transforms x anew, so give it many tiles.
void nhwc_winograd_backward_weights(const Conv2dShape& s, int64_t image0, int64_t image1, int64_t tile0,
                                    int64_t tile1, const float* x, const float* dy, float* dw, float* db,
                                    float* scratch);

/// Name of the SIMD target that y, dx and packing ("AVX2", ...) and dw run on, told by the kernels.
const char* nhwc_winograd_target();
const char* nhwc_winograd_backward_weights_target();

}  // namespace unfold
