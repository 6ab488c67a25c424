// Linear, activations, softmax and cross-entropy against PyTorch's float64 results.
#include <doctest/doctest.h>

#include <cmath>
#include <numeric>
#include <string>

#include "tests/oracle/oracle.h"
#include "unfold/kernels/activation.h"
#include "unfold/kernels/linear.h"
#include "unfold/kernels/reference/activation.h"
#include "unfold/kernels/reference/linear.h"
#include "unfold/kernels/reference/softmax.h"
#include "unfold/tensor.h"

using namespace unfold;
using oracle::as;
using oracle::magnitudes;
using oracle::relative_error;

namespace {

template <class T>
struct Linear {
  std::vector<T> y, dx, dw, db;
  Linear(int64_t n, int64_t in, int64_t out)
      : y(static_cast<size_t>(n * out)),
        dx(static_cast<size_t>(n * in)),
        dw(static_cast<size_t>(in * out)),
        db(static_cast<size_t>(out)) {}
};

template <class T>
Linear<T> naive_linear(int64_t n, int64_t in, int64_t out, const std::vector<T>& x, const std::vector<T>& w,
                       const std::vector<T>& b, const std::vector<T>& dy) {
  Linear<T> got(n, in, out);
  reference::linear_forward(n, in, out, x.data(), w.data(), b.data(), got.y.data());
  reference::linear_backward_data(n, in, out, w.data(), dy.data(), got.dx.data());
  reference::linear_backward_weights(n, in, out, 0, out, x.data(), dy.data(), got.dw.data(), got.db.data());
  return got;
}

Linear<float> fast_linear(int64_t n, int64_t in, int64_t out, const std::vector<float>& x,
                          const std::vector<float>& w, const std::vector<float>& b,
                          const std::vector<float>& dy) {
  Linear<float> got(n, in, out);
  Buffer buffer(static_cast<size_t>(linear_scratch(n, in, out)) * sizeof(float));
  auto* scratch = reinterpret_cast<float*>(buffer.data());
  linear_forward(n, in, out, 0, out, x.data(), w.data(), b.data(), got.y.data(), scratch);
  linear_backward_data(n, in, out, 0, in, w.data(), dy.data(), got.dx.data(), scratch);
  linear_backward_weights(n, in, out, 0, out, x.data(), dy.data(), false, got.dw.data(), got.db.data(),
                          scratch);
  return got;
}

/// Forward and backward of one activation in one precision, with the recorded inputs.
template <class T, class Forward, class Backward>
void check_activation(const oracle::Values& values, const std::string& name, double tolerance,
                      Forward forward, Backward backward) {
  CAPTURE(name);
  const auto x = as<T>(values("activation.x"));
  const auto dy = as<T>(oracle::numbers(static_cast<int64_t>(x.size()), 3501));
  const auto n = static_cast<int64_t>(x.size());
  std::vector<T> y(x.size()), dx(x.size());
  forward(n, x.data(), y.data());
  backward(n, y.data(), dy.data(), dx.data());
  CHECK(relative_error(y, values(name + ".y")) < tolerance);
  CHECK(relative_error(dx, values(name + ".dx")) < tolerance);
}

template <class T>
void check_activations(double tolerance) {
  const oracle::Values values("pointwise");
  for (const bool scaled : {false, true}) {
    const T scale = scaled ? T(1.7159) : T(1);
    check_activation<T>(
        values, scaled ? "scaled_tanh" : "tanh", tolerance,
        [=](int64_t n, const T* x, T* y) { reference::tanh_forward(n, x, scale, y); },
        [=](int64_t n, const T* y, const T* dy, T* dx) { reference::tanh_backward(n, y, dy, scale, dx); });
  }
  check_activation<T>(values, "sigmoid", tolerance, reference::sigmoid_forward<T>,
                      reference::sigmoid_backward<T>);
  check_activation<T>(values, "relu", tolerance, reference::relu_forward<T>, reference::relu_backward<T>);
}

// A saturated derivative, 1 - tanh(x)^2, keeps only its absolute precision; relative_error's floor of a
// thousandth of the largest value turns one ulp of float into 1.2e-4.
constexpr double kFloat = 4 * 1.2e-4;

}  // namespace

TEST_CASE("the fully connected layer agrees with PyTorch, in double and in both float engines") {
  const oracle::Values values("pointwise");
  for (int64_t k = 0; k < values.rows("linear"); ++k) {
    CAPTURE(k);
    const int64_t n = values.row("linear", k)[0], in = values.row("linear", k)[1],
                  out = values.row("linear", k)[2];
    const std::string name = "linear." + std::to_string(k) + ".";
    const auto x = oracle::numbers(n * in, 3000 + 4 * k), w = oracle::numbers(in * out, 3001 + 4 * k);
    const auto b = oracle::numbers(out, 3002 + 4 * k), dy = oracle::numbers(n * out, 3003 + 4 * k);
    const auto got = naive_linear(n, in, out, x, w, b, dy);
    CHECK(relative_error(got.y, values(name + "y")) < 1e-10);
    CHECK(relative_error(got.dx, values(name + "dx")) < 1e-10);
    CHECK(relative_error(got.dw, values(name + "dw")) < 1e-10);
    CHECK(relative_error(got.db, values(name + "db")) < 1e-10);

    const auto scale = naive_linear(n, in, out, magnitudes(x), magnitudes(w), magnitudes(b), magnitudes(dy));
    const auto x32 = as<float>(x), w32 = as<float>(w), b32 = as<float>(b), dy32 = as<float>(dy);
    for (const bool naive : {true, false}) {
      CAPTURE(naive);
      const auto got32 = naive ? naive_linear(n, in, out, x32, w32, b32, dy32)
                               : fast_linear(n, in, out, x32, w32, b32, dy32);
      CHECK(oracle::float_excess(got32.y, values(name + "y"), scale.y, in + 1) <= 1);
      CHECK(oracle::float_excess(got32.dx, values(name + "dx"), scale.dx, out) <= 1);
      CHECK(oracle::float_excess(got32.dw, values(name + "dw"), scale.dw, n) <= 1);
      CHECK(oracle::float_excess(got32.db, values(name + "db"), scale.db, n) <= 1);
    }
  }
}

