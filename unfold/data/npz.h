// Images and labels in a NumPy archive, as Keras' mnist.npz and MedMNIST's files.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

#include "unfold/data/dataset.h"

namespace unfold {

/// Reads a data set from the bytes of an .npz file. It holds
///   x_train, y_train, and x_test, y_test; or
///   train_images, train_labels, and test_images, test_labels; val_images, val_labels too
///   (Dataset::validation); or x, y or images, labels, or data, labels: every sixth image of a class is then
///   kept for the test, as where there are training images only.
/// Images are (N, H, W), (N, H, W, C), (N, C, H, W) with C of 1 or 3, or (N, P) with P a square number:
/// bytes, whole numbers 0 to 255, truth values, or floating-point numbers 0 to 1. Labels are whole numbers 0
/// to 255, (N) or (N, 1). The training images' order is drawn once and for all. Throws data naming `where`
/// and the array.
DatasetPair parse_npz(std::span<const std::byte> bytes, std::string_view where);

/// The same for a file; the data set is called by its name.
DatasetPair load_npz(const std::filesystem::path& path);

}  // namespace unfold
