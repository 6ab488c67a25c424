// Operators in the forms in which exporters write them, from opset 6 on: networks, and what these compute by
// hand.
#include <doctest/doctest.h>

#include <cstdint>

#include "tests/support/onnx_graphs.h"

using namespace unfold;
using namespace unfold::test;

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
                 "MatMul 'y': a product that is no linear layer (wanted (N, IN) times a stored matrix, got "
                 "(N, 2, 1, 1) and (2, 3))"));
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
  CHECK(operators(imported(before(node("Pad", {"x", "s"}, "p")))) == "Conv2d Flatten");
  CHECK(result(before(node("Pad", {"x", "s"}, "p", {{"mode", std::string("edge")}})), kEight) ==
        Floats{7, 8, 9, 10});
  CHECK(operators(imported(before(node("Pad", {"x", "s"}, "p", {{"mode", std::string("reflect")}})))) ==
        "Pad Conv2d Flatten");
  CHECK(contains(refusal(before(node("Pad", {"x", "s"}, "p", {{"mode", std::string("wrap")}}))),
                 "Pad 'p': an unknown mode (wanted constant, reflect or edge, got 'wrap')"));
  // Another layer reads the zeros, too.
  const onnx::Model both = graph_of(
      {-1, 2, 2, 2}, {k, whole("s", {0, 0, 0, 0, 0, 0, 1, 1})},
      {node("Pad", {"x", "s"}, "p"), node("Conv", {"p", "k"}, "c"), node("GlobalMaxPool", {"p"}, "m"),
       node("GlobalMaxPool", {"c"}, "d"), node("Concat", {"m", "d"}, "y", {{"axis", int64_t{1}}}), end});
  CHECK(operators(imported(both)) == "Pad Conv2d MaxPool2d MaxPool2d Concat Flatten");
  CHECK(result(both, kEight) == Floats{4, 8, 9});
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
  // A padding of its own beside them does not: what is divided by would be another number in each window.
  for (const char* mode : {"NOTSET", "SAME_UPPER"}) {
    std::vector<onnx::Attribute> how = {
        {"kernel_shape", Ints{3, 3}}, {"strides", Ints{3, 3}}, {"auto_pad", std::string(mode)}};
    if (std::string(mode) == "NOTSET") how.push_back({"pads", Ints{0, 1, 0, 1}});
    CHECK(contains(refusal(graph_of({-1, 1, 3, 3}, {whole("s", {0, 0, 0, 0, 0, 0, 0, 1})},
                                    {node("Pad", {"x", "s"}, "p"), node("AveragePool", {"p"}, "y", how)})),
                   "a Pad before a pooling that leaves out its own padding"));
  }
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
                 "Reshape 'r': a shape that does not keep images apart (wanted (N, 2, 2, 2) to (N, ...), got "
                 "(1, -1))"));
  CHECK(contains(refusal(to({-1, 4}, -1)), "Reshape 'r': a"));
  CHECK(operators(imported(to({0, 4, 2}, -1))) == "Reshape Flatten");
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
  CHECK(operators(imported(run({node("PRelu", {"x", "three"}, "y")}, {three}))) == "PRelu Flatten");
  CHECK(operators(imported(run({node("PRelu", {"x", "c"}, "y")}, {c}))) == "PRelu Flatten");
  const auto wide = tensor("wide", {3}, {1, 2, 3});
  CHECK(contains(refusal(run({node("PRelu", {"x", "wide"}, "y")}, {wide})),
                 "PRelu 'y': slopes that are not one, or one for each channel"));
  CHECK(operators(imported(run({node("Selu", {"x"}, "s"), node("Softsign", {"s"}, "y")}, {}))) ==
        "Selu Softsign Flatten");
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

