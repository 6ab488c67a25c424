#include "unfold/formats/onnx/writer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

#include "tests/support/data_files.h"
#include "unfold/files.h"
#include "unfold/formats/onnx/reader.h"

using namespace unfold;
using unfold::testing::TemporaryFolder;

namespace {

bool same(const onnx::TensorValue& a, const onnx::TensorValue& b) {
  return a.name == b.name && a.refused == b.refused && a.values.dtype() == b.values.dtype() &&
         a.values.shape() == b.values.shape() && a.values.bytes() == b.values.bytes() &&
         (a.values.bytes() == 0 || std::memcmp(a.values.raw(), b.values.raw(), a.values.bytes()) == 0);
}

template <class T>
bool same(const T& a, const T& b) {
  if constexpr (std::is_same_v<T, float>) return std::memcmp(&a, &b, sizeof a) == 0;  // NaN too
  return a == b;
}
bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return std::ranges::equal(a, b, [](float x, float y) { return same(x, y); });
}
bool same(const onnx::Unread& a, const onnx::Unread& b) {
  return a.kind == b.kind;
}

bool same(const onnx::Attribute& a, const onnx::Attribute& b) {
  return a.name == b.name && a.value.index() == b.value.index() &&
         std::visit([&](const auto& v) { return same(v, std::get<std::decay_t<decltype(v)>>(b.value)); },
                    a.value);
}

bool same(const onnx::Node& a, const onnx::Node& b) {
  return a.name == b.name && a.op_type == b.op_type && a.domain == b.domain && a.inputs == b.inputs &&
         a.outputs == b.outputs &&
         std::ranges::equal(a.attributes, b.attributes,
                            [](const auto& x, const auto& y) { return same(x, y); });
}

bool same(const onnx::ValueInfo& a, const onnx::ValueInfo& b) {
  return a.name == b.name && a.type == b.type && a.shape == b.shape;
}

bool same(const onnx::Model& a, const onnx::Model& b) {
  const auto each = [](const auto& x, const auto& y) {
    return std::ranges::equal(x, y, [](const auto& u, const auto& v) { return same(u, v); });
  };
  return a.ir_version == b.ir_version && a.producer == b.producer && a.opsets == b.opsets &&
         a.metadata == b.metadata && a.graph.name == b.graph.name && each(a.graph.nodes, b.graph.nodes) &&
         each(a.graph.initializers, b.graph.initializers) && each(a.graph.inputs, b.graph.inputs) &&
         each(a.graph.outputs, b.graph.outputs);
}

onnx::Model parsed(const std::string& bytes) {
  return onnx::parse_model(std::as_bytes(std::span(bytes)), "net.onnx");
}

/// Whether a part of the model was not read.
bool unread(const onnx::Model& model) {
  const auto refused = [](const onnx::TensorValue& t) { return !t.refused.empty(); };
  for (const onnx::Node& node : model.graph.nodes) {
    for (const onnx::Attribute& a : node.attributes) {
      const auto* tensor = std::get_if<onnx::TensorValue>(&a.value);
      if (std::holds_alternative<onnx::Unread>(a.value) || (tensor && refused(*tensor))) return true;
    }
  }
  return std::ranges::any_of(model.graph.initializers, refused);
}

/// One of everything.
onnx::Model everything() {
  onnx::Model m;
  m.ir_version = 8;
  m.producer = "test";
  m.opsets = {{"", 17}, {"org.example", -1}};
  m.metadata = {{"b", "2"}, {"a", ""}};
  m.graph.name = "net";
  onnx::TensorValue w{"w", Tensor(Dtype::f32, {2, 3}), {}};
  for (int i = 0; i < 6; ++i) w.values.data<float>()[i] = static_cast<float>(i) - 2.5f;
  m.graph.initializers = {w, {"scalar", Tensor(Dtype::i64, {}), {}}, {"none", Tensor(Dtype::f32, {0}), {}}};
  for (const Dtype dtype : {Dtype::f64, Dtype::i32, Dtype::u8, Dtype::boolean, Dtype::f16, Dtype::bf16})
    m.graph.initializers.push_back({std::string(dtype_name(dtype)), Tensor(dtype, {3}), {}});
  m.graph.nodes.push_back({.name = "n",
                           .op_type = "Mystery",
                           .domain = "org.example",
                           .inputs = {"x", "", "w"},
                           .outputs = {"y"},
                           .attributes = {{"f", 0.5f},
                                          {"i", int64_t{-7}},
                                          {"s", std::string("a\0b", 3)},
                                          {"t", w},
                                          {"fs", std::vector<float>{1, -0.0f}},
                                          {"is", std::vector<int64_t>{}},
                                          {"ss", std::vector<std::string>{"", "z"}}}});
  m.graph.inputs = {
      {"x", 1, std::vector<int64_t>{-1, 3, -1, 0}}, {"s", 7, std::vector<int64_t>{}}, {"u", 0, {}}};
  m.graph.outputs = {{"y", 1, {}}};
  return m;
}

}  // namespace

TEST_CASE("what is written is read back as it was, and the same model gives the same bytes") {
  const onnx::Model model = everything();
  const std::string bytes = onnx::serialize_model(model);
  CHECK(same(parsed(bytes), model));
  CHECK(onnx::serialize_model(parsed(bytes)) == bytes);
  onnx::Model other = model;
  other.graph.nodes[0].attributes[4].value = std::vector<float>{1, 0.0f};
  CHECK(!same(other, model));  // the comparison sees a sign
  // A transposed tensor is written in the order of its shape.
  other.graph.initializers[0].values = model.graph.initializers[0].values.transposed(0, 1);
  const onnx::Model back = parsed(onnx::serialize_model(other));
  CHECK(back.graph.initializers[0].values.shape() == Shape{3, 2});
  CHECK(back.graph.initializers[0].values.data<float>()[1] == 0.5f);
}

TEST_CASE("a model is written in one step, and what was not read is refused by name") {
  const TemporaryFolder folder;
  onnx::write_model(folder / "net.onnx", everything());
  CHECK(same(onnx::read_model(folder / "net.onnx"), everything()));
  const auto refused = [](auto change, const char* where) {
    onnx::Model model = everything();
    change(model);
    CHECK_THROWS_WITH_AS(onnx::serialize_model(model), doctest::Contains(where), Error);
  };
  refused([](onnx::Model& m) { m.graph.initializers[0].refused = "INT8"; }, "tensor 'w'");
  refused([](onnx::Model& m) { m.graph.nodes[0].attributes[0].value = onnx::Unread{"a graph"}; },
          "Mystery 'n': 'f'");
}

// Debian's package libonnx-testdata, where it is installed.
TEST_CASE("ONNX's own models are written and read back as they were") {
  const std::filesystem::path data = "/usr/share/libonnx-testdata/data";
  if (!std::filesystem::exists(data)) {
    MESSAGE("libonnx-testdata is not installed: ONNX's own models are not written");
    return;
  }
  int written = 0, refused = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(data)) {
    if (entry.path().extension() != ".onnx") continue;
    CAPTURE(entry.path().string());
    const onnx::Model model = onnx::read_model(entry.path());
    if (unread(model)) {
      ++refused;
      CHECK_THROWS_AS(onnx::serialize_model(model), Error);
    } else {
      ++written;
      CHECK(same(parsed(onnx::serialize_model(model)), model));
    }
  }
  MESSAGE(written << " models written, " << refused << " hold parts that are not read");
  CHECK(written > 10 * refused);
}
