// The images of a training set as one epoch shows them: drawn anew, and mixed.
#pragma once

#include "unfold/data/augment.h"
#include "unfold/data/augment_draws.h"
#include "unfold/data/dataset.h"
#include "unfold/data/preprocess.h"

namespace unfold {

/// Holds on to what it is made of. Any number of threads may ask.
struct EpochImages {
  const Augmentation& how;
  const Preprocessing& preprocessing;
  const Dataset& data;
  int64_t count;  ///< the first ones of the data: those that are trained on
  uint64_t seed = 0, epoch = 0;

  SampleKey key(int64_t image) const { return {seed, epoch, static_cast<uint64_t>(image)}; }
  /// What an image is mixed with: with itself, where there is no mixup.
  draw::Mix mix(int64_t image) const;
  /// Overwrites x with the network's input for an image: augmented_input, and the mixture of it with that of
  /// the other image. Memory is asked for by the first call of a thread alone.
  void input(int64_t image, float* x) const;
};

}  // namespace unfold
