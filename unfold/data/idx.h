// IDX, the format of MNIST: a magic number, the sizes (big-endian), then the bytes. Raw or gzip, told apart
// by content. Every claim of a header is checked against the bytes that are there before memory is spent on
// it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "unfold/data/dataset.h"

namespace unfold {

/// The content of an images file (magic 0x00000803).
struct IdxImages {
  int64_t count = 0, rows = 0, columns = 0;
  std::vector<uint8_t> pixels;  ///< (count, rows, columns)
};

/// Reads images from the bytes of a raw or gzip IDX file; `where` names them in errors. Throws a data error
/// for a wrong magic number, no images, sizes that cannot be, missing or surplus bytes, damaged gzip data.
IdxImages parse_idx_images(std::span<const std::byte> bytes, std::string_view where);

/// Reads labels (magic 0x00000801) likewise; their range is checked by load_idx.
std::vector<int32_t> parse_idx_labels(std::span<const std::byte> bytes, std::string_view where);

/// Loads one part of a data set from an images and a labels file. Throws a data error, naming the file, for
/// all that the parsers refuse, for unequal counts and for a label that is not below classes.size().
Dataset load_idx(const std::filesystem::path& images, const std::filesystem::path& labels,
                 std::string_view name, std::vector<std::string> classes);

/// The bytes of a raw images file / labels file that hold this data set. Throws usage if its images do not
/// have exactly one channel, its arrays do not fit its shape, or a label is above 255.
std::vector<std::byte> idx_images_bytes(const Dataset& data);
std::vector<std::byte> idx_labels_bytes(const Dataset& data);

/// Writes both files, raw; each replaces what was there in one step (see write_file).
void write_idx(const Dataset& data, const std::filesystem::path& images, const std::filesystem::path& labels);

}  // namespace unfold
