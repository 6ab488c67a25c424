#include "unfold/formats/onnx/external_data.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "unfold/error.h"
#include "unfold/text.h"

namespace unfold::onnx {
namespace {

constexpr size_t kMaxFiles = 64;  // descriptors that are open at once

/// A descriptor that is closed when it goes.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }
  void reset(int value) {
    if (value_ >= 0) ::close(value_);
    value_ = value;
  }
  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

[[noreturn]] void refuse(std::string_view where, const std::string& location, std::string_view got) {
  throw Error(ErrorKind::model, "values in a file that must not be read")
      .where(where)
      .wanted("a regular file of its own in the model's folder")
      .got(printable(location) + ": " + std::string(got));
}

}  // namespace

ExternalData::~ExternalData() {
  for (const auto& [name, file] : files_) ::close(file.descriptor);
}

ExternalData::File& ExternalData::open(const std::string& location, std::string_view where) {
  const auto known = files_.find(location);
  if (known != files_.end()) return known->second;
  if (files_.size() == kMaxFiles) refuse(where, location, "the 65th file");
  const std::filesystem::path path = location;
  if (location.empty() || location.find('\0') != std::string::npos) refuse(where, location, "no path");
  if (path.is_absolute()) refuse(where, location, "an absolute path");
  // Component by component from the folder's own descriptor: what is checked is what is opened.
  const std::filesystem::path folder = folder_.empty() ? "." : folder_;
  Descriptor at(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (at.get() < 0) refuse(where, location, std::strerror(errno));
  for (auto part = path.begin(); part != path.end(); ++part) {
    if (*part == "..") refuse(where, location, "it leads out by '..'");
    const bool last = std::next(part) == path.end();
    struct stat status{};
    if (::fstatat(at.get(), part->c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      refuse(where, location, std::strerror(errno));
    }
    if (S_ISLNK(status.st_mode)) refuse(where, location, "a symbolic link");
    // Not blocked by a pipe that nobody writes to.
    const int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    const int next = ::openat(at.get(), part->c_str(), last ? flags : flags | O_DIRECTORY);
    if (next < 0) refuse(where, location, std::strerror(errno));
    at.reset(next);
  }
  struct stat status{};
  if (::fstat(at.get(), &status) != 0) refuse(where, location, std::strerror(errno));
  if (!S_ISREG(status.st_mode)) refuse(where, location, "no regular file");
  if (status.st_nlink > 1) refuse(where, location, "a hard link");
  const File file{at.get(), static_cast<uint64_t>(status.st_size), status.st_dev, status.st_ino};
  File& kept = files_.emplace(location, file).first->second;
  at.release();
  return kept;
}

uint64_t ExternalData::first_seen(const std::string& location, std::string_view where) {
  File& file = open(location, where);
  const bool seen = std::any_of(files_.begin(), files_.end(), [&](const auto& other) {
    return other.second.seen && other.second.device == file.device && other.second.node == file.node;
  });
  file.seen = true;
  return seen ? 0 : file.bytes;
}

void ExternalData::read(const std::string& location, uint64_t offset, std::span<std::byte> to,
                        std::string_view where) {
  const File& file = open(location, where);
  if (offset > file.bytes || to.size() > file.bytes - offset) {
    throw Error(ErrorKind::model, "the values' file is too short")
        .where(where)
        .wanted(std::to_string(to.size()) + " bytes from byte " + std::to_string(offset) + " of '" +
                location + "'")
        .got("a file of " + std::to_string(file.bytes));
  }
  while (!to.empty()) {
    const ssize_t count = ::pread(file.descriptor, to.data(), to.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) refuse(where, location, count < 0 ? std::strerror(errno) : "it became shorter");
    to = to.subspan(static_cast<size_t>(count));
    offset += static_cast<uint64_t>(count);
  }
}

}  // namespace unfold::onnx
