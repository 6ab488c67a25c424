#include "unfold/data/source.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "unfold/data/cifar.h"
#include "unfold/data/csv_images.h"
#include "unfold/data/idx.h"
#include "unfold/data/mnist.h"
#include "unfold/data/npz.h"
#include "unfold/data/sha256.h"
#include "unfold/data/strokes.h"
#include "unfold/error.h"
#include "unfold/files.h"
#include "unfold/suggest.h"

namespace unfold {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kDigits = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
const std::vector<std::string> kFashion = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                           "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
/// The test images of Fashion-MNIST, unpacked.
constexpr const char* kFashionTestImages = "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b";
constexpr uint64_t kStrokesSeed = 1;  // the strokes everybody gets by name

/// The file `part`-`kind` ("train", "images-idx3") under any of its usual names, or an empty path.
fs::path find_file(const fs::path& directory, const std::string& part, const std::string& kind, int axes) {
  for (const char* separator : {"-", "."}) {
    for (const char* end : {"", ".gz"}) {
      const fs::path path =
          directory / (part + "-" + kind + separator + "idx" + std::to_string(axes) + "-ubyte" + end);
      if (fs::is_regular_file(path)) return path;
    }
  }
  return {};
}

/// A folder given as a data set holds some file of one.
void require_idx(const fs::path& directory) {
  for (const char* part : {"train", "t10k"}) {
    for (const auto& [kind, axes] : {std::pair("images", 3), std::pair("labels", 1)}) {
      if (!find_file(directory, part, kind, axes).empty()) return;
    }
  }
  int64_t files = 0, folders = 0;
  std::error_code code;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, code))
    ++(entry.is_directory(code) ? folders : files);
  throw Error(ErrorKind::data, "there is no data set in this folder")
      .where(directory.string())
      .wanted("a subfolder of pictures for each class, train.csv, or IDX or CIFAR's files")
      .got(std::to_string(files) + " other files, " + std::to_string(folders) + " folders without pictures")
      .hint("put the pictures of each class into a folder of its own: " + (directory / "cat").string() +
            "/1.jpg, " + (directory / "dog").string() + "/1.jpg");
}

Dataset load_part(const fs::path& directory, const std::string& part, std::string_view name,
                  const std::vector<std::string>& classes) {
  const fs::path images = find_file(directory, part, "images", 3);
  const fs::path labels = find_file(directory, part, "labels", 1);
  if (images.empty() || labels.empty()) {
    throw Error(ErrorKind::data, "a file of the data set is not there")
        .where(directory.string())
        .wanted(part + (images.empty() ? "-images-idx3-ubyte" : "-labels-idx1-ubyte") +
                " or the same with .gz")
        .got("no such file")
        .hint(
            "the folder must hold train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte "
            "and t10k-labels-idx1-ubyte");
  }
  return load_idx(images, labels, name, classes);
}

/// Gives a data set that came from some directory its real name and classes if its content is known.
void name_by_content(DatasetPair& pair) {
  const std::string hash = sha256(idx_images_bytes(pair.test));
  const auto rename = [&](const char* name, const std::vector<std::string>& classes) {
    for (Dataset* part : {&pair.train, &pair.test}) {
      part->name = name;
      part->classes = classes;
    }
  };
  if (hash == mnist_files()[2].sha256) rename("mnist", kDigits);
  if (hash == kFashionTestImages) rename("fashion-mnist", kFashion);
}

DatasetPair load_fashion_mnist(const SourceLog& log) {
  const fs::path found = dataset_directory("fashion-mnist");
  if (!found.empty()) {
    log.line("fashion-mnist from " + found.string());
    return load_directory(found, "fashion-mnist", kFashion);
  }
  std::string looked;
  for (const fs::path& directory : fashion_mnist_directories()) {
    looked += (looked.empty() ? "" : "; ") + directory.string() + ": not there";
  }
  throw Error(ErrorKind::data, "fashion-mnist cannot be had: " + looked)
      .hint(
          "install Debian's package dataset-fashion-mnist; or give a folder with the four files with --data "
          "DIR; or train on other data with --data strokes");
}

