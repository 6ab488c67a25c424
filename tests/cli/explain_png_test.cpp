// The files behind `unfold explain --png`, read back.
#include "cli/explain_png.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <algorithm>

#include "tests/explain/nets.h"
#include "unfold/data/image_file.h"
#include "unfold/data/strokes.h"
#include "unfold/error.h"

using namespace unfold;
using cli::write_pictures;
namespace fs = std::filesystem;

namespace {

struct Folder {
  fs::path path;
  Folder() {
    std::string name = (fs::temp_directory_path() / "unfold-explain-XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path); }
};

std::vector<std::string> names(const std::vector<cli::WrittenPicture>& written) {
  std::vector<std::string> out;
  for (const auto& picture : written) out.push_back(picture.path.filename().string());
  return out;
}

size_t files_in(const fs::path& folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

}  // namespace

TEST_CASE("the pictures of a LeNet-5 are written, and are pictures") {
  const Dataset data = make_strokes(5, 30, 1).train;
  const Model model = make_model("lenet5", 3);
  const Folder folder;
  ThreadPool pool(1);
  cli::PictureOptions options;
  options.data = &data;
  const auto written = write_pictures(model, data.at(0), options, pool, folder.path / "pictures");
  CHECK(names(written) == std::vector<std::string>{"overview.png", "input.png", "saliency.png", "guided.png",
                                                   "deconvnet.png", "gradcam.png", "occlusion.png",
                                                   "maps-conv2.png", "units-conv2.png", "patches-conv2.png",
                                                   "filters-conv1.png"});
  CHECK(files_in(folder.path / "pictures") == written.size());
  for (const auto& picture : written) {
    CAPTURE(picture.path);
    CHECK(!picture.caption.empty());
    const Image image = read_image(picture.path);
    CHECK(image.channels == 3);
    CHECK(std::ranges::any_of(image.pixels, [&](uint8_t v) { return v != image.pixels[0]; }));
  }
  // The input in its own brightness, 8 times as large: pixel (y, x) of the drawing lies at (y + 2, x + 2).
  const Image input = read_image(folder.path / "pictures" / "input.png");
  REQUIRE(input.width == 256);
  REQUIRE(input.height == 256);
  for (int64_t y = 0; y < 28; ++y) {
    for (int64_t x = 0; x < 28; ++x) {
      CHECK(std::abs(input.at((y + 2) * 8 + 4, (x + 2) * 8 + 4)[0] -
                     data.at(0)[static_cast<size_t>(y * 28 + x)]) <= 1);
    }
  }
}

TEST_CASE("one unit of one layer for one class, in colours, under a name that is no file's") {
  Graph g;
  ValueId x = g.conv2d("a/../b c", g.input({3, 12, 10}), 5, Window2d::square(3));
  x = g.relu("relu", x);
  g.linear("fc", g.flatten("flatten", x), 3);
  const Model model = test::model_of(std::move(g), 2);
  std::vector<uint8_t> image(3 * 12 * 10);
  for (size_t e = 0; e < image.size(); ++e) image[e] = static_cast<uint8_t>(e);
  const Folder folder;
  ThreadPool pool(1);
  cli::PictureOptions options;
  options.layer = "a/../b c";
  options.target = "class 2";
  options.unit = 4;
  const auto written = write_pictures(model, image, options, pool, folder.path);
  CHECK(files_in(folder.path) == written.size());
  CHECK(fs::exists(folder.path / "units-a____b_c.png"));
  CHECK(fs::exists(folder.path / "filters-a____b_c.png"));
  CHECK(written[2].caption.find("class 2") != std::string::npos);
  CHECK(written[4].caption.find("unit 4") != std::string::npos);
}

TEST_CASE("a network without convolution has what it can have") {
  Graph g;
  g.linear("fc2", g.relu("relu", g.linear("fc1", g.flatten("flatten", g.input({1, 8, 8})), 6)), 3);
  const Model model = test::model_of(std::move(g), 2);
  const Folder folder;
  ThreadPool pool(1);
  const std::vector<uint8_t> image(64, 100);
  CHECK(names(write_pictures(model, image, {}, pool, folder.path)) ==
        std::vector<std::string>{"overview.png", "input.png", "saliency.png", "guided.png", "deconvnet.png",
                                 "occlusion.png", "units-fc2.png"});
}

TEST_CASE("a layer, class or unit that is not there is refused before anything is written") {
  const Model model = make_model("lenet5", 3);
  const std::vector<uint8_t> image(28 * 28), wrong(7);
  const Folder folder;
  const fs::path to = folder.path / "pictures";
  ThreadPool pool(1);
  cli::PictureOptions layer, target, unit;
  layer.layer = "conv7", target.target = "cat", unit.unit = 16;
  CHECK_THROWS_WITH_AS(write_pictures(model, image, layer, pool, to), doctest::Contains("conv1"), Error);
  CHECK_THROWS_WITH_AS(write_pictures(model, image, target, pool, to), doctest::Contains("cat"), Error);
  CHECK_THROWS_WITH_AS(write_pictures(model, image, unit, pool, to), doctest::Contains("0 to 15"), Error);
  CHECK_THROWS_AS(write_pictures(model, wrong, {}, pool, to), Error);
  CHECK(!fs::exists(to));
}
