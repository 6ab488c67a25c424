#include "unfold/data/epoch_images.h"

#include <vector>

namespace unfold {

draw::Mix EpochImages::mix(int64_t image) const {
  return how.mixup > 0 ? draw::mixup(how.mixup, count, key(image)) : draw::Mix{image, 1};
}

void EpochImages::input(int64_t image, float* x) const {
  augmented_input(how, preprocessing, data.at(image), key(image), x);
  if (!(how.mixup > 0)) return;
  const auto [other, share] = mix(image);
  thread_local std::vector<float> mixed;
  mixed.resize(static_cast<size_t>(preprocessing.output(data.image[0]).elements()));
  augmented_input(how, preprocessing, data.at(other), key(other), mixed.data());
  for (size_t i = 0; i < mixed.size(); ++i) x[i] = share * x[i] + (1 - share) * mixed[i];
}

}  // namespace unfold
