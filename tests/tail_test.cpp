// A batch whose shards leave a tail: what workers begin while one of them has the last shard changes no bit,
// is added in the order promised, and nobody waits for ever.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <stdexcept>

#include "tests/support/networks.h"
#include "unfold/models/lenet5.h"
#include "unfold/plan.h"
#include "unfold/random.h"

using namespace unfold;

namespace {

std::vector<float> normal(int64_t count, std::string_view stream) {
  Random random(8, stream);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = static_cast<float>(random.normal());
  return values;
}

template <class T>
struct Gradient {
  Parameters<T> sums;
  std::vector<ImageResult> results;

  bool same_bits(const Gradient& other) const {
    const auto a = sums.all(), b = other.sums.all();
    bool same = std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
    for (size_t i = 0; i < results.size(); ++i) same = same && results[i].loss == other.results[i].loss;
    return same;
  }
};

/// The gradient of the last of `repeats` steps, with NaN in it before.
template <class T>
Gradient<T> gradient_of(const Graph& g, const PlanOptions& options, int threads, int repeats = 1) {
  const int64_t in = g.shape(g.input()).elements(), classes = g.shape(g.output()).elements();
  const auto images = normal(options.batch * in, "images");
  std::vector<int32_t> labels;
  for (int64_t i = 0; i < options.batch; ++i) labels.push_back(static_cast<int32_t>(i % classes));
  Parameters<float> start(g.parameter_table());
  initialise(start, Init::pytorch, 4);
  Parameters<T> parameters(g.parameter_table());
  std::copy(start.all().begin(), start.all().end(), parameters.all().begin());
  Gradient<T> got{Parameters<T>(g.parameter_table()),
                  std::vector<ImageResult>(static_cast<size_t>(options.batch))};
  const Plan<T> plan(g, options);
  ThreadPool pool(threads);
  Workspace<T> workspace(plan.memory(), threads);
  for (int i = 0; i < repeats; ++i) {
    // What an earlier step left in the workspace is not what belongs there.
    const auto scale = static_cast<float>(repeats - i);
    const auto fill = [&](int64_t first, int64_t n, T* x) {
      for (int64_t e = 0; e < n * in; ++e) x[e] = scale * images[static_cast<size_t>(first * in + e)];
    };
    std::fill(got.sums.all().begin(), got.sums.all().end(), static_cast<T>(std::nan("")));
    plan.gradient(parameters, fill, labels.data(), got.sums, got.results.data(), workspace, pool);
  }
  return got;
}

}  // namespace

TEST_CASE("with a tail and without, any number of threads gives the same bits") {
  for (const Graph& g : {lenet5_article(), lenet5(), test::every_operator(8)}) {
    for (const int64_t batch : {16, 20, 33, 52, 64, 100, 112}) {
      CAPTURE(batch);
      for (const Engine engine : {Engine::fast, Engine::im2col}) {
        if (engine == Engine::im2col && batch != 52) continue;
        const PlanOptions options{.batch = batch, .training = true, .engine = engine};
        const auto one = gradient_of<float>(g, options, 1);
        for (const int threads : {2, 3, 7, 16}) {
          CAPTURE(threads);
          CHECK(one.same_bits(gradient_of<float>(g, options, threads, 4)));
        }
      }
    }
  }
}

TEST_CASE("with a tail and without, gradients are those in double within rounding") {
  const Graph g = lenet5_article();  // smooth: rounding decides no maximum
  const auto table = g.parameter_table();
  for (const int64_t batch : {20, 33, 52, 100, 112}) {
    const auto want = gradient_of<double>(g, {.batch = batch, .training = true}, 2);
    const auto got = gradient_of<float>(g, {.batch = batch, .training = true}, 2);
    for (const ParameterSlice& slice : table->slices()) {
      CAPTURE(batch);
      CAPTURE(slice.name);
      const int index = table->find(slice.name);
      double difference = 0, size = 0;
      for (int64_t i = 0; i < slice.shape.elements(); ++i) {
        const double w = want.sums.slice(index)[i], d = static_cast<double>(got.sums.slice(index)[i]) - w;
        difference += d * d;
        size += w * w;
      }
      CHECK(size > 0);
      CHECK(std::sqrt(difference / size) <= 1e-5);
    }
  }
}

