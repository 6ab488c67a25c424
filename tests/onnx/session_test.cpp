#include "unfold/onnx/session.h"

#include <doctest/doctest.h>

#include <cmath>
#include <thread>

#include "tests/onnx/graphs.h"
#include "unfold/error.h"
#include "unfold/half.h"
#include "unfold/random.h"

using namespace unfold;
using namespace unfold::test;
using Inputs = std::map<std::string, Tensor>;

namespace {

/// The one output of a graph.
Tensor result(const GraphMaker& graph, const Inputs& inputs) {
  return onnx::Session(graph.model()).run(inputs).at(0);
}

template <class T>
std::vector<T> values(const Tensor& t) {
  return {t.span<T>().begin(), t.span<T>().end()};
}

/// What is said when a graph is made or run; every refusal is of kind model.
std::string refusal(const GraphMaker& graph, const Inputs& inputs = {}, const onnx::Limits& limits = {}) {
  try {
    onnx::Session(graph.model(), limits).run(inputs);
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::model);
    return e.what();
  }
  return "accepted";
}

const Tensor kOne = tensor<float>({}, {1}), kSix = tensor<float>({2, 3}, {0, 1, 2, 3, 4, 5});

Tensor random_tensor(const std::vector<int64_t>& sizes, Random& random) {
  Tensor t(Dtype::f32, Shape(sizes));
  for (float& v : t.span<float>()) v = static_cast<float>(random.below(9)) - 4;
  return t;
}

Tensor wide(const Tensor& t) {
  Tensor to(Dtype::f64, t.shape());
  std::copy(t.span<float>().begin(), t.span<float>().end(), to.data<double>());
  return to;
}

}  // namespace

TEST_CASE("a graph runs, node by node") {
  const GraphMaker graph = GraphMaker()
                               .input("x")
                               .stored("w", tensor<float>({3, 1}, {1, 10, 100}))
                               .node("MatMul", {"x", "w"}, {"h"})
                               .node("Neg", {"h"}, {"y"});
  const Tensor y = result(graph, {{"x", kSix}});
  CHECK(y.shape() == Shape({2, 1}));
  CHECK(values<float>(y) == std::vector<float>{-210, -543});
}

TEST_CASE("what depends on no input is computed once, what nobody reads never") {
  const GraphMaker graph = GraphMaker()
                               .input("x")
                               .stored("a", kOne)
                               .stored("zero", list({0}))
                               .node("Add", {"a", "a"}, {"two"})
                               .node("Div", {"zero", "zero"}, {"unused"})  // would be refused
                               .node("Mul", {"x", "two"}, {"y"});
  CHECK(values<float>(result(graph, {{"x", kOne}})) == std::vector<float>{2});
  // Statistics that only training has are no matter where nobody reads them.
  const Tensor one = tensor<float>({3}, {1, 1, 1});
  GraphMaker statistics(9);
  statistics.input("x").stored("a", one).node("BatchNormalization", {"x", "a", "a", "a", "a"},
                                              {"n", "m", "v", "sm", "sv"});
  CHECK(refusal(statistics, {{"x", kSix}}).find("only training has") != std::string::npos);
  CHECK(refusal(statistics.node("Neg", {"n"}, {"y"}), {{"x", kSix}}) == "accepted");
  // A graph of constants alone needs no input at all.
  CHECK(values<float>(result(GraphMaker().stored("a", kOne).node("Add", {"a", "a"}, {"y"}), {})) ==
        std::vector<float>{2});
}

