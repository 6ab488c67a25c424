// What chance decides for one image: numbers that depend on the seed, the epoch and the image alone. As
// torchvision's get_params, with other random numbers.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "unfold/data/augment.h"

namespace unfold::draw {

/// A rectangle of an image.
struct Part {
  int64_t top = 0, left = 0, h = 0, w = 0;
};
/// RandomResizedCrop: ten tries, then the largest part in the middle whose ratio is in range.
Part resized_crop(const Augmentation::ResizedCrop& how, int64_t h, int64_t w, const SampleKey& key);
/// RandomErasing: ten tries, then nothing; nothing, too, where chance leaves the image alone.
Part erase(const Augmentation::Erase& how, int64_t h, int64_t w, const SampleKey& key);
/// A square around any pixel, as far as it lies in the image.
Part cutout(int64_t side, int64_t h, int64_t w, const SampleKey& key);

/// Pixels down and to the right, each -padding to padding.
struct Move {
  int64_t dy = 0, dx = 0;
};
Move crop(int64_t padding, const SampleKey& key);

struct Affine {
  double degrees = 0, dy = 0, dx = 0, scale = 1, shear = 0;
};
Affine affine(const Augmentation::Affine& how, int64_t h, int64_t w, const SampleKey& key);

/// Factors, and the order they are applied in: 0 brightness, 1 contrast, 2 saturation, 3 hue.
struct Jitter {
  std::array<int, 4> order{};
  std::array<double, 4> factors{};
};
Jitter jitter(const Augmentation::Jitter& how, const SampleKey& key);

/// Overwrites `noise` with uniform numbers of -1 to 1.
void elastic(const SampleKey& key, std::span<float> noise);

/// Another image, or by chance the same, of so many; and what the first one keeps: 1/2 to 1.
struct Mix {
  int64_t other = 0;
  float share = 1;
};
Mix mixup(double alpha, int64_t images, const SampleKey& key);

bool flip(const SampleKey& key);
bool vflip(const SampleKey& key);

}  // namespace unfold::draw
