#include "unfold/data/image_folder.h"

#include <algorithm>
#include <cctype>
#include <span>
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
        .got(std::to_string(classes.size()))
        .hint("such as " + (folder / "cat").string() + "/1.jpg, " + (folder / "dog").string() + "/1.jpg");
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
  bool fitted = false;  ///< to options.h x w; else the pictures' own size
  size_t bytes() const { return static_cast<size_t>(channels * h * w); }
  bool operator==(const Format&) const = default;
};

/// A picture as (C, H, W) bytes of one or three channels: of its own size, or of the size asked for.
struct Planes {
  Format format;
  int64_t h = 0, w = 0;  // what the file had
  std::vector<uint8_t> bytes;
  std::string bad;  // why there are none
};

Planes planes_of(const Image& image, const ImageFolderOptions& options, bool fitted) {
  Planes planes{.format = {}, .h = image.height, .w = image.width, .bytes = {}, .bad = {}};
  Format& f = planes.format;
  f.fitted = fitted || image.height > kSmall || image.width > kSmall;
  f.channels = image.channels >= 3 ? 3 : 1;
  f.h = f.fitted ? options.h : image.height;
  f.w = f.fitted ? options.w : image.width;
  if (f.fitted || f.channels != image.channels) {
    planes.bytes = fit_picture(image, f.channels, f.h, f.w);
    return planes;
  }
  planes.bytes.resize(image.pixels.size());
  const auto plane = static_cast<size_t>(f.h * f.w), channels = static_cast<size_t>(f.channels);
  for (size_t i = 0; i < plane; ++i) {
    for (size_t c = 0; c < channels; ++c) planes.bytes[c * plane + i] = image.pixels[i * channels + c];
  }
  return planes;
}

/// Writes bytes of one format as those of another: grey three times, small ones fitted.
void convert(std::span<const uint8_t> bytes, const Format& from, const Format& to, uint8_t* out) {
  if (from.h == to.h && from.w == to.w) {
    for (int64_t c = 0; c < to.channels; ++c)
      std::copy_n(bytes.data() + (from.channels == to.channels ? c : 0) * to.h * to.w, to.h * to.w,
                  out + c * to.h * to.w);
    return;
  }
  Image image{.width = from.w, .height = from.h, .channels = from.channels, .pixels = {}};
  image.pixels.resize(bytes.size());
  const auto plane = static_cast<size_t>(from.h * from.w), channels = static_cast<size_t>(from.channels);
  for (size_t i = 0; i < plane; ++i) {
    for (size_t c = 0; c < channels; ++c) image.pixels[i * channels + c] = bytes[c * plane + i];
  }
  const std::vector<uint8_t> fitted = fit_picture(image, to.channels, to.h, to.w);
  std::copy(fitted.begin(), fitted.end(), out);
}

/// Reads pictures, each once, some at a time in parallel, and holds their bytes in one format. It begins with
/// that of the first and widens as others come: to colours when one has them, to the size asked for when one
/// is large or has another size. What is held is then converted. So the memory is that of the result, or of
/// two formats of it, and what the threads are at.
class Gatherer {
 public:
  Gatherer(const ImageFolderOptions& options, ThreadPool& pool, const fs::path& root, size_t files)
      : options_(options), pool_(pool), root_(root), files_(files) {}

  /// Adds one part of the data set. Of its files the last `validation` are for validation.
  void add(const std::vector<File>& files, size_t validation, Dataset& part) {
    parts_.push_back({&part, files.size()});
    for (size_t at = 0; at < files.size(); at += kAtOnce) {
      const size_t n = std::min(kAtOnce, files.size() - at);
      std::vector<Planes> read(n);
      const bool fitted = format_.fitted;
      pool_.run(static_cast<int64_t>(n), [&](int64_t i, int) {
        read[static_cast<size_t>(i)] = read_one(files[at + static_cast<size_t>(i)].path, fitted);
      });
      for (const Planes& one : read) widen(one);
      part.pixels.reserve(files.size() * format_.bytes());  // memory that is not touched costs nothing
      for (size_t i = 0; i < n; ++i) {
        if (!read[i].bad.empty()) {
          bad_.push_back(std::move(read[i].bad));
          continue;
        }
        part.pixels.resize(part.pixels.size() + format_.bytes());
        convert(read[i].bytes, read[i].format, format_,
                part.pixels.data() + part.pixels.size() - format_.bytes());
        part.labels.push_back(files[at + i].label);
        part.validation += at + i >= files.size() - validation ? 1 : 0;
      }
    }
  }

  const Format& format() const { return format_; }
  const PictureSizes& sizes() const { return sizes_; }
  /// What was said of the bad files, in order.
  const std::vector<std::string>& bad() {
    std::sort(bad_.begin(), bad_.end());
    return bad_;
  }

 private:
  static constexpr size_t kAtOnce = 128;

