// Graphs that ask for what cannot be: each is an Error that names node and operator, before memory is spent.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "tests/onnx/graphs.h"
#include "unfold/error.h"
#include "unfold/onnx/session.h"

using namespace unfold;
using namespace unfold::test;

namespace {

constexpr int64_t kHuge = int64_t{1} << 62, kLeast = std::numeric_limits<int64_t>::min(),
                  kMost = std::numeric_limits<int64_t>::max();

/// What is said about one node over x (2, 3) and further inputs that are stored.
std::string said(const std::string& type, const std::vector<Tensor>& stored,
                 const std::vector<onnx::Attribute>& attributes = {}, int64_t opset = kNewest,
                 const Tensor& x = tensor<float>({2, 3}, {0, 1, 2, 3, 4, 5}), size_t outputs = 1) {
  GraphMaker graph(opset);
  graph.input("x", x.dtype() == Dtype::i64 ? 7 : 1);
  std::vector<std::string> inputs = {"x"}, names;
  for (size_t i = 0; i < stored.size(); ++i) {
    inputs.push_back(stored[i].raw() ? "s" + std::to_string(i) : "");
    if (stored[i].raw()) graph.stored(inputs.back(), stored[i]);
  }
  for (size_t i = 0; i < outputs; ++i) names.push_back("y" + std::to_string(i));
  graph.node(type, inputs, names, attributes);
  try {
    onnx::Session(graph.model()).run({{"x", x}});
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::model);
    const std::string what = e.what(), start = "node 0, " + type + ": ";
    CHECK(what.substr(0, start.size()) == start);
    return what.substr(std::min(start.size(), what.size()));
  }
  return "accepted";
}

bool has(const std::string& text, const std::string& part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE(text);
  return found;
}

Tensor image(std::vector<int64_t> sizes) {
  return Tensor(Dtype::f32, Shape(sizes));
}

}  // namespace

TEST_CASE("sizes that are negative, too large or do not fit") {
  CHECK(has(said("Reshape", {list({-1, -1})}), "a negative size"));
  CHECK(has(said("Reshape", {list({-2, 3})}), "a negative size"));
  CHECK(has(said("Reshape", {list({4, -1})}), "does not divide"));
  CHECK(has(said("Reshape", {list({0, -1, 0})}), "0 stands for a size"));
  CHECK(has(said("Reshape", {list({kHuge, 4})}), "sizes are too large"));
  CHECK(has(said("Reshape", {list({kMost, -1})}), "too large"));
  CHECK(has(said("Reshape", {list({7})}), "does not hold"));
  CHECK(has(said("Reshape", {list(Ints(2000, 1))}), "too many axes"));
  CHECK(has(said("Expand", {list({1 << 20, 1 << 20, 2, 3})}), "too large"));
  CHECK(has(said("Expand", {list({0, kMost, 2, 3})}), "too large"));
  CHECK(has(said("Expand", {list({4, 3})}), "do not fit together"));
  CHECK(has(said("Expand", {list({-1, 3})}), "negative"));
  CHECK(has(said("Expand", {list(Ints(9, 1))}), "too many axes"));
  CHECK(has(said("Tile", {list({kMost, kMost})}), "too large"));
  CHECK(has(said("Tile", {list({1 << 20, 1 << 20})}), "too large"));
  CHECK(has(said("Tile", {list({-1, 1})}), "do not fit"));
  CHECK(has(said("Tile", {list({1})}), "do not fit"));
  CHECK(has(said("Pad", {list({0, 0, kMost, 0})}), "out of range"));
  CHECK(has(said("Pad", {list({0, 0, int64_t{1} << 40, 0})}), "too large"));
  CHECK(has(said("Pad", {list({kLeast, 0, 0, 0})}), "out of range"));
  CHECK(has(said("Pad", {list({-3, 0, 0, 0})}), "negative size"));
  CHECK(has(said("Pad", {list({0, 0, 0})}), "number of pads"));
  CHECK(has(said("Pad", {list({0, 0}), Tensor(), list({5})}, {}, 18), "no such axis"));
  CHECK(has(said("Pad", {list({0, 0, 0, 0}), Tensor(), list({0, -2})}, {}, 18), "named twice"));
  CHECK(has(said("Pad", {list({1, 0, 0, 0})}, {{"mode", std::string("reflect")}}, 18, image({0, 3})),
            "empty axis"));
}

