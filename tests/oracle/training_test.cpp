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
      for (int64_t s = 0; s < steps; ++s) rates.push_back(schedule.at(s, 1, steps));
      CHECK(oracle::relative_error(rates, values((cosine ? "cosine." : "one_cycle.") + std::to_string(k))) <
            1e-10);
    }
  }
}

TEST_CASE("step schedules and warm-ups give the rates of PyTorch's schedulers together") {
  const oracle::Values values("training");
  const Tensor& cases = values.tensor("schedules");
  const int64_t width = cases.shape()[1];
  constexpr Schedule::Kind kKinds[] = {Schedule::Kind::constant, Schedule::Kind::cosine,
                                       Schedule::Kind::one_cycle, Schedule::Kind::step};
  for (int64_t k = 0; k < cases.shape()[0]; ++k) {
    CAPTURE(k);
    const double* row = cases.data<double>() + k * width;
    Schedule schedule{kKinds[static_cast<int>(row[0])], row[1]};
    const auto steps = static_cast<int64_t>(row[2]), epochs = static_cast<int64_t>(row[3]);
    schedule.warmup = row[4];
    schedule.gamma = row[5];
    schedule.step_size = static_cast<int64_t>(row[6]);
    for (int64_t m = 7; m < width; ++m) {
      if (row[m] > 0) schedule.milestones.push_back(static_cast<int64_t>(row[m]));
    }
    CHECK_NOTHROW(schedule.check(epochs));
    std::vector<double> rates;
    for (int64_t s = 0; s < steps * epochs; ++s) rates.push_back(schedule.at(s, steps, epochs));
    CHECK(oracle::relative_error(rates, values("rates." + std::to_string(k))) < 1e-10);
  }
}

TEST_CASE("schedules that cannot be are refused, and so is what a schedule would ignore") {
  const auto refused = [](const Schedule& schedule, int64_t epochs = 10) {
    CHECK_THROWS_AS(schedule.check(epochs), Error);
  };
  const auto with = [](Schedule::Kind kind, double warmup, double gamma, int64_t size,
                       std::vector<int64_t> milestones) {
    return Schedule{kind, 0.1, warmup, gamma, size, std::move(milestones)};
  };
  using Kind = Schedule::Kind;
  refused({Kind::constant, 0});
  refused({Kind::constant, std::nan("")});
  refused(with(Kind::cosine, 10, 0.1, 0, {}));
  refused(with(Kind::cosine, -1, 0.1, 0, {}));
  refused(with(Kind::cosine, 0, 0.1, 3, {}));
  refused(with(Kind::constant, 0, 0.1, 0, {3}));
  refused(with(Kind::step, 0, 0.1, 0, {}));
  refused(with(Kind::step, 0, 0.1, 3, {3}));
  refused(with(Kind::step, 0, 0, 3, {}));
  refused(with(Kind::step, 0, 0.1, -1, {}));
  refused(with(Kind::step, 0, 0.1, 0, {3, 3}));
  refused(with(Kind::step, 0, 0.1, 0, {0, 3}));
  CHECK_NOTHROW(with(Kind::step, 1, 0.1, 0, {3, 20}).check(10));
}
