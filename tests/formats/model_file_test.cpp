// Model files: what is saved comes back to the bit, and what is damaged or cannot be is refused with its
// name.
#include "unfold/formats/model_file.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>

#include "tests/support/data_files.h"
#include "unfold/files.h"
#include "unfold/ops/conv_transpose2d.h"
#include "unfold/ops/pad.h"
#include "unfold/random.h"

using namespace unfold;
using unfold::testing::TemporaryFolder;
using Json = nlohmann::json;

namespace {

/// A network small enough that every byte of its file can be tried.
Model tiny_model() {
  Model model;
  model.name = "tiny";
  model.trained_on = "small";
  ValueId x = model.graph.input({1, 8, 8});
  x = model.graph.conv2d("conv", x, 2, Window2d::square(3, 2));  // 2 x 3 x 3
  x = model.graph.relu("relu", x);
  x = model.graph.flatten("flatten", x);  // 18
  model.graph.linear("fc", x, 3);
  model.classes = {"a", "b", "c"};
  model.preprocessing = {.image_h = 6, .image_w = 6, .out_h = 8, .out_w = 8, .mean = 0.25, .std = 0.5};
  model.parameters = Parameters<float>(model.graph.parameter_table());
  Random random(7, "tiny");
  for (const ParameterSlice& slice : model.parameters.table().slices()) {
    float* values = model.parameters.slice(model.parameters.table().find(slice.name));
    for (int64_t i = 0; i < slice.shape.elements(); ++i) {
      values[i] = static_cast<float>(random.below(2001) - 1000) / 1024;
    }
  }
  return model;
}

/// Operators with attributes that few networks have.
Model rare_model() {
  Model model = tiny_model();
  Graph g;
  ValueId x = g.prelu("prelu", g.conv2d("conv", g.input({1, 8, 8}), 2, Window2d::square(3, 2)), 2, 0.125);
  x = g.add("up", std::make_shared<ConvTranspose2d>(4, Window2d::square(3, 2, 1, 1, 2), 1, 0, false), {x});
  x = g.add("pad", std::make_shared<Pad>(0, 1, 2, 3, PadMode::edge, 0.5), {x});
  x = g.reshape("shape", g.transpose("turn", x, {1, 2, 0}), {-1, 4});
  x = g.pointwise("softsign", g.pointwise("selu", x, {Pointwise::selu, 1.5, 1.25}), {Pointwise::softsign});
  g.log_softmax("log", g.linear("fc", g.flatten("flatten", x), 3));
  model.graph = std::move(g);
  model.parameters = Parameters<float>(model.graph.parameter_table());
  initialise(model.parameters, Init::pytorch, 2);
  return model;
}

std::vector<float> answers(const Model& model) {
  ThreadPool pool(1);
  Predictor predictor(model, Engine::im2col, 4, pool);
  const auto pixels = static_cast<size_t>(4 * model.preprocessing.image_h * model.preprocessing.image_w);
  std::vector<uint8_t> images(pixels);
  for (size_t i = 0; i < pixels; ++i) images[i] = static_cast<uint8_t>(i * 37 % 256);
  const auto logits = predictor.logits(images, 4);
  return {logits.begin(), logits.end()};
}

std::vector<std::byte> tiny_file() {
  const TemporaryFolder folder;
  save_model(folder / "tiny.safetensors", tiny_model());
  return read_file(folder / "tiny.safetensors", ErrorKind::model);
}

LoadedModel load(std::span<const std::byte> bytes) {
  return parse_model(parse_safetensors(bytes, "x"), "x");
}

/// The message of the refusal, or "" if the model was loaded. A refusal is of kind model, in one line.
std::string refusal(const SafetensorsFile& file) {
  try {
    parse_model(file, "x");
    return "";
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::model);
    CHECK(std::string(e.what()).starts_with("x: "));
    CHECK(std::string(e.what()).find('\n') == std::string::npos);
    return e.what();
  }
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// The tiny model's file, changed and sealed anew: what a program with a bug would have written.
std::string refusal_after(const std::function<void(SafetensorsFile&)>& change) {
  SafetensorsFile file = parse_safetensors(tiny_file(), "x");
  change(file);
  file.metadata.erase(std::string(kChecksumKey));
  seal(file);
  return refusal(file);
}
std::string refusal_of_description(const std::function<void(Json&)>& change) {
  return refusal_after([&](SafetensorsFile& file) {
    Json json = Json::parse(file.metadata.at("unfold.model"));
    change(json);
    file.metadata["unfold.model"] = json.dump();
  });
}

Tensor& tensor(SafetensorsFile& file, const std::string& name) {
  for (auto& [other, values] : file.tensors) {
    if (other == name) return values;
  }
  throw std::runtime_error("no tensor " + name);
}

}  // namespace

