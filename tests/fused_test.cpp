// Nodes that the lowering joins, against the same network with every operator by itself: the same bits,
// forward and backward. Those with pooling are in plan_test.cpp.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "unfold/plan.h"
#include "unfold/random.h"

using namespace unfold;

namespace {

struct Case {
  const char* what;
  Graph graph;
  std::vector<std::string> training, inference;  // kernels that must be there, one for each joined node
};

ValueId conv_norm(Graph& g, const std::string& name, ValueId x, int64_t channels, int64_t stride) {
  return g.batch_norm(name + ".bn", g.conv2d(name, x, channels, Window2d::square(3, stride, 1), false));
}

/// Two residual blocks, the second with a convolution on its short cut, so that the sum's second input is the
/// normalisation that is joined with it; channels that no vector divides.
Graph residual() {
  Graph g;
  ValueId x = g.relu("relu0", conv_norm(g, "stem", g.input({3, 9, 10}), 19, 1));
  ValueId y = conv_norm(g, "b", g.relu("relu1", conv_norm(g, "a", x, 19, 1)), 19, 1);
  x = g.relu("relu2", g.add("add1", y, x));
  y = conv_norm(g, "d", g.relu("relu3", conv_norm(g, "c", x, 21, 2)), 21, 1);
  x = g.relu("relu4", g.add("add2", y, conv_norm(g, "short", x, 21, 2)));
  g.linear("fc", g.flatten("flatten", g.global_avg_pool("pool", x)), 5);
  return g;
}

/// The same shape of network without normalisations: Add with Relu alone.
Graph sums(int64_t size) {
  Graph g;
  const Window2d k3 = Window2d::square(3, 1, 1);
  ValueId x = g.tanh("tanh", g.conv2d("stem", g.input({3, size, size}), 7, k3));
  x = g.relu("relu1", g.add("add1", g.conv2d("a", x, 7, k3), x));
  const ValueId row = g.avg_pool2d("row", x, {size, 1});
  x = g.relu("relu2", g.add("add2", row, g.conv2d("b", x, 7, k3)));  // one input is repeated along the height
  g.linear("fc", g.flatten("flatten", g.global_avg_pool("pool", x)), 5);
  return g;
}

std::vector<float> numbers(int64_t count, uint64_t seed) {
  Random random(seed, "numbers");
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = static_cast<float>(random.normal());
  return values;
}

Parameters<float> drawn(const Graph& g) {
  Parameters<float> parameters(g.parameter_table());
  const auto table = g.parameter_table();
  const auto values = numbers(table->buffer_elements(), 3);
  for (const ParameterSlice& slice : table->slices()) {
    float* const to = parameters.slice(parameters.table().find(slice.name));
    for (int64_t i = 0; i < slice.shape.elements(); ++i) {
      const float v =
          values[static_cast<size_t>(slice.offset + i)] / std::sqrt(static_cast<float>(slice.fan_in));
      to[i] = slice.name.ends_with("running_var") ? 0.5f + v * v : v;
    }
  }
  return parameters;
}

int64_t count(const Plan<float>& plan, const std::string& kernel) {
  const auto names = plan.kernels();
  return std::count(names.begin(), names.end(), kernel);
}

std::vector<Case> cases() {
  return {{"batch normalisations", residual(), {"batch_norm+relu/nhwc"}, {"batch_norm+relu/lanes"}},
          {"sums in lanes", sums(8), {"add+relu/lanes"}, {"add+relu/lanes"}},
          {"sums layer by layer", sums(72), {"add+relu/nhwc"}, {"add+relu/nhwc"}}};
}

}  // namespace

