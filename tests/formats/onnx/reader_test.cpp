#include "unfold/formats/onnx/reader.h"

#include <doctest/doctest.h>

#include <cstring>
#include <fstream>
#include <protozero/pbf_writer.hpp>

#include "tests/support/data_files.h"
#include "unfold/files.h"

using namespace unfold;
using unfold::testing::TemporaryFolder;

namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

onnx::Model parsed(std::string_view text) {
  return onnx::parse_model(bytes_of(text), "net.onnx");
}

/// What is said about bytes that are no model.
std::string refusal(std::string_view text) {
  try {
    parsed(text);
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::model);
    return e.what();
  }
  return "accepted";
}

/// A message that `fill` writes.
template <class F>
std::string message(const F& fill) {
  std::string text;
  protozero::pbf_writer writer(text);
  fill(writer);
  return text;
}

/// A model whose graph is `graph`.
std::string model_of(const std::string& graph) {
  return message([&](auto& w) { w.add_message(7, graph); });
}

std::string with_tensor(const std::string& tensor) {
  return model_of(message([&](auto& w) { w.add_message(5, tensor); }));
}

struct Dims {
  std::vector<int64_t> sizes;
  int32_t type = 1;
};

template <class F>
std::string tensor_of(const Dims& dims, const F& fill) {
  return message([&](auto& w) {
    for (const int64_t size : dims.sizes) w.add_int64(1, size);
    w.add_int32(2, dims.type);
    w.add_string(8, "w");
    fill(w);
  });
}

std::string external(const std::string& location, const std::string& offset = "0",
                     const std::string& length = "8") {
  return with_tensor(tensor_of({{2}}, [&](auto& w) {
    const std::pair<std::string, std::string> entries[] = {
        {"location", location}, {"offset", offset}, {"length", length}};
    for (const auto& [key, value] : entries) {
      w.add_message(13, message([&, k = key, v = value](auto& e) {
                      e.add_string(1, k);
                      e.add_string(2, v);
                    }));
    }
    w.add_int32(14, 1);
  }));
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a model that the onnx package wrote is read whole") {
  const onnx::Model model = onnx::read_model(UNFOLD_FORMATS_DATA "/tiny.onnx");
  CHECK(model.ir_version == 8);
  CHECK(model.producer == "make_data");
  CHECK(model.opsets == std::map<std::string, int64_t>{{"", 17}, {"org.example", 3}});
  const onnx::Graph& graph = model.graph;
  CHECK(graph.name == "tiny");
  REQUIRE(graph.nodes.size() == 4);
  const onnx::Node& conv = graph.nodes[0];
  CHECK(conv.op_type == "Conv");
  CHECK(conv.name == "first");
  CHECK(conv.inputs == std::vector<std::string>{"x", "w", "b"});
  CHECK(conv.outputs == std::vector<std::string>{"y"});
  REQUIRE(conv.attributes.size() == 2);
  CHECK(std::get<std::string>(conv.attributes[0].value) == "NOTSET");
  CHECK(std::get<std::vector<int64_t>>(conv.attributes[1].value) == std::vector<int64_t>{1, 1, 1, 1});
  const auto& constant = std::get<onnx::TensorValue>(graph.nodes[1].attributes[0].value);
  CHECK(constant.values.data<int64_t>()[1] == -1);
  CHECK(std::get<float>(graph.nodes[2].attributes[0].value) == 0.25f);
  const onnx::Node& mystery = graph.nodes[3];
  CHECK(mystery.domain == "org.example");
  CHECK(mystery.inputs[1].empty());
  CHECK(std::get<int64_t>(mystery.attributes[0].value) == -1);
  CHECK(std::get<std::vector<float>>(mystery.attributes[1].value) == std::vector<float>{0.5f, 2.0f});
  CHECK(std::get<std::vector<std::string>>(mystery.attributes[2].value) ==
        std::vector<std::string>{"a", "b"});

  REQUIRE(graph.inputs.size() == 1);
  CHECK(graph.inputs[0].type == 1);
  CHECK(graph.inputs[0].shape == std::vector<int64_t>{-1, 1, 4, 4});
  REQUIRE(graph.outputs.size() == 1);
  CHECK(!graph.outputs[0].shape);

  REQUIRE(graph.initializers.size() == 9);
  const auto& w = graph.initializers;
  CHECK(w[0].values.shape() == Shape({2, 1, 3, 3}));
  CHECK(w[0].values.data<float>()[17] == 17.0f);
  CHECK(w[1].values.data<float>()[1] == -1.5f);
  CHECK(w[2].values.dtype() == Dtype::f16);
  CHECK(static_cast<const uint16_t*>(w[2].values.raw())[1] == 0xc000);
  CHECK(w[3].values.data<double>()[0] == 0.1);
  CHECK(w[4].values.data<int32_t>()[0] == -7);
  CHECK(w[5].values.data<bool>()[0]);
  CHECK(!w[5].values.data<bool>()[1]);
  CHECK(w[6].values.data<uint8_t>()[1] == 255);
  CHECK(w[7].values.data<int64_t>()[1] == int64_t{1} << 40);
  CHECK(w[8].name == "small");
  CHECK(w[8].refused == "INT8");
}

