// Chance on its way into training: the same image looks a little different in every epoch.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "unfold/shape.h"

namespace unfold {

/// What is done to a network's input. What is drawn depends on (seed, epoch, sample) alone: not on threads,
/// batches or a resume.
struct Augmentation {
  bool flip =
      false;  ///< left and right exchanged, for every second image (torchvision's RandomHorizontalFlip)
  int64_t cutout =
      0;  ///< side of a square whose centre is drawn among all pixels, cut at the image's edge, which becomes
          ///< 0, the mean (DeVries and Taylor, "Improved regularization ... with cutout", 2017)
  bool operator==(const Augmentation&) const = default;
};

/// "flip,cutout:8", as --augment takes it; "none" is none. Throws usage for what it does not know.
Augmentation augmentation_from(std::string_view text);
std::string augmentation_text(const Augmentation& augmentation);

/// Changes x (C, H, W) in place.
void augment(const Augmentation& how, const Shape& chw, uint64_t seed, uint64_t epoch, uint64_t sample,
             float* x);

}  // namespace unfold
