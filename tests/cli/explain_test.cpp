// unfold explain: the page it writes, and what it refuses.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "tests/support/base64.h"
#include "tests/support/run.h"
#include "unfold/formats/model_file.h"

using namespace unfold;
using namespace unfold::test;
using unfold::testing::TemporaryFolder;
using Json = nlohmann::json;

namespace {

const std::string kSeven = std::string(UNFOLD_DIGITS) + "/7.png",
                  kThree = std::string(UNFOLD_DIGITS) + "/3.png";

/// A model with fresh weights in a file.
std::string fresh_model(const TemporaryFolder& folder, const std::string& first_class = "0") {
  Model model = make_model("lenet5-article", 1);
  model.classes[0] = first_class;
  const std::string path = (folder / "model.safetensors").string();
  save_model(path, model);
  return path;
}

Json data_of(const std::string& page) {
  const std::string open = R"(<script type="application/json" id="data">)";
  const size_t begin = page.find(open) + open.size(), end = page.find("</script>", begin);
  REQUIRE(end != std::string::npos);
  return Json::parse(page.substr(begin, end - begin));
}

}  // namespace

TEST_CASE("explain writes one page that loads nothing and holds every layer of every picture") {
  const TemporaryFolder folder;
  const std::string out = (folder / "page.html").string();
  const ProcessResult result =
      unfold_program({"explain", fresh_model(folder), kSeven, kThree, "--class", "4", "-o", out});
  CAPTURE(result.err);
  REQUIRE(result.code == 0);
  CHECK(contains(result.out, "page.html"));
  const std::string page = text_of(out);
  CHECK(page.starts_with("<!DOCTYPE html>"));
  CHECK(page.ends_with("</html>\n"));
  CHECK(page.size() < 3'000'000);
  for (const char* address : {"http:", "https:", "src=\"//", "@import", "import "}) {
    CAPTURE(address);
    CHECK_FALSE(contains(page, address));
  }
  const Json data = data_of(page);
  CHECK(data.at("images").size() == 2);
  CHECK(data.at("images").at(1).at("name") == "3.png");
  CHECK(data.at("images").at(1).at("class") == 4);
  CHECK(data.at("layers").size() == 12);
  CHECK(data.at("layers").at(0).at("window").at("kernel") == Json({5, 5}));
  CHECK(data.at("layers").at(0).at("seconds").at("naive").get<double>() > 0);
  CHECK(data.at("values").at(1).at("shape") == Json({6, 28, 28}));
  CHECK(data.at("values").at(1).at("data").size() == 2);
  CHECK(data.at("values").at(0).at("gradient").at(1).get<std::string>().size() == (1024 * 4 + 2) / 3 * 4);
}

TEST_CASE(
    "explain shows a network with batch normalisation as it answers, not as a batch of one would train it") {
  const TemporaryFolder folder;
  Graph g;
  ValueId x =
      g.relu("relu", g.batch_norm("bn", g.conv2d("conv", g.input({1, 32, 32}), 4, Window2d::square(5))));
  g.linear("fc", g.flatten("flatten", g.max_pool2d("pool", x, Window2d::square(4, 4))), 10);
  Model model = make_model("lenet5", 1);
  model.name = "normed";
  model.graph = g;
  model.parameters = Parameters<float>(g.parameter_table());
  initialise(model.parameters, Init::pytorch, 3);
  std::fill_n(model.parameters.slice(model.parameters.table().find("bn.running_mean")), 4, 0.3f);
  std::fill_n(model.parameters.slice(model.parameters.table().find("bn.running_var")), 4, 5.0f);
  const std::string file = (folder / "normed.safetensors").string(), page = (folder / "page.html").string();
  save_model(file, model);
  const ProcessResult asked = unfold_program({"predict", file, kSeven, "--top", "10", "--json"});
  REQUIRE(asked.code == 0);
  const ProcessResult made = unfold_program({"explain", file, kSeven, "-o", page, "--data", "none"});
  CAPTURE(made.err);
  REQUIRE(made.code == 0);
  CHECK(made.err.find("batch normalisations are shown within") != std::string::npos);
  const std::string html = text_of(page);
  CHECK(html.find("\"bn\"") == std::string::npos);
  const Json answer = Json::parse(asked.out).at(0).at("top").at(0), image = data_of(html).at("images").at(0);
  CHECK(answer.at("class") ==
        std::to_string(image.at("class").get<int>()));  // the page takes the answer as the truth
  CHECK(std::abs(std::exp(-image.at("loss").get<double>()) - answer.at("probability").get<double>()) <= 1e-6);
}

