#include "unfold/data/zip.h"

#include <zlib.h>

#include <algorithm>
#include <memory>

#include "unfold/data/gzip.h"
#include "unfold/error.h"
#include "unfold/files.h"

namespace unfold {
namespace {

using Bytes = std::span<const std::byte>;

// APPNOTE.TXT 4.3: signatures, and the sizes of the parts before names.
constexpr uint32_t kLocal = 0x04034b50, kDirectory = 0x02014b50, kEnd = 0x06054b50;
constexpr size_t kLocalSize = 30, kDirectorySize = 46, kEndSize = 22, kMaxComment = 65535;
constexpr uint64_t kMaxFile = uint64_t{1} << 32;
constexpr std::string_view kHint = "write it again with numpy.savez or numpy.savez_compressed";

[[noreturn]] void fail(std::string_view what, std::string_view where) {
  throw Error(ErrorKind::data, "damaged zip archive: " + std::string(what)).where(where).hint(kHint);
}

uint32_t number(Bytes bytes, size_t at, size_t size) {
  uint32_t value = 0;
  for (size_t i = size; i-- > 0;) value = value << 8 | std::to_integer<uint32_t>(bytes[at + i]);
  return value;
}

/// Where the record at the archive's end begins: the last place that looks like it.
size_t find_end(Bytes bytes, std::string_view where) {
  if (bytes.size() < kEndSize) fail("it is too short", where);
  const size_t last = bytes.size() - kEndSize, first = last - std::min(last, kMaxComment);
  for (size_t at = last + 1; at-- > first;) {
    if (number(bytes, at, 4) == kEnd && at + kEndSize + number(bytes, at + 20, 2) == bytes.size()) return at;
  }
  fail("its directory is not there: it was cut off", where);
}

/// The packed bytes of a file whose local header is at `at`; they end before the directory.
Bytes packed_bytes(Bytes before_directory, uint64_t at, uint64_t size, std::string_view where) {
  if (at > before_directory.size() || before_directory.size() - at < kLocalSize)
    fail("a file lies outside", where);
  const Bytes local = before_directory.subspan(at);
  if (number(local, 0, 4) != kLocal) fail("a file is not where the directory says", where);
  const uint64_t header = kLocalSize + uint64_t{number(local, 26, 2)} + number(local, 28, 2);
  if (header > local.size() || size > local.size() - header) fail("a file is cut off", where);
  return local.subspan(header, size);
}

}  // namespace

bool is_zip(Bytes bytes) {
  return bytes.size() >= 4 && (number(bytes, 0, 4) == kLocal || number(bytes, 0, 4) == kEnd);
}

std::vector<ZipEntry> zip_entries(Bytes bytes, std::string_view where) {
  const size_t end = find_end(bytes, where);
  const uint64_t count = number(bytes, end + 10, 2), size = number(bytes, end + 12, 4),
                 start = number(bytes, end + 16, 4);
  if (number(bytes, end + 4, 2) != 0 || number(bytes, end + 8, 2) != count)
    fail("it has several parts", where);
  if (count == 0xffff || start == 0xffffffff) {
    throw Error(ErrorKind::data, "zip archives of more than 4 GiB are not read").where(where);
  }
  if (start > end || size > end - start || count * kDirectorySize > size)
    fail("its directory does not fit", where);

  Bytes directory = bytes.subspan(start, size);
  std::vector<ZipEntry> entries;
  for (uint64_t i = 0; i < count; ++i) {
    if (directory.size() < kDirectorySize || number(directory, 0, 4) != kDirectory)
      fail("its directory is cut off", where);
    const uint32_t flags = number(directory, 8, 2), method = number(directory, 10, 2);
    const uint64_t packed = number(directory, 20, 4), name = number(directory, 28, 2);
    const uint64_t entry_size = kDirectorySize + name + number(directory, 30, 2) + number(directory, 32, 2);
    if (entry_size > directory.size()) fail("its directory is cut off", where);
    ZipEntry entry;
    entry.name.assign(reinterpret_cast<const char*>(directory.data()) + kDirectorySize, name);
    entry.deflated = method == 8;
    entry.size = number(directory, 24, 4);
    entry.crc = number(directory, 16, 4);
    if ((flags & 1) != 0 || (method != 0 && method != 8)) {
      throw Error(ErrorKind::data, "a file of the archive is encrypted, or packed in a way that is not read")
          .where(where)
          .hint(kHint);
    }
    entry.packed = packed_bytes(bytes.first(start), number(directory, 42, 4), packed, where);
    if (entry.deflated ? entry.size / kMaxInflation > packed : entry.size != packed)
      fail("a file claims more than its bytes can hold", where);
    if (std::any_of(entries.begin(), entries.end(), [&](const ZipEntry& e) { return e.name == entry.name; }))
      fail("two files have one name", where);
    if (entries.size() == 256) fail("more than 256 files", where);
    entries.push_back(std::move(entry));
    directory = directory.subspan(entry_size);
  }
  return entries;
}

Bytes unzip(const ZipEntry& entry, std::vector<std::byte>& room, std::string_view where) {
  Bytes content = entry.packed;
  if (entry.deflated) {
    if (entry.size >= kMaxFile) fail("a file is too large", where);
    z_stream stream{};
    if (::inflateInit2(&stream, -MAX_WBITS) != Z_OK)
      throw Error(ErrorKind::runtime, "zlib cannot start").where(where);
    const std::unique_ptr<z_stream, int (*)(z_stream*)> guard(&stream, ::inflateEnd);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(entry.packed.data()));
    stream.avail_in = static_cast<uInt>(entry.packed.size());
    // Room is made as bytes come, so that a false claim costs nothing.
    constexpr uint64_t kPiece = uint64_t{1} << 20;
    room.clear();
    room.reserve(entry.size);
    int status = Z_OK;
    while (status == Z_OK && room.size() < entry.size) {
      const auto piece = static_cast<size_t>(std::min(kPiece, entry.size - room.size()));
      room.resize(room.size() + piece);
      stream.next_out = reinterpret_cast<Bytef*>(room.data() + room.size() - piece);
      stream.avail_out = static_cast<uInt>(piece);
      status = ::inflate(&stream, Z_NO_FLUSH);
      if (stream.avail_out != 0 && status == Z_OK && stream.avail_in == 0) status = Z_BUF_ERROR;
      room.resize(room.size() - stream.avail_out);
    }
    if (status == Z_OK) {  // all bytes are there: is this their end?
      std::byte surplus{};
      stream.next_out = reinterpret_cast<Bytef*>(&surplus);
      stream.avail_out = 1;
      status = ::inflate(&stream, Z_NO_FLUSH);
      if (stream.avail_out == 0) status = Z_DATA_ERROR;
    }
    if (status != Z_STREAM_END || room.size() != entry.size || stream.avail_in != 0)
      fail("the bytes of " + entry.name.substr(0, 40) + " are damaged", where);
    content = room;
  }
  if (crc32_of(content) != entry.crc)
    fail("the checksum of " + entry.name.substr(0, 40) + " is wrong", where);
  return content;
}

}  // namespace unfold
