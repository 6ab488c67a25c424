#include "unfold/formats/onnx/import.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "tests/support/data_files.h"
#include "unfold/formats/onnx/export.h"
#include "unfold/formats/onnx/import_graph.h"
#include "unfold/formats/onnx/reader.h"
#include "unfold/formats/onnx/writer.h"
#include "unfold/models/zoo.h"

using namespace unfold;
using unfold::testing::TemporaryFolder;

namespace {

using Ints = std::vector<int64_t>;
using Floats = std::vector<float>;

std::vector<float> drawn(int64_t count, uint64_t seed) {
  Random random(seed, "import");
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = static_cast<float>(random.normal());
  return values;
}

/// What a network gives for a batch of inputs.
std::vector<float> outputs(const Model& model, const std::vector<float>& x, Engine engine) {
  const int64_t in = model.graph.shape(model.graph.input()).elements(),
                out = model.graph.shape(model.graph.output()).elements();
  const int64_t batch = static_cast<int64_t>(x.size()) / in;
  ThreadPool pool(1);
  const Plan<float> plan(model.graph, {.batch = batch, .training = false, .engine = engine});
  Workspace<float> workspace(plan.memory(), 1);
  plan.pack(model.parameters, workspace, pool);
  std::vector<float> y(static_cast<size_t>(batch * out));
  plan.forward(
      model.parameters,
      [&](int64_t first, int64_t n, float* to) { std::copy_n(x.data() + first * in, n * in, to); },
      [&](int64_t first, int64_t n, const float* from) {
        std::copy_n(from, n * out, y.data() + first * out);
      },
      workspace, pool, true);
  return y;
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

// ---- graphs as other programs write them

onnx::TensorValue tensor(const char* name, const Shape& shape, const Floats& values) {
  return {name, Tensor::from<float>(shape, std::span(values)), {}};
}
onnx::TensorValue whole(const char* name, const Ints& values) {
  return {name, Tensor::from<int64_t>({static_cast<int64_t>(values.size())}, std::span(values)), {}};
}

/// A graph from "x" (N, C, H, W) whose last node makes the output.
onnx::Model graph_of(const Ints& input, std::vector<onnx::TensorValue> stored, std::vector<onnx::Node> nodes,
                     int64_t opset = 17) {
  onnx::Model m;
  m.opsets = {{"", opset}};
  m.graph.inputs = {{"x", 1, input}};
  m.graph.outputs = {{nodes.back().outputs[0], 1, std::nullopt}};
  m.graph.initializers = std::move(stored);
  m.graph.nodes = std::move(nodes);
  return m;
}
onnx::Node node(const char* op_type, std::vector<std::string> inputs, const char* output,
                std::vector<onnx::Attribute> attributes = {}) {
  return {.name = {},
          .op_type = op_type,
          .domain = {},
          .inputs = std::move(inputs),
          .outputs = {output},
          .attributes = std::move(attributes)};
}

Model imported(const onnx::Model& model) {
  return onnx::import_model(model, "net.onnx").model;
}

std::vector<float> result(const onnx::Model& model, const Floats& x) {
  return outputs(imported(model), x, Engine::naive);
}

std::string refusal(const onnx::Model& model) {
  try {
    imported(model);
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::model);
    return e.what();
  }
  return "accepted";
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::string operators(const Model& model) {
  std::string text;
  for (const Node& n : model.graph.nodes()) text += (text.empty() ? "" : " ") + std::string(n.op->type());
  return text;
}

const Floats kEight = {1, 2, 3, 4, 5, 6, 7, 8};  // (1, 2, 2, 2)

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
  x = g.avg_pool2d("avg", x, Window2d::square(2, 1, 1), false, true);
  x = g.max_pool2d("max", x, Window2d::square(2, 2), true);
  x = g.pointwise("hard", x, {Pointwise::hard_sigmoid, 0.3, 0.4});
  x = g.pointwise("swish", x, {Pointwise::hard_swish});
  x = g.pointwise("silu", x, {Pointwise::silu});
  x = g.pointwise("clip", x, {Pointwise::clip, -0.5, 0.75});
  x = g.relu6("relu6", x);
  x = g.pointwise("softplus", x, {Pointwise::softplus});
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

TEST_CASE("linear layers: MatMul with an Add behind it, Gemm in all its ways") {
  const auto flat = node("Flatten", {"x"}, "f");
  const onnx::TensorValue w = tensor("head.weight", {2, 3}, {1, 2, 3, 4, 5, 6}),
                          b = tensor("b", {1, 3}, {10, 20, 30});
  const Floats x = {1, 2};
  const Floats y = {1 + 8 + 10, 2 + 10 + 20, 3 + 12 + 30};
  const onnx::Model product = graph_of(
      {-1, 2, 1, 1}, {w, b}, {flat, node("MatMul", {"f", "head.weight"}, "p"), node("Add", {"b", "p"}, "y")});
  CHECK(operators(imported(product)) == "Flatten Linear");
  CHECK(imported(product).graph.nodes()[1].name == "head");
  CHECK(imported(product).parameters.table()[1].name == "head.bias");
  CHECK(result(product, x) == y);
  CHECK(result(graph_of({-1, 2, 1, 1}, {w, b}, {flat, node("Gemm", {"f", "head.weight", "b"}, "y")}), x) ==
        y);
  const onnx::TensorValue turned = tensor("t", {3, 2}, {1, 4, 2, 5, 3, 6});
  CHECK(result(graph_of({-1, 2, 1, 1}, {turned, b},
                        {flat, node("Gemm", {"f", "t", "b"}, "y", {{"transB", int64_t{1}}})}),
               x) == y);
  CHECK(result(graph_of({-1, 2, 1, 1}, {turned, b},
                        {node("Transpose", {"t"}, "w", {{"perm", Ints{1, 0}}}), flat,
                         node("Gemm", {"f", "w", "b"}, "y")}),
               x) == y);
  CHECK(result(
            graph_of({-1, 2, 1, 1}, {w, tensor("c", {}, {4})},
                     {flat, node("Gemm", {"f", "head.weight", "c"}, "y", {{"alpha", 2.0f}, {"beta", 0.5f}})}),
            x) == Floats{20, 26, 32});
  // Without a bias, and with a product that two nodes read.
  const onnx::Model twice = graph_of({-1, 2, 1, 1}, {w, b},
                                     {flat, node("MatMul", {"f", "head.weight"}, "p"),
                                      node("Relu", {"p"}, "r"), node("Add", {"p", "r"}, "y")});
  CHECK(operators(imported(twice)) == "Flatten Linear Relu Add");
  CHECK(result(twice, x) == Floats{18, 24, 30});
  CHECK(contains(refusal(graph_of({-1, 2, 1, 1}, {w},
                                  {flat, node("Gemm", {"f", "head.weight"}, "y", {{"transA", int64_t{1}}})})),
                 "net.onnx: Gemm 'y': a transposed input"));
  CHECK(contains(refusal(graph_of({-1, 2, 1, 1}, {w}, {node("MatMul", {"x", "head.weight"}, "y")})),
                 "MatMul 'y': a product that is no linear layer"));
  CHECK(contains(refusal(graph_of({-1, 3, 1, 1}, {w}, {flat, node("MatMul", {"f", "head.weight"}, "y")})),
                 "a stored tensor has another size (wanted 9 numbers, got 6)"));
}

TEST_CASE("convolutions: a bias behind them, padding of all kinds, opset 6's broadcasting") {
  const onnx::TensorValue w = tensor("c.weight", {1, 2, 1, 1}, {1, 10}),
                          k = tensor("k", {1, 2, 2, 2}, {1, 0, 0, 0, 0, 0, 0, 1});
  const auto end = node("Flatten", {"y"}, "z");
  const Floats sums = {51, 62, 73, 84};
  CHECK(result(graph_of({-1, 2, 2, 2}, {w}, {node("Conv", {"x", "c.weight"}, "y"), end}), kEight) == sums);
  const onnx::Model biased =
      graph_of({-1, 2, 2, 2}, {w, tensor("b", {1, 1, 1}, {0.5})},
               {node("Conv", {"x", "c.weight"}, "p"), node("Add", {"p", "b"}, "y"), end});
  CHECK(operators(imported(biased)) == "Conv2d Flatten");
  CHECK(result(biased, kEight) == Floats{51.5, 62.5, 73.5, 84.5});
  onnx::Model old =
      graph_of({-1, 2, 2, 2}, {w, tensor("b", {1}, {0.5})},
               {node("Conv", {"x", "c.weight"}, "p"),
                node("Add", {"p", "b"}, "y", {{"broadcast", int64_t{1}}, {"axis", int64_t{1}}}), end},
               6);
  old.graph.inputs.push_back({"c.weight", 1, Ints{1, 2, 1, 1}});  // as files did
  CHECK(operators(imported(old)) == "Conv2d Flatten");
  CHECK(result(old, kEight) == Floats{51.5, 62.5, 73.5, 84.5});

  // The kernel takes x[0][h][w] + x[1][h+1][w+1].
  const auto padded = [&](std::vector<onnx::Attribute> attributes) {
    return result(graph_of({-1, 2, 2, 2}, {k}, {node("Conv", {"x", "k"}, "y", std::move(attributes)), end}),
                  kEight);
  };
  CHECK(padded({}) == Floats{1 + 8});
  CHECK(padded({{"pads", Ints{0, 0, 1, 1}}}) == Floats{9, 2, 3, 4});
  CHECK(padded({{"auto_pad", std::string("SAME_UPPER")}}) == Floats{9, 2, 3, 4});
  CHECK(padded({{"auto_pad", std::string("SAME_LOWER")}}) == Floats{5, 6, 7, 9});
  CHECK(padded({{"auto_pad", std::string("VALID")}, {"kernel_shape", Ints{2, 2}}}) == Floats{9});
  const auto before = [&](const onnx::Node& pad) {
    return graph_of({-1, 2, 2, 2},
                    {k, whole("s", {0, 0, 1, 0, 0, 0, 0, 1}), whole("a", {2, -1}), whole("t", {1, 0, 0, 1})},
                    {pad, node("Conv", {"p", "k"}, "y"), end});
  };
  CHECK(result(before(node("Pad", {"x", "s"}, "p")), kEight) == Floats{6, 0, 9, 2});
  CHECK(result(before(node("Pad", {"x", "t", "", "a"}, "p")), kEight) == Floats{6, 0, 9, 2});
  CHECK(contains(refusal(before(node("Pad", {"x", "s"}, "p", {{"mode", std::string("reflect")}}))),
                 "Pad 'p': a padding that repeats"));
  CHECK(contains(refusal(graph_of({-1, 2, 2, 2}, {whole("s", {0, 0, 1, 0, 0, 0, 0, 1})},
                                  {node("Pad", {"x", "s"}, "p"), node("Relu", {"p"}, "y"), end})),
                 "Relu 'y': a Pad that is not before a convolution"));
  CHECK(contains(
      refusal(graph_of({-1, 2, 2, 2}, {k}, {node("Conv", {"x", "k"}, "y", {{"group", int64_t{2}}}), end})),
      "Conv 'y': the weights do not fit the image"));
}

TEST_CASE("poolings, and means over height and width") {
  const auto pooled = [&](const onnx::Node& pool, std::vector<onnx::TensorValue> stored = {},
                          int64_t opset = 17) {
    return result(graph_of({-1, 2, 2, 2}, std::move(stored), {pool, node("Flatten", {"y"}, "z")}, opset),
                  kEight);
  };
  CHECK(pooled(node("GlobalAveragePool", {"x"}, "y")) == Floats{2.5, 6.5});
  CHECK(pooled(node("GlobalMaxPool", {"x"}, "y")) == Floats{4, 8});
  CHECK(pooled(node("ReduceMean", {"x"}, "y", {{"axes", Ints{-1, -2}}, {"keepdims", int64_t{0}}})) ==
        Floats{2.5, 6.5});
  CHECK(pooled(node("ReduceMean", {"x", "a"}, "y"), {whole("a", {2, 3})}, 18) == Floats{2.5, 6.5});
  const onnx::Attribute two = {"kernel_shape", Ints{2, 2}}, corner = {"pads", Ints{1, 1, 0, 0}};
  CHECK(pooled(node("MaxPool", {"x"}, "y", {two, corner})) == Floats{1, 2, 3, 4, 5, 6, 7, 8});
  CHECK(pooled(node("AveragePool", {"x"}, "y", {two, corner})) == Floats{1, 1.5, 2, 2.5, 5, 5.5, 6, 6.5});
  CHECK(pooled(node("AveragePool", {"x"}, "y", {two, corner, {"count_include_pad", int64_t{1}}})) ==
        Floats{0.25, 0.75, 1, 2.5, 1.25, 2.75, 3, 6.5});
  CHECK(pooled(node("MaxPool", {"x"}, "y",
                    {{"kernel_shape", Ints{1, 1}}, {"strides", Ints{3, 3}}, {"ceil_mode", int64_t{1}}})) ==
        Floats{1, 5});
  // The zeros of a Pad count.
  const onnx::Model pad = graph_of(
      {-1, 2, 2, 2}, {whole("s", {0, 0, 1, 1, 0, 0, 0, 0})},
      {node("Pad", {"x", "s"}, "p"), node("AveragePool", {"p"}, "y", {two}), node("Flatten", {"y"}, "z")});
  CHECK(result(pad, kEight) == Floats{0.25, 0.75, 1, 2.5, 1.25, 2.75, 3, 6.5});
  CHECK(contains(
      refusal(graph_of({-1, 2, 2, 2}, {}, {node("MaxPool", {"x"}, "y", {{"kernel_shape", Ints{2}}})})),
      "MaxPool 'y': a pooling that is not over height and width"));
}

TEST_CASE("flattening as exporters write it") {
  const std::vector<std::vector<onnx::Node>> ways = {
      {node("Flatten", {"x"}, "y", {{"axis", int64_t{-3}}})},
      {node("Reshape", {"x", "s"}, "y")},
      {node("Shape", {"x"}, "a"), node("Gather", {"a", "zero"}, "b"), node("Unsqueeze", {"b", "zero"}, "c"),
       node("Concat", {"c", "open"}, "d", {{"axis", int64_t{0}}}), node("Reshape", {"x", "d"}, "y")},
      {node("Shape", {"x"}, "a", {{"end", int64_t{1}}}), node("Cast", {"a"}, "b", {{"to", int64_t{7}}}),
       node("Concat", {"b", "open"}, "d", {{"axis", int64_t{0}}}), node("Reshape", {"x", "d"}, "y")},
      {node("Shape", {"x"}, "a"), node("Slice", {"a", "zero", "one"}, "b"), node("Gather", {"a", "one"}, "c"),
       node("Constant", {}, "four", {{"value_ints", Ints{4}}}), node("Mul", {"c", "four"}, "e"),
       node("Concat", {"b", "e"}, "d", {{"axis", int64_t{0}}}), node("Reshape", {"x", "d"}, "y")},
  };
  for (const auto& way : ways) {
    const onnx::Model model =
        graph_of({-1, 2, 2, 2},
                 {whole("s", {0, -1}), whole("zero", {0}), whole("one", {1}), whole("open", {-1})}, way);
    CAPTURE(model.graph.nodes.size());
    CHECK(operators(imported(model)) == "Flatten");
    CHECK(result(model, kEight) == kEight);
  }
  const auto to = [](const Ints& shape, int64_t batch) {
    return graph_of({batch, 2, 2, 2}, {whole("s", shape)},
                    {node("Reshape", {"x", "s"}, "r"), node("Flatten", {"r"}, "y")});
  };
  CHECK(operators(imported(to({-1, 8}, -1))) == "Flatten");
  CHECK(operators(imported(to({1, -1}, 1))) == "Flatten");  // a file for one image
  CHECK(operators(imported(to({5, 8}, 5))) == "Flatten");
  CHECK(operators(imported(to({0, 2, -1, 2}, -1))) == "Flatten");  // no change at first
  CHECK(contains(refusal(to({1, -1}, -1)),
                 "Reshape 'r': another shape than one row of numbers an image (wanted (N, 2, 2, 2) to (N, "
                 "-1), got (1, -1))"));
  CHECK(contains(refusal(to({-1, 4}, -1)), "Reshape 'r': a"));
  CHECK(contains(refusal(to({0, 4, 2}, -1)), "got (N, 4, 2)"));
  CHECK(contains(refusal(to({-1, -1}, -1)), "a shape that cannot be"));
  CHECK(contains(refusal(graph_of({-1, 2, 2, 2}, {}, {node("Flatten", {"x"}, "y", {{"axis", int64_t{2}}})})),
                 "mixes images"));
  const onnx::Model squeeze =
      graph_of({-1, 3, 1, 1}, {whole("a", {3, 2})}, {node("Squeeze", {"x", "a"}, "y")});
  CHECK(operators(imported(squeeze)) == "Flatten");
  // (N, C, 1, 1) at the end is (N, C).
  CHECK(operators(imported(graph_of({-1, 3, 1, 1}, {}, {node("Relu", {"x"}, "y")}))) == "Relu Flatten");
}

TEST_CASE("activations and arithmetic with stored numbers") {
  const auto end = node("Flatten", {"y"}, "z");
  const auto run = [&](std::vector<onnx::Node> nodes, std::vector<onnx::TensorValue> stored,
                       int64_t opset = 17) {
    nodes.push_back(end);
    return graph_of({-1, 2, 2, 2}, std::move(stored), std::move(nodes), opset);
  };
  const auto six = tensor("six", {}, {6}), three = tensor("three", {1}, {3}),
             c = tensor("c", {2, 1, 1}, {1, -1});
  CHECK(result(run({node("Clip", {"x", "three", "six"}, "y")}, {six, three}), kEight) ==
        Floats{3, 3, 3, 4, 5, 6, 6, 6});
  CHECK(result(run({node("Clip", {"x"}, "y", {{"max", 2.0f}, {"min", 0.0f}})}, {}, 6), kEight) ==
        Floats{1, 2, 2, 2, 2, 2, 2, 2});
  CHECK(operators(imported(run({node("Clip", {"x"}, "y")}, {}))) == "Flatten");
  CHECK(operators(imported(run({node("Clip", {"x", "zero"}, "y")}, {tensor("zero", {}, {0})}))) ==
        "Relu Flatten");
  CHECK(operators(imported(run({node("Sigmoid", {"x"}, "s"), node("Mul", {"s", "x"}, "y")}, {}))) ==
        "Silu Flatten");
  CHECK(operators(imported(run({node("Sigmoid", {"x"}, "s"), node("Mul", {"s", "s"}, "y")}, {}))) ==
        "Sigmoid Mul Flatten");
  CHECK(operators(imported(run({node("PRelu", {"x", "three"}, "y")}, {three}))) == "LeakyRelu Flatten");
  CHECK(contains(refusal(run({node("PRelu", {"x", "c"}, "y")}, {c})), "PRelu 'y': a slope for each channel"));
  CHECK(operators(imported(run({node("Tanh", {"x"}, "s"), node("Mul", {"six", "s"}, "y")}, {six}))) ==
        "Tanh Flatten");

  CHECK(result(run({node("Sub", {"x", "c"}, "y")}, {c}), kEight) == Floats{0, 1, 2, 3, 6, 7, 8, 9});
  CHECK(result(run({node("Sub", {"c", "x"}, "y")}, {c}), kEight) == Floats{0, -1, -2, -3, -6, -7, -8, -9});
  CHECK(result(run({node("Mul", {"x", "c"}, "y")}, {c}), kEight) == Floats{1, 2, 3, 4, -5, -6, -7, -8});
  CHECK(result(run({node("Div", {"x", "half"}, "y")}, {tensor("half", {1, 1, 1, 1}, {0.5})}), kEight) ==
        Floats{2, 4, 6, 8, 10, 12, 14, 16});
  CHECK(result(run({node("Add", {"x", "c"}, "y", {{"broadcast", int64_t{1}}})}, {c}, 6), kEight) ==
        Floats{2, 3, 4, 5, 4, 5, 6, 7});
  CHECK(operators(imported(run({node("Mul", {"x", "one"}, "y")}, {tensor("one", {}, {1})}))) == "Flatten");
  CHECK(result(run({node("Sum", {"x", "x", "x"}, "y")}, {}), {1, 1, 1, 1, 1, 1, 1, 2}) ==
        Floats{3, 3, 3, 3, 3, 3, 3, 6});
  std::vector<std::string> ten(10, "x");
  const onnx::Model joined = run({node("Concat", ten, "y", {{"axis", int64_t{1}}})}, {});
  CHECK(operators(imported(joined)) == "Concat Concat Flatten");
  CHECK(result(joined, kEight).size() == 80);
  CHECK(contains(refusal(run({node("Div", {"six", "x"}, "y")}, {six})),
                 "Div 'y': a division by what comes from the images"));
  CHECK(contains(refusal(run({node("Mul", {"x", "w"}, "y")}, {tensor("w", {2, 2}, {1, 2, 3, 4})})),
                 "Mul 'y': stored numbers that are not one, or one for each channel (wanted 2 of (N, 2, 2, "
                 "2), got (2, 2))"));
  CHECK(contains(refusal(run({node("Div", {"x", "zero"}, "y")}, {tensor("zero", {}, {0})})),
                 "NaN or infinity"));
}

TEST_CASE(
    "a softmax at the end is left to who reads the logits; what the output does not need is not looked at") {
  onnx::Model model =
      graph_of({-1, 2, 1, 1}, {},
               {node("Flatten", {"x"}, "f"), node("Mystery", {"f"}, "m"), node("Softmax", {"f"}, "y")});
  CHECK(operators(imported(model)) == "Flatten");
  model.graph.nodes[2].op_type = "LogSoftmax";
  CHECK(operators(imported(model)) == "Flatten");
  const LoadedModel loaded = onnx::import_model(model, "some/net.onnx");
  CHECK(loaded.assumed);
  CHECK(loaded.model.name == "net");
  CHECK(loaded.model.classes == std::vector<std::string>{"0", "1"});
  CHECK((loaded.model.preprocessing.mean == PerChannel(0)));
  const onnx::Model between =
      graph_of({-1, 2, 1, 1}, {},
               {node("Flatten", {"x"}, "f"), node("Softmax", {"f"}, "y"), node("Relu", {"y"}, "z")});
  CHECK(operators(imported(between)) == "Flatten Softmax Relu");
  CHECK(contains(refusal(graph_of({-1, 2, 2, 2}, {}, {node("Softmax", {"x"}, "y")})),
                 "Softmax 'y': a softmax that is not over classes"));
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
  CHECK(
      contains(refusal(foreign),
               "net.onnx: Relu 'strange?': an operator that networks have not here (got com.example.Relu)"));
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
