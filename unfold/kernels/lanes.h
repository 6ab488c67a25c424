// Kernels of the fast engine for small networks: 16 images side by side in the lanes of vectors.
//
// The lane layout (C, H, W, 16) holds a block of n <= 16 images: element e of image i lies at [e*16 + i]. One
// load then brings the same pixel of all images, one weight is broadcast to them, and a convolution reads its
// patches straight from the image: no column matrix, no packing of patches, no shuffle. Every image has lanes
// of its own, so its result does not depend on its neighbours, and each sum is one chain whatever the
// vector's width.
//
// Lanes n .. 15 are padding: from_rows() writes zeros there; a kernel writes whole vectors, so what it leaves
// in the padding is finite or untouched. A gradient's padding is zero, so that sums over lanes may run over
// all of them.
#pragma once

#include <cstdint>

#include "unfold/shape.h"

namespace unfold::lanes {

inline constexpr int64_t kLanes = 16;

/// lanes[e*16 + i] <- rows[i*elements + e] for i < n, 0 for the others. Overwrites `lanes` (elements, 16).
void from_rows(int64_t n, int64_t elements, const float* rows, float* lanes);
/// rows[i*elements + e] <- lanes[e*16 + i] for i < n. Overwrites `rows` (n, elements).
void to_rows(int64_t n, int64_t elements, const float* lanes, float* rows);

// Convolution of one block; shape.n images, 1 to 16. x (IC,IH,IW,16), w (OC,IC/G,KH,KW), b (OC) or null,
// y (OC,OH,OW,16). `scratch` has conv2d_scratch() floats, 64-byte aligned, and is overwritten.

/// y[oc] = b[oc] + sum over (ic, kh, kw) in rising order of w * x, one chain. Overwrites y.
void conv2d_forward(const Conv2dShape& shape, const float* x, const float* w, const float* b, float* y,
                    float* scratch);
/// Rows oh0 .. oh1-1 of it, into y (OC, oh1-oh0, OW, 16). Called from row 0 to the last with the same
/// scratch: the first call leaves packed weights and tables there.
void conv2d_forward_rows(const Conv2dShape& shape, int64_t oh0, int64_t oh1, const float* x, const float* w,
                         const float* b, float* y, float* scratch);
/// dx[ic] = sum over (oc, kh, kw) in rising order of w * dy, one chain, over the taps that reach the pixel.
/// Overwrites dx.
void conv2d_backward_data(const Conv2dShape& shape, const float* w, const float* dy, float* dx,
                          float* scratch);
/// dw += dy * columns^T and db += sums of dy, both accumulated. In each lane one chain over the pixels of a
/// group of rows (at most 1024 pixels), the lanes added by the tree of sum(), the groups one after the other.
void conv2d_backward_weights(const Conv2dShape& shape, const float* x, const float* dy, float* dw, float* db,
                             float* scratch);
/// Floats of scratch for any of the three.
int64_t conv2d_scratch(const Conv2dShape& shape);

// The same three passes by Winograd's short convolutions along x: up to 2.8 times fewer multiplications, sums
// in another order. Relative L2 error against double about 1e-6 (tests/kernels/lanes_test.cpp). For kernels
// that suit: 3 or 5 wide, stride and dilation 1 along x, one group, at most 1024 output pixels, enough
// channels.
bool winograd_suits(const Conv2dShape& shape);
/// packed <- the kernels as the passes want them; winograd_packed() floats, overwritten. Once a step, for all
/// blocks.
void winograd_pack(const Conv2dShape& shape, const float* w, float* packed);
int64_t winograd_packed(const Conv2dShape& shape);
/// values <- x at the points, which forward and backward-weights read; winograd_values() floats, overwritten.
void winograd_to_points(const Conv2dShape& shape, const float* x, float* values);
int64_t winograd_values(const Conv2dShape& shape);
void winograd_forward(const Conv2dShape& shape, const float* values, const float* packed, const float* b,
                      float* y, float* scratch);
void winograd_backward_data(const Conv2dShape& shape, const float* packed, const float* dy, float* dx,
                            float* scratch);
void winograd_backward_weights(const Conv2dShape& shape, const float* values, const float* dy, float* dw,
                               float* db, float* scratch);
/// Floats of scratch for any of the three.
int64_t winograd_scratch(const Conv2dShape& shape);
/// Floats of scratch for backward-weights alone.
int64_t winograd_weights_scratch(const Conv2dShape& shape);

// The same for layers of few channels with kernels 5 wide, whose dx nobody wants or which comes from
// conv2d_backward_data(): forward and backward-weights, each some rows at a time. Values and packed weights
// lie in orders of their own.
bool winograd_few_suits(const Conv2dShape& shape);
void winograd_few_pack(const Conv2dShape& shape, const float* w, float* packed);
int64_t winograd_few_packed(const Conv2dShape& shape);
void winograd_few_to_points(const Conv2dShape& shape, const float* x, float* values);
int64_t winograd_few_values(const Conv2dShape& shape);
/// Rows oh0 .. oh1-1 of y, into y (OC, oh1-oh0, OW, 16). Overwrites y.
void winograd_few_forward_rows(const Conv2dShape& shape, int64_t oh0, int64_t oh1, const float* values,
                               const float* packed, const float* b, float* y);
/// Channels oc0 .. oc1-1 of dw += and db +=, from rows oh0 .. oh1-1 of these channels of dy, (oc1-oc0,
/// oh1-oh0, OW, 16). Called from row 0 to the last with the same scratch, whose contents it keeps between;
/// the last call adds to dw and db. The same bits for any cut.
void winograd_few_backward_weights_part(const Conv2dShape& shape, int64_t oc0, int64_t oc1, int64_t oh0,
                                        int64_t oh1, const float* values, const float* dy, float* dw,
                                        float* db, float* scratch);
/// Floats of scratch for so many channels at a time.
int64_t winograd_few_scratch(const Conv2dShape& shape, int64_t channels);

// Linear layer of one block: x (IN,16), w (OUT,IN), b (OUT) or null, y (OUT,16). `scratch`: linear_scratch()
// floats.

/// y[o] = b[o] + sum over i in rising order of w[o][i] * x[i], one chain. Overwrites y.
void linear_forward(int64_t n, int64_t in, int64_t out, const float* x, const float* w, const float* b,
                    float* y, float* scratch);
/// dx[i] = sum over o in rising order of w[o][i] * dy[o], one chain. Overwrites dx.
void linear_backward_data(int64_t n, int64_t in, int64_t out, const float* w, const float* dy, float* dx,
                          float* scratch);
/// Rows o0 .. o1-1 and columns i0 .. i1-1 of dw (OUT, IN), from n images in blocks that lie `block` floats
/// apart: sums over images in order of dy[o][n] * x[i][n], a chain for each 128 of them, added one after the
/// other. Rows o0 .. o1-1 of db, which may be null: a chain over the blocks in each lane, added by the tree
/// of sum(). Overwrites them or, where asked to, adds to what is there; any cut into rows and columns gives
/// the same bits.
void linear_backward_weights(int64_t n, int64_t block, int64_t in, int64_t o0, int64_t o1, int64_t i0,
                             int64_t i1, const float* x, const float* dy, bool add, float* dw, float* db,
                             float* scratch);
int64_t linear_scratch(int64_t in, int64_t out);

// Pooling of one block, as the reference kernels.
void avg_pool2d_forward(const Conv2dShape& shape, const float* x, float* y, bool count_include_pad);
void avg_pool2d_backward(const Conv2dShape& shape, const float* dy, float* dx, bool count_include_pad);
/// argmax (C,OH,OW,16): ih*IW + iw of the largest pixel, -1 where the window lies in the padding. Overwrites
/// both.
void max_pool2d_forward(const Conv2dShape& shape, const float* x, float* y, int32_t* argmax);
void max_pool2d_backward(const Conv2dShape& shape, const float* dy, const int32_t* argmax, float* dx);

// An activation and the pooling behind it in one pass, for windows that tile the image (kernel = stride,
// nothing left over): the same bits as one after the other. Rows oh0 .. oh1-1 of the output: the pooling's
// input x and its gradient dx hold the pixels of these alone, (C, (oh1-oh0)*KH, IW, 16), all others are
// whole.
bool tiles(const Conv2dShape& shape);
/// y = average of a, a = scale * tanh(x); a (C,IH,IW,16) is kept for backward, or null. Overwrites both.
void tanh_avg_pool2d_forward(const Conv2dShape& shape, int64_t oh0, int64_t oh1, const float* x, float scale,
                             float* y, float* a);
void tanh_avg_pool2d_backward(const Conv2dShape& shape, int64_t oh0, int64_t oh1, const float* a,
                              const float* dy, float scale, float* dx);
/// y = max(0, the largest x), which is the largest max(0, x); argmax as above, or null. Overwrites both.
void relu_max_pool2d_forward(const Conv2dShape& shape, int64_t oh0, int64_t oh1, const float* x, float* y,
                             int32_t* argmax);
void relu_max_pool2d_backward(const Conv2dShape& shape, int64_t oh0, int64_t oh1, const float* y,
                              const float* dy, const int32_t* argmax, float* dx);

// Elementwise over the vectors that hold n images; y may be x, dx may be dy. Same bits as
// kernels/activation.h.
void tanh_forward(int64_t n, int64_t elements, const float* x, float scale, float* y);
void tanh_backward(int64_t n, int64_t elements, const float* y, const float* dy, float scale, float* dx);
void relu_forward(int64_t n, int64_t elements, const float* x, float* y);
void relu_backward(int64_t n, int64_t elements, const float* y, const float* dy, float* dx);

/// Name of the SIMD target these kernels run on.
const char* target();

}  // namespace unfold::lanes
