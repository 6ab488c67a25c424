// Saliency and guided backprop by hand; PyTorch's are in tests/oracle/explain_test.cpp.
#include "unfold/explain/saliency.h"

#include <doctest/doctest.h>

#include "tests/explain/nets.h"
#include "unfold/error.h"

using namespace unfold;
using test::model_of;
using test::set;
using Floats = std::vector<float>;

namespace {

/// x (1, 1, 3), as it is and negated, through a ReLU, to two classes.
Model both_signs(bool softmax) {
  Graph g;
  const ValueId x = g.relu("relu", g.conv2d("conv", g.input({1, 1, 3}), 2, {}));
  const ValueId y = g.linear("fc", g.flatten("flatten", x), 2, false);
  if (softmax) g.softmax("softmax", y);
  Model model = model_of(std::move(g), 0);
  set(model, "conv.weight", {1, -1});
  set(model, "conv.bias", {0, 0});
  set(model, "fc.weight", {2, 5, -3, 7, -4, 6, /**/ 1, 1, 1, 1, 1, 1});
  return model;
}

}  // namespace

TEST_CASE("the three rules of a ReLU, by hand") {
  // x = (1, -2, 3): the ReLUs are open at (1, 0, 1) and, of the negated, at (0, 1, 0).
  for (const bool softmax : {false, true}) {  // a softmax behind them changes nothing: the score is the logit
    const Model model = both_signs(softmax);
    const Walk walk(model, {1, -2, 3});
    const ValueId x = model.graph.input();
    CHECK(class_gradient(walk, 0, x) == Floats{2, 4, -3});                        // (2, 0, -3) - (0, -4, 0)
    CHECK(saliency(walk, 0) == Floats{2, 4, 3});                                  // its magnitude
    CHECK(guided_backprop(walk, 0) == Floats{2, 0, 0});                           // (2, 0, 0) - (0, 0, 0)
    CHECK(class_gradient(walk, 0, x, ReluRule::deconvnet) == Floats{-5, 5, -6});  // (2, 5, 0) - (7, 0, 6)
    CHECK(class_gradient(walk, 1, x) == Floats{1, -1, 1});
  }
}

TEST_CASE("saliency is the largest magnitude over the channels") {
  Graph g;
  g.linear("fc", g.flatten("flatten", g.input({2, 1, 2})), 1, false);
  Model model = model_of(std::move(g), 0);
  set(model, "fc.weight", {1, -5, -3, 2});
  const Walk walk(model, {0, 0, 0, 0});
  CHECK(saliency(walk, 0) == Floats{3, 5});
}

TEST_CASE("a class that is not there is refused") {
  const Model model = both_signs(false);
  const Walk walk(model, {1, -2, 3});
  CHECK_THROWS_AS(saliency(walk, 2), Error);
  CHECK_THROWS_AS(saliency(walk, -1), Error);
  CHECK_THROWS_AS(guided_backprop(walk, 2), Error);
}