TEST_CASE("a linear layer's gradient is that of the head, and that of the tail added") {
  const Graph g = lenet5_article();
  const auto table = g.parameter_table();
  const int64_t in = g.shape(g.input()).elements();
  const auto images = normal(112 * in, "images"), dy = normal(112 * 10, "dy");
  Parameters<float> parameters(table);
  initialise(parameters, Init::pytorch, 4);
  // Images first .. first+batch-1 in a batch of their own.
  const auto part = [&](int64_t first, int64_t batch, int threads) {
    const Plan<float> plan(g, {.batch = batch, .training = true});
    ThreadPool pool(threads);
    Workspace<float> workspace(plan.memory(), threads);
    Parameters<float> sums(table);
    const auto from = [&](const std::vector<float>& all, int64_t count) {
      return [&all, count, first](int64_t at, int64_t n, float* to) {
        std::copy_n(all.data() + (first + at) * count, n * count, to);
      };
    };
    plan.gradient_from(parameters, from(images, in), from(dy, 10), sums, workspace, pool);
    return sums;
  };
  for (const int64_t batch : {33, 52, 100, 112}) {
    const int64_t head = batch / 32 * 32;
    const auto first = part(0, head, 1), second = part(head, batch - head, 1);
    for (const int threads : {1, 2}) {
      CAPTURE(batch);
      CAPTURE(threads);
      const auto both = part(0, batch, threads);
      for (const char* name :
           {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias", "fc3.weight", "fc3.bias"}) {
        CAPTURE(std::string(name));
        const int index = table->find(name);
        REQUIRE(index >= 0);
        bool same = true;
        for (int64_t i = 0; i < table->slices()[static_cast<size_t>(index)].shape.elements(); ++i) {
          same = same && both.slice(index)[i] == first.slice(index)[i] + second.slice(index)[i];
        }
        CHECK(same);
      }
    }
  }
}

TEST_CASE("an exception in any shard comes out of the step, and the next step is right") {
  const Graph g = lenet5();
  const int64_t in = g.shape(g.input()).elements();
  Parameters<float> parameters(g.parameter_table()), sums(g.parameter_table());
  initialise(parameters, Init::pytorch, 4);
  for (const int64_t batch : {52, 100}) {
    const Plan<float> plan(g, {.batch = batch, .training = true});
    const std::vector<int32_t> labels(static_cast<size_t>(batch), 3);
    std::vector<ImageResult> results(static_cast<size_t>(batch));
    for (const int threads : {1, 2, 3, 16}) {
      CAPTURE(batch);
      CAPTURE(threads);
      ThreadPool pool(threads);
      Workspace<float> workspace(plan.memory(), threads);
      const auto step = [&](int64_t bad) {
        plan.gradient(
            parameters,
            [&](int64_t first, int64_t n, float* x) {
              if (first == bad) throw std::runtime_error("no image");
              std::fill_n(x, n * in, 0.25f);
            },
            labels.data(), sums, results.data(), workspace, pool);
        return std::vector<float>(sums.all().begin(), sums.all().end());
      };
      const auto want = step(-1);
      for (int64_t bad = 0; bad < batch; bad += kShardImages) {
        CHECK_THROWS_WITH_AS(step(bad), "no image", std::runtime_error);
        CHECK(step(-1) == want);
      }
    }
  }
}

TEST_CASE("a gate holds back until all have passed, and is no obstacle where none has to") {
  for (const int threads : {2, 3, 16}) {
    ThreadPool pool(threads);
    for (int repeat = 0; repeat < 200; ++repeat) {
      Gate gate(pool, 3), open(pool, 0);
      int64_t written[3] = {}, seen[5] = {};
      pool.run(8, [&](int64_t index, int) {
        if (index < 3) {
          const PassAtEnd pass(&gate), nothing(nullptr);
          written[index] = index + 1;
          return;
        }
        open.wait();
        gate.wait();
        if (index == 3) gate.pass();  // one too many
        seen[index - 3] = written[0] + written[1] + written[2];
      });
      for (const int64_t sum : seen) CHECK(sum == 6);
    }
  }
}
