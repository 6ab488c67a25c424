// Single images: convolution and linear layers with the output channels in the lanes, and pooling, on images
// as they lie, (C,H,W). For inference on a few images, where no other image can fill the lanes. Weights are
// packed once. The naive twins are in kernels/reference/.
//
// Every output is one chain of fused multiply-adds from the bias over (ic,kh,kw), or over the inputs, in
// rising order: the bits of the kernels over many images.
#pragma once

#include "unfold/shape.h"

namespace unfold::rows {

inline constexpr int64_t kPanel = 8;  ///< output channels whose weights lie side by side: one vector of AVX2

/// The lanes of the pair of panels, one vector of AVX-512, that begins at channel `first` of `oc`: the last
/// may be one panel.
inline int64_t pair_lanes(int64_t oc, int64_t first) {
  return oc - first > kPanel ? 2 * kPanel : kPanel;
}

// One image a call; shape.n is not looked at. packed and scratch are 64-byte aligned; scratch is overwritten.

int64_t conv2d_packed(const Conv2dShape& s);  ///< floats of packed weights
/// Overwrites packed from w (OC,IC/G,KH,KW).
void conv2d_pack(const Conv2dShape& s, const float* w, float* packed);
int64_t conv2d_scratch(const Conv2dShape& s);
/// Overwrites y (OC,OH,OW) with the convolution of x (IC,IH,IW); b (OC) or null.
void conv2d_forward(const Conv2dShape& s, const float* x, const float* packed, const float* b, float* y,
                    float* scratch);

// The same by Winograd's short convolutions along x, for shapes that lanes::winograd_suits(): the bits of
// lanes::winograd_forward(), relative L2 error about 1e-6.

int64_t winograd_packed(const Conv2dShape& s);  ///< floats of packed weights
/// Overwrites packed from w (OC,IC,KH,KW).
void winograd_pack(const Conv2dShape& s, const float* w, float* packed);
int64_t winograd_scratch(const Conv2dShape& s);
/// Overwrites y (OC,OH,OW) with the convolution of x (IC,IH,IW); b (OC) or null.
void winograd_forward(const Conv2dShape& s, const float* x, const float* packed, const float* b, float* y,
                      float* scratch);

int64_t linear_packed(int64_t in, int64_t out);
/// Overwrites packed from w (OUT,IN).
void linear_pack(int64_t in, int64_t out, const float* w, float* packed);
/// Overwrites y (OUT) with w * x + b; x (IN), b (OUT) or null.
void linear_forward(int64_t in, int64_t out, const float* x, const float* packed, const float* b, float* y);

/// Overwrites y (C,OH,OW), taps added in the order (kh,kw). Only without padding.
void avg_pool2d_forward(const Conv2dShape& s, const float* x, float* y);

}  // namespace unfold::rows
