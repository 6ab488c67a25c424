// Batch normalisation by its definition (Ioffe and Szegedy, "Batch normalization", 2015;
// torch.nn.BatchNorm2d).
#pragma once

#include <cstdint>

namespace unfold {

/// Where the channels of an image lie: one behind the other, each `pixels` long, or, channels last, side by
/// side in every pixel.
struct ChannelView {
  int64_t channels = 0, pixels = 0;
  bool last = false;
};

namespace reference {

// One image (C, H, W) in either order of its axes. Instantiated for float and double.

/// sum[c] = sum of a[c][p], product[c] = sum of a[c][p] * b[c][p] over the pixels p, each one chain in double
/// in the order of the pixels. Overwrites sum and product (C).
template <class T>
void channel_sums(const ChannelView& view, const T* a, const T* b, double* sum, double* product);

/// y[c][p] = (x[c][p] - center[c]) * scale[c] + shift[c]. Overwrites y; y may be x.
template <class T>
void channel_affine(const ChannelView& view, const T* x, const T* center, const T* scale, const T* shift,
                    T* y);

/// dx[c][p] = dy[c][p] * scale[c] + ((x[c][p] - center[c]) * slope[c] + shift[c]). Overwrites dx; dx may be
/// dy.
template <class T>
void channel_affine_backward(const ChannelView& view, const T* dy, const T* scale, const T* x,
                             const T* center, const T* slope, const T* shift, T* dx);

}  // namespace reference
}  // namespace unfold
