// unfold data: what is in a data set, as text, as JSON and as files.
#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/support/run.h"
#include "unfold/data/image_file.h"
#include "unfold/files.h"

using namespace unfold;
using namespace unfold::test;
using unfold::testing::TemporaryFolder;
using Json = nlohmann::json;

TEST_CASE("data FOLDER counts the images of each class, as text and as JSON") {
  const TemporaryFolder folder;
  const std::string data = small_data(folder.path(), 30, 10);
  const ProcessResult text = unfold_program({"data", data});
  CAPTURE(text.err);
  REQUIRE(text.code == 0);
  CHECK(contains(text.out, "30 training and 10 test images of 28x28 pixels"));
  CHECK(contains(text.out, data));

  const ProcessResult json = unfold_program({"data", data, "--json"});
  REQUIRE(json.code == 0);
  const Json report = Json::parse(json.out);
  CHECK(report.at("directory") == data);
  CHECK(report.at("image") == Json::array({1, 28, 28}));
  CHECK(report.at("train").at("images") == 30);
  CHECK(report.at("test").at("images") == 10);
  int64_t counted = 0;
  for (const auto& count : report.at("train").at("per_class")) counted += count.get<int64_t>();
  CHECK(counted == 30);
}

TEST_CASE("data --out writes the four files, and they are the same data set") {
  const TemporaryFolder folder;
  const std::string data = small_data(folder.path(), 30, 10), copy = (folder.path() / "copy").string();
  REQUIRE(unfold_program({"data", data, "--out", copy}).code == 0);
  int files = 0;
  for (const auto& entry : fs::directory_iterator(copy)) {
    CHECK(text_of(entry.path()) == text_of(fs::path(data) / entry.path().filename()));
    ++files;
  }
  CHECK(files == 4);
}

TEST_CASE("data without a name is a usage error, an empty folder a data error that says what it wants") {
  const TemporaryFolder folder;
  CHECK(unfold_program({"data"}).code == 2);
  const ProcessResult empty = unfold_program({"data", folder.path().string()});
  CHECK(empty.code == 3);
  CHECK(contains(empty.err, "error: "));
  CHECK(contains(empty.err, "hint: "));
}

TEST_CASE("data stats: mean, deviation and classes, as text and as JSON; augmentations are measured") {
  const TemporaryFolder folder;
  const std::string data = small_data(folder.path(), 30, 10);
  const ProcessResult json =
      unfold_program({"data", "stats", data, "--augment", "affine:5", "--json", "--threads", "2"});
  CAPTURE(json.err);
  REQUIRE(json.code == 0);
  const Json report = Json::parse(json.out);
  const std::vector<std::byte> pixels =
      read_file(fs::path(data) / "train-images-idx3-ubyte", ErrorKind::data);
  double sum = 0, squares = 0;
  for (size_t i = 16; i < pixels.size(); ++i) {
    const double v = std::to_integer<int>(pixels[i]) / 255.0;
    sum += v, squares += v * v;
  }
  const double n = 30 * 784, mean = sum / n;
  CHECK(report.at("mean").at(0).get<double>() == doctest::Approx(mean));
  CHECK(report.at("std").at(0).get<double>() == doctest::Approx(std::sqrt(squares / n - mean * mean)));
  CHECK(report.at("train").at("images") == 30);
  CHECK(report.at("augmented_per_second").get<double>() > 0);
  CHECK(!report.contains("pictures"));
  const ProcessResult text = unfold_program({"data", "stats", data});
  REQUIRE(text.code == 0);
  CHECK(contains(text.out, "30 training and 10 test images, 1x28x28"));
  CHECK(contains(text.out, "class"));
  CHECK(unfold_program({"data", "stats"}).code == 2);
  CHECK(unfold_program({"data", "stats", data, "--augment", "flp"}).code == 2);
  CHECK(unfold_program({"data", "stats", data, "--out", data}).code == 2);
}

TEST_CASE("data --show-augment draws a sheet: eight images, each as it is and as nine epochs see it") {
  const TemporaryFolder folder;
  const std::string data = small_data(folder.path(), 30, 10), png = (folder.path() / "sheet.png").string();
  const ProcessResult drawn =
      unfold_program({"data", data, "--show-augment", "crop:2,cutout:8", "--png", png});
  CAPTURE(drawn.err);
  REQUIRE(drawn.code == 0);
  const Image sheet = read_image(png);
  CHECK(sheet.channels == 1);
  CHECK(sheet.width == 10 * (2 * 28 + 2) - 2);
  CHECK(sheet.height == 8 * (2 * 28 + 2) - 2);
  const std::vector<std::byte> pixels =
      read_file(fs::path(data) / "train-images-idx3-ubyte", ErrorKind::data);
  int64_t changed = 0;
  for (int64_t y = 0; y < 56; ++y) {
    for (int64_t x = 0; x < 56; ++x) {
      const int original = std::to_integer<int>(pixels[static_cast<size_t>(16 + y / 2 * 28 + x / 2)]);
      CHECK(std::abs(sheet.at(y, x)[0] - original) <= 1);
      changed += std::abs(sheet.at(y, x + 58)[0] - original) > 1;
    }
  }
  CHECK(changed > 100);
  CHECK(sheet.at(0, 57)[0] == 255);  // between two images
  CHECK(unfold_program({"data", data, "--show-augment", "flip"}).code == 2);
  CHECK(unfold_program({"data", data, "--png", png}).code == 2);
  CHECK(contains(unfold_program({"data", data, "--show-augment", "flp", "--png", png}).err,
                 "did you mean 'flip'?"));
}
