// What the tests of data files share: a folder that vanishes, a small data set, gzip of bytes.
#pragma once

#include <stdlib.h>
#include <zlib.h>

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "unfold/data/dataset.h"
#include "unfold/error.h"
#include "unfold/random.h"

namespace unfold::testing {

/// A new empty folder, removed with all it holds at the end of the scope.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "unfold-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw Error(ErrorKind::runtime, "no temporary folder");
    path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code code;
    std::filesystem::remove_all(path_, code);
  }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// `count` images of random pixels with labels 0, 1, ... 9, 0, ...
inline Dataset small_set(int64_t count, int64_t rows, int64_t columns, uint64_t seed) {
  Dataset data{"small", Shape({1, rows, columns}), {}, {}, {}};
  Random random(seed, "small_set");
  for (int64_t i = 0; i < count * rows * columns; ++i) {
    data.pixels.push_back(static_cast<uint8_t>(random.below(256)));
  }
  for (int64_t i = 0; i < count; ++i) data.labels.push_back(static_cast<int32_t>(i % 10));
  for (int digit = 0; digit < 10; ++digit) data.classes.push_back(std::to_string(digit));
  return data;
}

inline std::vector<std::byte> gzip(std::span<const std::byte> bytes) {
  z_stream stream{};
  ::deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::vector<std::byte> out(::deflateBound(&stream, static_cast<uLong>(bytes.size())));
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  ::deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

}  // namespace unfold::testing
