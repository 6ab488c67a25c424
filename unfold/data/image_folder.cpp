#include "unfold/data/image_folder.h"

#include <algorithm>
#include <cctype>
#include <mutex>
#include <string>

#include "unfold/data/fit_picture.h"
#include "unfold/data/image_file.h"
#include "unfold/error.h"
#include "unfold/random.h"

namespace unfold {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostBytes = int64_t{8} << 30;
constexpr int64_t kSmall = 256;  // a side of pictures that are kept as they are
constexpr int64_t kTestEvery = 6;

bool is_picture(const fs::path& path) {
  std::string end = path.extension().string();
  std::transform(end.begin(), end.end(), end.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const char* known : {".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm"}) {
    if (end == known) return true;
  }
  return false;
}

/// The names of the folders in a folder, hidden ones left out, in order.
std::vector<std::string> folders_in(const fs::path& path) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_directory() && !name.starts_with('.')) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<fs::path> pictures_in(const fs::path& path) {
  std::vector<fs::path> found;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(path)) {
    if (entry.is_regular_file() && is_picture(entry.path())) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

bool has_picture(const fs::path& path) {
  const auto entries = fs::recursive_directory_iterator(path);
  return std::any_of(begin(entries), end(entries), [](const fs::directory_entry& entry) {
    return entry.is_regular_file() && is_picture(entry.path());
  });
}

struct File {
  fs::path path;
  int32_t label = 0;
};

/// The pictures of all classes of a folder; `classes` are those that may be there, or empty, and then filled.
std::vector<File> files_of(const fs::path& folder, std::vector<std::string>& classes) {
  const bool given = !classes.empty();
  const std::vector<std::string> names = folders_in(folder);
  if (!given) classes = names;
  if (classes.empty() || std::ssize(classes) > kMaxClasses) {
    throw Error(ErrorKind::data, "a folder of pictures has a subfolder for each class")
        .where(folder.string())
        .wanted("1 to " + std::to_string(kMaxClasses))
        .got(std::to_string(classes.size()));
  }
  std::vector<File> files;
  for (const std::string& name : names) {
    const auto at = std::find(classes.begin(), classes.end(), name);
    if (at == classes.end()) {
      throw Error(ErrorKind::data, "a class that the training pictures have not")
          .where((folder / name).string())
          .hint("every folder here needs one of the same name beside the training pictures");
    }
    const std::vector<fs::path> pictures = pictures_in(folder / name);
    if (pictures.empty()) {
      throw Error(ErrorKind::data, "a class without a picture")
          .where((folder / name).string())
          .wanted(".png, .jpg, .jpeg, .bmp, .ppm or .pgm files")
          .hint("put pictures there, or remove the folder");
    }
    for (const fs::path& path : pictures) files.push_back({path, static_cast<int32_t>(at - classes.begin())});
  }
  return files;
}

/// What all pictures are made: of one size, with as many channels.
struct Format {
  int64_t channels = 1, h = 0, w = 0;
  bool fitted = false;
};

/// (C, H, W) bytes of a picture.
std::vector<uint8_t> planes(const Image& image, const Format& format) {
  if (format.fitted || (image.channels != format.channels))
    return fit_picture(image, format.channels, format.h, format.w);
  std::vector<uint8_t> bytes(image.pixels.size());
  const auto plane = static_cast<size_t>(image.width * image.height),
             channels = static_cast<size_t>(image.channels);
  for (size_t i = 0; i < plane; ++i) {
    for (size_t c = 0; c < channels; ++c) bytes[c * plane + i] = image.pixels[i * channels + c];
  }
  return bytes;
}

/// Reads pictures in parallel, and knows which were bad.
class Reader {
 public:
  Reader(const ImageFolderOptions& options, ThreadPool& pool) : options_(options), pool_(pool) {}

  /// Calls take(i, picture) for each file that can be read, from several threads at once.
  template <class Take>
  void each(const std::vector<File>& files, Take take) {
    pool_.run(static_cast<int64_t>(files.size()), [&](int64_t i, int) {
      const fs::path& path = files[static_cast<size_t>(i)].path;
      try {
        take(static_cast<size_t>(i), read_image(path));
      } catch (const Error& e) {
        if (!options_.skip_bad || e.kind() != ErrorKind::data) throw;
        const std::lock_guard lock(mutex_);
        bad_.push_back(e.what());
      }
    });
  }
  /// What was said of the bad files, in order.
  std::vector<std::string> bad() {
    std::sort(bad_.begin(), bad_.end());
    bad_.erase(std::unique(bad_.begin(), bad_.end()), bad_.end());
    return bad_;
  }

 private:
  const ImageFolderOptions& options_;
  ThreadPool& pool_;
  std::mutex mutex_;
  std::vector<std::string> bad_;
};

/// Looks at all pictures: do they have colours, and one size?
Format format_of(const std::vector<File>& files, const ImageFolderOptions& options, Reader& reader) {
  struct Seen {
    int64_t channels = 0, h = 0, w = 0;
  };
  std::vector<Seen> seen(files.size());
  reader.each(files,
              [&](size_t i, const Image& image) { seen[i] = {image.channels, image.height, image.width}; });
  Format format;
  for (const Seen& one : seen) {
    if (one.channels == 0) continue;  // bad
    if (one.channels >= 3) format.channels = 3;
    if (format.h == 0) format.h = one.h, format.w = one.w;
    format.fitted = format.fitted || one.h != format.h || one.w != format.w;
  }
  if (format.h == 0)
    throw Error(ErrorKind::data, "none of the pictures can be read").where(files[0].path.string());
  format.fitted = format.fitted || format.h > kSmall || format.w > kSmall;
  if (format.fitted) format.h = options.h, format.w = options.w;
  return format;
}

/// The last `validation` of the files are the data set's validation part.
Dataset load_files(const std::vector<File>& files, size_t validation, const std::string& name,
                   const std::vector<std::string>& classes, const Format& format, Reader& reader) {
  Dataset data;
  data.name = name;
  data.image = {format.channels, format.h, format.w};
  data.classes = classes;
  const auto bytes = static_cast<size_t>(data.image.elements());
  data.pixels.resize(files.size() * bytes);
  std::vector<char> good(files.size(), 0);
  reader.each(files, [&](size_t i, const Image& image) {
    const std::vector<uint8_t> pixels = planes(image, format);
    std::copy(pixels.begin(), pixels.end(), data.pixels.begin() + static_cast<int64_t>(i * bytes));
    good[i] = 1;
  });
  size_t kept = 0;  // bad ones are closed over
  for (size_t i = 0; i < files.size(); ++i) {
    if (!good[i]) continue;
    if (kept < i) {
      std::copy_n(data.pixels.begin() + static_cast<int64_t>(i * bytes), bytes,
                  data.pixels.begin() + static_cast<int64_t>(kept * bytes));
    }
    data.labels.push_back(files[i].label);
    data.validation += i >= files.size() - validation ? 1 : 0;
    ++kept;
  }
  data.pixels.resize(kept * bytes);
  return data;
}

void shuffle(std::vector<File>& files) {
  Random random(0, "image folder");
  for (auto i = static_cast<int64_t>(files.size()) - 1; i > 0; --i)
    std::swap(files[static_cast<size_t>(i)], files[static_cast<size_t>(random.below(i + 1))]);
}

DatasetPair load(const fs::path& root, const ImageFolderOptions& options, ThreadPool& pool,
                 const SourceLog& log) {
  const fs::path full = fs::absolute(root).lexically_normal();
  const std::string name = (full.has_filename() ? full : full.parent_path()).filename().string();
  const auto exists = [&](const char* part) { return fs::is_directory(root / part); };
  std::vector<std::string> classes;
  std::vector<File> train, validation, test;
  if (exists("train")) {
    train = files_of(root / "train", classes);
    if (exists("val")) validation = files_of(root / "val", classes);
    if (exists("test")) test = files_of(root / "test", classes);
  } else {
    train = files_of(root, classes);
  }
  if (test.empty()) {
    std::vector<File> rest;
    std::vector<int64_t> count(classes.size(), 0);
    for (const File& file : train)
      (++count[static_cast<size_t>(file.label)] % kTestEvery == 0 ? test : rest).push_back(file);
    train = std::move(rest);
  }
  if (test.empty()) {
    throw Error(ErrorKind::data, "too few pictures to keep some for the test")
        .where(root.string())
        .wanted("at least " + std::to_string(kTestEvery) +
                " in a class, or a folder test beside a folder train");
  }
  shuffle(train);
  train.insert(train.end(), validation.begin(), validation.end());

  std::vector<File> all = train;
  all.insert(all.end(), test.begin(), test.end());
  Reader reader(options, pool);
  const Format format = format_of(all, options, reader);
  const int64_t bytes = format.channels * format.h * format.w * static_cast<int64_t>(all.size());
  if (bytes > kMostBytes) {
    throw Error(ErrorKind::data, "the pictures take more memory than they may")
        .where(root.string())
        .wanted("at most " + std::to_string(kMostBytes) + " bytes")
        .got(std::to_string(bytes))
        .hint("train on smaller images: --input");
  }
  DatasetPair pair{load_files(train, validation.size(), name, classes, format, reader),
                   load_files(test, 0, name, classes, format, reader)};
  if (pair.train.size() == pair.train.validation || pair.test.size() == 0) {
    throw Error(ErrorKind::data, "of the training pictures, or of those for the test, none can be read")
        .where(root.string());
  }
  const std::vector<std::string> bad = reader.bad();
  for (const std::string& what : bad) log.line("left out: " + what);
  if (!bad.empty()) log.line(std::to_string(bad.size()) + " files left out");
  log.line(name + " from " + root.string() + ": " + std::to_string(classes.size()) + " classes, " +
           std::to_string(format.channels) + "x" + std::to_string(format.h) + "x" + std::to_string(format.w));
  return pair;
}

}  // namespace

bool is_image_folder(const fs::path& root) {
  std::error_code code;
  if (!fs::is_directory(root, code)) return false;
  const fs::path train = root / "train", classes = fs::is_directory(train, code) ? train : root;
  try {
    const std::vector<std::string> names = folders_in(classes);
    return std::any_of(names.begin(), names.end(),
                       [&](const auto& name) { return has_picture(classes / name); });
  } catch (const fs::filesystem_error&) {  // who loads it is told
    return true;
  }
}

DatasetPair load_image_folder(const fs::path& root, const ImageFolderOptions& options, ThreadPool& pool,
                              const SourceLog& log) {
  try {
    return load(root, options, pool, log);
  } catch (const fs::filesystem_error& e) {  // of the walk through the folders
    throw Error(ErrorKind::data, "a folder cannot be read").where(e.path1().string()).got(e.code().message());
  }
}

}  // namespace unfold
