// A model as a header of C and C++: its names, its bytes, what it refuses. tests/cli/export_test.cpp compiles
// one.
#include "unfold/formats/c_header.h"

#include <doctest/doctest.h>

#include <cstdlib>

#include "unfold/error.h"
#include "unfold/formats/model_file.h"

using namespace unfold;

namespace {

Model small_model() {
  Model model = make_model("lenet5", 1);
  Graph g;
  g.linear("fc", g.flatten("flatten", g.input({1, 4, 4})), 3);
  model.graph = g;
  model.preprocessing = {.image_h = 4, .image_w = 4, .out_h = 4, .out_w = 4};
  model.parameters = Parameters<float>(g.parameter_table());
  initialise(model.parameters, Init::pytorch, 1);
  model.classes = {"one", "two", "three"};
  return model;
}

/// The bytes that the words after `begin` stand for.
std::vector<std::byte> bytes_in(const std::string& text, const std::string& begin, size_t count) {
  const size_t start = text.find("{\n", text.find(begin)) + 2, end = text.find("};", start);
  std::vector<std::byte> bytes;
  for (size_t at = start; (at = text.find("0x", at)) < end; at += 2) {
    const unsigned long long word = std::strtoull(text.c_str() + at, nullptr, 16);
    for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<std::byte>(word >> (8 * i) & 255));
  }
  CHECK(bytes.size() >= count);
  CHECK(bytes.size() < count + 8);
  bytes.resize(count);
  return bytes;
}

}  // namespace

TEST_CASE("a name becomes an identifier") {
  CHECK(c_identifier("lenet5") == "lenet5");
  CHECK(c_identifier("lenet5-article") == "lenet5_article");
  CHECK(c_identifier("vgg11_bn-small") == "vgg11_bn_small");
  CHECK(c_identifier("2fast") == "model_2fast");
  CHECK(c_identifier("a//b") == "a_b");
  CHECK(c_identifier("__a__") == "a");  // C++ keeps double underscores to itself
  CHECK(c_identifier("\xc3\xa9t\xc3\xa9") == "t");
  CHECK(c_identifier("") == "model");
  CHECK(c_identifier("?!") == "model");
}

TEST_CASE("the header holds the file's bytes, under the model's name or another, and is the same each time") {
  const Model model = small_model();
  const std::string text = c_header(model);
  const std::vector<std::byte> file = serialize_model(model);
  CHECK(text.find("size_t lenet5_bytes = " + std::to_string(file.size()) + ";") != std::string::npos);
  CHECK(bytes_in(text, "lenet5_model[", file.size()) == file);
  CHECK(text.find("lenet5_input[3] = {1, 4, 4};") != std::string::npos);
  CHECK(text.find("lenet5_image[2] = {4, 4};") != std::string::npos);
  CHECK(text.find("lenet5_classes[3][6] = {\"one\", \"two\", \"three\"};") != std::string::npos);
  CHECK(text == c_header(model));
  const std::string named = c_header(model, "my net");
  CHECK(named.find("my_net_model[") != std::string::npos);
  CHECK(named.find("lenet5_model[") == std::string::npos);

  const Model again = parse_model(bytes_in(text, "lenet5_model[", file.size()), "x").model;
  CHECK(serialize_model(again) == file);
}

TEST_CASE("a model that no file could hold, and one that no compiler could read, are refused") {
  Model model = small_model();
  model.classes.pop_back();
  CHECK_THROWS_WITH_AS(c_header(model), doctest::Contains("outputs and class names differ"), Error);
  model.classes.push_back("three");
  Graph g;
  g.linear("fc", g.linear("wide", g.flatten("flatten", g.input({1, 4, 4})), 1 << 20), 3);
  model.graph = g;
  model.parameters = Parameters<float>(g.parameter_table());
  CHECK_THROWS_WITH_AS(c_header(model), doctest::Contains("too large for a header"), Error);
}
