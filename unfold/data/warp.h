// Moving the pixels of an image: what affine maps, displacement fields and crops make of it, given what was
// drawn. Definitions as in torchvision 0.29 for tensors; a pixel's centre lies at whole coordinates.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace unfold {

/// Where an output pixel (y, x) comes from: column m[0] x + m[1] y + m[2], row m[3] x + m[4] y + m[5].
using AffineMap = std::array<double, 6>;

/// The map of torchvision's affine about the middle of an image h x w: turned by `degrees` (clockwise, as y
/// points down), sheared along x by `shear` degrees, scaled, then moved down by dy and to the right by dx
/// pixels.
AffineMap affine_map(int64_t h, int64_t w, double degrees, double dy, double dx, double scale, double shear);

/// Overwrites `to` with `from`, both (channels, h, w), seen through the map: bilinear, 0 outside, as
/// grid_sample(mode="bilinear", padding_mode="zeros", align_corners=False).
void warp(const AffineMap& map, int64_t channels, int64_t h, int64_t w, const float* from, float* to);

/// The same for a displacement of each pixel: output pixel (y, x) comes from (y + dy[y, x], x + dx[y, x]).
void warp(const float* dy, const float* dx, int64_t channels, int64_t h, int64_t w, const float* from,
          float* to);

/// A field (h, w) blurred in place by a Gaussian of deviation `sigma` > 0, cut off at 4 sigma, mirrored at
/// the edges without repeating them, as torchvision's gaussian_blur of kernel size 2 int(4 sigma + 0.5) + 1.
/// `scratch` holds gaussian_blur_scratch numbers.
void gaussian_blur(double sigma, int64_t h, int64_t w, float* field, std::span<float> scratch);
int64_t gaussian_blur_scratch(double sigma, int64_t h, int64_t w);

/// Overwrites `to` (channels, h, w) with a part of `from` (channels, h, w), part_h x part_w pixels from row
/// `top` and column `left`, resized bilinearly without looking beyond the part, as
/// resized_crop(..., interpolation=BILINEAR) does, which never makes a part smaller here.
void resize_part(int64_t channels, int64_t h, int64_t w, int64_t top, int64_t left, int64_t part_h,
                 int64_t part_w, const float* from, float* to);

}  // namespace unfold
