// Pixels put around an image.
#pragma once

#include <cstdint>

namespace unfold {

enum class PadMode : uint8_t {
  constant,  ///< one value
  reflect,   ///< the image mirrored at its outermost pixels, which are not repeated
  edge,      ///< the outermost pixels, repeated
};

/// Planes of h x w places, each of `run` elements side by side: (C, H, W) is `channels` planes with run 1,
/// (H, W, C) one plane with run C, (C, H, W, 16) has run 16.
struct PadShape {
  int64_t planes = 0, h = 0, w = 0, run = 1;
  int64_t top = 0, left = 0, bottom = 0, right = 0;
  PadMode mode = PadMode::constant;
  double value = 0;
};

namespace reference {

// x (planes, h, w, run), y with the pads around it. Reflecting takes pads smaller than the image.
// Instantiated for float and double.

/// Overwrites y.
template <class T>
void pad_forward(const PadShape& s, const T* x, T* y);

/// dx of a pixel is the sum of dy where it stands, in the order of y's rows. Overwrites dx.
template <class T>
void pad_backward(const PadShape& s, const T* dy, T* dx);

}  // namespace reference
}  // namespace unfold
