// No kernel of a plan writes beyond its tensors, reads what lies between them, or leans on memory being
// fresh: with NaN there a run gives the same bits as with tensors that make room for one another, and leaves
// the NaN as it is.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "tests/support/geometry.h"
#include "tests/support/layer_lists.h"
#include "tests/support/networks.h"
#include "unfold/models/lenet5.h"
#include "unfold/plan.h"

using namespace unfold;

namespace {

struct Result {
  std::vector<float> values;
  bool intact = true;
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

Result run(const Graph& g, const PlanOptions& options) {
  Random random(3, "guards");
  Parameters<float> parameters(g.parameter_table()), gradient(g.parameter_table());
  initialise(parameters, Init::pytorch, 4);
  const Plan<float> plan(g, options);
  ThreadPool pool(2);
  Workspace<float> workspace(plan.memory(), 2);
  const int64_t in = g.shape(g.input()).elements(), out = g.shape(g.output()).elements();
  std::vector<float> x(static_cast<size_t>(options.batch * in)), dy(static_cast<size_t>(options.batch * out));
  for (auto* all : {&x, &dy}) {
    for (float& v : *all) v = static_cast<float>(random.uniform() - 0.5);
  }
  const auto fill = [&](int64_t first, int64_t n, float* to) {
    std::copy_n(x.data() + first * in, n * in, to);
  };
  const auto give = [&](int64_t first, int64_t n, float* to) {
    std::copy_n(dy.data() + first * out, n * out, to);
  };
  Result result;
  plan.write_guards(workspace);
  for (int repeat = 0; repeat < 2; ++repeat) {  // the second meets what the first left
    if (options.training) {
      plan.gradient_from(parameters, fill, give, gradient, workspace, pool);
      const auto all = gradient.all();
      result.values.insert(result.values.end(), all.begin(), all.end());
    } else {
      std::vector<float> y(static_cast<size_t>(options.batch * out));
      plan.forward(
          parameters, fill,
          [&](int64_t first, int64_t n, const float* from) {
            std::copy_n(from, n * out, y.data() + first * out);
          },
          workspace, pool);
      result.values.insert(result.values.end(), y.begin(), y.end());
    }
  }
  result.intact = plan.guards_intact(workspace);
  return result;
}

void check(const Graph& g, int64_t batch) {
  for (const Engine engine : {Engine::fast, Engine::im2col}) {
    for (const Numerics numerics : {Numerics::exact, Numerics::fast}) {
      if (engine != Engine::fast && numerics == Numerics::fast) continue;  // the same kernels
      for (const bool training : {true, false}) {
        CAPTURE(static_cast<int>(engine));
        CAPTURE(static_cast<int>(numerics));
        CAPTURE(training);
        PlanOptions options{.batch = batch, .training = training, .engine = engine, .numerics = numerics};
        const Result plain = run(g, options);
        options.guards = true;
        const Result guarded = run(g, options);
        CHECK(guarded.intact);
        CHECK(same_bits(guarded.values, plain.values));
        CHECK(
            std::all_of(plain.values.begin(), plain.values.end(), [](float v) { return std::isfinite(v); }));
      }
    }
  }
}

}  // namespace

TEST_CASE("guards: one float beyond a tensor is noticed") {
  const Graph g = lenet5();
  const Plan<float> plan(g, {.batch = 16, .training = true, .guards = true});
  Parameters<float> parameters(g.parameter_table());
  Workspace<float> workspace(plan.memory(), 1);
  ThreadPool pool(1);
  const int64_t in = g.shape(g.input()).elements();
  for (const int64_t beyond : {0, 1}) {
    plan.write_guards(workspace);
    CHECK(plan.guards_intact(workspace));
    plan.forward(
        parameters, [&](int64_t, int64_t n, float* x) { std::fill_n(x, n * in + beyond, 1.0f); },
        [](int64_t, int64_t, const float*) {}, workspace, pool);
    CHECK(plan.guards_intact(workspace) == (beyond == 0));
  }
}

TEST_CASE("guards: networks of every operator, in lanes and layer by layer, and LeNet-5") {
  for (const int64_t batch : {1, 5, 39}) {
    CAPTURE(batch);
    check(test::every_operator(8), batch);
    check(lenet5(), batch);
    check(lenet5_article(), batch);
  }
  check(test::every_operator(100), 3);
}

TEST_CASE("guards: single convolutions of every kind") {
  Random random(9, "geometries");
  std::map<std::string, int> kinds;
  for (int i = 0; i < 100; ++i) check(test::one_layer(test::random_geometry(random, kinds)), 1 + i % 5);
  for (const test::Layer& layer : test::kLayers) {
    CAPTURE(std::string(layer.name));
    check(test::one_layer(layer.shape(1)), 1);
  }
}
