#include "unfold/formats/onnx/import.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sstream>

#include "tests/support/onnx_graphs.h"
#include "unfold/formats/onnx/export.h"
#include "unfold/formats/onnx/import_graph.h"
#include "unfold/formats/onnx/reader.h"
#include "unfold/formats/onnx/writer.h"
#include "unfold/models/zoo.h"
#include "unfold/ops/conv_transpose2d.h"
#include "unfold/ops/pad.h"
#include "unfold/ops/rearrange.h"
#include "unfold/random.h"

using namespace unfold;
using namespace unfold::test;

namespace {

std::vector<float> drawn(int64_t count, uint64_t seed) {
  Random random(seed, "import");
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = static_cast<float>(random.normal());
  return values;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

onnx::Model through_a_file(const onnx::Model& model) {
  const std::string bytes = onnx::serialize_model(model);
  return onnx::parse_model(std::as_bytes(std::span(bytes)), "net.onnx");
}

/// Layers by name, operator and settings, and what they read.
std::string layers(const Graph& graph) {
  std::ostringstream text;
  for (const Node& node : graph.nodes()) {
    text << node.name << ' ' << node.op->type();
    for (const ValueId value : node.inputs) text << ' ' << value.index;
    for (const auto& [name, values] : node.op->attributes()) {
      text << ' ' << name << '=';
      for (const double v : values) text << v << ',';
    }
    text << '\n';
  }
  return text.str();
}

void check_round_trip(const Model& model, int64_t images, const onnx::ExportOptions& options = {}) {
  const LoadedModel back = onnx::import_model(through_a_file(onnx::export_model(model, options)), "net.onnx");
  CHECK(back.note.empty());
  CHECK(!back.assumed);
  CHECK(back.model.name == model.name);
  CHECK(back.model.trained_on == model.trained_on);
  CHECK(back.model.classes == model.classes);
  CHECK((back.model.preprocessing == model.preprocessing));
  CHECK(layers(back.model.graph) == layers(model.graph));
  const auto x = drawn(images * model.graph.shape(model.graph.input()).elements(), 7);
  CHECK(same_bits(outputs(back.model, x, Engine::fast), outputs(model, x, Engine::fast)));
  // With the normalisations folded, in double.
  ThreadPool pool(2);
  std::vector<uint8_t> pixels(static_cast<size_t>(model.graph.shape(model.graph.input())[0] *
                                                  model.preprocessing.image_h * model.preprocessing.image_w));
  Random random(5, "pixels");
  for (uint8_t& p : pixels) p = static_cast<uint8_t>(random.below(256));
  Predictor a(model, Engine::fast, 1, pool), b(back.model, Engine::fast, 1, pool);
  const auto ya = a.logits(pixels, 1), yb = b.logits(pixels, 1);
  CHECK(same_bits({ya.begin(), ya.end()}, {yb.begin(), yb.end()}));
}

}  // namespace

TEST_CASE("networks known by name come back from ONNX bit for bit") {
  // Small images, as far as the networks take them; which ones may be said from outside.
  const char* chosen = std::getenv("UNFOLD_TEST_MODELS");
  std::string list = chosen ? std::string(chosen) + "," : "";
  for (const ZooEntry& entry : zoo()) {
    if (chosen && !contains("," + list, "," + std::string(entry.name) + ",")) continue;
    CAPTURE(entry.name);
    const Shape image = entry.image[1] > 64 ? Shape{3, 64, 64} : entry.image;
    const int64_t side = entry.name == "alexnet-original" || entry.name == "zfnet" ? 127 : image[1];
    Model model = make_model(entry.name, 11, {.image = Shape{image[0], side, side}, .classes = {}});
    model.trained_on = "pictures";
    model.preprocessing.mean = 0.4713;
    model.preprocessing.std = image[0] == 3 ? PerChannel(std::vector<double>{0.229, 0.224, 0.225}) : 0.3;
    check_round_trip(model, 2);
  }
}

TEST_CASE("every operator with every setting comes back as it was") {
  Graph g;
  ValueId x = g.input({4, 17, 13});
  x = g.conv2d("conv", x, 8,
               {.kernel_h = 3,
                .kernel_w = 2,
                .stride_h = 2,
                .pad_top = 1,
                .pad_right = 2,
                .dilation_w = 2,
                .groups = 2});
  x = g.batch_norm("bn", x, 1e-3, 0.3);
  x = g.tanh("tanh", x, 1.7159);
  x = g.conv2d("plain", x, 8, Window2d::square(3, 1, 1), false);
  const ValueId gate = g.sigmoid("gate", g.global_avg_pool("squeeze", x));
  x = g.mul("scaled", x, gate);
  x = g.local_response_norm("lrn", x, 3, 2e-4, 0.6, 2);
  x = g.pointwise("leaky", x, {Pointwise::leaky_relu, 0.2});
  x = g.pointwise("elu", x, {Pointwise::elu, 0.7});
  x = g.prelu("slopes", g.prelu("slope", x), 8);
  x = g.avg_pool2d("avg", x, Window2d::square(2, 1, 1), false, true);
  x = g.max_pool2d("max", x, Window2d::square(2, 2), true);
  x = g.pointwise("hard", x, {Pointwise::hard_sigmoid, 0.3, 0.4});
  x = g.pointwise("swish", x, {Pointwise::hard_swish});
  x = g.pointwise("silu", x, {Pointwise::silu});
  x = g.pointwise("clip", x, {Pointwise::clip, -0.5, 0.75});
  x = g.relu6("relu6", x);
  x = g.pointwise("softplus", x, {Pointwise::softplus});
  x = g.add("up",
            std::make_shared<ConvTranspose2d>(
                6, Window2d{.kernel_h = 3, .kernel_w = 2, .stride_h = 2, .pad_top = 1, .groups = 2}, 1),
            {x});
  x = g.relu("padded", g.add("zeros", make_pad({1, 0, 2, 1}, 0, 0), {x}));
  x = g.add("mirrored", make_pad({0, 1, 1, 0}, 1, 0), {x});
  x = g.add("turned", std::make_shared<Transpose>(std::vector<int64_t>{1, 0, 2}), {x});
  x = g.add("back", std::make_shared<Transpose>(std::vector<int64_t>{1, 0, 2}), {x});
  x = g.add("halves", std::make_shared<Reshape>(std::vector<int64_t>{3, 2, g.shape(x)[1], g.shape(x)[2]}),
            {x});
  x = g.add("whole", std::make_shared<Reshape>(std::vector<int64_t>{6, g.shape(x)[2], g.shape(x)[3]}), {x});
  x = g.concat("concat", {x, g.relu("relu", x), x}, 0);
  x = g.concat("rows", {x, x}, 1);
  x = g.adaptive_avg_pool2d("adaptive", x, 4, 3);
  x = g.add("sum", x, g.tanh("tanh1", x));
  x = g.dropout("dropout", g.flatten("flatten", x), 0.3);
  x = g.linear("fc1", x, 7);
  x = g.linear("fc2", g.batch_norm("bn1", x), 5, false);
  Model m;
  m.name = "all";
  m.graph = std::move(g);
  m.parameters = Parameters<float>(m.graph.parameter_table());
  initialise(m.parameters, Init::pytorch, 5);
  m.preprocessing = {
      .image_h = 20, .image_w = 11, .out_h = 17, .out_w = 13, .mean = 0.25, .std = 0.3, .digit = false};
  m.classes = {"a", "b", "c", "d", "\xc3\xa4"};
  check_round_trip(m, 3);
  check_round_trip(m, 3, {.softmax = true});
  check_round_trip(m, 3, {.preprocess = true});
  m.preprocessing.fit = Preprocessing::Fit::bilinear;
  check_round_trip(m, 3, {.preprocess = true, .softmax = true});
}

TEST_CASE("a layer named as exports name their preprocessing stays a layer") {
  Model m = make_model("lenet5", 0);
  Graph g;
  const ValueId x = g.batch_norm("preprocess/norm", g.input({1, 32, 32}));
  g.linear("fc", g.flatten("flatten", x), 10);
  m.graph = std::move(g);
  m.parameters = Parameters<float>(m.graph.parameter_table());
  initialise(m.parameters, Init::pytorch, 5);
  check_round_trip(m, 2);
  CHECK_THROWS_WITH_AS(onnx::export_model(m, {.preprocess = true}),
                       doctest::Contains("preprocess/norm: a name that the preprocessing has"), Error);
}

TEST_CASE("what PyTorch's exporter writes gives what PyTorch gives") {
  const SafetensorsFile recorded = read_safetensors(UNFOLD_FORMATS_DATA "/torch_nets.safetensors");
  for (const std::string name : {"residual", "plain"}) {
    CAPTURE(name);
    const LoadedModel loaded = load_model(UNFOLD_FORMATS_DATA "/torch_" + name + ".onnx");
    CHECK(loaded.assumed);
    const auto x = recorded.find(name + ".x")->span<float>();
    const auto y = recorded.find(name + ".y")->span<double>();
    for (const Engine engine : {Engine::naive, Engine::fast}) {
      const std::vector<float> got = outputs(loaded.model, {x.begin(), x.end()}, engine);
      REQUIRE(got.size() == y.size());
      const size_t classes = loaded.model.classes.size();
      double off = 0, size = 0;
      for (size_t i = 0; i < got.size(); i += classes) {
        std::vector<double> row(got.begin() + static_cast<std::ptrdiff_t>(i),
                                got.begin() + static_cast<std::ptrdiff_t>(i + classes));
        if (name == "plain")
          row = probabilities(std::span(got).subspan(i, classes));  // it ends with a softmax
        for (size_t c = 0; c < classes; ++c) {
          off += (row[c] - y[i + c]) * (row[c] - y[i + c]);
          size += y[i + c] * y[i + c];
        }
      }
      CHECK(std::sqrt(off / size) <= 1e-6);
    }
  }
  const Model residual = load_model(UNFOLD_FORMATS_DATA "/torch_residual.onnx").model;
  CHECK(
      operators(residual) ==
      "Conv2d Silu Conv2d HardSwish AdaptiveAvgPool2d Conv2d Sigmoid Mul Add Relu MaxPool2d Flatten Linear");
  CHECK(residual.graph.nodes().front().name == "stem.0");
  CHECK(residual.parameters.table().find("gate.weight") >= 0);
  CHECK(residual.parameters.table().find("head.bias") >= 0);
}

TEST_CASE("names of layers follow PyTorch's modules") {
  const auto name = [](const char* op, const char* text) {
    return onnx::layer_name(
        {.name = text, .op_type = op, .domain = {}, .inputs = {}, .outputs = {}, .attributes = {}});
  };
  CHECK(name("Conv", "/layer1/layer1.0/conv1/Conv") == "layer1.0.conv1");
  CHECK(name("Conv", "/features/features.1/conv/conv.0/conv.0.0/Conv") == "features.1.conv.0.0");
  CHECK(name("Relu", "/layer1/layer1.0/relu/Relu_1") == "layer1.0.relu_1");
  CHECK(name("Relu", "relu 1\n") == "relu_1_");
  CHECK(name("MaxPool", "") == "maxpool");
  CHECK(name("Conv", "/Conv") == "Conv");
  CHECK(onnx::decimal(1e-5f) == 1e-5);
  CHECK(onnx::decimal(0.1f) == 0.1);
}

TEST_CASE("what is no network of ours is refused, and what stands in the way is named") {
  const auto relu = node("Relu", {"x"}, "y");
  const auto input = [&](const Ints& shape) {
    onnx::Model m = graph_of(shape, {}, {relu});
    return refusal(m);
  };
  CHECK(contains(input({-1, 3, -1, -1}),
                 "net.onnx: the input is not a batch of images of a fixed size (wanted one input (N, C, H, "
                 "W), got 'x' of ? x 3 x ? x ?)"));
  CHECK(contains(input({-1, 3}), "got 'x' of ? x 3"));
  CHECK(contains(input({-1, 3, int64_t{1} << 20, int64_t{1} << 20}), "too large"));
  onnx::Model two = graph_of({-1, 1, 1, 1}, {}, {relu});
  two.graph.inputs.push_back({"mask", 1, Ints{1}});
  CHECK(contains(refusal(two), "got 'x', 'mask'"));
  onnx::Model outputs2 = graph_of({-1, 1, 1, 1}, {}, {relu});
  outputs2.graph.outputs.push_back({"x", 1, Ints{1}});
  CHECK(contains(refusal(outputs2), "not one output"));
  onnx::Model foreign = graph_of({-1, 1, 1, 1}, {}, {relu});
  foreign.graph.nodes[0].name = "strange\x1b";
  foreign.graph.nodes[0].domain = "com.example";
  CHECK(contains(
      refusal(foreign),
      "net.onnx: Relu 'strange?': an operator that networks have not here (got 'com.example.Relu')"));
  CHECK(contains(refusal(graph_of({-1, 1, 1, 1}, {}, {node("LSTM", {"x"}, "y")})), "LSTM 'y': an operator"));
  CHECK(contains(refusal(graph_of({-1, 1, 1, 1}, {}, {node("Relu", {"q"}, "y")})),
                 "an input that no node before has made (got 'q')"));
  CHECK(contains(refusal(graph_of({-1, 1, 2, 2}, {}, {relu})),
                 "the output is no row of classes (wanted (N, classes), got (N, 1, 2, 2))"));
  CHECK(contains(refusal(graph_of({-1, 1, 1, 1}, {{"w", {}, "INT8"}}, {node("Add", {"x", "w"}, "y")})),
                 "a type that is not read (got INT8)"));
  CHECK(contains(
      refusal(graph_of({-1, 1, 1, 1}, {tensor("w", {1, 1, 1, 1}, {NAN})}, {node("Conv", {"x", "w"}, "y")})),
      "Conv 'y': a stored tensor holds NaN"));
  CHECK(contains(refusal(graph_of({-1, 1, 2, 2}, {tensor("w", {1, 1, 3, 3}, Floats(9))},
                                  {node("Conv", {"x", "w"}, "y")})),
                 "Conv 'y': "));
  CHECK(contains(refusal(graph_of({-1, 1, 2, 2}, {tensor("w", {1, 1, 1, 1}, {1})},
                                  {node("Conv", {"x", "w"}, "y", {{"strides", Ints{0, 1}}})})),
                 "strides"));
  CHECK(contains(
      refusal(graph_of({-1, 1, 1, 1}, {},
                       {node("Relu", {"x"}, "y"), node("Dropout", {"y"}, "z", {{"ratio", int64_t{1}}})})),
      "another kind"));
  // One stored tensor in many layers: each layer has weights of its own, but not without end.
  const onnx::TensorValue w = tensor("w", {2000, 2000}, Floats(4'000'000));
  std::vector<onnx::Node> many = {node("Flatten", {"x"}, "v0")};
  std::vector<std::string> names;
  for (int i = 0; i < 9; ++i) names.push_back("v" + std::to_string(i));
  for (size_t i = 0; i + 1 < names.size(); ++i)
    many.push_back(node("MatMul", {names[i], "w"}, names[i + 1].c_str()));
  CHECK(contains(refusal(graph_of({-1, 2000, 1, 1}, {w}, many)), "more weights than the file holds"));
}

// Debian's package libonnx-testdata, where it is installed.
TEST_CASE("ONNX's own models are imported, or refused by operator and node") {
  const std::filesystem::path data = "/usr/share/libonnx-testdata/data";
  if (!std::filesystem::exists(data)) {
    MESSAGE("libonnx-testdata is not installed: ONNX's own models are not imported");
    return;
  }
  int networks = 0, refused = 0, inputs = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(data)) {
    if (entry.path().extension() != ".onnx") continue;
    CAPTURE(entry.path().string());
    try {
      load_model(entry.path());
      ++networks;
    } catch (const Error& e) {
      CHECK(e.kind() == ErrorKind::model);
      CHECK(contains(e.what(), ".onnx: "));
      CHECK(std::strchr(e.what(), '\n') == nullptr);
      ++(contains(e.what(), "the input is not a batch of images") ? inputs : refused);
    }
  }
  MESSAGE(networks << " are networks, " << inputs << " have other inputs than images, " << refused
                   << " other operators");
  CHECK(networks > 0);
}