TEST_CASE("inputs: named in what is said about them; a stored value may be replaced") {
  onnx::Model model =
      GraphMaker().input("x").input("w").stored("w", kOne).node("Add", {"x", "w"}, {"y"}).model();
  model.graph.inputs[0].shape = std::vector<int64_t>{2, -1};
  const onnx::Session session(model);
  CHECK(session.has_default("w"));
  CHECK(!session.has_default("x"));
  CHECK(values<float>(session.run({{"x", kSix}}).at(0))[5] == 6);
  CHECK(values<float>(session.run({{"x", kSix}, {"w", tensor<float>({}, {7})}}).at(0))[5] == 12);
  const auto said = [&](const Inputs& inputs, ErrorKind kind) -> std::string {
    try {
      session.run(inputs);
    } catch (const Error& e) {
      CHECK(e.kind() == kind);
      return e.what() + (" / " + e.hint());
    }
    return "accepted";
  };
  const std::string inputs = "'x' float32 (2, ?), 'w' float32 (may be left out)";
  CHECK(said({}, ErrorKind::usage) ==
        "an input of the model is missing (wanted 'x') / the inputs are " + inputs);
  CHECK(said({{"X", kSix}}, ErrorKind::usage) ==
        "the model has no input of this name (wanted " + inputs + ", got 'X') / ");
  CHECK(said({{"x", kOne}}, ErrorKind::data) ==
        "input 'x': another shape than the model declares (wanted (2, ?), got ()) / the inputs are " +
            inputs);
  CHECK(said({{"x", list({1})}}, ErrorKind::data) ==
        "input 'x': another type than the model declares (wanted float32, got int64) / numpy.save('x.npy', "
        "x.astype('float32')) writes one that fits");
}

TEST_CASE("all operators that are not known are named at once, with their nodes") {
  const std::string said = refusal(GraphMaker()
                                       .input("x")
                                       .node("Einsum", {"x"}, {"a"})
                                       .node("Relu", {"a"}, {"b"})
                                       .node("TopK", {"b"}, {"c"})
                                       .node("Einsum", {"c"}, {"d"})
                                       .node("Upsample", {"d"}, {"e"}));
  CHECK(said ==
        "the graph: operators that are not known here (wanted those of docs/onnx.md, got opset 17: "
        "Einsum (node 0, node 3); TopK (node 2); Upsample (node 4, known in other opsets))");
}

TEST_CASE("graphs that hang together badly are refused") {
  CHECK(refusal(GraphMaker().node("Relu", {"b"}, {"a"}).node("Relu", {"a"}, {"b"})) ==
        "node 0, Relu: an input is made by a later node, or by this one (wanted nodes in an order in which "
        "they can "
        "run, got 'b' of node 1, Relu)");
  CHECK(refusal(GraphMaker().node("Relu", {"a"}, {"a"})).find("by this one") != std::string::npos);
  CHECK(refusal(GraphMaker().node("Relu", {"nowhere"}, {"a"})) ==
        "node 0, Relu: an input that nothing makes (got 'nowhere')");
  CHECK(refusal(GraphMaker().input("x").node("Relu", {"x"}, {"y"}).node("Neg", {"x"}, {"y"})) ==
        "node 1, Neg: an output whose name another value has (got 'y')");
  CHECK(refusal(GraphMaker().input("x").node("Relu", {"x"}, {"x"})).find("another value has") !=
        std::string::npos);
  CHECK(refusal(GraphMaker().input("x").input("x").node("Relu", {"x"}, {"y"})).find("one name") !=
        std::string::npos);
  CHECK(refusal(GraphMaker().input("x").node("Relu", {}, {"y"})) ==
        "node 0, Relu: the number of inputs does not fit (wanted 1, got 0)");
  CHECK(refusal(GraphMaker().input("x").node("Relu", {""}, {"y"}), {{"x", kOne}}).find("input is missing") !=
        std::string::npos);
  CHECK(refusal(GraphMaker().input("x").node("Relu", {"x"}, {"y", "z"})).find("number of outputs") !=
        std::string::npos);
  onnx::Model model = GraphMaker().input("x").node("Relu", {"x"}, {"y"}).model();
  model.graph.outputs[0].name = "z";
  CHECK_THROWS_WITH_AS(onnx::Session{model}, "the graph: an output that nothing makes (got 'z')", Error);
  model.graph.outputs.clear();
  CHECK_THROWS_AS(onnx::Session{model}, Error);
}

