// unfold models and unfold summary of networks by name; training and asking a network about a folder of
// pictures.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "tests/support/run.h"
#include "unfold/data/image_file.h"
#include "unfold/files.h"
#include "unfold/formats/model_file.h"
#include "unfold/random.h"

using namespace unfold;
using namespace unfold::test;
using unfold::testing::TemporaryFolder;
using Json = nlohmann::json;

TEST_CASE("models: every network with the parameters that are known of it") {
  const ProcessResult result = unfold_program({"models", "--json", "--batch", "8", "--threads", "2"});
  REQUIRE(result.code == 0);
  std::map<std::string, Json> models;
  for (const Json& model : Json::parse(result.out)) models[model.at("name")] = model;
  CHECK(models.size() == 25);
  // As torchvision's documentation has them.
  const std::map<std::string, int64_t> parameters = {
      {"lenet5", 61706},          {"alexnet", 61100840},    {"vgg11", 132863336},
      {"vgg16", 138357544},       {"vgg19_bn", 143678248},  {"resnet18", 11689512},
      {"resnet34", 21797672},     {"resnet50", 25557032},   {"squeezenet1_0", 1248424},
      {"squeezenet1_1", 1235496}, {"mobilenet_v2", 3504872}};
  for (const auto& [name, count] : parameters) {
    CAPTURE(name);
    CHECK(models.at(name).at("parameters") == count);
  }
  for (const auto& [name, model] : models) {
    CAPTURE(name);
    CHECK(model.at("flops") > 0);
    CHECK(model.at("training_bytes") > model.at("inference_bytes"));
    CHECK(model.at("inference_bytes") > 4 * model.at("parameters").get<int64_t>());
  }
  const ProcessResult text = unfold_program({"models"});
  CHECK(text.code == 0);
  CHECK(text.out.find("mobilenet_v2") != std::string::npos);
}

TEST_CASE("summary of a network with another input") {
  const ProcessResult result =
      unfold_program({"summary", "resnet18", "--input", "3x64x96", "--batch", "8", "--json"});
  REQUIRE(result.code == 0);
  const Json json = Json::parse(result.out);
  CHECK(json.at("layers").at(0).at("output") == Json({64, 32, 48}));
  CHECK(json.at("memory_bytes") > 0);
  CHECK(unfold_program({"summary", "resnet18", "--input", "3x64"}).code == 2);
  CHECK(unfold_program({"summary", "alexnt"}).err.find("did you mean 'alexnet'?") != std::string::npos);
}