TEST_CASE("a tensor's values are packed, one by one, or raw") {
  const auto value = [](const std::string& tensor) {
    const Tensor t = onnx::parse_tensor(bytes_of(tensor), "input_0.pb");
    REQUIRE(t.elements() == 2);
    return t.dtype() == Dtype::f32 ? static_cast<double>(t.data<float>()[1]) : t.data<double>()[1];
  };
  const float floats[] = {1.0f, 2.5f};
  const double doubles[] = {1.0, 2.5};
  CHECK(value(tensor_of({{2}}, [&](auto& w) { w.add_packed_float(4, floats, floats + 2); })) == 2.5);
  CHECK(value(tensor_of({{2}}, [&](auto& w) {
          w.add_float(4, 1.0f);
          w.add_float(4, 2.5f);
        })) == 2.5);
  CHECK(value(tensor_of({{2}, 11}, [&](auto& w) { w.add_packed_double(10, doubles, doubles + 2); })) == 2.5);
  CHECK(value(tensor_of({{2}, 11}, [&](auto& w) {
          w.add_double(10, 1.0);
          w.add_double(10, 2.5);
        })) == 2.5);
  CHECK(value(tensor_of({{2}}, [&](auto& w) {
          w.add_bytes(9, reinterpret_cast<const char*>(floats), sizeof floats);
        })) == 2.5);
  // Any byte but 0 is true, and is kept as 1.
  const Tensor flags = onnx::parse_tensor(
      bytes_of(tensor_of({{2}, 9}, [&](auto& w) { w.add_bytes(9, std::string("\x02\x00", 2)); })), "x.pb");
  CHECK(static_cast<const uint8_t*>(flags.raw())[0] == 1);
  CHECK_THROWS_WITH_AS(onnx::parse_tensor(bytes_of(tensor_of({{0}, 8}, [](auto&) {})), "x.pb"),
                       doctest::Contains("STRING"), Error);
}