TEST_CASE("a model comes back from its file to the bit, with all that belongs to it") {
  const TemporaryFolder folder;
  for (const Model& model :
       {tiny_model(), rare_model(), make_model("lenet5", 3), make_model("lenet5-article", 4)}) {
    CAPTURE(model.name);
    save_model(folder / "m.safetensors", model);
    const LoadedModel loaded = load_model(folder / "m.safetensors");
    CHECK(loaded.note.empty());
    CHECK(loaded.model.name == model.name);
    CHECK(loaded.model.trained_on == model.trained_on);
    CHECK(loaded.model.classes == model.classes);
    CHECK(loaded.model.preprocessing == model.preprocessing);
    CHECK(describe_model(loaded.model) == describe_model(model));
    const auto a = model.parameters.all(), b = loaded.model.parameters.all();
    CHECK(std::equal(a.begin(), a.end(), b.begin(), b.end()));
    CHECK(answers(loaded.model) == answers(model));
  }
}

TEST_CASE("the bytes of a file depend on the model alone") {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "other");
  const Model model = tiny_model();
  save_model(folder / "a.safetensors", model);
  save_model(folder / "other/b.safetensors", load_model(folder / "a.safetensors").model);
  const auto a = read_file(folder / "a.safetensors", ErrorKind::model);
  CHECK(a == read_file(folder / "other/b.safetensors", ErrorKind::model));
  CHECK(a == tiny_file());
  // What is recorded, and so nothing else: no time, no host, no thread count.
  const SafetensorsFile file = parse_safetensors(a, "a");
  CHECK(file.metadata.size() == 4);
  for (const char* key : {"format", "unfold.format", "unfold.model", "unfold.checksum"}) {
    CHECK(file.metadata.contains(key));
  }
}

TEST_CASE("a model file of an earlier version keeps loading, with the same answers") {
  const std::filesystem::path path = std::filesystem::path(UNFOLD_FORMATS_DATA) / "tiny_model.safetensors";
  const LoadedModel loaded = load_model(path);
  CHECK(loaded.note.empty());
  CHECK(loaded.model.classes == std::vector<std::string>{"a", "b", "c"});
  const std::vector<float> wanted = {0.160961702f,  -0.910877526f, 0.341649234f, 0.52685684f,
                                     -0.459636033f, 0.0136878164f, 0.488710761f, -0.954720795f,
                                     0.433879524f,  0.402043492f,  -1.19249046f, 0.389834523f};
  const std::vector<float> got = answers(loaded.model);
  REQUIRE(got.size() == wanted.size());
  for (size_t i = 0; i < got.size(); ++i) CHECK(std::abs(got[i] - wanted[i]) <= 1e-5f);
  CHECK(answers(tiny_model()) == got);
}

TEST_CASE("every truncated file is refused as a model error") {
  const std::vector<std::byte> bytes = tiny_file();
  for (size_t size = 0; size < bytes.size(); ++size) {
    CAPTURE(size);
    try {
      load(std::span(bytes).first(size));
      FAIL("a truncated file was loaded");
    } catch (const Error& e) {
      CHECK(e.kind() == ErrorKind::model);
    }
  }
  const TemporaryFolder folder;
  write_file(folder / "empty.safetensors", "");
  CHECK_THROWS_AS(load_model(folder / "empty.safetensors"), Error);
}

