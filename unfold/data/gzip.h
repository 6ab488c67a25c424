// Bounded reading of gzip data held in memory.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

struct z_stream_s;

namespace unfold {

/// Whether the bytes begin like a gzip file (content decides, never the name).
bool is_gzip(std::span<const std::byte> bytes);

/// No deflate stream grows by more than this factor: a claim of more is false before anything is unpacked.
constexpr uint64_t kMaxInflation = 1032;

/// Unpacks gzip data piece by piece, so the reader decides how much memory is spent; the length at the end of
/// a gzip file is never trusted. Borrows `bytes`. Several members in a row count as one file.
class GzipReader {
 public:
  /// `where` names the data in errors.
  GzipReader(std::span<const std::byte> bytes, std::string_view where);
  /// Fills `out` from the front and returns how many bytes it wrote: fewer than asked only at the end, and
  /// then the checksum was right. Throws a data error if the data are damaged or cut off.
  size_t read(std::span<std::byte> out);

 private:
  struct Free {
    void operator()(z_stream_s* stream) const;
  };
  std::unique_ptr<z_stream_s, Free> stream_;
  std::span<const std::byte> rest_;  // not yet handed to zlib
  std::string where_;
  bool finished_ = false;
};

}  // namespace unfold
