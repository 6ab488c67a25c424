// What is made of labelled images that come without an order or without a part for the test.
#pragma once

#include "unfold/data/dataset.h"

namespace unfold {

/// Every so many images of a class one is kept for the test, where a data set has none of its own.
inline constexpr int64_t kTestEvery = 6;

/// Puts the images in an order that is drawn once and for all, so that the last of them are a fair sample.
/// Those for validation stay at the end, as they are.
void shuffle_images(Dataset& data);

/// Takes every sixth image of each class out of `data`, which keeps the others in their order, and returns
/// them. Throws data naming `data` if that leaves either empty.
Dataset take_test_images(Dataset& data);

/// "0", "1", ... for the labels up to the largest. Throws data naming `where` if there are no labels.
std::vector<std::string> numbered_classes(const Dataset& data, std::string_view where);

}  // namespace unfold
