#include "unfold/data/source.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include "tests/support/data_files.h"
#include "unfold/data/idx.h"
#include "unfold/error.h"
#include "unfold/files.h"

using namespace unfold;
using namespace unfold::testing;

namespace {

Error failure(const std::string& name) {
  try {
    load_dataset(name, {});
  } catch (const Error& error) {
    return error;
  }
  FAIL("loaded: ", name);
  throw 0;
}

bool holds(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a directory is read under any of the usual file names") {
  const DatasetPair pair{small_set(20, 28, 28, 1), small_set(10, 28, 28, 2)};
  for (const char* separator : {"-", "."}) {
    for (const bool packed : {false, true}) {
      const TemporaryFolder folder;
      const auto write = [&](const std::string& head, int axes, std::vector<std::byte> bytes) {
        if (packed) bytes = gzip(bytes);
        write_file(
            folder / (head + separator + "idx" + std::to_string(axes) + "-ubyte" + (packed ? ".gz" : "")),
            bytes);
      };
      write("train-images", 3, idx_images_bytes(pair.train));
      write("train-labels", 1, idx_labels_bytes(pair.train));
      write("t10k-images", 3, idx_images_bytes(pair.test));
      write("t10k-labels", 1, idx_labels_bytes(pair.test));
      const DatasetPair back = load_dataset(folder.path().string() + "/", {});
      CHECK(back.train.pixels == pair.train.pixels);
      CHECK(back.test.labels == pair.test.labels);
      CHECK(back.train.name == folder.path().filename().string());
      CHECK(back.train.classes.size() == 10);
    }
  }
}

TEST_CASE("what is written as a directory loads back") {
  const TemporaryFolder folder;
  const DatasetPair pair{small_set(20, 8, 9, 1), small_set(10, 8, 9, 2)};
  write_directory(pair, folder / "new" / "place");
  const DatasetPair back = load_dataset((folder / "new" / "place").string(), {});
  CHECK(back.train.pixels == pair.train.pixels);
  CHECK(back.test.pixels == pair.test.pixels);
  CHECK(back.train.name == "place");
}

TEST_CASE("a directory that lacks a file, or mixes sizes, is refused with the reason") {
  const TemporaryFolder folder;
  write_directory({small_set(20, 8, 8, 1), small_set(10, 8, 9, 2)}, folder.path());
  CHECK(holds(failure(folder.path().string()).what(), "differ in size (wanted (1, 8, 8), got (1, 8, 9))"));
  std::filesystem::remove(folder / "t10k-labels-idx1-ubyte");
  const Error error = failure(folder.path().string());
  CHECK(error.kind() == ErrorKind::data);
  CHECK(holds(error.what(), "t10k-labels-idx1-ubyte"));
  CHECK(failure((folder / "train-images-idx3-ubyte").string()).kind() == ErrorKind::data);  // a file

  const TemporaryFolder other;
  write_file(other / "1.png", "");
  const Error none = failure(other.path().string());
  CHECK(none.kind() == ErrorKind::data);
  CHECK(holds(none.what(), "no data set in this folder (wanted a subfolder of pictures for each class"));
  CHECK(holds(none.what(), "got 1 other files, 0 folders"));
  CHECK(holds(none.hint(), "cat/1.jpg"));
}

TEST_CASE("an unknown name is a usage error that lists the names and knows near misses") {
  const Error error = failure("mnits");
  CHECK(error.kind() == ErrorKind::usage);
  for (const std::string& name : dataset_names()) CHECK(holds(error.what(), name));
  CHECK(holds(error.hint(), "did you mean mnist?"));
  CHECK(holds(failure("fashion-mnsit").hint(), "did you mean fashion-mnist?"));
  CHECK_FALSE(holds(failure("/no/such/folder").hint(), "did you mean"));
}

TEST_CASE("strokes need nothing at all") {
  const DatasetPair pair = load_dataset("strokes", {});
  CHECK(pair.train.name == "strokes");
  CHECK(pair.train.size() == 10000);
  CHECK(pair.test.size() == 2000);
}

TEST_CASE("the cache lies where XDG says") {
  const char* home = ::getenv("HOME");
  const std::string old_home = home != nullptr ? home : "";
  ::setenv("XDG_CACHE_HOME", "/tmp/some", 1);
  CHECK(cache_directory("mnist") == "/tmp/some/unfold/mnist");
  ::setenv("XDG_CACHE_HOME", "relative", 1);  // the specification: to be ignored
  ::setenv("HOME", "/home/me", 1);
  CHECK(cache_directory("mnist") == "/home/me/.cache/unfold/mnist");
  ::unsetenv("HOME");
  ::unsetenv("XDG_CACHE_HOME");
  CHECK_THROWS_AS(cache_directory("mnist"), Error);
  CHECK_FALSE(fashion_mnist_directories().empty());  // Debian's package needs no home
  ::setenv("HOME", old_home.c_str(), 1);
}

TEST_CASE("Debian's Fashion-MNIST has its class names, also when it is given as a directory") {
  const std::string debian = "/usr/share/datasets/fashion-mnist";
  if (!std::filesystem::exists(debian)) {
    MESSAGE("skipped: dataset-fashion-mnist is not installed");
    return;
  }
  for (const std::string& name : {std::string("fashion-mnist"), debian}) {
    const DatasetPair pair = load_dataset(name, {});
    CHECK(pair.train.name == "fashion-mnist");
    CHECK(pair.train.size() == 60000);
    CHECK(pair.test.size() == 10000);
    CHECK(pair.test.image == Shape({1, 28, 28}));
    CHECK(pair.test.classes[9] == "Ankle boot");
    CHECK(pair.test.labels[0] == 9);  // the first test image is an ankle boot
  }
}
