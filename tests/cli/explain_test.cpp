// unfold explain: the page it writes, and what it refuses.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

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
}
