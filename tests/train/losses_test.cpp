// The first 500 losses of the article's recipe, in double, against PyTorch's from the same weights in the
// same order.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>

#include "unfold/data/source.h"
#include "unfold/formats/safetensors.h"
#include "unfold/model.h"
#include "unfold/train/optimizer.h"

using namespace unfold;

TEST_CASE("lenet5-article: 500 losses equal PyTorch's to 1e-8") {
  const SafetensorsFile oracle =
      read_safetensors(std::string(UNFOLD_TEST_DATA) + "/lenet5_losses.safetensors");
  DatasetPair mnist;
  try {
    mnist = load_dataset("mnist", {});
  } catch (const Error& e) {
    MESSAGE("SKIPPED, MNIST cannot be had here: " << e.what());
    return;
  }
  const char* few = std::getenv("UNFOLD_TEST_LOSSES");
  const int64_t steps = few ? std::atoll(few) : 500;
  const Model model = make_model("lenet5-article", 0);
  const auto table = model.parameters.shared_table();
  Parameters<double> parameters(table), gradient(table);
  int index = 0;
  for (const ParameterSlice& slice : table->slices()) {
    const Tensor* tensor = oracle.find(slice.name);
    REQUIRE(tensor);
    const auto values = tensor->span<float>();
    std::copy(values.begin(), values.end(), parameters.slice(index++));
  }
  Preprocessing how = model.preprocessing;
  const auto [mean, std] = mean_std(mnist.train, 0, 50000, how);
  CHECK(std::abs(mean[0] - oracle.find("mean")->data<double>()[0]) <= 1e-12);
  CHECK(std::abs(std[0] - oracle.find("std")->data<double>()[0]) <= 1e-12);
  how.mean = mean;
  how.std = std;
  const int64_t batch = 100;
  const Plan<double> plan(model.graph, {.batch = batch, .training = true, .engine = Engine::naive});
  ThreadPool pool(default_threads());
  Workspace<double> workspace(plan.memory(), pool.threads());
  Optimizer<double> adam(table, {});
  std::vector<int32_t> labels(batch);
  std::vector<ImageResult> results(batch);
  const auto losses = oracle.find("losses")->span<double>();
  double worst = 0;
  for (int64_t s = 0; s < steps; ++s) {
    const auto image = [&](int64_t j) { return (s * batch + j) * 7919 % 50000; };
    for (int64_t j = 0; j < batch; ++j) {
      labels[static_cast<size_t>(j)] = mnist.train.labels[static_cast<size_t>(image(j))];
    }
    const auto fill = [&](int64_t first, int64_t n, double* x) {
      for (int64_t i = 0; i < n; ++i) preprocess(how, mnist.train.at(image(first + i)), x + i * 1024);
    };
    plan.gradient(parameters, fill, labels.data(), gradient, results.data(), workspace, pool);
    adam.step(parameters, gradient, 1e-3, pool);
    double loss = 0;
    for (const ImageResult& r : results) loss += r.loss / static_cast<double>(batch);
    const double error = std::abs(loss - losses[static_cast<size_t>(s)]);
    if (!(error <= worst)) worst = error;
  }
  MESSAGE("largest difference of " << steps << " losses: " << worst);
  CHECK(worst <= 1e-8);
}
