// Batch normalisation in training and in inference against PyTorch's float64 results, in every engine.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/oracle/oracle.h"
#include "unfold/plan.h"

using namespace unfold;
using oracle::relative_error;

namespace {

template <class T>
void check(Engine engine, double tolerance) {
  const oracle::Values values("batch_norm");
  for (int64_t k = 0; k < 5; ++k) {
    CAPTURE(k);
    const std::string name = "batch_norm." + std::to_string(k) + ".";
    const auto shape = values.operator()<int64_t>(name + "shape");
    const auto settings = values(name + "settings");
    const int64_t batch = shape[0], channels = shape[1];
    Graph g;
    const ValueId y = g.batch_norm("bn", g.input(Shape(shape.subspan(1))), settings[0], settings[1]);
    const ValueId end = g.shape(y).rank() == 1 ? y : g.flatten("flatten", y);
    const int64_t elements = g.shape(y).elements();
    const auto key = [&](int64_t i) { return 7000 + 8 * k + i; };
    std::vector<double> images = oracle::numbers(batch * elements, key(0));
    for (double& v : images) v = 3 * v + 1;
    const auto x = oracle::as<T>(images), dy = oracle::as<T>(oracle::numbers(batch * elements, key(5)));
    Parameters<T> parameters(g.parameter_table()), gradient(g.parameter_table());
    for (int i = 0; i < 4; ++i) {
      std::vector<double> drawn = oracle::numbers(channels, key(i + 1));
      for (double& v : drawn) v += i == 3 ? 1.5 : 0;
      std::copy_n(oracle::as<T>(drawn).begin(), channels, parameters.slice(i));
    }
    const auto cut = [&](const std::vector<T>& from) {
      return [&](int64_t first, int64_t n, T* to) {
        std::copy_n(from.data() + first * elements, n * elements, to);
      };
    };
    ThreadPool pool(2);
    const Plan<T> plan(
        g, {.batch = batch, .training = true, .engine = engine, .input_gradient = true, .keep = true});
    Workspace<T> workspace(plan.memory(), 2);
    plan.gradient_from(parameters, cut(x), cut(dy), gradient, workspace, pool);
    std::vector<T> got_y, got_dx, asked;
    for (int64_t i = 0; i < batch; ++i) {
      const auto one = plan.value(end, i, workspace), slope = plan.value_gradient(g.input(), i, workspace);
      got_y.insert(got_y.end(), one.begin(), one.end());
      got_dx.insert(got_dx.end(), slope.begin(), slope.end());
    }
    CHECK(relative_error(got_y, values(name + "y")) <= tolerance);
    CHECK(relative_error(got_dx, values(name + "dx")) <= tolerance);
    const char* const kParameters[] = {"dw", "db", "mean", "var"};
    for (int i = 0; i < 4; ++i) {
      CAPTURE(kParameters[i]);
      CHECK(relative_error(std::span<const T>(gradient.slice(i), static_cast<size_t>(channels)),
                           values(name + kParameters[i])) <= tolerance);
    }
    take_buffers(gradient, parameters);
    const Plan<T> inference(g, {.batch = batch, .engine = engine});
    Workspace<T> memory(inference.memory(), 2);
    asked.resize(static_cast<size_t>(batch * elements));
    inference.forward(
        parameters, cut(x),
        [&](int64_t first, int64_t n, const T* from) {
          std::copy_n(from, n * elements, asked.data() + first * elements);
        },
        memory, pool);
    CHECK(relative_error(asked, values(name + "asked")) <= tolerance);
  }
}

}  // namespace

TEST_CASE("batch normalisation: a step of training, the running statistics, inference") {
  check<double>(Engine::naive, 1e-9);
  for (const Engine engine : {Engine::naive, Engine::im2col, Engine::fast}) check<float>(engine, 1e-4);
}