TEST_CASE("attributes are known and of the right kind") {
  const auto flatten = [](const onnx::Attribute& a) {
    return refusal(GraphMaker().input("x").node("Flatten", {"x"}, {"y"}, {a}), {{"x", kSix}});
  };
  CHECK(flatten({"axis", int64_t{1}}) == "accepted");
  CHECK(flatten({"axis", 1.0f}) ==
        "node 0, Flatten, attribute 'axis': an attribute of another kind (wanted int, got float)");
  CHECK(flatten({"axis", onnx::Unread{"a graph"}}).find("got a graph") != std::string::npos);
  CHECK(flatten({"axes", int64_t{1}}) ==
        "node 0, Flatten, attribute 'axes': an attribute that this operator does not know (wanted axis:int)");
  const onnx::Attribute axis{"axis", int64_t{1}};
  CHECK(refusal(GraphMaker().input("x").node("Flatten", {"x"}, {"y"}, {axis, axis})).find("twice") !=
        std::string::npos);
  // Attributes that a later opset made inputs are unknown there.
  const GraphMaker squeeze = GraphMaker(13).input("x").node("Squeeze", {"x"}, {"y"}, {{"axes", Ints{0}}});
  CHECK(refusal(squeeze).find("does not know (wanted none)") != std::string::npos);
  CHECK(refusal(GraphMaker().input("x").node("Concat", {"x"}, {"y"}), {{"x", kSix}}) ==
        "node 0, Concat: an attribute is missing (wanted axis)");
}

TEST_CASE("types that an operator does not take") {
  CHECK(refusal(GraphMaker().input("x", 7).node("Exp", {"x"}, {"y"}), {{"x", list({1})}}) ==
        "node 0, Exp: input 0 has another type (wanted float32, float64, got int64)");
  CHECK(refusal(GraphMaker().input("x").input("n", 7).node("Add", {"x", "n"}, {"y"}),
                {{"x", kOne}, {"n", list({1})}}) ==
        "node 0, Add: input 1 has another type than input 0 (wanted float32, got int64)");
  CHECK(refusal(GraphMaker().input("x", 3).node("Neg", {"x"}, {"y"}))
            .find("node 0, Neg: input 'x' is of a type") == 0);
}

TEST_CASE("numbers of 16 bits are computed in float32 and rounded after every node") {
  Tensor x(Dtype::f16, {2});
  auto* bits = static_cast<uint16_t*>(x.raw());
  bits[0] = to_half(1.0f), bits[1] = to_half(3.0f);
  const Tensor y =
      result(GraphMaker().input("x", 10).node("Add", {"x", "x"}, {"d"}).node("Reciprocal", {"d"}, {"y"}),
             {{"x", x}});
  REQUIRE(y.dtype() == Dtype::f16);
  const auto* got = static_cast<const uint16_t*>(y.raw());
  CHECK(got[0] == to_half(0.5f));
  CHECK(got[1] == to_half(1.0f / 6));
  // The statistics of a LayerNormalization are float32 (stash_type 1), as its definition has it.
  const auto normalised =
      onnx::Session(GraphMaker()
                        .input("x", 10)
                        .node("LayerNormalization", {"x", "x"}, {"y", "mean", "deviation"})
                        .model())
          .run({{"x", x}});
  REQUIRE(normalised.size() == 3);
  CHECK(normalised[0].dtype() == Dtype::f16);
  REQUIRE(normalised[1].dtype() == Dtype::f32);
  CHECK(normalised[1].span<float>()[0] == 2.0f);
  CHECK(normalised[2].dtype() == Dtype::f32);
}

TEST_CASE("halves and bfloat16: every number there and back; rounding to even, overflow, NaN") {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = from_half(half), wide_value = from_bfloat(half);
    if (std::isnan(value)) {
      CHECK(std::isnan(from_half(to_half(value))));
    } else if (to_half(value) != half) {
      FAIL(bits);
    }
    if (!std::isnan(wide_value) && to_bfloat(wide_value) != half) FAIL(bits);
  }
  CHECK(to_half(2049.0f) == to_half(2048.0f));
  CHECK(to_half(2051.0f) == to_half(2052.0f));
  CHECK(from_half(to_half(65519.0f)) == 65504.0f);
  CHECK(std::isinf(from_half(to_half(65520.0f))));
  CHECK(from_half(to_half(-0x1p-25f)) == 0.0f);
  CHECK(from_half(to_half(0x1.8p-24f)) == 0x1p-23f);
  CHECK(to_bfloat(1.0f + 0x1p-8f) == to_bfloat(1.0f));
  CHECK(std::isnan(from_bfloat(to_bfloat(std::nanf("")))));
}

