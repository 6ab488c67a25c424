// The rules of an honest training run, each of which the article's program breaks: validation images are only
// looked at, every epoch has an order of its own, the test data is treated as the training data was, and a
// batch's gradient is the mean of its images' gradients in every layer.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "unfold/data/strokes.h"
#include "unfold/model.h"
#include "unfold/random.h"
#include "unfold/train/trainer.h"

using namespace unfold;

namespace {

const DatasetPair& digits() {
  static const DatasetPair pair = make_strokes(11, 60, 40);
  return pair;
}

Recipe plain(int64_t batch) {
  Recipe recipe;
  recipe.epochs = 2;
  recipe.batch_size = batch;
  recipe.schedule = {Schedule::Kind::constant, 1e-3};
  return recipe;
}

/// The weights after one epoch on `data`, mean and deviation of the input behind them.
std::vector<double> trained(const Dataset& data, const Recipe& recipe) {
  ThreadPool pool(1);
  Model model = make_model("lenet5", 1);
  Trainer trainer(model, data, recipe, pool);
  while (!trainer.epoch_done()) trainer.step();
  trainer.finish_epoch();
  std::vector<double> all(model.parameters.all().begin(), model.parameters.all().end());
  all.push_back(model.preprocessing.mean[0]);
  all.push_back(model.preprocessing.std[0]);
  return all;
}

/// `data` with one image turned into its negative under another label.
Dataset spoilt(Dataset data, int64_t image) {
  const auto size = static_cast<size_t>(data.image.elements()), at = static_cast<size_t>(image) * size;
  for (size_t i = at; i < at + size; ++i) data.pixels[i] = static_cast<uint8_t>(255 - data.pixels[i]);
  int32_t& label = data.labels[static_cast<size_t>(image)];
  label = (label + 1) % 10;
  return data;
}

Dataset first_image(const Dataset& data) {
  Dataset one = data;
  one.pixels.resize(static_cast<size_t>(data.image.elements()));
  one.labels.resize(1);
  return one;
}

/// The images of each of two epochs in the order in which they were trained on. Steps of one image that do
/// not move the weights tell by their loss which image it was.
std::vector<std::vector<int64_t>> orders(uint64_t seed) {
  ThreadPool pool(1);
  Dataset data = digits().train;
  constexpr int64_t kImages = 24;
  data.pixels.resize(static_cast<size_t>(kImages * data.image.elements()));
  data.labels.resize(kImages);
  Model model = make_model("lenet5", 1);
  Recipe recipe = plain(1);
  recipe.val_split = 0;
  recipe.seed = seed;
  recipe.optimizer.kind = OptimizerOptions::Kind::sgd;
  recipe.schedule.lr = 1e-30;
  Trainer trainer(model, data, recipe, pool);
  std::vector<double> loss;
  for (int64_t i = 0; i < kImages; ++i) {
    loss.push_back(evaluate(model, data, i, 1, Engine::im2col, pool).loss);
  }
  std::vector<double> sorted = loss;
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 1; i < sorted.size(); ++i) REQUIRE(sorted[i] - sorted[i - 1] > 1e-5);
  std::vector<std::vector<int64_t>> epochs(2);
  for (auto& epoch : epochs) {
    double before = 0;
    while (!trainer.epoch_done()) {
      trainer.step();
      const double one = trainer.position().loss_sum - before;
      before = trainer.position().loss_sum;
      const auto nearest = std::min_element(loss.begin(), loss.end(), [one](double a, double b) {
        return std::abs(a - one) < std::abs(b - one);
      });
      CHECK(std::abs(*nearest - one) <= 4e-6);
      epoch.push_back(nearest - loss.begin());
    }
    trainer.finish_epoch();
  }
  return epochs;
}

}  // namespace

TEST_CASE("validation images are never trained on: pixels and labels of theirs change no weight") {
  const Dataset& data = digits().train;
  const Recipe recipe = plain(10);  // the last 10 of 60 images are held out
  const auto weights = trained(data, recipe);
  Dataset other = data;
  for (int64_t i = 50; i < 60; ++i) other = spoilt(other, i);
  CHECK(trained(other, recipe) == weights);
  CHECK(trained(spoilt(data, 49), recipe) != weights);  // the last that is trained on
}

TEST_CASE("every epoch visits each image once, in an order of its own that the seed decides") {
  const auto epochs = orders(1);
  std::vector<int64_t> each(24);
  for (size_t i = 0; i < each.size(); ++i) each[i] = static_cast<int64_t>(i);
  for (const auto& epoch : epochs) {
    CHECK(std::is_permutation(epoch.begin(), epoch.end(), each.begin(), each.end()));
    CHECK(epoch != each);
  }
  CHECK(epochs[0] != epochs[1]);
  CHECK(orders(1) == epochs);
  CHECK(orders(2) != epochs);
}