TEST_CASE("2000 flipped bits and bytes: refused, or the answers are the same") {
  const std::vector<std::byte> bytes = tiny_file();
  const std::vector<float> wanted = answers(load(bytes).model);
  Random random(1, "flips");
  int refused = 0;
  for (int i = 0; i < 2000; ++i) {
    std::vector<std::byte> damaged = bytes;
    const auto at = static_cast<size_t>(random.below(static_cast<int64_t>(bytes.size())));
    const auto change = i % 2 ? int64_t{1} << random.below(8) : 1 + random.below(255);
    damaged[at] ^= static_cast<std::byte>(change);
    CAPTURE(at);
    CAPTURE(change);
    try {
      const std::vector<float> got = answers(load(damaged).model);
      CHECK(got == wanted);
    } catch (const Error& e) {
      CHECK(e.kind() == ErrorKind::model);
      ++refused;
    }
  }
  CHECK(refused > 1900);  // spaces of the header's end may change
}

TEST_CASE("bytes after the end are refused") {
  std::vector<std::byte> bytes = tiny_file();
  bytes.push_back(std::byte{0});
  CHECK_THROWS_AS(load(bytes), Error);
  bytes.insert(bytes.end(), 4096, std::byte{1});
  CHECK_THROWS_AS(load(bytes), Error);
}

TEST_CASE("a weight that is NaN or infinite, of another shape or dtype, or missing: the tensor is named") {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const std::string message =
        refusal_after([&](SafetensorsFile& file) { tensor(file, "fc.weight").span<float>()[7] = bad; });
    CHECK(contains(message, "fc.weight"));
    CHECK(contains(message, "NaN or infinity"));
  }
  std::string message = refusal_after(
      [](SafetensorsFile& file) { tensor(file, "conv.bias") = Tensor(Dtype::f32, Shape({3})); });
  CHECK(contains(message, "conv.bias"));
  CHECK(contains(message, "wanted F32 (2)"));
  CHECK(contains(message, "got F32 (3)"));
  message = refusal_after(
      [](SafetensorsFile& file) { tensor(file, "conv.bias") = Tensor(Dtype::f64, Shape({2})); });
  CHECK(contains(message, "conv.bias"));
  CHECK(contains(message, "got F64 (2)"));
  message = refusal_after([](SafetensorsFile& file) { file.tensors.back().first = "fc.weihgt"; });
  CHECK(contains(message, "a tensor is missing"));
  CHECK(contains(message, "fc."));
  CHECK(!refusal_after([](SafetensorsFile& file) { file.tensors.pop_back(); }).empty());
  CHECK(!refusal_after([](SafetensorsFile& file) {
           file.tensors.emplace_back("surplus", Tensor(Dtype::f32, Shape({1})));
         }).empty());
}