TEST_CASE("explain: names that are HTML stay text") {
  const TemporaryFolder folder;
  const std::string hostile = "</script><script>alert(1)</script><img src=x onerror=alert(2)>";
  const std::string picture = (folder / "<b>\"7'&.png").string(), out = (folder / "page.html").string();
  fs::copy_file(kSeven, picture);
  const ProcessResult result = unfold_program({"explain", fresh_model(folder, hostile), picture, "-o", out});
  REQUIRE(result.code == 0);
  const std::string page = text_of(out);
  CHECK_FALSE(contains(page, "<script>alert"));
  CHECK_FALSE(contains(page, "<img src=x"));
  CHECK(data_of(page).at("classes").at(0) == hostile);
  CHECK(data_of(page).at("images").at(0).at("name") == "<b>\"7'&.png");
}

TEST_CASE("explain says what is wrong with what it was given, and writes nothing") {
  const TemporaryFolder folder;
  const std::string model = fresh_model(folder), out = (folder / "page.html").string();
  const auto refused = [&](std::vector<std::string> arguments, int code, const std::string& says) {
    arguments.insert(arguments.begin(), "explain");
    arguments.insert(arguments.end(), {"-o", out});
    const ProcessResult result = unfold_program(arguments);
    CAPTURE(result.err);
    CHECK(result.code == code);
    CHECK(contains(result.err, says));
    CHECK_FALSE(fs::exists(out));
  };
  refused({model}, 2, "no picture to look at");
  refused({model, kSeven, kSeven, kSeven, kSeven, kSeven}, 2, "at most 4");
  refused({model, kSeven, "--class", "eleven"}, 2, "eleven");
  refused({model, (folder / "none.png").string()}, 3, "none.png");
  refused({(folder / "none.safetensors").string(), kSeven}, 4, "none.safetensors");
  refused({model, kSeven, "--engine", "quick"}, 2, "quick");
  refused({model, kSeven, "--layer", "conv9"}, 2, "conv9");
  refused({model, kSeven, "--layer", "fc1"}, 2, "fc1, Linear");
  refused({model, kSeven, "--data", "nowhere"}, 2, "nowhere");
}

TEST_CASE(
    "explain shows the patches of a data set that excite the shown units, and begins where it is told") {
  const TemporaryFolder folder;
  const std::string out = (folder / "page.html").string(), digits = small_data(folder.path(), 20, 40);
  const std::string model = fresh_model(folder);
  ProcessResult result =
      unfold_program({"explain", model, kSeven, kThree, "--data", digits, "--layer", "conv1", "-o", out});
  CAPTURE(result.err);
  REQUIRE(result.code == 0);
  Json data = data_of(text_of(out));
  CHECK(data.at("first") == "conv1");
  CHECK(data.at("images").at(0).at("seen").at("layer") == "conv1");
  const Json& patches = data.at("patches");
  CHECK(patches.at("data") == "digits");
  CHECK(patches.at("layer") == "conv1");
  CHECK(patches.at("height") == 5);
  CHECK(patches.at("width") == 5);
  CHECK(patches.at("units").size() == 6);  // all of conv1's are among the eight that are shown
  for (const Json& unit : patches.at("units")) {
    double before = std::numeric_limits<double>::infinity();
    CHECK(unit.at("patches").size() == 8);
    for (const Json& patch : unit.at("patches")) {
      CHECK(patch.at("activation").get<double>() <= before);
      before = patch.at("activation").get<double>();
      CHECK(patch.at("image").get<int>() < 40);
      CHECK(patch.at("pixels").get<std::string>().size() == (5 * 5 * 4 + 2) / 3 * 4);
    }
  }
  result = unfold_program({"explain", model, kSeven, "--data", "none", "-o", out});
  REQUIRE(result.code == 0);
  data = data_of(text_of(out));
  CHECK_FALSE(data.contains("patches"));
  CHECK(data.at("first") == "");
  CHECK(data.at("images").at(0).at("seen").at("layer") == "conv2");
}

