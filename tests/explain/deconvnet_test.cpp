// DeconvNet by hand; PyTorch's is in tests/oracle/explain_test.cpp.
#include "unfold/explain/deconvnet.h"

#include <doctest/doctest.h>

#include "tests/explain/nets.h"
#include "unfold/error.h"

using namespace unfold;
using test::model_of;
using test::set;
using Floats = std::vector<float>;

namespace {

const Floats kImage{1, 2, 3, 4, 8, 7, 6, 5, 9, 10, 11, 12, 16, 15, 14, 13};

}  // namespace

TEST_CASE("max pooling goes back by its switches") {
  Graph g;
  g.max_pool2d("pool", g.relu("relu", g.input({1, 4, 4})), Window2d::square(2, 2));
  const Model model = model_of(std::move(g), 0);
  const Walk walk(model, kImage);
  const ValueId pool = model.graph.output();
  CHECK(deconvnet_map(walk, pool, 0) == Floats{0, 0, 0, 0, 8, 0, 6, 0, 0, 0, 0, 0, 16, 0, 14, 0});
  CHECK(strongest(walk, pool, 0) == Cell{1, 0});
  CHECK(deconvnet(walk, pool, 0) == Floats{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0});
  CHECK(deconvnet(walk, pool, 0, {0, 1}) == Floats{0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  CHECK_THROWS_AS(deconvnet(walk, pool, 0, {0, 2}), Error);
  CHECK_THROWS_AS(deconvnet(walk, pool, 0, {-1, 0}), Error);
  CHECK_THROWS_AS(deconvnet(walk, pool, 1), Error);
}

TEST_CASE("average pooling goes back evenly") {
  Graph g;
  g.avg_pool2d("pool", g.input({1, 4, 4}), Window2d::square(2, 2));
  const Model model = model_of(std::move(g), 0);
  const Walk walk(model, kImage);
  const Floats back = deconvnet(walk, model.graph.output(), 0, {0, 0});  // (1 + 2 + 8 + 7) / 4 / 4
  CHECK(back == Floats{1.125, 1.125, 0, 0, 1.125, 1.125, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("a convolution goes back by its transposed filter, without its bias") {
  Graph g;
  g.conv2d("conv", g.input({1, 3, 3}), 2, Window2d::square(2));
  Model model = model_of(std::move(g), 0);
  set(model, "conv.weight", {1, 2, 3, 4, /**/ 9, 9, 9, 9});
  set(model, "conv.bias", {100, 0});
  const Walk walk(model, {1, 1, 1, 1, 1, 1, 1, 1, 1});  // every cell of the first map: 10 + 100
  const ValueId conv = model.graph.output();
  CHECK(deconvnet(walk, conv, 0, {1, 0}) == Floats{0, 0, 0, 110, 220, 0, 330, 440, 0});
  CHECK(deconvnet(walk, conv, 0) == Floats{110, 220, 0, 330, 440, 0, 0, 0, 0});  // the first of equal ones
  CHECK(deconvnet_map(walk, conv, 0) == Floats{110, 330, 220, 440, 1100, 660, 330, 770, 440});
}

TEST_CASE("on the way back a ReLU cuts off the signal itself, whether or not it was open forward") {
  Graph g;
  const ValueId x = g.relu("relu1", g.conv2d("conv1", g.input({1, 1, 2}), 2, {}, false));
  g.relu("relu2", g.conv2d("conv2", x, 2, {}, false));
  Model model = model_of(std::move(g), 0);
  set(model, "conv1.weight", {1, -1});
  set(model, "conv2.weight", {2, -3, /**/ 2, 3});
  const Walk walk(model, {5, -1});  // relu1: (5, 0) and (0, 1); both units are 10 at the first pixel
  // There relu1's second map was closed. 10 * (2, -3) loses its second part; 10 * (2, 3) keeps it: 20 - 30.
  CHECK(deconvnet(walk, model.graph.output(), 0) == Floats{20, 0});
  CHECK(deconvnet(walk, model.graph.output(), 1) == Floats{-10, 0});
}

TEST_CASE("features behind a flatten are units of one cell") {
  const Model model = make_model("lenet5", 1);
  const Walk walk(model, test::numbers(1024, 4));
  const ValueId fc1 = layer_named(model.graph, "relu3").output;
  CHECK(strongest(walk, fc1, 119) == Cell{0, 0});
  CHECK_THROWS_AS(strongest(walk, fc1, 120), Error);
  CHECK(deconvnet(walk, fc1, 3).size() == 1024);
}

TEST_CASE("layers and classes are found by name, and the message lists what there is") {
  const Model model = make_model("lenet5", 1);
  const Graph& g = model.graph;
  CHECK(activation_of(g, layer_named(g, "conv2")) == layer_named(g, "relu2").output);
  CHECK(activation_of(g, layer_named(g, "relu2")) == layer_named(g, "relu2").output);
  CHECK(activation_of(g, layer_named(g, "fc3")) == g.output());
  CHECK(logits_of(g) == g.output());
  CHECK(first_of(g, "Conv2d")->name == "conv1");
  CHECK(last_of(g, "Conv2d")->name == "conv2");
  CHECK(last_of(g, "Sigmoid") == nullptr);
  CHECK_THROWS_WITH_AS(layer_named(g, "conv9"), doctest::Contains("conv1, relu1, pool1"), Error);

  Model named = make_model("lenet5", 1);
  named.classes = {"T-shirt/top", "9", "2", "d", "e", "f", "g", "h", "i", "j"};
  CHECK(class_named(named, "T-shirt/top") == 0);
  CHECK(class_named(named, "9") == 1);  // a name comes before an index
  CHECK(class_named(named, "8") == 8);
  for (const char* bad : {"10", "-1", "", "1x", "coat"}) CHECK_THROWS_AS(class_named(named, bad), Error);
  CHECK_THROWS_WITH_AS(class_named(named, "coat"), doctest::Contains("T-shirt/top"), Error);
}
