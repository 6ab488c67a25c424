#include "unfold/formats/onnx/export.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "unfold/formats/onnx/builder.h"
#include "unfold/formats/onnx/writer.h"
#include "unfold/ops/op.h"

using namespace unfold;

namespace {

/// A model around a graph, with weights.
Model model_of(Graph graph) {
  Model m;
  m.name = "net";
  m.graph = std::move(graph);
  m.parameters = Parameters<float>(m.graph.parameter_table());
  initialise(m.parameters, Init::pytorch, 1);
  const Shape in = m.graph.shape(m.graph.input());
  m.preprocessing = {.image_h = in[1], .image_w = in[2], .out_h = in[1], .out_w = in[2], .digit = false};
  for (int64_t i = 0; i < m.graph.shape(m.graph.output()).elements(); ++i)
    m.classes.push_back(std::to_string(i));
  return m;
}

/// A graph of one layer.
template <class F>
onnx::Model exported(const Shape& image, F layer) {
  Graph g;
  layer(g, g.input(image));
  static std::vector<Model> kept;  // what is exported borrows its weights
  kept.push_back(model_of(std::move(g)));
  return onnx::export_model(kept.back());
}

std::string operators(const onnx::Model& model) {
  std::string text;
  for (const onnx::Node& node : model.graph.nodes) text += (text.empty() ? "" : " ") + node.op_type;
  return text;
}

template <class T>
T attribute(const onnx::Node& node, std::string_view name) {
  const auto found = std::ranges::find(node.attributes, name, &onnx::Attribute::name);
  REQUIRE(found != node.attributes.end());
  return std::get<T>(found->value);
}

const Tensor& stored(const onnx::Model& model, std::string_view name) {
  const auto found = std::ranges::find(model.graph.initializers, name, &onnx::TensorValue::name);
  REQUIRE(found != model.graph.initializers.end());
  return found->values;
}

using Ints = std::vector<int64_t>;

}  // namespace

TEST_CASE("every operator of a network has a form in ONNX") {
  std::vector<std::string_view> ours(op_types().begin(), op_types().end()),
      theirs(onnx::exported_types().begin(), onnx::exported_types().end());
  std::ranges::sort(ours);
  std::ranges::sort(theirs);
  CHECK(ours == theirs);
}

TEST_CASE("LeNet-5: names are torchvision's, the batch is open, and the same model gives the same bytes") {
  const Model lenet = make_model("lenet5", 3);
  const onnx::Model model = onnx::export_model(lenet);
  CHECK(operators(model) == "Conv Relu MaxPool Conv Relu MaxPool Flatten Gemm Relu Gemm Relu Gemm");
  CHECK(model.ir_version == 8);
  CHECK(model.opsets == std::map<std::string, int64_t>{{"", 17}});
  REQUIRE(model.graph.inputs.size() == 1);
  CHECK(model.graph.inputs[0].name == "input");
  CHECK(model.graph.inputs[0].type == 1);
  CHECK(model.graph.inputs[0].shape == Ints{-1, 1, 32, 32});
  REQUIRE(model.graph.outputs.size() == 1);
  CHECK(model.graph.outputs[0].name == "logits");
  CHECK(model.graph.outputs[0].shape == Ints{-1, 10});
  const onnx::Node& conv = model.graph.nodes[0];
  CHECK(conv.name == "conv1");
  CHECK(conv.inputs == std::vector<std::string>{"input", "conv1.weight", "conv1.bias"});
  CHECK(attribute<Ints>(conv, "kernel_shape") == Ints{5, 5});
  CHECK(attribute<int64_t>(conv, "group") == 1);
  CHECK(attribute<int64_t>(model.graph.nodes[7], "transB") == 1);
  CHECK(stored(model, "fc3.weight").raw() ==
        lenet.parameters.tensor(lenet.parameters.table().find("fc3.weight")).raw());
  CHECK(model.metadata.at(onnx::kNameKey) == "lenet5");
  CHECK(model.metadata.at(onnx::kClassesKey) == R"(["0","1","2","3","4","5","6","7","8","9"])");
  CHECK(model.metadata.at(onnx::kPreprocessingKey) ==
        R"({"fit":"pad","image":[28,28],"mean":0.0,"output":[32,32],"picture":"digit","std":1.0})");
  CHECK(onnx::serialize_model(model) == onnx::serialize_model(onnx::export_model(make_model("lenet5", 3))));
}

TEST_CASE("the graph may end in probabilities, once, and begin with the preprocessing") {
  const Model lenet = make_model("lenet5", 3);
  const onnx::Model softmax = onnx::export_model(lenet, {.softmax = true});
  CHECK(softmax.graph.nodes.back().op_type == "Softmax");
  CHECK(softmax.graph.nodes.back().outputs[0] == "probabilities");
  CHECK(softmax.graph.outputs[0].name == "probabilities");
  const onnx::Model one = exported({2, 1, 1}, [](Graph& g, ValueId x) { g.softmax("p", g.flatten("f", x)); });
  CHECK(operators(one) == "Flatten Softmax");
  CHECK(one.graph.outputs[0].name == "probabilities");
  Graph image;
  image.relu("r", image.input({2, 3, 3}));
  CHECK_THROWS_WITH_AS(onnx::export_model(model_of(image), {.softmax = true}), doctest::Contains("classes"),
                       Error);

  Model m = lenet;
  m.preprocessing.mean = 0.25;
  m.preprocessing.std = 0.5;
  const onnx::Model pads = onnx::export_model(m, {.preprocess = true});
  CHECK(operators(pads).starts_with("Cast Div Pad Sub Div Conv "));
  CHECK(pads.graph.inputs[0].name == "pixels");
  CHECK(pads.graph.inputs[0].type == 2);
  CHECK(pads.graph.inputs[0].shape == Ints{-1, 1, 28, 28});
  const auto sides = stored(pads, "preprocess.pads").span<int64_t>();
  CHECK(std::vector<int64_t>(sides.begin(), sides.end()) == Ints{0, 0, 2, 2, 0, 0, 2, 2});
  CHECK(stored(pads, "preprocess.mean").data<float>()[0] == 0.25f);
  m.preprocessing.fit = Preprocessing::Fit::bilinear;
  const onnx::Model resized = onnx::export_model(m, {.preprocess = true});
  CHECK(operators(resized).starts_with("Cast Div Resize Sub Div Conv "));
  CHECK(resized.opsets.at("") == 18);  // Resize of some axes
}

