// The safetensors format: named tensors behind a JSON header, read with every claim checked, written the same
// byte for byte each time. docs/formats.md has the grammar.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "unfold/tensor.h"

namespace unfold {

/// The content of one file. Names are unique; the strings are UTF-8.
struct SafetensorsFile {
  std::map<std::string, std::string> metadata;
  std::vector<std::pair<std::string, Tensor>> tensors;  ///< in the order of their bytes in the file

  /// The tensor of that name, or nullptr.
  const Tensor* find(std::string_view name) const;
  /// Of all tensors together.
  int64_t elements() const;
};

/// Reads a whole file held in memory; the tensors own copies of their elements. `where` names the source in
/// messages. Throws model unless the header is at most 100 MB and valid JSON without duplicate keys, every
/// dtype is one of Dtype, every rank at most 8, and the tensors fill the data section without gap or overlap.
/// Claims are checked before anything of the claimed size is allocated.
SafetensorsFile parse_safetensors(std::span<const std::byte> bytes, std::string_view where);

/// Reads a file from disk. Throws model if it cannot be read or parsed.
SafetensorsFile read_safetensors(const std::filesystem::path& path);

/// The bytes of a file: tensors in the given order (a strided one is written contiguously), keys sorted, the
/// data section aligned to 8 bytes. They depend on the content alone. Throws usage on duplicate or reserved
/// names, on text that is not UTF-8, and on a header over 100 MB.
std::vector<std::byte> serialize_safetensors(const SafetensorsFile& file);

/// Replaces the file in one step (see write_file). Throws as serialize_safetensors and write_file do.
void write_safetensors(const std::filesystem::path& path, const SafetensorsFile& file);

/// Metadata key of the checksum: "crc32:" and eight lower-case hexadecimal digits.
inline constexpr std::string_view kChecksumKey = "unfold.checksum";

/// Puts the checksum over all other metadata, and the names, dtypes, shapes and elements of all tensors in
/// their order, into the metadata. Do it last: any later change breaks the seal.
void seal(SafetensorsFile& file);

/// What check_seal found: a checksum that matches, or none (a file of another program).
enum class Seal { good, absent };

/// Throws model if the content does not match its checksum, or if the checksum of a file of ours is gone (it
/// has other "unfold." keys, or a checksum under a damaged key).
Seal check_seal(const SafetensorsFile& file, std::string_view where);

}  // namespace unfold
