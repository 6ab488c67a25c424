// Optimizer steps and learning rates against PyTorch's.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

#include "tests/oracle/oracle.h"
#include "unfold/train/optimizer.h"
#include "unfold/train/schedule.h"

using namespace unfold;

namespace {

constexpr int64_t kParameters = 37;  // as PARAMETERS in torch_values.py

/// The 37 parameters in three slices, so that the gaps between slices take part.
std::shared_ptr<const ParameterTable> table() {
  auto made = std::make_shared<ParameterTable>();
  made->add("first", Shape({4, 5}), 5);
  made->add("second", Shape({1}), 1);
  made->add("third", Shape({16}), 16);
  return made;
}

template <class T>
void fill(Parameters<T>& parameters, const std::vector<double>& values) {
  auto from = values.begin();
  for (int k = 0; k < 3; ++k) {
    const int64_t count = parameters.table()[k].shape.elements();
    std::transform(from, from + count, parameters.slice(k), [](double v) { return static_cast<T>(v); });
    from += count;
  }
}

template <class T>
std::vector<T> flat(const Parameters<T>& parameters) {
  std::vector<T> out;
  for (int k = 0; k < 3; ++k) {
    const T* slice = parameters.slice(k);
    out.insert(out.end(), slice, slice + parameters.table()[k].shape.elements());
  }
  return out;
}

template <class T>
void check_optimizer(const std::string& name, double tolerance) {
  const oracle::Values values("training");
  const Tensor& settings = values.tensor(name + ".settings");
  ThreadPool pool(1);
  for (int64_t k = 0; k < settings.shape()[0]; ++k) {
    CAPTURE(k);
    const double* row = settings.data<double>() + k * settings.shape()[1];
    OptimizerOptions options;
    if (name == "sgd" || name == "nesterov") {
      options.kind = OptimizerOptions::Kind::sgd;
      options.nesterov = name == "nesterov";
      options.momentum = row[1];
      options.weight_decay = row[2];
    } else {
      options.kind = optimizer_named(name);
      options.beta1 = row[1], options.beta2 = row[2], options.epsilon = row[3], options.weight_decay = row[4];
    }
    const int64_t first = name == "sgd" ? 5000 : name == "adam" ? 5500 : name == "nesterov" ? 5600 : 5700;
    const int64_t key = first + 10 * k;
    Parameters<T> parameters(table()), gradient(parameters.shared_table());
    Optimizer<T> optimizer(parameters.shared_table(), options);
    fill(parameters, oracle::numbers(kParameters, key));
    const auto want = values(name + "." + std::to_string(k) + ".after");  // (steps, parameters)
    for (int64_t step = 0; step < 5; ++step) {
      CAPTURE(step);
      auto drawn = oracle::numbers(kParameters, key + 1 + step);
      drawn[0] = 0;
      fill(gradient, drawn);
      optimizer.step(parameters, gradient, row[0], pool);
      CHECK(oracle::relative_error(flat(parameters), want.subspan(static_cast<size_t>(step * kParameters),
                                                                  static_cast<size_t>(kParameters))) <
            tolerance);
    }
  }
}

}  // namespace

TEST_CASE("SGD with momentum and weight decay takes PyTorch's steps") {
  check_optimizer<double>("sgd", 1e-10);
  check_optimizer<float>("sgd", 1e-4);  // relative_error's floor makes an ulp of the largest parameter 1.2e-4
}

TEST_CASE("Adam with bias correction takes PyTorch's steps, where the gradient is 0 too") {
  check_optimizer<double>("adam", 1e-10);
  check_optimizer<float>("adam", 1e-4);
}

TEST_CASE("Nesterov's momentum and AdamW take PyTorch's steps") {
  for (const char* name : {"nesterov", "adamw"}) {
    check_optimizer<double>(name, 1e-10);
    check_optimizer<float>(name, 1e-4);
  }
}

TEST_CASE("the cosine and one-cycle schedules give PyTorch's rates") {
  const oracle::Values values("training");
  const Tensor& runs = values.tensor("schedule.runs");  // (runs, 2): rate, steps
  for (int64_t k = 0; k < runs.shape()[0]; ++k) {
    CAPTURE(k);
    const double lr = runs.data<double>()[2 * k];
    const auto steps = static_cast<int64_t>(runs.data<double>()[2 * k + 1]);
    for (const bool cosine : {true, false}) {
      CAPTURE(cosine);
      const Schedule schedule{cosine ? Schedule::Kind::cosine : Schedule::Kind::one_cycle, lr};
      std::vector<double> rates;
      for (int64_t s = 0; s < steps; ++s) rates.push_back(schedule.at(s, steps));
      CHECK(oracle::relative_error(rates, values((cosine ? "cosine." : "one_cycle.") + std::to_string(k))) <
            1e-10);
    }
  }
}