TEST_CASE("the greatest and least of negative whole numbers; sums that are too large wrap around") {
  const auto of = [](const std::string& type, const Ints& a, const Ints& b) {
    return values<int64_t>(result(GraphMaker().input("a", 7).input("b", 7).node(type, {"a", "b"}, {"y"}),
                                  {{"a", list(a)}, {"b", list(b)}}));
  };
  CHECK(of("Max", {-3, 2}, {1, -5}) == Ints{1, 2});
  CHECK(of("Min", {-3, 2}, {1, -5}) == Ints{-3, -5});
  CHECK(of("Sum", {INT64_MAX, -1}, {1, -1}) == Ints{INT64_MIN, -2});
  CHECK(of("Mod", {-7, 7}, {3, -3}) == Ints{2, -2});
  CHECK(of("Div", {-7, 7}, {3, -3}) == Ints{-2, -2});
  CHECK(of("Pow", {-3, 2}, {3, -1}) == Ints{-27, 0});
}

TEST_CASE("slices, also backwards and from beyond the ends") {
  const auto slice = [](int64_t start, int64_t end, int64_t step) {
    return values<int64_t>(result(GraphMaker()
                                      .input("x", 7)
                                      .stored("start", list({start}))
                                      .stored("end", list({end}))
                                      .stored("axis", list({0}))
                                      .stored("step", list({step}))
                                      .node("Slice", {"x", "start", "end", "axis", "step"}, {"y"}),
                                  {{"x", list({0, 1, 2, 3, 4})}}));
  };
  CHECK(slice(1, 4, 2) == Ints{1, 3});
  CHECK(slice(-2, 99, 1) == Ints{3, 4});
  CHECK(slice(99, -99, -2) == Ints{4, 2, 0});
  CHECK(slice(3, 0, -1) == Ints{3, 2, 1});
  CHECK(slice(-99, -98, -1) == Ints{0});
  CHECK(slice(3, 1, 1).empty());
  CHECK(slice(0, 0, -1).empty());
  CHECK(slice(INT64_MAX, INT64_MIN, INT64_MIN) == Ints{4});
}

TEST_CASE("limits: a value's elements, memory, work") {
  const GraphMaker tile = GraphMaker().input("x").stored("n", list({1000})).node("Tile", {"x", "n"}, {"y"});
  const Inputs x = {{"x", tensor<float>({1}, {1})}};
  CHECK(refusal(tile, x, {.elements = 999}) ==
        "node 0, Tile: an output would be too large (wanted at most 999 elements, got (1000))");
  CHECK(refusal(tile, x, {.bytes = 3999}).find("too much memory") != std::string::npos);
  CHECK(refusal(tile, x, {.work = 999}).find("would be too long") != std::string::npos);
  CHECK(refusal(tile, x, {.elements = 1000, .bytes = 4000, .work = 1000}) == "accepted");
  // Of a chain, two values are alive at a time.
  GraphMaker chain = GraphMaker().input("x");
  for (int i = 0; i < 10; ++i) {
    chain.node("Neg", {i ? "v" + std::to_string(i) : "x"}, {"v" + std::to_string(i + 1)});
  }
  const Inputs large = {{"x", Tensor(Dtype::f32, {1000})}};
  CHECK(refusal(chain, large, {.bytes = 8000}) == "accepted");
  CHECK(refusal(chain, large, {.bytes = 7999}).find("too much memory") != std::string::npos);
}

TEST_CASE("the same bits for any number of threads, and from several threads at once") {
  Random random(5, "onnx threads");
  const Tensor x = random_tensor({3, 4, 20, 20}, random), w = random_tensor({6, 2, 3, 3}, random);
  const onnx::Session session(
      GraphMaker()
          .input("x")
          .stored("w", w)
          .node("Conv", {"x", "w"}, {"c"}, {{"group", int64_t{2}}, {"pads", Ints{1, 1, 1, 1}}})
          .node("Tanh", {"c"}, {"t"})
          .node("Softmax", {"t"}, {"y"}, {{"axis", int64_t{1}}})
          .model());
  const std::vector<float> one = values<float>(session.run({{"x", x}}).at(0));
  for (const int threads : {2, 3, 7}) {
    ThreadPool pool(threads);
    CHECK(values<float>(session.run({{"x", x}}, pool).at(0)) == one);
  }
  std::vector<std::vector<float>> results(3);
  std::vector<std::thread> callers;
  for (auto& to : results) callers.emplace_back([&] { to = values<float>(session.run({{"x", x}}).at(0)); });
  for (std::thread& t : callers) t.join();
  for (const auto& got : results) CHECK(got == one);
}

