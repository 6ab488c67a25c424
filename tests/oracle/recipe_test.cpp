// Thirty steps with all that a recipe may hold, in double, against PyTorch's from the same weights:
// Nesterov's momentum, weight decay, a cosine behind a warm-up, label smoothing, a clipped gradient, batch
// normalisation, a moving average of the weights.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "tests/oracle/oracle.h"
#include "unfold/plan.h"
#include "unfold/train/average.h"
#include "unfold/train/optimizer.h"
#include "unfold/train/schedule.h"

using namespace unfold;

namespace {

constexpr int64_t kImages = 40, kBatch = 8, kEpochs = 6, kPixels = 64;  // as recipe() in torch_values.py

Graph network() {
  Graph g;
  ValueId x = g.conv2d("conv", g.input({1, 8, 8}), 4, Window2d::square(3, 1, 1));
  x = g.max_pool2d("pool", g.relu("relu", g.batch_norm("bn", x)), Window2d::square(2, 2));
  g.linear("fc", g.flatten("flatten", x), 5);
  return g;
}

template <class T>
void check_parameters(const Parameters<T>& got, const std::string& prefix, const oracle::Values& want) {
  int index = 0;
  for (const ParameterSlice& slice : got.table().slices()) {
    CAPTURE(slice.name);
    const std::span<const T> values(got.slice(index++), static_cast<size_t>(slice.shape.elements()));
    CHECK(oracle::relative_error(values, want(prefix + slice.name)) < 1e-10);
  }
}

}  // namespace

TEST_CASE("a recipe with everything on takes PyTorch's steps") {
  const oracle::Values values("recipe");
  const Graph graph = network();
  const auto table = graph.parameter_table();
  Parameters<double> parameters(table), gradient(table);
  initialise(parameters, Init::pytorch, 0);  // the normalisation's ones and zeros stay
  int64_t key = 8000;
  for (const char* name : {"conv.weight", "conv.bias", "bn.weight", "bn.bias", "fc.weight", "fc.bias"}) {
    const int index = table->find(name);
    const auto drawn = oracle::numbers((*table)[index].shape.elements(), key++);
    if (std::string(name).starts_with("bn.")) continue;
    std::transform(drawn.begin(), drawn.end(), parameters.slice(index), [](double v) { return v / 2; });
  }
  const auto images = oracle::numbers(kImages * kPixels, 8100);
  std::vector<int32_t> labels(kImages);
  for (int32_t i = 0; i < kImages; ++i) labels[static_cast<size_t>(i)] = i * 7 % 5;

  const Plan<double> plan(graph, {.batch = kBatch, .training = true, .engine = Engine::naive});
  ThreadPool pool(2);
  Workspace<double> workspace(plan.memory(), pool.threads());
  OptimizerOptions options{.kind = OptimizerOptions::Kind::sgd, .weight_decay = 5e-4, .nesterov = true};
  Optimizer<double> sgd(table, options);
  Parameters<double> averaged(table);
  Schedule schedule{Schedule::Kind::cosine, 0.2};
  schedule.warmup = 1.5;
  std::vector<ImageResult> results(kBatch);
  std::vector<double> losses, norms;
  for (int64_t step = 0; step < kEpochs * kImages / kBatch; ++step) {
    const int64_t first = step * kBatch % kImages;
    const auto fill = [&](int64_t at, int64_t n, double* x) {
      std::copy_n(images.data() + (first + at) * kPixels, n * kPixels, x);
    };
    plan.gradient(parameters, fill, {labels.data() + first, 0.1}, gradient, results.data(), workspace, pool);
    double loss = 0;
    for (const ImageResult& r : results) loss += r.loss / kBatch;
    losses.push_back(loss);
    norms.push_back(sgd.clip(gradient, 1.1, pool));
    sgd.step(parameters, gradient, schedule.at(step, kImages / kBatch, kEpochs), pool);
    take_buffers(gradient, parameters);
    average(parameters, 0.9, step == 0, averaged, pool);
  }
  CHECK(oracle::relative_error(losses, values("losses")) < 1e-10);
  CHECK(oracle::relative_error(norms, values("norms")) < 1e-10);
  check_parameters(parameters, "raw.", values);
  check_parameters(averaged, "ema.", values);

  const Plan<double> asked(graph, {.batch = kImages, .engine = Engine::naive});
  Workspace<double> memory(asked.memory(), pool.threads());
  std::vector<double> logits(kImages * 5);
  asked.forward(
      averaged,
      [&](int64_t at, int64_t n, double* x) { std::copy_n(images.data() + at * kPixels, n * kPixels, x); },
      [&](int64_t at, int64_t n, const double* y) { std::copy_n(y, n * 5, logits.data() + at * 5); }, memory,
      pool);
  CHECK(oracle::relative_error(logits, values("logits")) < 1e-10);
}

TEST_CASE("clipping gives the same bits for any number of threads, and leaves a small gradient alone") {
  auto table = std::make_shared<ParameterTable>();
  table->add("a", Shape({100, 333}), 1);
  table->add("statistic", Shape({16}), 1, ParameterKind::buffer);
  table->add("frozen", Shape({20}), 1);
  table->add("b", Shape({7}), 1);
  Parameters<float> drawn(table);
  initialise(drawn, Init::pytorch, 3);
  const std::vector<std::string> freeze = {"frozen"};
  double squares = 0;
  for (const int slice : {0, 3}) {
    for (int64_t i = 0; i < (*table)[slice].shape.elements(); ++i)
      squares += std::pow(static_cast<double>(drawn.slice(slice)[i]), 2);
  }
  std::vector<float> first;
  for (const int threads : {1, 2, 3, 7}) {
    ThreadPool pool(threads);
    Optimizer<float> optimizer(table, {}, freeze);
    Parameters<float> gradient = drawn;
    CHECK(optimizer.clip(gradient, 1e6, pool) == doctest::Approx(std::sqrt(squares)).epsilon(1e-12));
    CHECK(std::equal(gradient.all().begin(), gradient.all().end(), drawn.all().begin()));
    optimizer.clip(gradient, 0.25, pool);
    CHECK(optimizer.clip(gradient, 1, pool) == doctest::Approx(0.25).epsilon(1e-5));
    CHECK(gradient.slice(2)[3] == drawn.slice(2)[3]);
    const std::vector<float> all(gradient.all().begin(), gradient.all().end());
    if (first.empty()) first = all;
    CHECK(all == first);
  }
}
