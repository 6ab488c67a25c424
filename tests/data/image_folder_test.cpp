#include "unfold/data/image_folder.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "tests/support/data_files.h"
#include "unfold/data/image_file.h"
#include "unfold/error.h"
#include "unfold/files.h"

using namespace unfold;

namespace {

namespace fs = std::filesystem;

/// A picture of one colour.
Image plain(int64_t h, int64_t w, std::vector<uint8_t> colour) {
  Image image{.width = w, .height = h, .channels = static_cast<int64_t>(colour.size()), .pixels = {}};
  for (int64_t i = 0; i < h * w; ++i) image.pixels.insert(image.pixels.end(), colour.begin(), colour.end());
  return image;
}
void put(const fs::path& path, const Image& image) {
  fs::create_directories(path.parent_path());
  const std::vector<std::byte> bytes = encode_png(image);  // not by write_file, which waits for the disk
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
}
DatasetPair load(const fs::path& root, const ImageFolderOptions& options = {},
                 std::vector<std::string>* said = nullptr, int threads = 2) {
  ThreadPool pool(threads);
  SourceLog log;
  if (said) log.say = [said](std::string_view line) { said->emplace_back(line); };
  return load_image_folder(root, options, pool, log);
}
std::string refusal(const fs::path& root) {
  try {
    load(root);
  } catch (const Error& e) {
    return e.what();
  }
  return "not refused";
}

}  // namespace

TEST_CASE("train, val and test folders: classes by name, colours in planes, validation at the end") {
  const testing::TemporaryFolder folder;
  const fs::path root = folder.path() / "pets";
  for (uint8_t i = 0; i < 5; ++i) {
    put(root / "train/dog" / (std::to_string(i) + ".png"), plain(4, 6, {10, 20, i}));
    put(root / "train/cat/deeper" / (std::to_string(i) + ".PNG"), plain(4, 6, {30, 40, i}));
  }
  put(root / "val/dog/v.png", plain(4, 6, {50, 60, 70}));
  put(root / "test/cat/t.png", plain(4, 6, {1, 2, 3}));
  put(root / "test/cat/grey.png", plain(4, 6, {9}));
  write_file(root / "train/dog/notes.txt", "no picture");
  CHECK(is_image_folder(root));
  const DatasetPair pair = load(root);
  CHECK(pair.train.name == "pets");
  CHECK(pair.train.classes == std::vector<std::string>{"cat", "dog"});
  CHECK(pair.train.image == Shape{3, 4, 6});
  REQUIRE(pair.train.size() == 11);
  CHECK(pair.train.validation == 1);
  CHECK(pair.train.at(10)[0] == 50);  // val's comes last
  std::multiset<int> cats, dogs;
  for (int64_t i = 0; i < 10; ++i) {
    const auto x = pair.train.at(i);
    const bool dog = pair.train.labels[static_cast<size_t>(i)] == 1;
    CHECK(x[0] == (dog ? 10 : 30));
    CHECK(x[24] == (dog ? 20 : 40));
    (dog ? dogs : cats).insert(x[48]);
  }
  CHECK(cats == std::multiset<int>{0, 1, 2, 3, 4});
  CHECK(dogs == cats);
  CHECK(!std::is_sorted(pair.train.labels.begin(), pair.train.labels.begin() + 10));
  CHECK(pair.test.labels == std::vector<int32_t>{0, 0});
  CHECK(pair.test.at(0)[0] == 9);  // grey.png before t.png, its grey in all three planes
  CHECK(pair.test.at(0)[48] == 9);
  for (const int threads : {1, 7}) {
    const DatasetPair again = load(root, {}, nullptr, threads);
    CHECK(again.train.pixels == pair.train.pixels);
    CHECK(again.train.labels == pair.train.labels);
  }
}

TEST_CASE("classes in the folder itself: every sixth picture of each is for the test; grey stays grey") {
  const testing::TemporaryFolder folder;
  for (int i = 0; i < 13; ++i) {
    put(folder.path() / "a" / (std::to_string(100 + i) + ".png"), plain(3, 3, {static_cast<uint8_t>(i)}));
    if (i < 6) put(folder.path() / "b" / (std::to_string(i) + ".png"), plain(3, 3, {200}));
  }
  const DatasetPair pair = load(folder.path());
  CHECK(pair.train.image == Shape{1, 3, 3});
  CHECK(pair.train.size() == 16);
  CHECK(pair.train.validation == 0);
  CHECK(pair.test.labels == std::vector<int32_t>{0, 0, 1});
  CHECK(pair.test.at(0)[0] == 5);
  CHECK(pair.test.at(1)[0] == 11);
}

TEST_CASE("three hundred classes keep their labels apart") {
  const testing::TemporaryFolder folder;
  for (int c = 0; c < 300; ++c) {
    for (const char* part : {"train", "test"})
      put(folder.path() / part / std::to_string(1000 + c) / "0.png",
          plain(2, 2, {static_cast<uint8_t>(c % 256)}));
  }
  const DatasetPair pair = load(folder.path());
  CHECK(pair.train.classes.size() == 300);
  REQUIRE(pair.test.size() == 300);
  for (int64_t c = 0; c < 300; ++c) {
    CHECK(pair.test.labels[static_cast<size_t>(c)] == c);
    CHECK(pair.test.at(c)[0] == c % 256);
  }
}