TEST_CASE("transposed convolutions: pads, output_padding, output_shape, auto_pad") {
  // One channel of kEight's two: each number spreads over a window of 2 x 1, weighted 1 and 10.
  const onnx::TensorValue w = tensor("w", {2, 1, 2, 1}, {1, 10, 0, 0}), b = tensor("b", {1}, {0.5});
  const auto up = [&](std::vector<onnx::Attribute> attributes, bool bias = false) {
    std::vector<std::string> inputs = {"x", "w"};
    if (bias) inputs.emplace_back("b");
    return graph_of({-1, 2, 2, 2}, {w, b},
                    {node("ConvTranspose", inputs, "y", std::move(attributes)), node("Flatten", {"y"}, "z")});
  };
  const onnx::Attribute strides = {"strides", Ints{2, 1}};
  CHECK(operators(imported(up({}))) == "ConvTranspose2d Flatten");
  CHECK(result(up({}), kEight) == Floats{1, 2, 13, 24, 30, 40});
  CHECK(result(up({}, true), kEight) == Floats{1.5, 2.5, 13.5, 24.5, 30.5, 40.5});
  CHECK(result(up({{"pads", Ints{1, 0, 0, 1}}}), kEight) == Floats{13, 30});
  CHECK(result(up({strides}), kEight) == Floats{1, 2, 10, 20, 3, 4, 30, 40});
  CHECK(result(up({strides, {"output_padding", Ints{1, 0}}}), kEight) ==
        Floats{1, 2, 10, 20, 3, 4, 30, 40, 0, 0});
  CHECK(result(up({{"auto_pad", std::string("SAME_UPPER")}}), kEight) == Floats{1, 2, 13, 24});
  CHECK(result(up({{"auto_pad", std::string("SAME_LOWER")}}), kEight) == Floats{13, 24, 30, 40});
  CHECK(result(up({{"output_shape", Ints{2, 2}}}), kEight) == Floats{13, 24, 30, 40});
  CHECK(contains(refusal(up({{"output_shape", Ints{9, 2}}})), "ConvTranspose 'y': an output larger than"));
  CHECK(contains(refusal(up({{"group", int64_t{3}}})), "ConvTranspose 'y': the weights do not fit"));
  CHECK(contains(refusal(up({{"output_padding", Ints{1, 0}}})), "ConvTranspose 'y'"));
}

TEST_CASE("axes of an image: Transpose, Reshape, Squeeze and Unsqueeze") {
  const auto of = [&](const onnx::Node& made, std::vector<onnx::TensorValue> stored = {}) {
    return graph_of({-1, 2, 2, 2}, std::move(stored), {made, node("Flatten", {"y"}, "z")});
  };
  const onnx::Model turned = of(node("Transpose", {"x"}, "y", {{"perm", Ints{0, 3, 1, 2}}}));
  CHECK(operators(imported(turned)) == "Transpose Flatten");
  CHECK(result(turned, kEight) == Floats{1, 3, 5, 7, 2, 4, 6, 8});
  CHECK(operators(imported(of(node("Transpose", {"x"}, "y", {{"perm", Ints{0, 1, 2, 3}}})))) == "Flatten");
  CHECK(contains(refusal(of(node("Transpose", {"x"}, "y", {{"perm", Ints{1, 0, 2, 3}}}))),
                 "Transpose 'y': a transposition that moves the images' axis"));
  CHECK(contains(refusal(of(node("Transpose", {"x"}, "y"))), "moves the images' axis"));
  CHECK(contains(refusal(of(node("Transpose", {"x"}, "y", {{"perm", Ints{0, 1, 1, 2}}}))), "Transpose 'y'"));
  // A shuffle of channels, as ShuffleNet's.
  const onnx::Model shuffled = graph_of(
      {-1, 4, 1, 2}, {whole("s", {0, 2, 2, 1, 2}), whole("t", {0, 4, 1, 2})},
      {node("Reshape", {"x", "s"}, "a"), node("Transpose", {"a"}, "b", {{"perm", Ints{0, 2, 1, 3, 4}}}),
       node("Reshape", {"b", "t"}, "y"), node("Flatten", {"y"}, "z")});
  CHECK(operators(imported(shuffled)) == "Reshape Transpose Reshape Flatten");
  CHECK(result(shuffled, kEight) == Floats{1, 2, 5, 6, 3, 4, 7, 8});
  CHECK(contains(refusal(of(node("Reshape", {"x", "s"}, "y"), {whole("s", {2, -1, 2})})),
                 "Reshape 'y': a shape that does not keep images apart"));
  // (N, 2, 2, 2) to (N, 2, 1, 2, 2) and back.
  const onnx::Model there = graph_of({-1, 2, 2, 2}, {whole("a", {2})},
                                     {node("Unsqueeze", {"x", "a"}, "u"), node("Relu", {"u"}, "r"),
                                      node("Squeeze", {"r", "a"}, "y"), node("Flatten", {"y"}, "z")});
  CHECK(operators(imported(there)) == "Reshape Relu Reshape Flatten");
  CHECK(result(there, kEight) == kEight);
  CHECK(contains(refusal(of(node("Unsqueeze", {"x", "a"}, "y"), {whole("a", {0})})), "before the images"));
  CHECK(contains(refusal(of(node("Transpose", {"x"}, "y", {{"perm", Ints{0, INT64_MIN, 1, 2}}}))),
                 "moves the images' axis"));
  // Sizes whose product passes 64 bits.
  const int64_t large = int64_t{1} << 32;
  for (const Ints& sizes : {Ints{0, large, large, -1}, Ints{-1, large, large}})
    CHECK(
        contains(refusal(of(node("Reshape", {"x", "s"}, "y"), {whole("s", sizes)})), "Reshape 'y': a shape"));
  CHECK(contains(refusal(of(node("Squeeze", {"x", "a"}, "y"), {whole("a", {1})})), "an axis that is not 1"));
}