  Planes read_one(const fs::path& path, bool fitted) {
    try {
      return planes_of(read_image(path), options_, fitted);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::data) throw;
      if (!options_.skip_bad)
        throw Error(ErrorKind::data, e.what())
            .hint((e.hint().empty() ? "mend it" : e.hint()) + "; --skip-bad leaves out what cannot be read");
      Planes none;
      none.bad = e.what();
      return none;
    }
  }

  void widen(const Planes& one) {
    if (!one.bad.empty()) return;
    sizes_.add(one.h, one.w);
    const Format before = format_, &f = one.format;
    if (format_.h == 0) format_ = f;
    format_.channels = std::max(format_.channels, f.channels);
    if (f.fitted || f.h != format_.h || f.w != format_.w || !fits_memory()) {
      format_.fitted = true;
      format_.h = options_.h, format_.w = options_.w;
    }
    if (format_ == before) return;
    if (!fits_memory()) {
      throw Error(ErrorKind::data, "the pictures take more memory than they may")
          .where(root_.string())
          .wanted("at most " + std::to_string(kMostBytes) + " bytes")
          .got(std::to_string(format_.bytes() * files_))
          .hint("train on smaller images: --input");
    }
    for (const auto& [part, files] : parts_) rewrite(*part, files, before);
  }

  void rewrite(Dataset& part, size_t files, const Format& before) {
    const auto n = static_cast<size_t>(part.size());
    std::vector<uint8_t> pixels;
    pixels.reserve(files * format_.bytes());
    pixels.resize(n * format_.bytes());
    pool_.run(static_cast<int64_t>(n), [&](int64_t i, int) {
      const auto at = static_cast<size_t>(i);
      convert(std::span(part.pixels).subspan(at * before.bytes(), before.bytes()), before, format_,
              pixels.data() + at * format_.bytes());
    });
    part.pixels = std::move(pixels);
  }

  bool fits_memory() const { return format_.bytes() * files_ <= static_cast<size_t>(kMostBytes); }

  const ImageFolderOptions& options_;
  ThreadPool& pool_;
  const fs::path& root_;
  size_t files_;
  Format format_;
  PictureSizes sizes_;
  std::vector<std::pair<Dataset*, size_t>> parts_;  // and how many files each has
  std::vector<std::string> bad_;
};

void shuffle(std::vector<File>& files) {
  Random random(0, "image folder");
  for (auto i = static_cast<int64_t>(files.size()) - 1; i > 0; --i)
    std::swap(files[static_cast<size_t>(i)], files[static_cast<size_t>(random.below(i + 1))]);
}

DatasetPair load(const fs::path& root, const ImageFolderOptions& options, ThreadPool& pool,
                 const SourceLog& log, PictureSizes* sizes) {
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
                " in a class, or a folder test beside a folder train")
        .got(std::to_string(train.size()) + " in all")
        .hint("add pictures, or sort them into train/CLASS and test/CLASS yourself");
  }
  shuffle(train);
  train.insert(train.end(), validation.begin(), validation.end());

  DatasetPair pair;
  Gatherer gatherer(options, pool, root, train.size() + test.size());
  gatherer.add(train, validation.size(), pair.train);
  gatherer.add(test, 0, pair.test);
  const Format& format = gatherer.format();
  for (Dataset* part : {&pair.train, &pair.test}) {
    part->name = name;
    part->image = {format.channels, format.h, format.w};
    part->classes = classes;
  }
  if (pair.train.size() == pair.train.validation || pair.test.size() == 0) {
    throw Error(ErrorKind::data,
                "of the pictures that can be read, none are for training, or none for the test")
        .where(root.string())
        .got(std::to_string(gatherer.bad().size()) + " that cannot be read")
        .hint("add pictures, or sort them into train/CLASS and test/CLASS yourself");
  }
  const std::vector<std::string>& bad = gatherer.bad();
  for (const std::string& what : bad) log.line("left out: " + what);
  if (!bad.empty())
    log.line(std::to_string(bad.size()) + (bad.size() == 1 ? " file" : " files") + " left out");
  log.line(name + " from " + root.string() + ": " + std::to_string(classes.size()) + " classes, " +
           std::to_string(format.channels) + "x" + std::to_string(format.h) + "x" + std::to_string(format.w));
  if (sizes) *sizes = gatherer.sizes();
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

void PictureSizes::add(int64_t h, int64_t w) {
  const bool first = least_h == 0;
  least_h = first ? h : std::min(least_h, h), most_h = std::max(most_h, h);
  least_w = first ? w : std::min(least_w, w), most_w = std::max(most_w, w);
}

DatasetPair load_image_folder(const fs::path& root, const ImageFolderOptions& options, ThreadPool& pool,
                              const SourceLog& log, PictureSizes* sizes) {
  try {
    return load(root, options, pool, log, sizes);
  } catch (const fs::filesystem_error& e) {  // of the walk through the folders
    throw Error(ErrorKind::data, "a folder cannot be read").where(e.path1().string()).got(e.code().message());
  }
}

}  // namespace unfold
