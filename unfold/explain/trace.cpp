#include "unfold/explain/trace.h"

#include <algorithm>
#include <chrono>

#include "unfold/error.h"
#include "unfold/train/optimizer.h"

namespace unfold {
namespace {

constexpr int64_t kNaiveMacs = 200'000'000;  // above this the naive engine would keep a reader waiting
constexpr double kSeconds = 0.05;            // an engine's measurement goes on for so long
constexpr int kRuns = 3;                     // at least

/// Writes what each node takes forward by `engine` to times[node].*time.
void measure(const Model& model, std::span<const float> input, Engine engine, Numerics numerics,
             std::optional<double> LayerTimes::* time, std::vector<LayerTimes>& times) {
  using Clock = std::chrono::steady_clock;
  const Plan<float> plan(model.graph, {.batch = 1, .engine = engine, .numerics = numerics});
  ThreadPool pool(1);
  Workspace<float> workspace(plan.memory(), 1);
  const auto steps = plan.steps();
  std::vector<double> fastest(steps.size(), 1e9);
  const auto fill = [&](int64_t, int64_t, float* x) { std::copy(input.begin(), input.end(), x); };
  const auto take = [](int64_t, int64_t, const float*) {};
  plan.pack(model.parameters, workspace, pool);
  const auto start = Clock::now();
  for (int run = 0; run < kRuns || std::chrono::duration<double>(Clock::now() - start).count() < kSeconds;
       ++run) {
    workspace.measure(static_cast<int64_t>(steps.size()));
    plan.forward(model.parameters, fill, take, workspace, pool, true);
    for (size_t i = 0; i < steps.size(); ++i)
      fastest[i] = std::min(fastest[i], workspace.times(0)[i].forward);
  }
  const std::vector<Node>& nodes = model.graph.nodes();
  for (size_t i = 0; i < steps.size(); ++i) {
    const auto node =
        std::find_if(nodes.begin(), nodes.end(), [&](const Node& n) { return n.name == steps[i].name; });
    if (node != nodes.end()) times[static_cast<size_t>(node - nodes.begin())].*time = fastest[i];
  }
}

}  // namespace

std::vector<LayerTimes> layer_times(const Model& model, std::span<const float> input, Numerics numerics) {
  std::vector<LayerTimes> times(model.graph.nodes().size());
  if (model.graph.macs() <= kNaiveMacs)
    measure(model, input, Engine::naive, numerics, &LayerTimes::naive, times);
  measure(model, input, Engine::im2col, numerics, &LayerTimes::im2col, times);
  measure(model, input, Engine::fast, numerics, &LayerTimes::fast, times);
  return times;
}

Trace trace(const Model& model, std::span<const float> inputs, std::vector<int32_t> classes,
            const TraceOptions& options, ThreadPool& pool) {
  const Graph& graph = model.graph;
  const int64_t in = graph.shape(graph.input()).elements(), images = static_cast<int64_t>(classes.size());
  if (images == 0 || static_cast<int64_t>(inputs.size()) != images * in) {
    throw Error(ErrorKind::usage, "the images do not fit the network")
        .wanted(std::to_string(images) + " images of " + graph.shape(graph.input()).text())
        .got(std::to_string(inputs.size()) + " numbers");
  }
  for (const int32_t c : classes) {
    if (c < 0 || c >= std::ssize(model.classes)) {
      throw Error(ErrorKind::usage, "no such class")
          .wanted("0 to " + std::to_string(model.classes.size() - 1))
          .got(std::to_string(c));
    }
  }
  Trace t;
  t.images = images;
  t.classes = std::move(classes);
  t.lr = options.lr;
  t.engine = options.engine;
  const Plan<float> plan(graph, {.batch = images,
                                 .training = true,
                                 .engine = options.engine,
                                 .numerics = options.numerics,
                                 .input_gradient = true,
                                 .keep = true});
  Workspace<float> workspace(plan.memory(), pool.threads());
  t.gradient = Parameters<float>(graph.parameter_table());
  std::vector<ImageResult> results(static_cast<size_t>(images));
  const auto fill = [&](int64_t first, int64_t n, float* x) {
    std::copy_n(inputs.data() + first * in, n * in, x);
  };
  plan.gradient(model.parameters, fill, t.classes.data(), t.gradient, results.data(), workspace, pool);
  for (const ImageResult& r : results) t.losses.push_back(r.loss);
  for (int v = 0; v < graph.values(); ++v) {
    std::vector<float> values, gradients;
    for (int64_t i = 0; i < images; ++i) {
      const std::vector<float> value = plan.value({v}, i, workspace);
      values.insert(values.end(), value.begin(), value.end());
      const std::vector<float> gradient = plan.value_gradient({v}, i, workspace);
      gradients.insert(gradients.end(), gradient.begin(), gradient.end());
    }
    t.values.push_back(std::move(values));
    t.gradients.push_back(std::move(gradients));
  }
  t.after = model.parameters;
  Optimizer<float> adam(graph.parameter_table(), {});
  adam.step(t.after, t.gradient, options.lr, pool);
  t.first_moment = adam.first_moment();
  t.second_moment = adam.second_moment();
  t.times.resize(graph.nodes().size());
  if (options.times) t.times = layer_times(model, inputs.first(static_cast<size_t>(in)), options.numerics);
  return t;
}

}  // namespace unfold
