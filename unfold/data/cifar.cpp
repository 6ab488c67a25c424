#include "unfold/data/cifar.h"

#include <string>

#include "unfold/error.h"
#include "unfold/files.h"

namespace unfold {
namespace {

namespace fs = std::filesystem;

constexpr size_t kPixels = 3 * 32 * 32;
constexpr uint64_t kMostBytes = uint64_t{1} << 30;  // of a file; the largest there is has 154 MB

/// The lines of a file that are not empty; numbers, if there is no such file.
std::vector<std::string> class_names(const fs::path& path, int64_t count) {
  std::vector<std::string> names;
  if (fs::is_regular_file(path)) {
    std::string name;
    for (const std::byte byte : read_file(path, ErrorKind::data, kMostBytes)) {
      const char c = static_cast<char>(byte);
      if (c != '\n' && c != '\r') {
        name += c;
      } else if (!name.empty()) {
        names.push_back(std::move(name));
        name.clear();
      }
    }
    if (!name.empty()) names.push_back(name);
  }
  if (static_cast<int64_t>(names.size()) == count) return names;
  names.clear();
  for (int64_t i = 0; i < count; ++i) names.push_back(std::to_string(i));
  return names;
}

}  // namespace

bool is_cifar(const fs::path& directory) {
  std::error_code code;
  return fs::is_regular_file(directory / "data_batch_1.bin", code) ||
         (fs::is_regular_file(directory / "train.bin", code) &&
          fs::is_regular_file(directory / "test.bin", code));
}

void parse_cifar(std::span<const std::byte> bytes, int label_bytes, std::string_view where, Dataset& to) {
  const size_t record = static_cast<size_t>(label_bytes) + kPixels;
  if (bytes.empty() || bytes.size() % record != 0) {
    throw Error(ErrorKind::data, "this is no file of CIFAR's binary version")
        .where(where)
        .wanted("a multiple of " + std::to_string(record) + " bytes")
        .got(std::to_string(bytes.size()));
  }
  for (size_t at = 0; at < bytes.size(); at += record) {
    const auto label = static_cast<uint8_t>(bytes[at + static_cast<size_t>(label_bytes) - 1]);
    if (label >= to.classes.size()) {
      throw Error(ErrorKind::data, "a label that is no class")
          .where(std::string(where) + ", record " + std::to_string(at / record))
          .wanted("below " + std::to_string(to.classes.size()))
          .got(std::to_string(label));
    }
    to.labels.push_back(label);
    const auto* pixels =
        reinterpret_cast<const uint8_t*>(bytes.data() + at + static_cast<size_t>(label_bytes));
    to.pixels.insert(to.pixels.end(), pixels, pixels + kPixels);
  }
}

DatasetPair load_cifar(const fs::path& directory) {
  const bool ten = fs::is_regular_file(directory / "data_batch_1.bin");
  Dataset empty;
  empty.name = ten ? "cifar10" : "cifar100";
  empty.image = {3, 32, 32};
  empty.classes =
      class_names(directory / (ten ? "batches.meta.txt" : "fine_label_names.txt"), ten ? 10 : 100);
  DatasetPair pair{empty, empty};
  const auto read = [&](const std::string& name, Dataset& to) {
    const fs::path path = directory / name;
    parse_cifar(read_file(path, ErrorKind::data, kMostBytes), ten ? 1 : 2, path.string(), to);
  };
  if (ten) {
    for (int i = 1; i <= 5; ++i) read("data_batch_" + std::to_string(i) + ".bin", pair.train);
    read("test_batch.bin", pair.test);
  } else {
    read("train.bin", pair.train);
    read("test.bin", pair.test);
  }
  return pair;
}

}  // namespace unfold