TEST_CASE("mean and deviation are those of the images trained on, for the test data too") {
  ThreadPool pool(1);
  const Dataset& data = digits().train;
  Model model = make_model("lenet5", 1);
  Trainer trainer(model, data, plain(10), pool);
  const auto [mean, std] = mean_std(data, 0, 50, model.preprocessing);
  CHECK(model.preprocessing.mean == mean);
  CHECK(model.preprocessing.std == std);
  CHECK(mean_std(data, 0, 60, model.preprocessing).first != mean);
  trainer.step();
  // What the network says about an image does not depend on the company it is tested in.
  const Dataset& test = digits().test;
  const Evaluation together = evaluate(model, test, 0, test.size(), Engine::im2col, pool);
  const Evaluation alone = evaluate(model, first_image(test), 0, 1, Engine::im2col, pool);
  CHECK(together.confidence[0] == alone.confidence[0]);
  CHECK(together.predicted[0] == alone.predicted[0]);
  CHECK(model.preprocessing.mean == mean);
}

TEST_CASE("three hundred classes are learnt, and each counts as its own") {
  Dataset data{"bars", Shape({1, 8, 8}), {}, {}, {}};
  constexpr int64_t kClasses = 300;
  for (int64_t c = 0; c < kClasses; ++c) {
    data.classes.push_back(std::to_string(c));
    data.labels.push_back(static_cast<int32_t>(c));
    for (int64_t bit = 0; bit < 64; ++bit) data.pixels.push_back(c >> (bit % 9) & 1 ? 255 : 0);
  }
  Model model;
  Graph& g = model.graph;
  g.linear("fc2", g.relu("relu", g.linear("fc1", g.flatten("flatten", g.input({1, 8, 8})), 64)), kClasses);
  model.name = "small";
  model.preprocessing = {.image_h = 8, .image_w = 8, .out_h = 8, .out_w = 8, .digit = false};
  model.classes = data.classes;
  model.parameters = Parameters<float>(g.parameter_table());
  initialise(model.parameters, Init::pytorch, 1);
  Recipe recipe = plain(30);
  recipe.epochs = 100;
  recipe.val_split = 0;
  recipe.schedule = {Schedule::Kind::one_cycle, 0.02};
  ThreadPool pool(2);
  Trainer trainer(model, data, recipe, pool);
  for (int64_t epoch = 0; epoch < recipe.epochs; ++epoch) {
    while (!trainer.epoch_done()) trainer.step();
    trainer.finish_epoch();
  }
  const Evaluation e = evaluate(model, data, 0, kClasses, Engine::fast, pool);
  CHECK(e.accuracy >= 0.99);
  CHECK(e.confusion.support(299) == 1);
  CHECK(e.confusion.support(299 - 256) == 1);
}

TEST_CASE("the gradient of a batch is the mean of its images' gradients, in convolutions and linear layers") {
  Graph g;
  const ValueId x = g.input({1, 6, 6});
  const ValueId conv = g.tanh("tanh", g.conv2d("conv", x, 3, Window2d::square(3)));
  g.linear("fc", g.flatten("flatten", g.avg_pool2d("pool", conv, Window2d::square(2, 2))), 4);
  constexpr int64_t kImages = 20;  // more than a shard
  Random random(1, "images");
  std::vector<float> images(kImages * 36);
  for (float& v : images) v = static_cast<float>(random.normal());
  std::vector<int32_t> labels(kImages);
  for (int32_t& label : labels) label = static_cast<int32_t>(random.below(4));
  Parameters<float> parameters(g.parameter_table());
  initialise(parameters, Init::pytorch, 1);
  ThreadPool pool(1);
  for (const Engine engine : {Engine::naive, Engine::im2col, Engine::fast}) {
    const auto gradient_of = [&](int64_t from, int64_t batch) {
      const Plan<float> plan(g, {.batch = batch, .training = true, .engine = engine});
      Workspace<float> workspace(plan.memory(), 1);
      Parameters<float> gradient(g.parameter_table());
      std::vector<ImageResult> results(static_cast<size_t>(batch));
      const auto fill = [&](int64_t first, int64_t n, float* to) {
        std::copy_n(images.data() + (from + first) * 36, n * 36, to);
      };
      plan.gradient(parameters, fill, labels.data() + from, gradient, results.data(), workspace, pool);
      return gradient;
    };
    const Parameters<float> whole = gradient_of(0, kImages);
    std::vector<double> mean(whole.all().size());
    for (int64_t i = 0; i < kImages; ++i) {
      const Parameters<float> one = gradient_of(i, 1);
      for (size_t e = 0; e < mean.size(); ++e) mean[e] += static_cast<double>(one.all()[e]) / kImages;
    }
    for (size_t k = 0; k < g.parameter_table()->slices().size(); ++k) {
      const ParameterSlice& slice = whole.table()[static_cast<int>(k)];
      CAPTURE(slice.name);
      double largest = 0;
      for (int64_t e = slice.offset; e < slice.offset + slice.shape.elements(); ++e) {
        const auto at = static_cast<size_t>(e);
        largest = std::max(largest, std::abs(mean[at]));
        CHECK(std::abs(static_cast<double>(whole.all()[at]) - mean[at]) <= 1e-6);
      }
      CHECK(largest > 1e-3);
    }
  }
}