TEST_CASE("joined with a ReLU: every gradient and the running statistics are those of each by itself") {
  for (const Case& c : cases()) {
    CAPTURE(c.what);
    const int64_t batch = 19, pixels = c.graph.shape(c.graph.input()).elements();
    const auto images = numbers(batch * pixels, 7);
    const Parameters<float> parameters = drawn(c.graph);
    const std::vector<int32_t> labels{0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3};
    std::vector<std::vector<float>> gradients;
    std::vector<double> losses;
    for (const bool keep : {true, false}) {  // what is kept is not joined
      const Plan<float> plan(c.graph, {.batch = batch, .training = true, .keep = keep});
      CHECK((count(plan, c.training.front()) > 0) == !keep);
      ThreadPool pool(3);
      Workspace<float> workspace(plan.memory(), 3);
      Parameters<float> gradient(c.graph.parameter_table());
      std::vector<ImageResult> results(labels.size());
      const auto fill = [&](int64_t first, int64_t n, float* x) {
        std::copy_n(images.data() + first * pixels, n * pixels, x);
      };
      plan.gradient(parameters, fill, labels.data(), gradient, results.data(), workspace, pool);
      gradients.emplace_back(gradient.all().begin(), gradient.all().end());
      for (const ImageResult& r : results) losses.push_back(r.loss);
    }
    CHECK(gradients[0] == gradients[1]);
    CHECK(std::any_of(gradients[0].begin(), gradients[0].end(), [](float v) { return v != 0; }));
    CHECK(std::equal(losses.begin(), losses.begin() + batch, losses.begin() + batch));
  }
}

TEST_CASE("joined with a ReLU: the outputs of inference are those of each by itself") {
  for (const Case& c : cases()) {
    CAPTURE(c.what);
    const int64_t batch = 19, pixels = c.graph.shape(c.graph.input()).elements();
    const auto images = numbers(batch * pixels, 8);
    const Parameters<float> parameters = drawn(c.graph);
    std::vector<std::vector<float>> outputs;
    for (const bool joined : {false, true}) {
      if (!joined)
        ::setenv("UNFOLD_KERNEL", "flatten/reference", 1);  // joins nothing, and changes nothing else
      const Plan<float> plan(c.graph, {.batch = batch});
      ::unsetenv("UNFOLD_KERNEL");
      CHECK((count(plan, c.inference.front()) > 0) == joined);
      ThreadPool pool(2);
      Workspace<float> workspace(plan.memory(), 2);
      std::vector<float>& y = outputs.emplace_back(static_cast<size_t>(batch * 5));
      plan.forward(
          parameters,
          [&](int64_t first, int64_t n, float* x) {
            std::copy_n(images.data() + first * pixels, n * pixels, x);
          },
          [&](int64_t first, int64_t n, const float* out) { std::copy_n(out, n * 5, y.data() + first * 5); },
          workspace, pool);
    }
    CHECK(outputs[0] == outputs[1]);
  }
}

TEST_CASE("which nodes are joined: the end of a block in one, whichever input of the sum is normalised") {
  const auto names = [](const Plan<float>& plan) {
    std::vector<std::string> joined;
    for (const auto& step : plan.steps()) {
      if (step.name.find('+') != std::string::npos) joined.push_back(step.name);
    }
    return joined;
  };
  CHECK(names(Plan<float>(residual(), {.batch = 4, .training = true})) ==
        std::vector<std::string>{"stem.bn+relu0", "a.bn+relu1", "b.bn+add1+relu2", "c.bn+relu3",
                                 "short.bn+add2+relu4"});
  // A normalisation stays apart where the sum repeats it or its other input, and both do where others read
  // the sum.
  Graph g;
  const ValueId x = conv_norm(g, "a", g.input({3, 8, 8}), 4, 1);
  const ValueId small = g.avg_pool2d("pool", x, Window2d::square(8));
  const ValueId y = g.relu("relu1", g.add("add1", conv_norm(g, "b", x, 4, 1), small));
  const ValueId sum = g.add("add2", conv_norm(g, "c", y, 4, 1), y);
  g.linear("fc", g.flatten("flatten", g.mul("mul", g.relu("relu2", sum), g.tanh("tanh", sum))), 5);
  CHECK(names(Plan<float>(g, {.batch = 4, .training = true})) == std::vector<std::string>{"add1+relu1"});
}
