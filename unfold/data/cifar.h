// CIFAR-10 and CIFAR-100 in their binary versions (Krizhevsky, "Learning multiple layers of features from
// tiny images", 2009): a record is one label byte (CIFAR-100: coarse, then fine) and 3072 bytes, red, green
// and blue planes 32 x 32.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>

#include "unfold/data/dataset.h"

namespace unfold {

/// Whether the folder holds data_batch_1.bin (CIFAR-10) or train.bin and test.bin (CIFAR-100).
bool is_cifar(const std::filesystem::path& directory);

/// Reads data_batch_1.bin ... data_batch_5.bin and test_batch.bin, or train.bin and
/// test.bin with their fine labels; class names from batches.meta.txt or fine_label_names.txt, where these
/// lie beside them. Throws data naming the file for one that is missing, is no whole number of records, or
/// holds a label that is none.
DatasetPair load_cifar(const std::filesystem::path& directory);

/// Appends the records in the bytes of one file. `label_bytes` is 1 or 2; the last of them counts. Throws
/// data naming `where`.
void parse_cifar(std::span<const std::byte> bytes, int label_bytes, std::string_view where, Dataset& to);

}  // namespace unfold
