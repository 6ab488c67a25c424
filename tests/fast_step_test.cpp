// A whole training step of LeNet-5 by the fast engine, on every SIMD target this processor has, one by one.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <map>

#include "tests/support/targets.h"
#include "unfold/data/preprocess.h"
#include "unfold/data/strokes.h"
#include "unfold/model.h"

using namespace unfold;

namespace {

constexpr int64_t kBatch = 39;  // two whole shards and a part of one

template <class T>
struct Step {
  explicit Step(const std::shared_ptr<const ParameterTable>& table)
      : gradient(table), results(static_cast<size_t>(kBatch)) {}
  Parameters<T> gradient;
  std::vector<ImageResult> results;
};

template <class T>
Step<T> step_of(const Model& model, const Dataset& data, Engine engine, Numerics numerics) {
  const auto table = model.parameters.shared_table();
  Parameters<T> parameters(table);
  std::copy(model.parameters.all().begin(), model.parameters.all().end(), parameters.all().begin());
  const Plan<T> plan(model.graph,
                     {.batch = kBatch, .training = true, .engine = engine, .numerics = numerics});
  ThreadPool pool(2);
  Workspace<T> workspace(plan.memory(), 2);
  Step<T> step(table);
  std::fill(step.gradient.all().begin(), step.gradient.all().end(), static_cast<T>(std::nan("")));
  const int64_t pixels = model.graph.shape(model.graph.input()).elements();
  const auto fill = [&](int64_t first, int64_t n, T* x) {
    for (int64_t i = 0; i < n; ++i) {
      std::vector<float> image(static_cast<size_t>(pixels));  // rounded alike for both
      preprocess(model.preprocessing, data.at(first + i), image.data());
      std::copy(image.begin(), image.end(), x + i * pixels);
    }
  };
  plan.gradient(parameters, fill, data.labels.data(), step.gradient, step.results.data(), workspace, pool);
  return step;
}

/// Relative L2 of each parameter's gradient.
double worst_error(const ParameterTable& table, const Parameters<float>& got,
                   const Parameters<double>& want) {
  double worst = 0;
  for (const ParameterSlice& slice : table.slices()) {
    const int index = table.find(slice.name);
    double difference = 0, size = 0;
    for (int64_t i = 0; i < slice.shape.elements(); ++i) {
      const double w = want.slice(index)[i], d = static_cast<double>(got.slice(index)[i]) - w;
      difference += d * d;
      size += w * w;
    }
    const double error = std::sqrt(difference / size);
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

}  // namespace

TEST_CASE(
    "a step of LeNet-5 is that of the naive engine in double, on every target; those with FMA agree in every "
    "bit") {
  const DatasetPair data = make_strokes(3, kBatch, 10);
  for (const std::string name : {"lenet5-article", "lenet5"}) {
    CAPTURE(name);
    const Model model = make_model(name, 7);
    const auto want = step_of<double>(model, data.train, Engine::naive, Numerics::exact);
    for (const Numerics numerics : {Numerics::exact, Numerics::fast}) {
      std::map<bool, std::vector<float>> bits;  // by whether products are fused
      double worst = 0;
      const auto ran = test::on_every_target([&](const std::string& target) {
        CAPTURE(target);
        const auto got = step_of<float>(model, data.train, Engine::fast, numerics);
        const double error = worst_error(model.parameters.table(), got.gradient, want.gradient);
        CHECK(error <= (numerics == Numerics::exact ? 4e-6 : 1e-5));
        if (!(error <= worst)) worst = error;
        for (int64_t i = 0; i < kBatch; ++i) {
          const auto at = static_cast<size_t>(i);
          CHECK(std::abs(got.results[at].loss - want.results[at].loss) <= 1e-5 * want.results[at].loss);
        }
        const bool fused = target.starts_with("AVX") || target == "NEON";
        const auto all = got.gradient.all();
        std::vector<float>& first = bits[fused];
        if (first.empty()) first.assign(all.begin(), all.end());
        CHECK(std::memcmp(first.data(), all.data(), all.size() * sizeof(float)) == 0);
      });
      CHECK(!ran.empty());
      MESSAGE(name << ", " << numerics_name(numerics) << ": largest relative error " << worst << " on "
                   << ran.size() << " targets");
    }
  }
}