TEST_CASE("numbers that would take more memory or time than the file is worth are refused") {
  const auto deep = [](int64_t pads) {
    return graph_of({-1, 1, 28, 28}, {whole("s", {0, 0, 0, 0, 0, 0, pads, pads})},
                    {node("Pad", {"x", "s"}, "p"), node("Flatten", {"p"}, "y")});
  };
  CHECK(contains(refusal(deep(1 << 20)), "a value of one image is too large"));
  CHECK(contains(refusal(deep(1 << 8)), "too many classes (wanted at most 16384"));
  const auto constant = [](size_t count) {
    return graph_of({-1, 2, 2, 2}, {},
                    {node("Constant", {}, "c", {{"value_ints", Ints(count, 1)}}),
                     node("Identity", {"c"}, "d"), node("Reshape", {"x", "d"}, "y")});
  };
  CHECK(contains(refusal(constant(65)), "Constant 'c': more numbers than a shape has"));
  CHECK(contains(refusal(constant(64)), "Reshape 'y': a shape that cannot be"));
  const auto conv = [](std::vector<onnx::Attribute> attributes, const char* type = "Conv") {
    return refusal(graph_of({-1, 1, 2, 2}, {tensor("w", {1, 1, 1, 1}, {1})},
                            {node(type, {"x", "w"}, "y", std::move(attributes))}));
  };
  CHECK(contains(conv({{"group", int64_t{1} << 62}}), "the weights do not fit"));
  CHECK(contains(conv({{"output_padding", Ints{INT64_MAX, 0}}}, "ConvTranspose"), "a size that cannot be"));
  CHECK(contains(conv({{"output_shape", Ints{INT64_MIN, 2}}}, "ConvTranspose"), "a size that cannot be"));
  CHECK(contains(refusal(graph_of({-1, 1, 2, 2}, {},
                                  {node("MaxPool", {"x"}, "y",
                                        {{"kernel_shape", Ints{INT64_MIN, 1}},
                                         {"auto_pad", std::string("SAME_UPPER")}})})),
                 "a kernel that cannot be"));
  const int64_t side = int64_t{1} << 40;
  CHECK(contains(refusal(graph_of({-1, side, side, side}, {}, {node("Relu", {"x"}, "y")})),
                 "net.onnx: the input is not a batch of images of a fixed size"));
}
