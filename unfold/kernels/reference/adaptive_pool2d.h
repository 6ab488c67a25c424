// Adaptive average pooling by its definition (torch.nn.AdaptiveAvgPool2d).
#pragma once

#include <cstdint>

namespace unfold::reference {

/// Output (i, j) is the mean of rows floor(i*IH/OH) .. ceil((i+1)*IH/OH)-1 and columns alike: bins that cover
/// the image and may overlap. An image lies as (outer, IH, IW, run): (C, H, W, 1), with the channels last (1,
/// H, W, C), with 16 images in the lanes (C, H, W, 16).
struct AdaptivePool {
  int64_t outer = 1, ih = 1, iw = 1, oh = 1, ow = 1, run = 1;
};

// Instantiated for float and double. Each sum is one chain over the bin's pixels, row by row.

/// Overwrites y (outer, OH, OW, run).
template <class T>
void adaptive_avg_pool2d_forward(const AdaptivePool& s, const T* x, T* y);

/// dx of a pixel is the sum over the bins it lies in of dy divided by the bin's pixels. Overwrites dx.
template <class T>
void adaptive_avg_pool2d_backward(const AdaptivePool& s, const T* dy, T* dx);

}  // namespace unfold::reference