TEST_CASE("constants of any size") {
  const auto constant = [](const Tensor& sizes) {
    try {
      onnx::Session(GraphMaker().stored("n", sizes).node("ConstantOfShape", {"n"}, {"y"}).model());
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  CHECK(constant(list({2, 3})) == "accepted");
  CHECK(has(constant(list({kMost, kMost, kMost})), "too large"));
  CHECK(has(constant(list({0, kMost})), "too large"));
  CHECK(has(constant(list({-1})), "negative"));
  CHECK(has(constant(list(Ints(9, 1))), "too many axes"));
  CHECK(has(constant(tensor<int64_t>({1, 1}, {1})), "no list"));
  CHECK(has(constant(tensor<float>({1}, {1})), "int64 or int32"));
  const Tensor x = list({0});
  CHECK(has(said("Range", {list({1}), list({0})}, {}, kNewest, x), "never ends"));
  CHECK(has(said("Range", {list({kMost}), list({1})}, {}, kNewest, x), "never ends"));
  CHECK(has(said("Range", {list({int64_t{1} << 40}), list({1})}, {}, kNewest, x), "too large"));
  CHECK(said("Range", {list({-5}), list({1})}, {}, kNewest, x) == "accepted");
}

TEST_CASE("axes and indices that there are none of") {
  CHECK(has(said("Gather", {list({2})}), "an index is out of range (wanted -2 to 1, got 2)"));
  CHECK(has(said("Gather", {list({kLeast})}), "out of range"));
  CHECK(has(said("Gather", {list({0})}, {{"axis", int64_t{2}}}), "no such axis (wanted -2 to 1, got 2)"));
  CHECK(has(said("Gather", {tensor<float>({1}, {0})}), "indices have another type"));
  CHECK(has(said("Gather", {list({0})}, {}, kNewest, image({0, 3})), "out of range"));
  CHECK(has(said("GatherElements", {tensor<int64_t>({2, 4}, Ints(8, 0))}), "do not fit"));
  CHECK(has(said("GatherElements", {tensor<int64_t>({2, 3}, Ints(6, 9))}), "out of range"));
  CHECK(has(said("Transpose", {}, {{"perm", Ints{0, 0}}}), "named twice"));
  CHECK(has(said("Transpose", {}, {{"perm", Ints{0}}}), "each axis once"));
  CHECK(has(said("Softmax", {}, {{"axis", kLeast}}), "no such axis"));
  CHECK(has(said("Squeeze", {list({0})}), "not of size 1"));
  CHECK(has(said("Unsqueeze", {list(Ints{0, 0})}), "named twice"));
  CHECK(has(said("Unsqueeze", {list({0, 1, 2, 3, 4, 5, 6})}), "at most 8 axes"));
  CHECK(has(said("Unsqueeze", {list({0, 1, 2, 3, 4, 5, 6, 7, 8, 9})}), "at most 8 axes"));
  CHECK(has(said("ReduceSum", {list({0, -2})}), "named twice"));
  CHECK(has(said("ArgMax", {}, {{"axis", int64_t{0}}}, kNewest, image({0, 3})), "empty axis"));
  CHECK(has(said("Flatten", {}, {{"axis", int64_t{3}}}), "no such axis"));
  CHECK(has(said("Concat", {image({3, 2})}, {{"axis", int64_t{0}}}), "does not fit the first"));
}

TEST_CASE("slices and splits") {
  CHECK(has(said("Slice", {list({0}), list({1}), list({0}), list({0})}), "a step of 0"));
  CHECK(has(said("Slice", {list({0, 0}), list({1})}), "equally many"));
  CHECK(has(said("Slice", {list({0}), list({1}), list({7})}), "no such axis"));
  CHECK(has(said("Slice", {list({0, 0}), list({1, 1}), list({0, 0})}), "named twice"));
  CHECK(said("Slice", {list({kLeast}), list({kMost}), list({0}), list({kMost})}) == "accepted");
  CHECK(said("Slice", {list({kMost}), list({kLeast}), list({0}), list({kLeast})}) == "accepted");
  CHECK(has(said("Split", {list({1, 2})}, {}, kNewest, image({2, 3}), 2), "do not make the whole"));
  CHECK(has(said("Split", {list({kMost, kMost})}, {}, kNewest, image({2, 3}), 2), "do not make the whole"));
  CHECK(has(said("Split", {list({3, -1})}, {}, kNewest, image({2, 3}), 2), "do not make the whole"));
  CHECK(has(said("Split", {list({2})}, {}, kNewest, image({2, 3}), 2), "do not make the whole"));
  CHECK(has(said("Split", {}, {{"num_outputs", int64_t{3}}}, 18, image({2, 3}), 2), "num_outputs"));
}

TEST_CASE("windows") {
  const Tensor x = image({1, 2, 4, 4}), w = image({3, 2, 3, 3});
  const auto conv = [&](const std::vector<onnx::Attribute>& attributes, const Tensor& weights) {
    return said("Conv", {weights}, attributes, kNewest, x);
  };
  CHECK(conv({}, w) == "accepted");
  CHECK(has(conv({}, image({3, 1, 3, 3})), "channels, groups and weights"));
  CHECK(has(conv({}, image({3, 2, 3})), "weights do not fit"));
  CHECK(has(conv({}, image({3, 2, 5, 5})), "larger than the padded input"));
  CHECK(has(conv({}, image({3, 2, 0, 3})), "kernel is out of range"));
  CHECK(has(conv({{"group", int64_t{0}}}, w), "channels, groups and weights"));
  CHECK(has(conv({{"group", kLeast}}, w), "channels, groups and weights"));
  CHECK(has(conv({{"strides", Ints{0, 1}}}, w), "strides is out of range"));
  CHECK(has(conv({{"strides", Ints{1}}}, w), "another number of values"));
  CHECK(has(conv({{"dilations", Ints{kMost, kMost}}}, w), "dilations is out of range"));
  CHECK(has(conv({{"pads", Ints{-1, 0, 0, 0}}}, w), "pads is out of range"));
  CHECK(has(conv({{"pads", Ints{1 << 20, 1 << 20, 1 << 20, 1 << 20}}}, w), "too large"));
  CHECK(has(conv({{"kernel_shape", Ints{2, 2}}}, w), "not that of the weights"));
  CHECK(has(conv({{"auto_pad", std::string("SAME")}}, w), "unknown value (wanted NOTSET"));
  CHECK(has(said("Conv", {w}), "the input does not fit"));
  CHECK(has(said("MaxPool", {}, {}, kNewest, x), "an attribute is missing (wanted kernel_shape)"));
  CHECK(has(said("MaxPool", {}, {{"kernel_shape", Ints{9, 9}}}, kNewest, x), "larger than the padded input"));
  CHECK(has(said("AveragePool", {}, {{"kernel_shape", Ints{kLeast, 1}}}, kNewest, x), "out of range"));
  CHECK(has(said("LpPool", {}, {{"kernel_shape", Ints{1, 1}}, {"p", int64_t{0}}}, kNewest, x),
            "`p` is out of range"));
  CHECK(has(said("ConvTranspose", {image({2, 1, 3, 3})}, {{"pads", Ints{9, 9, 9, 9}}}, kNewest, x),
            "would be empty"));
  CHECK(has(said("ConvTranspose", {image({2, 1, 3, 3})}, {{"output_shape", Ints{kMost, 1}}}, kNewest, x),
            "out of range"));
  CHECK(has(
      said("ConvTranspose", {image({2, 1, 3, 3})}, {{"output_shape", Ints{1 << 30, 1 << 30}}}, kNewest, x),
      "too large"));
  CHECK(has(said("ConvTranspose", {image({3, 1, 3, 3})}, {}, kNewest, x), "channels, groups and weights"));
  CHECK(has(said("Col2Im", {list({4, 4}), list({kMost, kMost})}, {}, 18, image({1, 9, 4})), "out of range"));
  CHECK(has(said("Col2Im", {list({4, 4}), list({2, 2})}, {}, 18, image({1, 9, 4})), "do not fit the image"));
  CHECK(has(said("LRN", {}, {{"size", int64_t{0}}}, kNewest, x), "`size` is out of range"));
  // What a node needs beside its values counts, too: the places of a window take 24 bytes each.
  const auto within = [](int64_t bytes) {
    GraphMaker graph(kNewest);
    graph.input("x", 2).node("MaxPool", {"x"}, {"y"}, {{"kernel_shape", Ints{1, 1}}});
    onnx::Session session(graph.model(), {.bytes = bytes});
    (void)session.run({{"x", Tensor(Dtype::u8, {1, 1, 1 << 16, 1})}});
  };
  CHECK_THROWS_WITH_AS(within(1 << 20), doctest::Contains("too much memory"), Error);
  CHECK_NOTHROW(within(2 << 20));
  CHECK(has(said("DepthToSpace", {}, {{"blocksize", kMost}}, kNewest, x), "out of range"));
  CHECK(has(said("DepthToSpace", {}, {{"blocksize", int64_t{2}}}, kNewest, x), "do not divide"));
}

TEST_CASE("scales and sizes of images") {
  const Tensor x = image({1, 1, 4, 4}), none = tensor<float>({0}, {});
  const auto scales = [&](const std::vector<float>& s) {
    return said("Resize", {none, tensor<float>({static_cast<int64_t>(s.size())}, s)}, {}, kNewest, x);
  };
  CHECK(scales({1, 1, 2, 2}) == "accepted");
  CHECK(has(scales({1, 1, 2}), "number of scales"));
  CHECK(has(scales({1, 1, 0, 2}), "a scale is out of range"));
  CHECK(has(scales({1, 1, -1, 2}), "a scale is out of range"));
  CHECK(has(scales({1, 1, std::numeric_limits<float>::quiet_NaN(), 2}), "a scale is out of range"));
  CHECK(has(scales({1, 1, std::numeric_limits<float>::infinity(), 2}), "a scale is out of range"));
  CHECK(has(scales({1, 1, 1e6f, 1e6f}), "too large"));
  CHECK(has(said("Resize", {none, none, list({1, 1, kMost, 1})}, {}, kNewest, x), "a size is out of range"));
  CHECK(has(said("Resize", {none, none, list({1, 1, 0, 1})}, {}, kNewest, x), "a size is out of range"));
  CHECK(has(said("Resize", {none, tensor<float>({4}, {1, 1, 2, 2})},
                 {{"coordinate_transformation_mode", std::string("tf_crop_and_resize")}}, kNewest, x),
            "the region does not fit"));
}

TEST_CASE("whole numbers that overflow or are divided by 0") {
  const Tensor least = list({kLeast, kLeast});
  CHECK(has(said("Div", {list({0})}, {}, kNewest, least), "divided by 0"));
  CHECK(has(said("Mod", {list({0})}, {}, kNewest, least), "divided by 0"));
  CHECK(said("Div", {list({-1})}, {}, kNewest, least) == "accepted");
  CHECK(said("Mod", {list({-1})}, {}, kNewest, least) == "accepted");
  CHECK(said("Mul", {list({kLeast})}, {}, kNewest, least) == "accepted");
  GraphMaker bytes(kNewest);  // 255 is no -1
  bytes.input("x", 2).stored("b", tensor<uint8_t>({2}, {255, 4})).node("Mod", {"x", "b"}, {"y"});
  const auto rest = onnx::Session(bytes.model()).run({{"x", tensor<uint8_t>({2}, {7, 7})}});
  CHECK(rest.at(0).span<uint8_t>()[0] == 7);
  CHECK(rest.at(0).span<uint8_t>()[1] == 3);
  CHECK(said("Pow", {list({kMost})}, {}, kNewest, least) == "accepted");
  CHECK(said("Neg", {}, {}, kNewest, least) == "accepted");
  CHECK(said("Abs", {}, {}, kNewest, least) == "accepted");
  CHECK(said("ReduceSum", {}, {}, kNewest, least) == "accepted");
  CHECK(said("ReduceProd", {}, {}, kNewest, least) == "accepted");
  CHECK(said("Cast", {}, {{"to", int64_t{6}}}, kNewest, tensor<float>({3}, {1e30f, -1e30f, NAN})) ==
        "accepted");
  CHECK(has(said("Cast", {}, {{"to", int64_t{8}}}), "a type that is not known here"));
  CHECK(has(said("Cast", {}, {{"to", kMost}}), "a type that is not known here"));
}

TEST_CASE("matrices, lists and labels that do not fit") {
  CHECK(has(said("MatMul", {image({2, 3})}), "do not fit together"));
  CHECK(has(said("MatMul", {tensor<float>({}, {1})}), "has no axis"));
  CHECK(has(said("Gemm", {image({3})}), "no matrices"));
  CHECK(has(said("Gemm", {image({2, 3})}), "do not fit together"));
  CHECK(has(said("Gemm", {image({3, 2}), image({5})}), "do not fit"));
  CHECK(has(said("Where", {image({2, 3}), image({2, 3})}), "has another type"));
  CHECK(has(said("InstanceNormalization", {image({3}), image({3})}), "the input does not fit"));
  CHECK(has(said("BatchNormalization", {image({2}), image({3}), image({3}), image({3})}),
            "does not fit the input"));
  CHECK(has(said("PRelu", {image({4})}), "do not fit"));
  CHECK(
      has(said("NegativeLogLikelihoodLoss", {list({0, 3})}), "a target is no class (wanted 0 to 2, got 3)"));
  CHECK(has(said("NegativeLogLikelihoodLoss", {list({0, kLeast})}), "a target is no class"));
  CHECK(has(said("NegativeLogLikelihoodLoss", {list({0})}), "targets do not fit"));
  CHECK(has(said("SoftmaxCrossEntropyLoss", {list({0, 0}), image({2})}), "weights do not fit"));
  CHECK(has(said("SoftmaxCrossEntropyLoss", {list({0, 0})}, {{"reduction", std::string("all")}}),
            "unknown value"));
  CHECK(has(said("Add", {image({2, 3})}, {{"axis", int64_t{5}}, {"broadcast", int64_t{1}}}, 6),
            "no such axis"));
  CHECK(has(said("Add", {image({3})}, {}, 6), "`broadcast` is not set"));
}
