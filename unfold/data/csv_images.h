// Images as lines of numbers, separated by commas: a label and all pixels, as Kaggle's MNIST.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

#include "unfold/data/dataset.h"

namespace unfold {

/// Whether this is a .csv file, or a folder with one file whose name ends in train.csv.
bool is_csv(const std::filesystem::path& path);

/// Reads a .csv file, of which every sixth image of a class is kept for the test; or of a folder the file
/// ...train.csv and, for the test, ...test.csv. The training images' order is drawn once and for all. Throws
/// data naming file, line and column.
DatasetPair load_csv(const std::filesystem::path& path);

/// Appends the images in the text of a file. A line is an image of one channel with as many rows as columns:
/// its label, a whole number 0 to 255, and its pixels, row by row, whole numbers 0 to 255 (0 = black). The
/// label is first, or stands where the line of headings has "label". Sets `to.image`, which must be the same
/// if it was set. Throws data naming `where` for anything else.
void parse_csv(std::span<const std::byte> bytes, std::string_view where, Dataset& to);

}  // namespace unfold
