// Batch normalisation in inference: folded into the layer before it, and by itself, the same function.
#include "unfold/fold.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "unfold/plan.h"
#include "unfold/random.h"

using namespace unfold;

namespace {

/// Normalisations behind convolutions with and without bias, groups, a linear layer; one behind a join and
/// one whose convolution is read twice stay.
Graph network() {
  Graph g;
  const ValueId x = g.input({3, 9, 8});
  const ValueId a =
      g.relu("relu", g.batch_norm("bn1", g.conv2d("conv1", x, 8, Window2d::square(3, 1, 1), false)));
  const ValueId b = g.batch_norm("bn2", g.conv2d("conv2", a, 8, Window2d::square(3, 1, 1, 1, 4)), 1e-3);
  const ValueId joined = g.relu("relu2", g.batch_norm("bn3", g.add("join", a, b)));
  const ValueId twice = g.conv2d("conv3", joined, 4, Window2d::square(3, 2));
  const ValueId c = g.add("again", g.batch_norm("bn4", twice), twice);
  const ValueId d = g.dropout("dropout", g.batch_norm("bn5", g.linear("fc", g.flatten("flatten", c), 12)));
  g.linear("fc2", d, 5);
  return g;
}

Parameters<float> drawn(const Graph& g) {
  Parameters<float> parameters(g.parameter_table());
  Random random(6, "parameters");
  int index = 0;
  for (const ParameterSlice& slice : parameters.table().slices()) {
    float* values = parameters.slice(index++);
    for (int64_t i = 0; i < slice.shape.elements(); ++i) {
      const double v = 0.3 * random.normal();
      values[i] = static_cast<float>(slice.name.ends_with("var") ? 0.2 + v * v : v);
    }
  }
  return parameters;
}

std::vector<float> outputs(const Graph& g, const Parameters<float>& parameters, int64_t batch,
                           Engine engine) {
  const int64_t in = g.shape(g.input()).elements(), out = g.shape(g.output()).elements();
  Random random(7, "images");
  std::vector<float> images(static_cast<size_t>(batch * in)), all(static_cast<size_t>(batch * out));
  for (float& v : images) v = static_cast<float>(random.normal());
  const Plan<float> plan(g, {.batch = batch, .engine = engine});
  ThreadPool pool(2);
  Workspace<float> workspace(plan.memory(), 2);
  plan.forward(
      parameters,
      [&](int64_t first, int64_t n, float* x) { std::copy_n(images.data() + first * in, n * in, x); },
      [&](int64_t first, int64_t n, const float* y) { std::copy_n(y, n * out, all.data() + first * out); },
      workspace, pool);
  return all;
}

double error(const std::vector<float>& got, const std::vector<float>& want) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    const double d = static_cast<double>(got[i]) - static_cast<double>(want[i]);
    difference += d * d;
    size += static_cast<double>(want[i]) * static_cast<double>(want[i]);
  }
  return std::sqrt(difference / size);
}

}  // namespace

TEST_CASE("folded: the same outputs, without the normalisations that alone read a layer") {
  const Graph g = network();
  const Parameters<float> parameters = drawn(g);
  const std::optional<Folded> folded = fold(g, parameters);
  REQUIRE(folded);
  std::vector<std::string> norms;
  for (const Node& node : folded->graph.nodes()) {
    if (node.op->type() == "BatchNorm") norms.push_back(node.name);
  }
  CHECK(norms == std::vector<std::string>{"bn3", "bn4"});
  CHECK(folded->parameters.table().find("conv1.bias") >= 0);
  CHECK(folded->values[static_cast<size_t>(g.output().index)] == folded->graph.output());
  for (const int64_t batch : {1, 20}) {
    const auto naive = outputs(g, parameters, batch, Engine::naive);
    for (const Engine engine : {Engine::naive, Engine::im2col, Engine::fast}) {
      CHECK(error(outputs(g, parameters, batch, engine), naive) <= 1e-6);
      CHECK(error(outputs(folded->graph, folded->parameters, batch, engine), naive) <= 1e-6);
    }
  }
}

TEST_CASE("folded: nothing where there is nothing to fold") {
  Graph g;
  const ValueId x = g.input({3, 9, 8});
  g.batch_norm("bn", g.add("join", x, g.conv2d("conv", x, 3, Window2d::square(1))));
  CHECK(!fold(g, drawn(g)));
}
