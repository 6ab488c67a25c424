#include "unfold/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace unfold {
namespace {

Error system_error(ErrorKind kind, const std::filesystem::path& path, const char* did) {
  return Error(kind, std::string(did) + ": " + std::strerror(errno)).where(path.string());
}

/// A file descriptor that closes itself.
struct Descriptor {
  int fd;
  explicit Descriptor(int f) : fd(f) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(); }
  /// 0, or -1 if the system reports only now that a write failed.
  int close() { return fd >= 0 ? ::close(std::exchange(fd, -1)) : 0; }
};

/// Removes the temporary files of `path` whose writers are gone: the lock of write_file ends with its
/// process.
void remove_leftovers(const std::filesystem::path& directory, const std::string& name) {
  const std::string prefix = name + ".tmp-";
  std::vector<std::filesystem::path> found;
  std::error_code code;
  for (std::filesystem::directory_iterator at(directory, code), end; !code && at != end; at.increment(code)) {
    const std::string other = at->path().filename().string();
    if (!other.starts_with(prefix) || other.size() == prefix.size()) continue;
    if (other.find_first_not_of("0123456789", prefix.size()) == other.npos) found.push_back(at->path());
  }
  for (const std::filesystem::path& leftover : found) {
    const Descriptor file(::open(leftover.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (file.fd >= 0 && ::flock(file.fd, LOCK_EX | LOCK_NB) == 0) ::unlink(leftover.c_str());
  }
}

}  // namespace

std::vector<std::byte> read_file(const std::filesystem::path& path, ErrorKind kind, uint64_t limit) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.fd < 0) throw system_error(kind, path, "cannot open");
  struct stat status{};
  if (::fstat(file.fd, &status) != 0) throw system_error(kind, path, "cannot look at");
  if (!S_ISREG(status.st_mode)) throw Error(kind, "this is no regular file").where(path.string());
  const auto size = static_cast<uint64_t>(status.st_size);
  if (size > limit) {
    throw Error(kind, "the file is too large")
        .where(path.string())
        .wanted("at most " + std::to_string(limit) + " bytes")
        .got(std::to_string(size));
  }
  std::vector<std::byte> bytes(size);
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::read(file.fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw system_error(kind, path, "cannot read");
    if (n == 0)
      break;  // it shrank while being read: hand over what there is, the parser will say what is missing
    done += static_cast<size_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

void write_file(const std::filesystem::path& name, std::span<const std::byte> bytes) {
  std::error_code code;
  const std::filesystem::file_status status = std::filesystem::status(name, code);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    throw Error(ErrorKind::runtime, "this is no regular file")
        .where(name.string())
        .hint("choose another name");
  }
  // A link stays a link: what it points to is replaced.
  const bool link = std::filesystem::is_symlink(std::filesystem::symlink_status(name, code));
  const std::filesystem::path path = link ? std::filesystem::weakly_canonical(name, code) : name;
  const std::filesystem::path directory = path.has_parent_path() ? path.parent_path() : ".";
  const std::filesystem::path temporary = path.string() + ".tmp-" + std::to_string(::getpid());
  const auto fail = [&](const char* did) {
    Error error = system_error(ErrorKind::runtime, name, did);
    ::unlink(temporary.c_str());
    throw std::move(error).hint(
        "the old file, if there was one, is unchanged; free some space or choose another place");
  };
  remove_leftovers(directory, path.filename().string());  // first: they may be what fills the disk
  {
    Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (file.fd < 0) fail("cannot create");
    ::flock(file.fd, LOCK_EX | LOCK_NB);
    size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t n = ::write(file.fd, bytes.data() + done, bytes.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail("cannot write");
      done += static_cast<size_t>(n);
    }
    if (::fsync(file.fd) != 0) fail("cannot sync");
    if (file.close() != 0) fail("cannot close");
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) fail("cannot rename into place");
  // The rename itself must survive a power cut. Some file systems cannot sync a directory: that is no
  // failure.
  const Descriptor folder(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.fd >= 0 && ::fsync(folder.fd) != 0 && errno != EINVAL && errno != ENOTSUP) {
    throw system_error(ErrorKind::runtime, name, "cannot sync the folder")
        .hint("the new content is in place, but a power cut could bring back the old one; check the disk");
  }
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  write_file(path, std::as_bytes(std::span(text.data(), text.size())));
}

void append_file(const std::filesystem::path& path, std::string_view text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  struct stat before{};
  const bool known = fd >= 0 && ::fstat(fd, &before) == 0;
  const ssize_t count = known ? ::write(fd, text.data(), text.size()) : -1;
  const bool written = count == static_cast<ssize_t>(text.size());
  int reason = count < 0 ? errno : ENOSPC;  // a part of it was written
  if (count > 0 && !written && ::ftruncate(fd, before.st_size) != 0) reason = errno;
  const bool closed = fd >= 0 && ::close(fd) == 0;
  if (written && closed) return;
  if (written) reason = errno;
  throw Error(ErrorKind::runtime, std::string("cannot write: ") + std::strerror(reason))
      .where(path.string())
      .hint("free some space or choose another place");
}

void require_writable(const std::filesystem::path& directory) {
  std::error_code code;
  std::filesystem::create_directories(directory, code);
  const std::filesystem::path probe = directory / (".write-test-" + std::to_string(::getpid()));
  const Descriptor file(::open(probe.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (file.fd < 0) {
    throw system_error(ErrorKind::runtime, directory, "cannot write into this folder")
        .hint("choose another with --out");
  }
  ::unlink(probe.c_str());
}

uint32_t crc32_of(std::span<const std::byte> bytes, uint32_t crc) {
  auto sum = static_cast<uLong>(crc);
  const auto* at = reinterpret_cast<const Bytef*>(bytes.data());
  for (size_t left = bytes.size(); left > 0;) {
    const auto part = static_cast<uInt>(std::min<size_t>(left, 1u << 30));
    sum = ::crc32(sum, at, part);
    at += part;
    left -= part;
  }
  return static_cast<uint32_t>(sum);
}

}  // namespace unfold
