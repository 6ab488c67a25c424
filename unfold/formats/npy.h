// NumPy's .npy format: one array in one file.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "unfold/tensor.h"

namespace unfold {

/// Reads a whole .npy file (format versions 1 and 2) held in memory: little-endian float32, float64, float16,
/// int32, int64, uint8 or bool, rank 0 to 8. An array in Fortran order is transposed: the result is always
/// contiguous in C order and owns its elements. `where` names the source in messages. Throws data if anything
/// is wrong; the size the header claims is compared with the bytes there are before anything is allocated.
Tensor parse_npy(std::span<const std::byte> bytes, std::string_view where);

/// Reads a file from disk. Throws data if it cannot be read or parsed.
Tensor read_npy(const std::filesystem::path& path);

/// The bytes numpy.save writes for the same array (version 1, C order). Throws usage for bfloat16.
std::vector<std::byte> serialize_npy(const Tensor& tensor);

/// Replaces the file in one step (see write_file). Throws as serialize_npy and write_file do.
void write_npy(const std::filesystem::path& path, const Tensor& tensor);

}  // namespace unfold