TEST_CASE("convolutions in float32 equal their definition in double, bit for bit on whole numbers") {
  Random random(7, "onnx conv");
  for (int round = 0; round < 60; ++round) {
    CAPTURE(round);
    const size_t rank = 1 + random.below(3);
    const int64_t groups = 1 + static_cast<int64_t>(random.below(3)),
                  ic = groups * (1 + static_cast<int64_t>(random.below(3))),
                  oc = groups * (1 + static_cast<int64_t>(random.below(4)));
    std::vector<int64_t> x = {1 + static_cast<int64_t>(random.below(2)), ic}, w = {oc, ic / groups};
    Ints strides, dilations, pads(2 * rank);
    for (size_t i = 0; i < rank; ++i) {
      x.push_back(4 + static_cast<int64_t>(random.below(5)));
      w.push_back(1 + static_cast<int64_t>(random.below(3)));
      strides.push_back(1 + static_cast<int64_t>(random.below(3)));
      dilations.push_back(1 + static_cast<int64_t>(random.below(2)));
      pads[i] = static_cast<int64_t>(random.below(4)), pads[rank + i] = static_cast<int64_t>(random.below(3));
    }
    const std::vector<onnx::Attribute> attributes = {
        {"strides", strides}, {"dilations", dilations}, {"pads", pads}, {"group", groups}};
    const Inputs inputs = {
        {"x", random_tensor(x, random)}, {"w", random_tensor(w, random)}, {"b", random_tensor({oc}, random)}};
    Inputs exact;
    for (const auto& [name, t] : inputs) exact[name] = wide(t);
    const auto conv = [&](int32_t type) {
      return GraphMaker().input("x", type).input("w", type).input("b", type).node("Conv", {"x", "w", "b"},
                                                                                  {"y"}, attributes);
    };
    const Tensor y = result(conv(1), inputs);
    CHECK(values<double>(wide(y)) == values<double>(result(conv(11), exact)));

    // <conv(x) - b, d> = <x, transposed(d)>: what makes a transposed convolution what it is.
    const Tensor d = random_tensor({y.shape().sizes().begin(), y.shape().sizes().end()}, random);
    std::vector<onnx::Attribute> back = attributes;
    back.push_back({"output_shape", Ints(x.begin() + 2, x.end())});
    back.erase(back.begin() + 2);  // pads: from output_shape, so only where they are what it makes of it
    back.push_back({"pads", pads});
    Ints padding;
    for (size_t i = 0; i < rank; ++i) {
      const int64_t natural =
          strides[i] * (y.shape()[static_cast<int>(i) + 2] - 1) + dilations[i] * (w[i + 2] - 1) + 1;
      padding.push_back(x[i + 2] - (natural - pads[i] - pads[rank + i]));
    }
    back.erase(back.end() - 2);
    back.push_back({"output_padding", padding});
    const Tensor dx =
        result(GraphMaker().input("x").input("w").node("ConvTranspose", {"x", "w"}, {"y"}, back),
               {{"x", d}, {"w", inputs.at("w")}});
    REQUIRE(dx.shape() == inputs.at("x").shape());
    double left = 0, right = 0;
    for (int64_t i = 0; i < d.elements(); ++i) {
      const int64_t channel = i / (d.elements() / (x[0] * oc)) % oc;
      left += (static_cast<double>(y.data<float>()[i]) -
               static_cast<double>(inputs.at("b").data<float>()[channel])) *
              static_cast<double>(d.data<float>()[i]);
    }
    for (int64_t i = 0; i < dx.elements(); ++i) {
      right +=
          static_cast<double>(dx.data<float>()[i]) * static_cast<double>(inputs.at("x").data<float>()[i]);
    }
    CHECK(left == right);
  }
}