TEST_CASE("every export with one byte changed is refused or imported") {
  Graph g;
  g.linear("fc",
           g.flatten("f", g.max_pool2d("p", g.conv2d("c", g.input({1, 5, 5}), 2, Window2d::square(2)),
                                       Window2d::square(2, 2))),
           3);
  Model m;
  m.graph = std::move(g);
  m.parameters = Parameters<float>(m.graph.parameter_table());
  m.preprocessing = {.image_h = 5, .image_w = 5, .out_h = 5, .out_w = 5};
  m.classes = {"a", "b", "c"};
  const std::string whole_file = onnx::serialize_model(onnx::export_model(m));
  int imported_all_the_same = 0;
  for (size_t i = 0; i < whole_file.size(); ++i) {
    for (const int change : {0x01, 0x20, 0x80, 0xff}) {
      std::string broken = whole_file;
      broken[i] = static_cast<char>(broken[i] ^ change);
      try {
        onnx::import_model(onnx::parse_model(std::as_bytes(std::span(broken)), "net.onnx"), "net.onnx");
        ++imported_all_the_same;
      } catch (const Error& e) {
        CHECK(e.kind() == ErrorKind::model);
        CHECK(std::strchr(e.what(), '\n') == nullptr);
      }
    }
  }
  CHECK(imported_all_the_same > 0);
}