TEST_CASE("val without test: validation; the test is kept from the training pictures") {
  const testing::TemporaryFolder folder;
  for (int i = 0; i < 12; ++i)
    put(folder.path() / "train/a" / (std::to_string(100 + i) + ".png"),
        plain(3, 3, {static_cast<uint8_t>(i)}));
  put(folder.path() / "val/a/v.png", plain(3, 3, {99}));
  const DatasetPair pair = load(folder.path());
  CHECK(pair.train.size() == 11);
  CHECK(pair.train.validation == 1);
  CHECK(pair.train.at(10)[0] == 99);
  CHECK(pair.test.size() == 2);
  CHECK(pair.test.at(0)[0] == 5);
}

TEST_CASE("pictures of several sizes become those that were asked for") {
  const testing::TemporaryFolder folder;
  for (int i = 0; i < 6; ++i)
    put(folder.path() / "a" / (std::to_string(i) + ".png"), plain(20 + 10 * i, 30, {7, 8, 9}));
  const DatasetPair pair = load(folder.path(), {.h = 16, .w = 12});
  CHECK(pair.train.image == Shape{3, 16, 12});
  CHECK(pair.train.size() == 5);
  CHECK(
      std::all_of(pair.train.pixels.begin(), pair.train.pixels.begin() + 192, [](int v) { return v == 7; }));
}

TEST_CASE("a bad picture is named, or left out and counted") {
  const testing::TemporaryFolder folder;
  const fs::path root = folder.path();
  for (uint8_t i = 0; i < 9; ++i) {
    for (const char* part : {"train/a", "val/a", "test/a"})
      put(root / part / (std::to_string(i) + ".png"), plain(3, 3, {i}));
  }
  write_file(root / "train/a/3.png", "no picture");
  write_file(root / "val/a/4.png", "no picture");
  CHECK(refusal(root).find(".png: ") != std::string::npos);
  std::vector<std::string> said;
  const DatasetPair pair = load(root, {.skip_bad = true}, &said);
  CHECK(pair.train.size() == 16);
  CHECK(pair.train.validation == 8);
  for (int64_t i = 8; i < 16; ++i) CHECK(pair.train.at(i)[0] == (i < 12 ? i - 8 : i - 7));
  CHECK(pair.test.size() == 9);
  REQUIRE(said.size() == 4);
  CHECK(said[0].find("train/a/3.png") != std::string::npos);
  CHECK(said[1].find("val/a/4.png") != std::string::npos);
  CHECK(said[2] == "2 files left out");
}

TEST_CASE("what is no folder of pictures") {
  const testing::TemporaryFolder folder;
  const fs::path root = folder.path();
  CHECK(!is_image_folder(root));
  CHECK(!is_image_folder(root / "nowhere"));
  fs::create_directories(root / "empty");
  CHECK(!is_image_folder(root));
  CHECK(refusal(root).find("a class without a picture") != std::string::npos);
  put(root / "few/train/a/1.png", plain(2, 2, {1}));
  CHECK(refusal(root / "few").find("too few pictures") != std::string::npos);
  put(root / "few/test/b/1.png", plain(2, 2, {1}));
  CHECK(refusal(root / "few").find("a class that the training pictures have not") != std::string::npos);
}

TEST_CASE("formats that widen on the way: what was held before becomes what comes later") {
  // 300 pictures, several times what is read at once; the 200th is the first that is in colour, or another
  // size.
  for (const bool colour : {false, true}) {
    for (const bool size : {false, true}) {
      CAPTURE(colour);
      CAPTURE(size);
      const testing::TemporaryFolder folder;
      const auto name = [](int i) { return "test/a/" + std::to_string(1000 + i) + ".png"; };
      put(folder.path() / "train/a/1.png", plain(8, 8, {7}));
      for (int i = 0; i < 300; ++i) {
        const auto v = static_cast<uint8_t>(i % 256);
        const int64_t side = size && i == 200 ? 12 : 8;
        put(folder.path() / name(i),
            colour && i == 200 ? plain(side, side, {v, 1, 2}) : plain(side, side, {v}));
      }
      ThreadPool pool(2);
      PictureSizes sizes;
      const DatasetPair pair = load_image_folder(folder.path(), {.h = 6, .w = 5}, pool, {}, &sizes);
      const int64_t c = colour ? 3 : 1, h = size ? 6 : 8, w = size ? 5 : 8;
      CHECK(pair.test.image == Shape{c, h, w});
      CHECK(pair.train.image == pair.test.image);
      CHECK(pair.train.at(0)[0] == 7);
      REQUIRE(pair.test.size() == 300);
      REQUIRE(std::ssize(pair.test.pixels) == 300 * c * h * w);
      for (int64_t i = 0; i < 300; ++i) {
        const auto x = pair.test.at(i);
        CHECK(x[0] == i % 256);
        CHECK(x[static_cast<size_t>(h * w - 1)] == i % 256);
        if (colour) CHECK(x[static_cast<size_t>(h * w)] == (i == 200 ? 1 : i % 256));
      }
      CHECK(sizes.least_h == 8);
      CHECK(sizes.most_w == (size ? 12 : 8));
    }
  }
}

TEST_CASE("a folder of which nothing can be read") {
  const testing::TemporaryFolder folder;
  fs::create_directories(folder.path() / "train/a");
  fs::create_directories(folder.path() / "test/a");
  write_file(folder.path() / "train/a/1.png", "no picture");
  write_file(folder.path() / "test/a/1.png", "no picture");
  CHECK_THROWS_WITH_AS(load(folder.path(), {.skip_bad = true}),
                       doctest::Contains("that can be read, none are"), Error);
}