[[noreturn]] void unknown(const std::string& name) {
  std::string list;
  for (const std::string& known : dataset_names()) list += known + ", ";
  const std::string nearest = did_you_mean(name, dataset_names());
  throw Error(ErrorKind::usage, "there is no data set and no folder of this name")
      .wanted(list + "a .csv or .npz file, or a folder of pictures, of IDX or of CIFAR's files")
      .got("\"" + name + "\"")
      .hint(nearest.empty() ? "give one of these names, a file or a folder"
                            : "did you mean " + nearest + "?");
}

}  // namespace

std::vector<std::string> dataset_names() {
  return {"mnist", "fashion-mnist", "strokes"};
}

DatasetPair load_dataset(const std::string& name_or_directory, const SourceLog& log) {
  if (name_or_directory == "mnist") {
    const fs::path directory = get_mnist(MnistSources::standard(), log);
    log.line("mnist from " + directory.string());
    return load_directory(directory, "mnist", kDigits);
  }
  if (name_or_directory == "fashion-mnist") return load_fashion_mnist(log);
  if (name_or_directory == "strokes") {
    log.line("strokes: digits drawn by this program itself");
    return make_strokes(kStrokesSeed);
  }
  const fs::path directory = name_or_directory;
  std::error_code code;
  if (!fs::exists(directory, code)) unknown(name_or_directory);
  const auto loaded = [&](DatasetPair pair) {
    log.line(pair.train.name + " from " + name_or_directory);
    return pair;
  };
  if (is_csv(directory)) return loaded(load_csv(directory));
  if (directory.extension() == ".npz") return loaded(load_npz(directory));
  if (!fs::is_directory(directory, code)) {
    throw Error(ErrorKind::data, "this is no data set")
        .where(name_or_directory)
        .wanted("a .csv or .npz file, or a folder")
        .hint("give a folder of pictures, of IDX files or of CIFAR's binary files, or one of these files");
  }
  if (is_cifar(directory)) return loaded(load_cifar(directory));
  const fs::path full = fs::absolute(directory).lexically_normal();
  const fs::path last = full.has_filename() ? full.filename() : full.parent_path().filename();
  require_idx(directory);
  DatasetPair pair = load_directory(directory, last.string(), kDigits);
  name_by_content(pair);
  log.line(pair.train.name + " from " + name_or_directory);
  return pair;
}

fs::path dataset_directory(const std::string& name_or_directory) {
  if (name_or_directory == "mnist") return cache_directory("mnist");
  if (name_or_directory == "strokes") return {};
  if (name_or_directory != "fashion-mnist") return name_or_directory;
  for (const fs::path& directory : fashion_mnist_directories()) {
    if (!find_file(directory, "train", "images", 3).empty()) return directory;
  }
  return {};
}

DatasetPair load_directory(const fs::path& directory, std::string_view name,
                           const std::vector<std::string>& classes) {
  DatasetPair pair{load_part(directory, "train", name, classes), load_part(directory, "t10k", name, classes)};
  if (pair.train.image != pair.test.image) {
    throw Error(ErrorKind::data, "training and test images differ in size")
        .where(directory.string())
        .wanted(pair.train.image.text())
        .got(pair.test.image.text())
        .hint("the folder mixes two data sets");
  }
  return pair;
}

void write_directory(const DatasetPair& data, const fs::path& directory) {
  require_writable(directory);
  write_idx(data.train, directory / "train-images-idx3-ubyte", directory / "train-labels-idx1-ubyte");
  write_idx(data.test, directory / "t10k-images-idx3-ubyte", directory / "t10k-labels-idx1-ubyte");
}

fs::path cache_directory(std::string_view name) {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && cache[0] == '/') {
    return fs::path(cache) / "unfold" / name;  // the specification has relative paths ignored
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && home[0] != '\0') {
    return fs::path(home) / ".cache" / "unfold" / name;
  }
  throw Error(ErrorKind::runtime, "there is no place for a cache: neither XDG_CACHE_HOME nor HOME is set")
      .hint("set XDG_CACHE_HOME to a folder that can be written, or give the data with --data DIR");
}

std::vector<fs::path> fashion_mnist_directories() {
  std::vector<fs::path> places = {"/usr/share/datasets/fashion-mnist"};
  try {
    places.push_back(cache_directory("fashion-mnist"));
  } catch (const Error&) {  // no home: no cache, which is no reason not to look elsewhere
  }
  return places;
}

}  // namespace unfold