TEST_CASE("sizes are compared with the bytes there are before memory is asked for") {
  const auto raw = [](const Dims& dims, size_t bytes) {
    return refusal(with_tensor(tensor_of(dims, [&](auto& w) { w.add_bytes(9, std::string(bytes, 'x')); })));
  };
  CHECK(raw({{2}}, 8) == "accepted");
  CHECK(raw({{}}, 4) == "accepted");
  CHECK(raw({{0, 5}}, 0) == "accepted");
  CHECK(contains(raw({{3}}, 8),
                 "tensor 'w': the values do not fill the tensor's shape (wanted 12 bytes, got 8)"));
  CHECK(contains(raw({{int64_t{1} << 40}}, 8), "wanted 4398046511104 bytes"));
  CHECK(contains(raw({{int64_t{1} << 40, int64_t{1} << 40}}, 8), "too many elements"));
  CHECK(contains(raw({{0, int64_t{1} << 40, int64_t{1} << 40}}, 0), "too many elements"));
  CHECK(contains(raw({{-1}}, 8), "a size is negative"));
  CHECK(contains(raw({{1, 1, 1, 1, 1, 1, 1, 1, 1}}, 4), "too many axes (wanted at most 8, got 9)"));
  CHECK(contains(refusal(with_tensor(tensor_of({{2}, 7}, [](auto& w) { w.add_int64(7, 1); }))),
                 "wanted 2 elements, got 1"));
  CHECK(contains(refusal(with_tensor(tensor_of({{1}}, [](auto& w) { w.add_message(3, std::string()); }))),
                 "segments"));
}

TEST_CASE("what is no model is refused in one line that says where") {
  CHECK(contains(refusal(""), "net.onnx: no graph: this is no ONNX model"));
  CHECK(contains(refusal("GIF89a"), "net.onnx"));
  CHECK(contains(refusal(message([](auto& w) { w.add_string(1, "x"); })), "encoded as another kind"));
  CHECK(contains(refusal(message([](auto& w) { w.add_int64(7, 1); })), "encoded as another kind"));
  CHECK(contains(refusal(model_of("") + model_of("")), "two graphs"));
  const auto node = [](auto fill) {
    return model_of(message([&](auto& w) { w.add_message(1, message(fill)); }));
  };
  CHECK(contains(refusal(node([](auto& w) { w.add_string(3, "a"); })), "node 0: a node without an operator"));
  CHECK(contains(refusal(node([](auto& w) { w.add_message(5, std::string()); })),
                 "node 0: attribute '': an attribute without a name"));
  CHECK(contains(refusal(model_of(message([](auto& w) { w.add_message(15, std::string()); }))), "sparse"));
  // Line ends and escape sequences of the file do not reach the message.
  const std::string evil = refusal(with_tensor(message([](auto& w) {
    w.add_string(8, "a\n\x1b[31m");
    w.add_int32(2, 1);
  })));
  CHECK(contains(evil, "'a??[31m'"));
}

TEST_CASE("every prefix of a model is refused or read, and so is every model with one byte changed") {
  const std::vector<std::byte> whole = read_file(UNFOLD_FORMATS_DATA "/tiny.onnx", ErrorKind::model);
  const auto attempt = [](std::span<const std::byte> bytes) {
    try {
      onnx::parse_model(bytes, "net.onnx");
    } catch (const Error& e) {
      CHECK(e.kind() == ErrorKind::model);
      CHECK(std::strchr(e.what(), '\n') == nullptr);
    }
  };
  for (size_t n = 0; n < whole.size(); ++n) attempt(std::span(whole).first(n));
  for (size_t i = 0; i < whole.size(); ++i) {
    for (const int change : {0x01, 0x80, 0xff}) {
      std::vector<std::byte> broken = whole;
      broken[i] ^= std::byte(change);
      attempt(broken);
    }
  }
}

TEST_CASE("graphs inside nodes are not followed, however deep they go") {
  std::string graph;
  for (int depth = 0; depth < 2000; ++depth) {
    graph = message([&](auto& w) {
      w.add_message(1, message([&](auto& n) {
                      n.add_string(4, "If");
                      n.add_message(5, message([&](auto& a) {
                                      a.add_string(1, "then_branch");
                                      a.add_message(6, graph);
                                      a.add_int32(20, 5);
                                    }));
                    }));
    });
  }
  const onnx::Model model = parsed(model_of(graph));
  CHECK(std::get<onnx::Unread>(model.graph.nodes[0].attributes[0].value).kind == "a graph");
}

