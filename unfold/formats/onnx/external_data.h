// Values of a model that lie in files beside it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace unfold::onnx {

/// The files a model may read from: regular ones in its folder or below.
class ExternalData {
 public:
  explicit ExternalData(std::filesystem::path folder) : folder_(std::move(folder)) {}
  ~ExternalData();
  ExternalData(const ExternalData&) = delete;
  ExternalData& operator=(const ExternalData&) = delete;

  /// Opens the file `location`; its bytes the first time, then 0, however the path is spelled. Throws model,
  /// naming `where`, for an absolute path, one with "..", a symbolic or hard link anywhere in it, and what is
  /// no regular file.
  uint64_t first_seen(const std::string& location, std::string_view where);
  /// Fills `to` with the bytes from `offset` on. Throws model if there are too few.
  void read(const std::string& location, uint64_t offset, std::span<std::byte> to, std::string_view where);

 private:
  struct File {
    int descriptor;
    uint64_t bytes;
    uint64_t device, node;
    bool seen = false;
  };
  File& open(const std::string& location, std::string_view where);

  std::filesystem::path folder_;
  std::map<std::string, File> files_;
};

}  // namespace unfold::onnx
