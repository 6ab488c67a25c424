// examples/embedded: built from a model trained here, it answers as `unfold predict` does, is small, and
// needs nothing.
#include <doctest/doctest.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "tests/support/run.h"
#include "unfold/data/image_file.h"
#include "unfold/files.h"

using namespace unfold;
using namespace unfold::test;
using unfold::testing::TemporaryFolder;

namespace {

constexpr uintmax_t kMostBytes = 1'500'000;

void must(const std::vector<std::string>& command) {
  const ProcessResult r = run(command, {}, "", 1800);
  CAPTURE(command.front());
  CAPTURE(r.out);
  CAPTURE(r.err);
  REQUIRE(r.code == 0);
}

/// A picture as the program reads it: the mean of its colours, without alpha.
std::string pgm_of(const Image& image) {
  std::string text = "P5\n" + std::to_string(image.width) + " " + std::to_string(image.height) + "\n255\n";
  for (int64_t i = 0; i < image.width * image.height; ++i)
    text += static_cast<char>(image.pixels[static_cast<size_t>(i * image.channels)]);
  return text;
}

}  // namespace

TEST_CASE("the embedded LeNet-5 is at most 1.5 MB, static, and answers as unfold predict does") {
  const TemporaryFolder folder;
  must({UNFOLD_PROGRAM, "train", "--data", "strokes", "--model", "lenet5", "--epochs", "1", "--out",
        folder / "run", "-q"});
  must({UNFOLD_PROGRAM, "export", folder / "run", "--c-header", folder / "lenet5.h", "--name", "lenet5"});
  must({"cmake", "-S", UNFOLD_SOURCE "/examples/embedded", "-B", folder / "build",
        "-DCMAKE_CXX_COMPILER=" UNFOLD_CXX, std::string("-DLENET5=") + (folder / "lenet5.h").string()});
  must({"cmake", "--build", folder / "build", "--parallel", "2"});
  const std::string program = folder / "build/embedded";
  const uintmax_t bytes = fs::file_size(program);
  MESSAGE("stripped, weights included: " << bytes << " bytes");
  CHECK(bytes <= kMostBytes);

  for (int digit = 0; digit < 10; ++digit) {
    CAPTURE(digit);
    const Image image = read_image(UNFOLD_DIGITS "/" + std::to_string(digit) + ".png");
    const std::string picture = folder / "digit.pgm";
    write_file(picture, pgm_of(image));
    const ProcessResult asked =
        run({UNFOLD_PROGRAM, "predict", folder / "run", picture, "--top", "10", "--json"});
    REQUIRE(asked.code == 0);
    const auto answer = nlohmann::json::parse(asked.out).at(0);
    const ProcessResult r = run({"env", "-i", program}, {}, pgm_of(image));
    CAPTURE(r.err);
    REQUIRE(r.code == 0);
    for (const auto& top : answer.at("top")) {
      char line[64];
      std::snprintf(line, sizeof line, "%s %.6f\n", top.at("class").get<std::string>().c_str(),
                    top.at("probability").get<double>());
      CHECK_MESSAGE(contains(r.out, line), line << " in " << r.out);
    }
  }
  const ProcessResult bad = run({program}, {}, "P6\n1 1\n255\nabc");
  CHECK(bad.code == 1);
  CHECK(contains(bad.err, "error: "));
  const ProcessResult blank = run({program}, {}, "P5\n40 40\n255\n" + std::string(1600, '\xff'));
  CHECK(blank.code == 0);
  CHECK(contains(blank.out, "no answer"));
}
