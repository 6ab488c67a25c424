// One image forward and back against the naive engine in double.
#include "unfold/explain/walk.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/explain/nets.h"
#include "tests/support/networks.h"
#include "unfold/error.h"

using namespace unfold;
using test::largest_difference;
using test::model_of;
using test::numbers;

TEST_CASE(
    "every value of a network with every operator, and its gradient, is that of the naive engine in double") {
  const Model model = model_of(test::every_operator(12), 3);
  const Graph& g = model.graph;
  const std::vector<float> x = numbers(g.shape(g.input()).elements(), 1);
  const std::vector<float> dy = numbers(g.shape(g.output()).elements(), 2);
  const Walk walk(model, x);

  Parameters<double> parameters(g.parameter_table()), gradient(g.parameter_table());
  std::copy(model.parameters.all().begin(), model.parameters.all().end(), parameters.all().begin());
  const Plan<double> plan(
      g, {.batch = 1, .training = true, .engine = Engine::naive, .input_gradient = true, .keep = true});
  ThreadPool pool(1);
  Workspace<double> workspace(plan.memory(), 1);
  const auto copy = [](const std::vector<float>& from) {
    return [&from](int64_t, int64_t, double* to) { std::copy(from.begin(), from.end(), to); };
  };
  plan.gradient_from(parameters, copy(x), copy(dy), gradient, workspace, pool);
  for (int v = 0; v < g.values(); ++v) {
    CAPTURE(v);
    CHECK(!(largest_difference(walk.value({v}), plan.value({v}, 0, workspace)) > 1e-5));
    const auto back = walk.backward(g.output(), dy, {v}, ReluRule::gradient);
    CHECK(!(largest_difference(back, plan.value_gradient({v}, 0, workspace)) > 1e-5));
  }
}

TEST_CASE("where nothing bends, the way back is the adjoint of the way forward, under every rule") {
  Graph g;
  ValueId x = g.input({3, 11, 9});
  x = g.conv2d("conv1", x, 4, {.kernel_h = 3, .kernel_w = 2, .stride_w = 2, .pad_top = 1, .pad_right = 2},
               false);
  x = g.avg_pool2d("pool", x, Window2d::square(3, 2, 1), false);
  const ValueId a = g.conv2d("conv2", x, 4, Window2d::square(3, 1, 2, 2, 2), false);
  x = g.add("join", a, x);
  g.linear("fc", g.flatten("flatten", x), 6, false);
  const Model model = model_of(std::move(g), 5);
  const std::vector<float> image = numbers(3 * 11 * 9, 1), y = numbers(6, 2);
  const Walk walk(model, image);
  const auto dot = [](std::span<const float> p, std::span<const float> q) {
    return std::inner_product(p.begin(), p.end(), q.begin(), 0.0);
  };
  const double forward = dot(walk.value(model.graph.output()), y);
  for (const ReluRule rule : {ReluRule::gradient, ReluRule::deconvnet, ReluRule::guided}) {
    const double back = dot(image, walk.backward(model.graph.output(), y, model.graph.input(), rule));
    CHECK(std::abs(forward) > 0.01);
    CHECK(!(std::abs(forward - back) > 1e-6));
  }
}

TEST_CASE("dropout lets everything through, both ways") {
  Graph g;
  g.dropout("drop", g.input({1, 2, 3}), 0.9);
  const Model model = model_of(std::move(g), 0);
  const std::vector<float> x = numbers(6, 1), dy = numbers(6, 2);
  const Walk walk(model, x);
  CHECK(std::ranges::equal(walk.value({1}), x));
  CHECK(walk.backward({1}, dy, {0}, ReluRule::gradient) == dy);
}

TEST_CASE("a value that no way leads to gets a gradient of zeros") {
  Graph g;
  const ValueId x = g.input({1, 1, 3});
  const ValueId aside = g.relu("aside", x);
  g.tanh("tanh", x);
  const Model model = model_of(std::move(g), 0);
  const Walk walk(model, {1, 2, 3});
  const std::vector<float> one{1, 1, 1};
  CHECK(walk.backward({2}, one, aside, ReluRule::gradient) == std::vector<float>(3));
}

TEST_CASE("images, gradients and parameters of another network are refused") {
  const Model model = make_model("lenet5", 0);
  CHECK_THROWS_AS(Walk(model, std::vector<float>(7)), Error);
  const Walk walk(model, std::vector<float>(1024));
  const std::vector<float> dy(10), wrong(9);
  const ValueId in = model.graph.input(), out = model.graph.output();
  CHECK_THROWS_AS(walk.backward(out, wrong, in, ReluRule::gradient), Error);
  CHECK_THROWS_AS(walk.backward(in, std::vector<float>(1024), out, ReluRule::gradient), Error);
  Model other = make_model("lenet5", 0);
  other.parameters = Parameters<float>();
  CHECK_THROWS_AS(Walk(other, std::vector<float>(1024)), Error);
  CHECK_THROWS_AS(network_input(model, std::vector<uint8_t>(5)), Error);
}

TEST_CASE("brightness undoes the normalisation") {
  Model model = make_model("lenet5", 0);
  model.preprocessing.mean = 0.25;
  model.preprocessing.std = 0.5;
  std::vector<uint8_t> image(28 * 28, 0);
  image[0] = 255;
  image[1] = 51;
  const auto light = brightness(model, network_input(model, image));
  CHECK(light[2 * 32 + 2] == doctest::Approx(1));  // padded by 2
  CHECK(light[2 * 32 + 3] == doctest::Approx(0.2));
  CHECK(light[0] == doctest::Approx(0));
}