TEST_CASE("a description of a network that cannot be is refused with the layer's name") {
  CHECK(refusal_of_description([](Json&) {}).empty());
  std::string message = refusal_of_description([](Json& j) { j["layers"][0]["type"] = "Conv9d"; });
  CHECK(contains(message, "conv"));
  CHECK(contains(message, "unknown operator (got Conv9d)"));
  message = refusal_of_description([](Json& j) { j["layers"][0]["attributes"]["strides"] = {0, 1}; });
  CHECK(contains(message, "conv"));
  CHECK(contains(message, "stride"));
  message = refusal_of_description([](Json& j) { j["layers"][0]["attributes"]["strides"] = {1}; });
  CHECK(contains(message, "x: conv: "));
  CHECK(contains(message, "strides"));
  message = refusal_of_description([](Json& j) { j["layers"][0]["attributes"]["kernel_shape"] = {3, 9}; });
  CHECK(contains(message, "conv"));  // larger than its input
  message = refusal_of_description([](Json& j) { j["layers"][3]["inputs"] = {1}; });
  CHECK(contains(message, "fc"));  // wants what flatten makes, gets 2 x 3 x 3
  message = refusal_of_description([](Json& j) { j["layers"][3]["name"] = "conv"; });
  CHECK(contains(message, "conv"));
  CHECK(!refusal_of_description([](Json& j) { j["layers"][3]["inputs"] = {9}; }).empty());
  CHECK(!refusal_of_description([](Json& j) { j["layers"][3]["inputs"] = {4}; }).empty());  // itself
  for (const double index : {0.5, 4e66, -1.0}) {
    message = refusal_of_description([&](Json& j) { j["layers"][0]["inputs"] = {index}; });
    CHECK(contains(message, "must be a whole number"));
  }
  message = refusal_of_description([](Json& j) { j["input"] = {1, 1e30, 8}; });
  CHECK(contains(message, "must be a whole number, but is 1e+30"));
  CHECK(!refusal_of_description([](Json& j) { j["preprocessing"]["image"] = {4e66, 8}; }).empty());
  CHECK(!refusal_of_description([](Json& j) { j["layers"] = Json::array(); }).empty());
  CHECK(!refusal_of_description([](Json& j) { j["layers"] = 7; }).empty());
  CHECK(!refusal_of_description([](Json& j) { j["input"] = {1, -8, 8}; }).empty());
  CHECK(!refusal_of_description([](Json& j) { j["classes"].push_back("d"); }).empty());
  CHECK(!refusal_of_description([](Json& j) { j["preprocessing"]["std"] = 0; }).empty());
  CHECK(!refusal_of_description([](Json& j) { j["preprocessing"]["output"] = {9, 9}; }).empty());
  CHECK(!refusal_of_description([](Json& j) { j["preprocessing"]["fit"] = "stretch"; }).empty());
  CHECK(!refusal_of_description([](Json& j) { j.erase("preprocessing"); }).empty());
}

TEST_CASE("a network far larger than the file is refused before memory is spent on it") {
  const auto widths = [](int64_t out) {
    return refusal_of_description([&](Json& j) { j["layers"][3]["attributes"]["out_features"] = {out}; });
  };
  CHECK(contains(widths(int64_t{1} << 27), "too few weights"));  // 9 GB
  CHECK(!widths(int64_t{1} << 53).empty());
  CHECK(!widths(-1).empty());
}

TEST_CASE("a file of another format version is refused") {
  const std::string message =
      refusal_after([](SafetensorsFile& file) { file.metadata["unfold.format"] = "2"; });
  CHECK(contains(message, "wanted 1, got 2"));
}

TEST_CASE("LeNet-5's ten tensors of another program load, and the note says what was assumed") {
  const Model model = make_model("lenet5", 5);
  SafetensorsFile file;
  add_tensors(file, model.parameters, "");
  std::reverse(file.tensors.begin(), file.tensors.end());  // any order will do
  const LoadedModel loaded = parse_model(parse_safetensors(serialize_safetensors(file), "x"), "x");
  CHECK(contains(loaded.note, "another program"));
  CHECK(contains(loaded.note, "are assumed"));
  const auto a = model.parameters.all(), b = loaded.model.parameters.all();
  CHECK(std::equal(a.begin(), a.end(), b.begin(), b.end()));
  CHECK(loaded.model.preprocessing.mean == 0.1);

  file.tensors.pop_back();
  CHECK(contains(refusal(file), "does not say what network it holds"));
  // Of another network nobody could say what its input is.
  const Model other = make_model("resnet20", 0);
  SafetensorsFile weights;
  add_tensors(weights, other.parameters, "");
  CHECK(contains(refusal(weights), "its tensors are not LeNet-5's"));
}

TEST_CASE("a description without a checksum: the damage it would hide is said, or the file is refused") {
  SafetensorsFile file = parse_safetensors(tiny_file(), "x");
  file.metadata.erase(std::string(kChecksumKey));
  CHECK(contains(refusal(file), "checksum is gone"));
}

TEST_CASE("a model that does not fit together is not saved, and what was there stays") {
  const TemporaryFolder folder;
  save_model(folder / "m.safetensors", tiny_model());
  Model broken = tiny_model();
  broken.classes.pop_back();
  CHECK_THROWS_AS(save_model(folder / "m.safetensors", broken), Error);
  CHECK(load_model(folder / "m.safetensors").model.classes.size() == 3);
}
