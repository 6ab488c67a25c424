// The fast engine's losses lie on the naive engine's over an epoch of LeNet-5, and it learns as well.
// UNFOLD_TEST_IMAGES images of MNIST (all 50,000 of the training part by default) and UNFOLD_TEST_SEEDS
// seeds.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>

#include "unfold/data/source.h"
#include "unfold/data/strokes.h"
#include "unfold/model.h"
#include "unfold/train/trainer.h"

using namespace unfold;

namespace {

struct Course {
  std::vector<double> losses;  ///< of each step
  double accuracy = 0;         ///< on the test images
};

Course train(const DatasetPair& data, uint64_t seed, Engine engine, Numerics numerics) {
  ThreadPool pool(default_threads());
  Model model = make_model("lenet5-article", seed);
  Recipe recipe = default_recipe("lenet5-article");
  recipe.seed = seed;
  recipe.engine = engine;
  recipe.numerics = numerics;
  Trainer trainer(model, data.train, recipe, pool);
  Course course;
  double sum = 0;
  int64_t images = 0;
  while (!trainer.epoch_done()) {
    trainer.step();
    const int64_t before = images;
    images = std::min(images + recipe.batch_size, trainer.train_images());
    const double now = trainer.position().loss_sum;
    course.losses.push_back((now - sum) / static_cast<double>(images - before));
    sum = now;
  }
  course.accuracy = evaluate(model, data.test, 0, data.test.size(), Engine::fast, pool).accuracy;
  return course;
}

int64_t number(const char* name, int64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::atoll(text) : otherwise;
}

DatasetPair digits(int64_t images) {
  try {
    DatasetPair mnist = load_dataset("mnist", {});
    if (images == 60000) return mnist;
    mnist.train.labels.resize(static_cast<size_t>(images));
    mnist.train.pixels.resize(static_cast<size_t>(images * 28 * 28));
    return mnist;
  } catch (const Error& e) {
    MESSAGE("drawn digits, as MNIST cannot be had here: " << e.what());
    return make_strokes(1, images, 2000);
  }
}

}  // namespace

TEST_CASE("an epoch of LeNet-5: the fast engine's losses are the naive engine's, and so is the accuracy") {
  const DatasetPair data = digits(number("UNFOLD_TEST_IMAGES", 60000));
  const int64_t seeds = number("UNFOLD_TEST_SEEDS", 5);
  double naive_mean = 0, fast_mean = 0;
  for (int64_t seed = 0; seed < seeds; ++seed) {
    CAPTURE(seed);
    const Course naive = train(data, static_cast<uint64_t>(seed), Engine::naive, Numerics::exact);
    naive_mean += naive.accuracy / static_cast<double>(seeds);
    for (const Numerics numerics : {Numerics::exact, Numerics::fast}) {
      const Course fast = train(data, static_cast<uint64_t>(seed), Engine::fast, numerics);
      REQUIRE(fast.losses.size() == naive.losses.size());
      // Rounding errors of 1e-6 a step: tight at first, with room to grow as the weights part.
      double early = 0, late = 0, mean = 0;
      for (size_t i = 0; i < naive.losses.size(); ++i) {
        const double d = std::abs(fast.losses[i] - naive.losses[i]);
        double& worst = i < 16 ? early : late;
        if (!(d <= worst)) worst = d;
        mean += (fast.losses[i] - naive.losses[i]) / static_cast<double>(naive.losses.size());
      }
      CHECK(early <= 1e-5);  // the naive engine's own rounding is up to 6.4e-6 away from a course in double
      CHECK(late <= 5e-5);
      CHECK(std::abs(mean) <= 5e-6);
      MESSAGE("seed " << seed << ", " << std::string(numerics_name(numerics)) << ": losses differ by "
                      << early << ", later " << late << ", in the mean " << mean << "; accuracy "
                      << fast.accuracy << ", naive " << naive.accuracy);
      CHECK(std::abs(fast.accuracy - naive.accuracy) <= 0.002);
      CHECK(naive.losses.back() < naive.losses.front() / 2);
      if (numerics == Numerics::fast) fast_mean += fast.accuracy / static_cast<double>(seeds);
    }
  }
  MESSAGE("mean accuracy: fast " << fast_mean << ", naive " << naive_mean);
  CHECK(std::abs(fast_mean - naive_mean) <= 0.001);
}