TEST_CASE("operators that are several in ONNX") {
  const Shape image{4, 6, 9};
  const onnx::Model tanh = exported(image, [](Graph& g, ValueId x) { g.tanh("t", x, 1.7159); });
  CHECK(operators(tanh) == "Tanh Mul");
  CHECK(stored(tanh, "t.scale").data<float>()[0] == 1.7159f);
  CHECK(operators(exported(image, [](Graph& g, ValueId x) { g.tanh("t", x); })) == "Tanh");
  CHECK(operators(exported(image, [](Graph& g, ValueId x) { g.pointwise("s", x, {Pointwise::silu}); })) ==
        "Sigmoid Mul");

  const auto adaptive = [&](int64_t h, int64_t w) {
    return exported(image, [=](Graph& g, ValueId x) { g.adaptive_avg_pool2d("a", x, h, w); });
  };
  CHECK(operators(adaptive(1, 1)) == "GlobalAveragePool");
  CHECK(operators(adaptive(2, 3)) == "AveragePool");
  CHECK(attribute<Ints>(adaptive(2, 3).graph.nodes[0], "kernel_shape") == Ints{3, 3});
  const onnx::Model uneven = adaptive(4, 9);
  CHECK(operators(uneven) == "MatMul MatMul");
  CHECK(stored(uneven, "a.columns").shape() == Shape{9, 9});
  const auto rows = stored(uneven, "a.rows").span<float>();
  CHECK(std::vector<float>(rows.begin(), rows.end()) == std::vector<float>{.5, .5, 0,  0,  0,  0,  //
                                                                           0,  .5, .5, 0,  0,  0,  //
                                                                           0,  0,  0,  .5, .5, 0,  //
                                                                           0,  0,  0,  0,  .5, .5});

  CHECK(operators(exported(image, [](Graph& g, ValueId x) { g.local_response_norm("l", x, 3); })) == "LRN");
  const onnx::Model even = exported(image, [](Graph& g, ValueId x) { g.local_response_norm("l", x, 4); });
  CHECK(operators(even) == "Gather LRN Gather");
  const auto order = stored(even, "l.backwards").span<int64_t>();
  CHECK(std::vector<int64_t>(order.begin(), order.end()) == Ints{3, 2, 1, 0});
}

TEST_CASE("what is meant otherwise in ONNX is said as it is meant there") {
  const Shape image{4, 6, 9};
  const onnx::Model norm = exported(image, [](Graph& g, ValueId x) { g.batch_norm("bn", x, 1e-3, 0.25); });
  CHECK(attribute<float>(norm.graph.nodes[0], "momentum") == 0.75f);  // the part that stays
  CHECK(attribute<float>(norm.graph.nodes[0], "epsilon") == 1e-3f);
  CHECK(norm.graph.nodes[0].inputs ==
        std::vector<std::string>{"input", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"});
  const onnx::Model concat = exported(image, [](Graph& g, ValueId x) { g.concat("c", {x, x}, 1); });
  CHECK(attribute<int64_t>(concat.graph.nodes[0], "axis") == 2);  // behind that of the images
  const onnx::Model pool =
      exported(image, [](Graph& g, ValueId x) { g.max_pool2d("m", x, Window2d::square(3, 2), true); });
  CHECK(attribute<int64_t>(pool.graph.nodes[0], "ceil_mode") == 1);
  const onnx::Model dilated =
      exported(image, [](Graph& g, ValueId x) { g.avg_pool2d("m", x, Window2d::square(2, 1, 0, 2), false); });
  CHECK(dilated.opsets.at("") == 19);
  CHECK(dilated.ir_version == 9);
  CHECK(attribute<int64_t>(dilated.graph.nodes[0], "count_include_pad") == 0);
  // A layer may have any name; values have one each.
  const onnx::Model names = exported(image, [](Graph& g, ValueId x) {
    g.relu("logits", g.relu("input", g.conv2d("a", g.conv2d("a.weight", x, 4, Window2d::square(1)), 4,
                                              Window2d::square(1))));
  });
  std::vector<std::string> values = {names.graph.inputs[0].name};
  for (const onnx::TensorValue& t : names.graph.initializers) values.push_back(t.name);
  for (const onnx::Node& n : names.graph.nodes) values.push_back(n.outputs[0]);
  std::ranges::sort(values);
  CHECK(std::ranges::adjacent_find(values) == values.end());
  CHECK(names.graph.nodes.back().outputs[0] == "logits");
}
