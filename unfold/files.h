// Whole files in and out. Every file this library writes goes through write_file: a reader sees the old
// content or the new one, never a part.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "unfold/error.h"

namespace unfold {

/// The bytes of a file. Throws `kind` (with the path, and what the system said) if it cannot be opened or
/// read, is no regular file, or is larger than `limit` bytes (said before anything is allocated).
std::vector<std::byte> read_file(const std::filesystem::path& path, ErrorKind kind,
                                 uint64_t limit = uint64_t{1} << 40);

/// Replaces the file in one step: writes "PATH.tmp-PID", syncs it, renames it over PATH, syncs the directory.
/// On failure the temporary file is removed, the old file is intact (but for a failing sync of the directory,
/// which the hint tells apart) and a runtime error names path and reason. A temporary file that a killed
/// process left behind is removed by the next write of the same PATH. A symbolic link stays one: its target
/// is replaced. What exists and is no regular file (a folder, /dev/null) is refused.
void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_file(const std::filesystem::path& path, std::string_view text);

/// Adds `text` to the end of the file, made if missing, in one write: a reader sees all of it or nothing, and
/// what was there is not touched. Not synced. Throws runtime, naming path and reason.
void append_file(const std::filesystem::path& path, std::string_view text);

/// Throws runtime unless files can be created in `directory` (created with its parents if missing).
void require_writable(const std::filesystem::path& directory);

/// CRC-32 (zlib's polynomial) of the bytes, continuing from `crc`.
uint32_t crc32_of(std::span<const std::byte> bytes, uint32_t crc = 0);

}  // namespace unfold
