#include "unfold/data/split.h"

#include <algorithm>

#include "unfold/error.h"
#include "unfold/random.h"

namespace unfold {

void shuffle_images(Dataset& data) {
  const int64_t bytes = data.image.elements();
  Random random(0, "image order");
  for (int64_t i = data.size() - data.validation - 1; i > 0; --i) {  // Fisher and Yates
    const int64_t other = random.below(i + 1);
    std::swap(data.labels[static_cast<size_t>(i)], data.labels[static_cast<size_t>(other)]);
    if (other == i) continue;
    uint8_t* const pixels = data.pixels.data();
    std::swap_ranges(pixels + i * bytes, pixels + (i + 1) * bytes, pixels + other * bytes);
  }
}

Dataset take_test_images(Dataset& data) {
  Dataset test{data.name, data.image, {}, {}, data.classes};
  const auto bytes = static_cast<size_t>(data.image.elements());
  std::vector<int64_t> seen(data.classes.size(), 0);
  size_t kept = 0;
  for (size_t i = 0; i < data.labels.size(); ++i) {
    const auto label = data.labels[i];
    const uint8_t* const image = data.pixels.data() + i * bytes;
    if (++seen[label] % kTestEvery == 0) {
      test.labels.push_back(label);
      test.pixels.insert(test.pixels.end(), image, image + bytes);
      continue;
    }
    if (kept < i) std::copy_n(image, bytes, data.pixels.data() + kept * bytes);
    data.labels[kept++] = label;
  }
  data.labels.resize(kept);
  data.pixels.resize(kept * bytes);
  if (test.labels.empty() || kept == 0) {
    throw Error(ErrorKind::data, "too few images to keep some for the test")
        .where(data.name)
        .wanted("at least " + std::to_string(kTestEvery) + " of a class")
        .hint("give a part for the test, too");
  }
  return test;
}

std::vector<std::string> numbered_classes(const Dataset& data, std::string_view where) {
  if (data.labels.empty()) throw Error(ErrorKind::data, "there are no images").where(where);
  const auto largest = *std::max_element(data.labels.begin(), data.labels.end());
  std::vector<std::string> names;
  for (int64_t i = 0; i <= largest; ++i) names.push_back(std::to_string(i));
  return names;
}

}  // namespace unfold
