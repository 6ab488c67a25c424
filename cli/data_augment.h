// What augmentations do, for people: how they are written, what they look like, how long they take.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "unfold/data/augment.h"
#include "unfold/data/dataset.h"
#include "unfold/threads.h"

namespace unfold::cli {

/// The list of augmentations for the end of a --help; `option` takes them.
std::string augmentation_list(const std::string& option);

/// Writes a PNG file with some training images, a row each: as it is, then as the first epochs see it. The
/// mean and the deviation are those of all training images.
void write_augmented(const Dataset& data, const Augmentation& how, ThreadPool& pool,
                     const std::filesystem::path& path);

/// Images a second that all threads of the pool augment, tried for about half a second.
double augmented_per_second(const Dataset& data, const Augmentation& how, ThreadPool& pool);

}  // namespace unfold::cli