TEST_CASE("a model that is no digits' is shown a picture as it is, or inverted") {
  const TemporaryFolder folder;
  Model model = make_model("lenet5", 1);
  model.preprocessing.digit = false;
  model.trained_on = "clothes";
  model.preprocessing.mean = 0.25;
  const std::string path = (folder / "model.safetensors").string(), light = (folder / "light.pgm").string(),
                    out = (folder / "page.html").string();
  save_model(path, model);
  // White with a dark block, off the middle: what a digit would be moved to the middle for.
  std::string pgm = "P5 28 28 255\n";
  for (int y = 0; y < 28; ++y) {
    for (int x = 0; x < 28; ++x) pgm += static_cast<char>(y >= 2 && y < 9 && x >= 3 && x < 8 ? 40 : 230);
  }
  std::ofstream(light, std::ios::binary) << pgm;
  const auto input = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"explain", path, light, "--data", "none", "-o", out});
    const ProcessResult result = unfold_program(more);
    CAPTURE(result.err);
    REQUIRE(result.code == 0);
    CHECK(contains(result.err, "--invert") == (more.size() == 7));
    const std::string text = data_of(text_of(out)).at("values").at(0).at("data").at(0);
    const std::vector<float> values = floats_of(text);
    REQUIRE(values.size() == 1024);
    return values;
  };
  const std::vector<float> plain = input({}), inverted = input({"--invert"});
  const auto at = [](const std::vector<float>& v, int y, int x) {
    return v[static_cast<size_t>((y + 2) * 32 + x + 2)];  // 28x28 in the middle of 32x32
  };
  const auto value = [](int byte) { return (static_cast<float>(byte) / 255 - 0.25f) / 1.0f; };
  CHECK(!(std::abs(at(plain, 5, 5) - value(40)) > 1e-6));
  CHECK(!(std::abs(at(plain, 20, 20) - value(230)) > 1e-6));
  CHECK(!(std::abs(at(inverted, 5, 5) - value(215)) > 1e-6));
  CHECK(!(std::abs(at(inverted, 20, 20) - value(25)) > 1e-6));
  ProcessResult result = unfold_program({"predict", path, light, "--show"});
  CHECK(result.code == 0);
  CHECK(contains(result.err, "try --invert"));
  CHECK(contains(result.out, "%%%%"));
  result = unfold_program({"predict", path, light, "--invert"});
  CHECK(result.code == 0);
  CHECK(result.err.empty());
  result = unfold_program({"predict", fresh_model(folder), kSeven, "--invert"});
  CHECK(result.code == 2);
  CHECK(contains(result.err, "--invert"));
}

TEST_CASE("a model with too many numbers for a page gets a compact one, as any does that is asked for it") {
  const TemporaryFolder folder;
  Model model = make_model("lenet5", 1);
  Graph g;
  ValueId x = g.relu("relu1", g.conv2d("conv1", g.input({1, 32, 32}), 2, Window2d::square(5, 4)));
  x = g.relu("relu2", g.linear("wide", g.flatten("flatten", x), 30'000));
  g.linear("fc", x, 10);
  model.name = "wide";
  model.graph = g;
  model.parameters = Parameters<float>(g.parameter_table());
  initialise(model.parameters, Init::pytorch, 3);
  const std::string path = (folder / "wide.safetensors").string(), out = (folder / "page.html").string();
  save_model(path, model);
  const ProcessResult result = unfold_program({"explain", path, kSeven, "-o", out});
  CAPTURE(result.err);
  CHECK(result.code == 0);
  CHECK(contains(result.err, "the strongest maps are shown"));
  CHECK(contains(text_of(out), "\"compact\":true"));
  CHECK(fs::file_size(out) < 1'000'000);

  const std::string small = fresh_model(folder), whole = (folder / "whole.html").string();
  CHECK(unfold_program({"explain", small, kSeven, "-o", whole}).code == 0);
  CHECK(unfold_program({"explain", small, kSeven, "-o", out, "--compact"}).code == 0);
  CHECK_FALSE(contains(text_of(whole), "\"compact\":true"));
  CHECK(contains(text_of(out), "\"compact\":true"));
  CHECK(fs::file_size(out) < fs::file_size(whole));
}
