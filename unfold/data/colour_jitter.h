// Brightness, contrast, saturation and hue of an image, changed by given factors, as torchvision's functional
// adjust_... do for floating-point tensors. Images are (channels, plane) of values 0 to 255, changed in
// place; the results are cut off at both ends.
#pragma once

#include <cstdint>

namespace unfold {

/// Blended with black: 0 is black, 1 the image, 2 twice as bright.
void adjust_brightness(double factor, int64_t channels, int64_t plane, float* x);

/// Blended with its mean grey (0.2989 R + 0.587 G + 0.114 B, or the only channel): 0 is that, 1 the image.
void adjust_contrast(double factor, int64_t channels, int64_t plane, float* x);

/// Blended with each pixel's grey: 0 is without colour, 1 the image. Other than three channels stay as they
/// are.
void adjust_saturation(double factor, int64_t channels, int64_t plane, float* x);

/// The hue turned by `factor` of the circle, -0.5 to 0.5. Other than three channels stay as they are.
void adjust_hue(double factor, int64_t channels, int64_t plane, float* x);

}  // namespace unfold
