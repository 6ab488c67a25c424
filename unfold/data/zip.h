// Reading ZIP archives held in memory, as numpy.savez writes them: stored or deflated files, no encryption,
// below 4 GiB. What the archive claims is checked against its bytes before memory is spent on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace unfold {

bool is_zip(std::span<const std::byte> bytes);

/// One file of an archive.
struct ZipEntry {
  std::string name;
  std::span<const std::byte> packed;  ///< of the archive's bytes
  bool deflated = false;              ///< else `packed` is the file
  uint64_t size = 0;                  ///< unpacked
  uint32_t crc = 0;                   ///< CRC-32 of the file
};

/// The files in the order of the archive's directory. Throws data naming `where` for what is no such archive:
/// its directory does not fit its bytes, two files have one name, a file lies outside, claims more than
/// deflate can make, is encrypted or packed in another way.
std::vector<ZipEntry> zip_entries(std::span<const std::byte> bytes, std::string_view where);

/// The file's bytes: those of the archive, or, if it was packed, those put into `room`. Throws data naming
/// `where` for damaged data, another size or checksum than the archive claims.
std::span<const std::byte> unzip(const ZipEntry& entry, std::vector<std::byte>& room, std::string_view where);

}  // namespace unfold
