// After the first step the system is asked for nothing: no page is touched for the first time.
#include <doctest/doctest.h>
#include <sys/resource.h>

#include "unfold/data/strokes.h"
#include "unfold/model.h"
#include "unfold/train/trainer.h"

using namespace unfold;

#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define UNFOLD_SANITIZED  // sanitizers touch pages of their own
#endif
#elif defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define UNFOLD_SANITIZED
#endif

#ifndef UNFOLD_SANITIZED
namespace {

long page_faults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt + usage.ru_majflt;
}

/// The fewest faults of `repeats` calls each, in several tries: the system may move a page at any time for
/// reasons of its own, a program that touches new ones does so in every try.
template <class Body>
long fewest_faults(int repeats, Body body) {
  long fewest = -1;
  for (int tries = 0; tries < 5 && fewest != 0; ++tries) {
    const long before = page_faults();
    for (int i = 0; i < repeats; ++i) body();
    const long faults = page_faults() - before;
    if (fewest < 0 || faults < fewest) fewest = faults;
  }
  return fewest;
}

}  // namespace

TEST_CASE("page faults are counted") {
  CHECK(fewest_faults(1, [] {
          std::vector<std::byte> fresh(64 << 20);  // a block of the system's own, given back each time
          CHECK(fresh[fresh.size() / 2] == std::byte{0});
        }) > 0);
}

TEST_CASE("training: no page fault after the first steps") {
  const DatasetPair data = make_strokes(5, 2400, 10);
  for (const char* name : {"lenet5", "lenet5-article"}) {
    for (const int threads : {1, 2}) {
      CAPTURE(name);
      CAPTURE(threads);
      ThreadPool pool(threads);
      Model model = make_model(name, 3);
      Recipe recipe = default_recipe(name);
      recipe.batch_size = 64;
      Trainer trainer(model, data.train, recipe, pool);
      for (int i = 0; i < 3; ++i) trainer.step();  // each worker has met every kind of task
      CHECK(fewest_faults(4, [&] { trainer.step(); }) == 0);
    }
  }
}

TEST_CASE("inference: no page fault after the first calls, in both layouts") {
  const DatasetPair data = make_strokes(5, 100, 10);
  const Model model = make_model("lenet5", 3);
  for (const int64_t batch : {1, 100}) {
    for (const int threads : {1, 2}) {
      CAPTURE(batch);
      CAPTURE(threads);
      ThreadPool pool(threads);
      Predictor predictor(model, Engine::fast, batch, pool);
      const std::span<const uint8_t> images(data.train.pixels.data(), static_cast<size_t>(batch * 28 * 28));
      for (int i = 0; i < 3; ++i) predictor.logits(images, batch);
      CHECK(fewest_faults(20, [&] { predictor.logits(images, batch); }) == 0);
    }
  }
}

TEST_CASE("layer by layer: no page fault after the first step") {
  Graph g;
  ValueId x = g.relu("relu1", g.conv2d("conv1", g.input({16, 48, 48}), 32, Window2d::square(3, 1, 1)));
  x = g.max_pool2d("pool", g.conv2d("conv2", x, 16, Window2d::square(3, 1, 1)), Window2d::square(8, 8));
  g.linear("fc", g.flatten("flatten", x), 5);
  const int64_t batch = 4, pixels = g.shape(g.input()).elements();
  Parameters<float> parameters(g.parameter_table()), gradient(g.parameter_table());
  initialise(parameters, Init::pytorch, 4);
  const Plan<float> plan(g, {.batch = batch, .training = true});
  CHECK(plan.shards() == 1);
  const std::vector<int32_t> labels{0, 1, 2, 3};
  std::vector<ImageResult> results(4);
  const auto fill = [&](int64_t first, int64_t n, float* to) {
    for (int64_t i = 0; i < n * pixels; ++i) to[i] = static_cast<float>((first * pixels + i) % 7) - 3;
  };
  for (const int threads : {1, 2}) {
    CAPTURE(threads);
    ThreadPool pool(threads);
    Workspace<float> workspace(plan.memory(), threads);
    const auto step = [&] {
      plan.gradient(parameters, fill, labels.data(), gradient, results.data(), workspace, pool);
    };
    for (int i = 0; i < 3; ++i) step();
    CHECK(fewest_faults(4, step) == 0);
  }
}
#endif