TEST_CASE("what a small file can make of itself is bounded") {
  // Five bytes a node; each would become some two hundred.
  const std::string node =
      message([](auto& w) { w.add_message(1, message([](auto& n) { n.add_string(4, "A"); })); });
  std::string graph;
  for (int i = 0; i < 400'000; ++i) graph += node;
  CHECK(contains(refusal(model_of(graph)), "unpacks to more than 48 MiB"));
}

TEST_CASE("values in other files are read from the model's folder only") {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "model/weights");
  const float values[] = {1.0f, 2.0f, 3.0f};
  const std::string_view raw(reinterpret_cast<const char*>(values), sizeof values);
  write_file(folder / "model/w.bin", raw);
  write_file(folder / "model/weights/w.bin", raw);
  write_file(folder / "outside.bin", raw);
  std::filesystem::create_symlink("w.bin", folder / "model/link.bin");
  std::filesystem::create_directory_symlink("..", folder / "model/up");
  std::filesystem::create_hard_link(folder / "outside.bin", folder / "model/hard.bin");
  const auto attempt = [&](const std::string& model) -> std::string {
    write_file(folder / "model/net.onnx", model);
    try {
      const onnx::Model read = onnx::read_model(folder / "model/net.onnx");
      return std::to_string(read.graph.initializers[0].values.data<float>()[1]);
    } catch (const Error& e) {
      CHECK(e.kind() == ErrorKind::model);
      return e.what();
    }
  };
  CHECK(attempt(external("w.bin")) == "2.000000");
  CHECK(attempt(external("w.bin", "4")) == "3.000000");
  CHECK(attempt(external("weights/w.bin")) == "2.000000");
  CHECK(attempt(external("./w.bin")) == "2.000000");
  CHECK(contains(attempt(external("../outside.bin")), "it leads out by '..'"));
  CHECK(contains(attempt(external("weights/../../outside.bin")), "it leads out by '..'"));
  CHECK(contains(attempt(external((folder / "outside.bin").string())), "an absolute path"));
  CHECK(contains(attempt(external("link.bin")), "a symbolic link"));
  CHECK(contains(attempt(external("up/outside.bin")), "a symbolic link"));
  CHECK(contains(attempt(external("hard.bin")), "a hard link"));
  CHECK(contains(attempt(external("weights")), "no regular file"));
  CHECK(contains(attempt(external("missing.bin")), "No such file"));
  CHECK(contains(attempt(external("")), "no path"));
  CHECK(contains(attempt(external("w.bin", "8")), "wanted 8 bytes from byte 8 of 'w.bin', got a file of 12"));
  CHECK(contains(attempt(external("w.bin", "18446744073709551615")), "too short"));
  CHECK(contains(attempt(external("w.bin", "x")), "offset (wanted a number of bytes, got 'x')"));
  CHECK(contains(attempt(external("w.bin", "0", "12")), "wanted 8 bytes, got 12"));
  CHECK(contains(refusal(external("w.bin")), "wanted a model that is one file"));
}

// Debian's package libonnx-testdata, where it is installed.
TEST_CASE(
    "all models of ONNX's own tests are read, and their inputs and outputs are tensors or other things") {
  const std::filesystem::path data = "/usr/share/libonnx-testdata/data";
  if (!std::filesystem::exists(data)) {
    MESSAGE("libonnx-testdata is not installed: ONNX's own models are not read");
    return;
  }
  int models = 0, tensors = 0, others = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(data)) {
    CAPTURE(entry.path().string());
    if (entry.path().extension() == ".onnx") {
      ++models;
      const onnx::Model model = onnx::read_model(entry.path());
      CHECK(!model.opsets.empty());
      CHECK(!model.graph.outputs.empty());
    } else if (entry.path().extension() == ".pb") {
      try {
        onnx::parse_tensor(read_file(entry.path(), ErrorKind::data), entry.path().string());
        ++tensors;
      } catch (const Error& e) {
        CHECK(e.kind() == ErrorKind::data);
        ++others;
      }
    }
  }
  MESSAGE(models << " models, " << tensors << " tensors, " << others << " of other types");
  CHECK(models > 0);
  CHECK(tensors > 10 * others);
}
