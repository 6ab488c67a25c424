// unfold data: what is in a data set, as text, as JSON and as files.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tests/support/run.h"
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
