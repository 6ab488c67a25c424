// What the tests of the lane kernels share.
#pragma once

#include "unfold/random.h"
#include "unfold/shape.h"

namespace unfold::test {

inline Conv2dShape with_images(Conv2dShape s, int64_t n) {
  s.n = n;
  return s;
}

/// The block sizes that matter: one image, half a block, one more, a whole block, and others.
inline int64_t images_of(Random& random) {
  constexpr int64_t kSizes[] = {1, 3, 4, 7, 8, 9, 12, 15, 16, 16};
  return kSizes[random.below(10)];
}

}  // namespace unfold::test