TEST_CASE(
    "a network with batch normalisation learns a folder of coloured pictures, goes on, and is asked about "
    "one") {
  const TemporaryFolder folder;
  Random random(3, "pictures");
  for (const auto& [name, red] : std::map<std::string, int>{{"red", 1}, {"green", 0}}) {
    for (int i = 0; i < 60; ++i) {
      Image image{.width = 32, .height = 32, .channels = 3, .pixels = {}};
      for (int p = 0; p < 32 * 32; ++p) {
        const auto bright = static_cast<uint8_t>(100 + random.below(100)),
                   dark = static_cast<uint8_t>(random.below(100));
        image.pixels.insert(image.pixels.end(), {red ? bright : dark, red ? dark : bright, dark});
      }
      const auto path = folder / ("data/" + name);
      std::filesystem::create_directories(path);
      write_file(path / (std::to_string(i) + ".png"), std::span<const std::byte>(encode_png(image)));
    }
  }
  const std::string data = (folder / "data").string(), out = (folder / "run").string();
  const ProcessResult run =
      unfold_program({"train", "--model", "resnet20", "--data", data, "--epochs", "2", "--batch", "20",
                      "--lr", "0.02", "--augment", "flip,cutout:4", "--out", out, "--json"});
  CAPTURE(run.err);
  REQUIRE(run.code == 0);
  CHECK(Json::parse(run.out).at("accuracy") == 1.0);
  CHECK(unfold_program({"train", "--resume", out, "--epochs", "3", "-q"}).code == 0);
  const ProcessResult test = unfold_program({"eval", out, "--json"});  // on what it was trained on
  REQUIRE(test.code == 0);
  CHECK(Json::parse(test.out).at("images") == 20);
  const ProcessResult asked =
      unfold_program({"predict", out, (folder / "data/red/7.png").string(), "--json"});
  CAPTURE(asked.err);
  REQUIRE(asked.code == 0);
  CHECK(asked.out.find("\"red\"") != std::string::npos);
  // Fine-tuning: a third class, so a new head; all else frozen.
  std::filesystem::create_directories(folder / "data/blue");
  for (int i = 0; i < 12; ++i) {
    Image image{.width = 32, .height = 32, .channels = 3, .pixels = std::vector<uint8_t>(32 * 32 * 3, 0)};
    for (size_t p = 2; p < image.pixels.size(); p += 3) image.pixels[p] = static_cast<uint8_t>(150 + i);
    write_file(folder / ("data/blue/" + std::to_string(i) + ".png"),
               std::span<const std::byte>(encode_png(image)));
  }
  const std::string tuned = (folder / "tuned").string();
  const ProcessResult tune = unfold_program({"train", "--model", "resnet20", "--data", data, "--init-from",
                                             out, "--freeze", "layer?.*", "--freeze", "conv1*", "--freeze",
                                             "bn1.*", "--epochs", "2", "--batch", "20", "--out", tuned});
  CAPTURE(tune.out);
  REQUIRE(tune.code == 0);
  CHECK(tune.out.find("1 of another shape, left as drawn: fc.weight: (2, 64) there, (3, 64) here") ==
        std::string::npos);
  CHECK(tune.out.find("2 of another shape, left as drawn: fc.weight: (2, 64) there, (3, 64) here") !=
        std::string::npos);
  const Model old_model = load_model(out + "/best.safetensors").model,
              new_model = load_model(tuned + "/last.safetensors").model;
  for (const ParameterSlice& slice : old_model.parameters.table().slices()) {
    if (slice.name.starts_with("fc.") || slice.kind == ParameterKind::buffer) continue;
    CAPTURE(slice.name);
    const int64_t n = slice.shape.elements();
    const float *a = old_model.parameters.slice(old_model.parameters.table().find(slice.name)),
                *b = new_model.parameters.slice(new_model.parameters.table().find(slice.name));
    CHECK(std::equal(a, a + n, b));
  }
  CHECK(unfold_program({"train", "--nesterov", "--optimizer", "adam", "--data", data, "--out", tuned + "2"})
            .code == 2);
  const ProcessResult unknown = unfold_program({"train", "--model", "resnet20", "--data", data, "--freeze",
                                                "layer9.*", "--out", (folder / "no").string()});
  CHECK(unknown.code == 2);
  CHECK(unknown.err.find("layer9.*") != std::string::npos);
  std::filesystem::remove_all(folder / "data/blue");
  // 16 threads and one give the same bits.
  const auto weights = [&](const char* threads) {
    const std::string to = (folder / ("run" + std::string(threads))).string();
    CHECK(unfold_program({"train", "--model", "resnet20", "--data", data, "--epochs", "1", "--batch", "20",
                          "--threads", threads, "--out", to, "-q"})
              .code == 0);
    return read_file(to + "/last.safetensors", ErrorKind::data);
  };
  CHECK((weights("1") == weights("16")));
}

TEST_CASE("summary of an ONNX file: what it holds, as text and as JSON; what is none is refused") {
  const std::string model = UNFOLD_FORMATS_DATA "/tiny.onnx";
  const ProcessResult text = unfold_program({"summary", model});
  REQUIRE(text.code == 0);
  CHECK(text.out.find("ONNX, IR version 8, opset 17, org.example opset 3, by make_data\n") == 0);
  CHECK(text.out.find("\n  x  FLOAT (?, 1, 4, 4)\n") != std::string::npos);
  CHECK(text.out.find("\n  1 x org.example.Mystery\n") != std::string::npos);
  CHECK(text.out.find("\n4 nodes, 9 stored tensors of 32 elements\n") != std::string::npos);

  const ProcessResult result = unfold_program({"summary", model, "--json"});
  REQUIRE(result.code == 0);
  const Json json = Json::parse(result.out);
  CHECK(json.at("opsets") == Json{{"", 17}, {"org.example", 3}});
  CHECK(json.at("inputs") == Json::parse(R"([{"name": "x", "type": "FLOAT", "shape": [null, 1, 4, 4]}])"));
  CHECK(json.at("outputs") == Json::parse(R"([{"name": "out", "type": "FLOAT", "shape": null}])"));
  CHECK(json.at("operators").at("Conv") == 1);
  CHECK(json.at("bytes") == 122);

  const TemporaryFolder folder;
  write_file(folder / "picture.onnx", "GIF89a");
  const ProcessResult refused = unfold_program({"summary", (folder / "picture.onnx").string()});
  CHECK(refused.code == 4);
  CHECK(refused.err.find("picture.onnx: this is no ONNX file") != std::string::npos);
  CHECK(unfold_program({"summary", model, "--plan"}).code == 4);  // it holds no network of ours
}
