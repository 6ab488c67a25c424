// A network of one's own, as JSON, through the commands.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tests/support/run.h"
#include "unfold/files.h"
#include "unfold/formats/layer_types.h"
#include "unfold/formats/model_file.h"

using namespace unfold;
using namespace unfold::test;
using unfold::testing::TemporaryFolder;
using Json = nlohmann::json;

namespace {

const std::string kExample = std::string(UNFOLD_SOURCE) + "/examples/nets/resnet_small.json";

/// The example of docs/models.md.
std::string documented() {
  const std::string text = text_of(std::string(UNFOLD_SOURCE) + "/docs/models.md");
  const size_t begin = text.find("```json\n") + 8;
  return text.substr(begin, text.find("```", begin) - begin);
}

}  // namespace

TEST_CASE("the example of docs/models.md trains, is resumed, evaluated, asked and explained like any other") {
  const TemporaryFolder folder;
  const std::string data = small_data(folder.path(), 600, 100);
  write_file(folder / "my_net.json", documented());
  const std::string net = (folder / "my_net.json").string(), run = (folder / "run").string();
  ProcessResult r = unfold_program({"train", "--model", net, "--data", data, "--epochs", "2", "--out", run});
  CAPTURE(r.err);
  REQUIRE(r.code == 0);
  const Json config = Json::parse(text_of(folder / "run/config.json"));
  CHECK(config.at("model") == net);
  CHECK(contains(text_of(folder / "run/report.html"), "my_net"));
  const Model model = load_model(folder / "run/best.safetensors").model;
  CHECK(model.name == "my_net");
  CHECK(model.preprocessing.digit);

  fs::remove(net);  // a run has all that it needs
  r = unfold_program({"train", "--resume", run, "--epochs", "8"});
  CAPTURE(r.err);
  CHECK(r.code == 0);
  r = unfold_program({"eval", run, "--data", data, "--json"});
  CAPTURE(r.err);
  REQUIRE(r.code == 0);
  CHECK(Json::parse(r.out).at("accuracy").get<double>() > 0.6);
  const std::string digit = std::string(UNFOLD_DIGITS) + "/7.png";
  CHECK(unfold_program({"predict", run, digit}).code == 0);
  r = unfold_program({"explain", run, digit, "-o", (folder / "page.html").string()});
  CAPTURE(r.err);
  CHECK(r.code == 0);
  CHECK(unfold_program({"summary", run, "--plan"}).code == 0);
  CHECK(unfold_program({"gradcheck", run, "--samples", "3"}).code == 0);
}

TEST_CASE("the example network: summary with another input, bench") {
  ProcessResult r = unfold_program({"summary", kExample, "--input", "1x28x28", "--json"});
  CAPTURE(r.err);
  REQUIRE(r.code == 0);
  const Json json = Json::parse(r.out);
  CHECK(json.at("model") == "resnet-small");
  CHECK(json.at("layers").at(0).at("output") == Json({16, 28, 28}));
  r = unfold_program({"bench", kExample, "--batch-size", "4", "--repeats", "2", "--seconds", "0", "--json"});
  CAPTURE(r.err);
  CHECK(r.code == 0);
}

TEST_CASE("docs/models.md names every layer and every setting") {
  const std::string text = text_of(std::string(UNFOLD_SOURCE) + "/docs/models.md");
  for (const LayerType& type : known_layers()) {
    for (const std::string_view name : type.names) {
      CAPTURE(name);
      CHECK(contains(text, "`" + std::string(name) + "`"));
    }
    for (const LayerSetting& setting : type.settings) {
      CAPTURE(setting.name);
      CHECK(contains(text, "`" + std::string(setting.name) + "`"));
    }
  }
}

TEST_CASE("a file that is not there is said to be missing, a name that is none is looked up") {
  const TemporaryFolder folder;
  const auto said = [&](const std::vector<std::string>& arguments, int code, const std::string& text) {
    const ProcessResult r = unfold_program(arguments);
    CAPTURE(r.err);
    CHECK(r.code == code);
    CHECK(contains(r.err, text));
  };
  for (const char* name : {"missing.onnx", "missing.safetensors", "some/where"})
    said({"summary", name}, 4, "no such file");
  said({"summary", "missing.json"}, 4, "missing.json");
  said({"train", "--model", "missing.json"}, 4, "missing.json");
  said({"bench", "missing.safetensors"}, 4, "no such file");
  said({"gradcheck", "runs/none"}, 4, "no such file");
  said({"summary", "resnet21"}, 2, "did you mean 'resnet20'?");
  write_file(folder / "bad.json", R"({"input": [1, 8, 8], "layers": [{"type": "Conv2"}]})");
  said({"train", "--model", (folder / "bad.json").string(), "--data", small_data(folder.path())}, 4,
       "did you mean 'Conv2d'?");
}
