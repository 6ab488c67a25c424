// Chance on its way into training: the same image looks a little different in every epoch.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "unfold/data/preprocess.h"
#include "unfold/shape.h"

namespace unfold {

namespace augmentation {

struct Range {
  double low = 1, high = 1;
  bool operator==(const Range&) const = default;
};
/// RandomResizedCrop: a part of the image, made as large as the image was.
struct ResizedCrop {
  Range scale{0.08, 1};           ///< of the image's area
  Range ratio{3.0 / 4, 4.0 / 3};  ///< width by height; its logarithm is uniform
  bool operator==(const ResizedCrop&) const = default;
};
/// RandomAffine, bilinear, 0 outside.
struct Affine {
  double degrees = 0;    ///< turned by up to this much, either way
  double translate = 0;  ///< moved by up to this part of each side, by whole pixels
  Range scale{1, 1};
  double shear = 0;  ///< along x, by up to this many degrees, either way
  bool operator==(const Affine&) const = default;
};
/// ElasticTransform (Simard, Steinkraus and Platt, "Best practices for convolutional neural networks
/// applied to visual document analysis", 2003), bilinear, 0 outside: each pixel's displacement is alpha / 2
/// pixels times uniform noise of -1 to 1 blurred by a Gaussian of deviation sigma.
struct Elastic {
  double alpha = 50, sigma = 5;
  bool operator==(const Elastic&) const = default;
};
/// ColorJitter: factors of 1 - b to 1 + b, none below 0, in an order that is drawn too; the hue turns by up
/// to `hue` of the circle.
struct Jitter {
  double brightness = 0, contrast = 0, saturation = 0, hue = 0;
  bool operator==(const Jitter&) const = default;
};
/// RandomErasing: a rectangle becomes 0, the mean.
struct Erase {
  double probability = 0.5;
  Range scale{0.02, 0.33};  ///< of the image's area
  Range ratio{0.3, 3.3};    ///< height by width; its logarithm is uniform
  bool operator==(const Erase&) const = default;
};

}  // namespace augmentation

/// What is done to an image, with torchvision's names, ranges and defaults. All ranges are drawn from
/// uniformly unless said otherwise. They come in this order: resized_crop, affine, elastic and jitter, on the
/// image's bytes, which are rounded once behind them; crop; then the preprocessing; flip, vflip, cutout and
/// erase, on the network's input, which mixup mixes with another one at last (data/epoch_images.h).
struct Augmentation {
  using Range = augmentation::Range;
  using ResizedCrop = augmentation::ResizedCrop;
  using Affine = augmentation::Affine;
  using Elastic = augmentation::Elastic;
  using Jitter = augmentation::Jitter;
  using Erase = augmentation::Erase;

  std::optional<ResizedCrop> resized_crop = {};
  std::optional<Affine> affine = {};
  std::optional<Elastic> elastic = {};
  std::optional<Jitter> jitter = {};
  int64_t crop =
      0;  ///< RandomCrop with this padding: moved by up to so many pixels each way, 0 (black) comes in
  bool flip = false;   ///< left and right exchanged, for every second image (RandomHorizontalFlip)
  bool vflip = false;  ///< above and below exchanged, for every second image (RandomVerticalFlip)
  int64_t cutout =
      0;  ///< side of a square whose centre is drawn among all pixels, cut at the image's edge, which
          ///< becomes 0, the mean (DeVries and Taylor, "Improved regularization ... with cutout", 2017)
  std::optional<Erase> erase = {};
  /// MixUp's alpha (Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", 2017):
  /// the network's input becomes a mixture with another image's, and its target that of their labels, by
  /// shares drawn from Beta(alpha, alpha); the image itself has the larger one. 0: none.
  double mixup = 0;
  bool operator==(const Augmentation&) const = default;
};

/// "flip,crop:4,affine:15": as --augment takes it; "none" is none. Throws usage for what it does not know,
/// with the nearest name, and for numbers out of range.
Augmentation augmentation_from(std::string_view text);
/// The shortest text that augmentation_from understands as the same.
std::string augmentation_text(const Augmentation& augmentation);

/// One line of help for each augmentation: how it is written, what it does.
struct AugmentationHelp {
  std::string syntax, purpose;
};
std::vector<AugmentationHelp> augmentation_help();

/// What numbers are drawn for: they depend on nothing else, not on threads, batches or a resume.
struct SampleKey {
  uint64_t seed = 0, epoch = 0, sample = 0;
};

/// Writes the network's input for one training image, as preprocess does, with the augmentations but mixup.
/// Overwrites out, preprocessing.output(channels) numbers. Memory is asked for by the first call of a thread
/// alone.
void augmented_input(const Augmentation& how, const Preprocessing& preprocessing,
                     std::span<const uint8_t> image, const SampleKey& key, float* out);

/// The two parts of it, for tests. The first overwrites `out` with the augmented bytes of an image (C, H, W);
/// the second changes a network's input x (C, H, W) in place.
void augment_bytes(const Augmentation& how, const Shape& chw, const SampleKey& key, const uint8_t* image,
                   uint8_t* out);
void augment_input(const Augmentation& how, const Shape& chw, const SampleKey& key, float* x);

}  // namespace unfold