TEST_CASE("tanh, the article's 1.7159 tanh, sigmoid and relu agree with PyTorch in double") {
  check_activations<double>(1e-10);
}

TEST_CASE("the same activations in float keep float's precision") {
  check_activations<float>(kFloat);
}

TEST_CASE("the vector activations keep float's precision") {
  const oracle::Values values("pointwise");
  for (const bool scaled : {false, true}) {
    const float scale = scaled ? 1.7159F : 1.0F;
    check_activation<float>(
        values, scaled ? "scaled_tanh" : "tanh", kFloat,
        [=](int64_t n, const float* x, float* y) { tanh_forward(n, x, scale, y); },
        [=](int64_t n, const float* y, const float* dy, float* dx) { tanh_backward(n, y, dy, scale, dx); });
  }
  check_activation<float>(values, "sigmoid", kFloat, sigmoid_forward, reference::sigmoid_backward<float>);
}

TEST_CASE("softmax and the mean cross-entropy agree with PyTorch, logits of +-1000 included") {
  const oracle::Values values("pointwise");
  for (int64_t k = 0; k < values.rows("softmax"); ++k) {
    CAPTURE(k);
    const auto row = values.row("softmax", k);
    const int64_t n = row[0], classes = row[1];
    const std::string at = "." + std::to_string(k) + ".";
    auto x = oracle::numbers(n * classes, 4000 + 3 * k);
    for (double& v : x) v *= static_cast<double>(row[2]);
    const auto dy = oracle::numbers(n * classes, 4001 + 3 * k), draw = oracle::numbers(n, 4002 + 3 * k);
    std::vector<int32_t> label(draw.size());
    for (size_t i = 0; i < label.size(); ++i) {
      label[i] = static_cast<int32_t>((draw[i] + 1) / 2 * static_cast<double>(classes));
    }
    std::vector<double> y(x.size()), dx(x.size()), loss(label.size());
    reference::softmax_forward(n, classes, x.data(), y.data());
    CHECK(relative_error(y, values("softmax" + at + "y")) < 1e-10);
    reference::softmax_backward(n, classes, y.data(), dy.data(), dx.data());
    CHECK(relative_error(dx, values("softmax" + at + "dx")) < 1e-10);

    // In float the logits themselves round by 2^-24 of their size, which the exponential multiplies.
    const double tolerance = kFloat * std::max(1.0, static_cast<double>(row[2]));
    const auto x32 = as<float>(x);
    std::vector<float> y32(x.size()), dx32(x.size());
    softmax_forward(n, classes, x32.data(), y32.data());
    CHECK(relative_error(y32, values("softmax" + at + "y")) < tolerance);
    const auto draw_share = oracle::numbers(n, 4500 + k);
    std::vector<int32_t> other(label.size());
    std::vector<float> share(label.size());
    for (size_t i = 0; i < label.size(); ++i) {
      other[i] = static_cast<int32_t>((3 * label[i] + 1) % classes);
      share[i] = static_cast<float>((draw_share[i] + 1) / 2);
    }
    const auto targets = [&](bool mixed, double smoothing) {
      Targets t(label.data(), smoothing);
      if (mixed) t.other = other.data(), t.share = share.data();
      return t;
    };
    for (const auto& [name, which] : {std::pair{"cross_entropy", targets(false, 0)},
                                      {"smoothed", targets(false, 0.1)},
                                      {"much_smoothed", targets(false, 0.75)},
                                      {"mixed", targets(true, 0)},
                                      {"mixed_smoothed", targets(true, 0.1)}}) {
      CAPTURE(name);
      const auto mean = [&] {
        return std::vector{std::accumulate(loss.begin(), loss.end(), 0.0) / static_cast<double>(n)};
      };
      reference::cross_entropy(n, classes, x.data(), which, 1 / static_cast<double>(n), loss.data(),
                               dx.data());
      CHECK(relative_error(mean(), values(name + at + "loss")) < 1e-10);
      CHECK(relative_error(dx, values(name + at + "dx")) < 1e-10);
      cross_entropy(n, classes, x32.data(), which, 1 / static_cast<float>(n), loss.data(), dx32.data());
      CHECK(relative_error(mean(), values(name + at + "loss")) < tolerance);
      CHECK(relative_error(dx32, values(name + at + "dx")) < tolerance);
    }
  }

  const int32_t label[] = {0, 0, 1, 2};
  const auto x = values("extreme.x");
  std::vector<double> loss(4), dx(x.size());
  reference::cross_entropy(4, 3, x.data(), label, 0.25, loss.data(), dx.data());
  CHECK(relative_error(dx, values("extreme.dx")) < 1e-10);
  CHECK(std::accumulate(loss.begin(), loss.end(), 0.0) / 4 ==
        doctest::Approx(values("extreme.loss")[0]).epsilon(1e-12));
}
