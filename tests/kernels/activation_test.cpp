// The vector functions against the C++ library in double, over the whole range of float.
#include "unfold/kernels/activation.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/targets.h"
#include "unfold/kernels/reference/activation.h"
#include "unfold/kernels/reference/softmax.h"
#include "unfold/random.h"

using namespace unfold;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// Distance in units of the last place of the exact value; below 2^-126, where results are flushed, in units
/// of 2^-126.
double ulps(float got, double want) {
  if (std::isnan(got)) return kInf;
  if (std::abs(want) < 0x1p-126) return std::abs(static_cast<double>(got) - want) / 0x1p-126;
  int exponent;
  std::frexp(want, &exponent);
  return std::abs(static_cast<double>(got) - want) / std::ldexp(1.0, exponent - 24);
}

/// Largest error of `vector` against `exact` over every `stride`-th float between -limit and limit.
template <class Vector, class Exact>
double worst(Vector vector, Exact exact, float limit, uint32_t stride) {
  std::vector<float> x, y;
  double error = 0;
  const auto flush = [&] {
    y.resize(x.size());
    vector(static_cast<int64_t>(x.size()), x.data(), y.data());
    for (size_t i = 0; i < x.size(); ++i) {
      const double e = ulps(y[i], exact(static_cast<double>(x[i])));
      if (!(e <= error)) error = e;
    }
    x.clear();
  };
  for (uint64_t bits = 0; bits < (uint64_t{1} << 32); bits += stride) {
    const auto v = std::bit_cast<float>(static_cast<uint32_t>(bits));
    if (!(std::abs(v) <= limit)) continue;
    x.push_back(v);
    if (x.size() == 4099) flush();
  }
  flush();
  return error;
}

}  // namespace

TEST_CASE("tanh, sigmoid and exp keep the error their header states, on every target") {
  constexpr uint32_t kStride = 1009;  // a prime: about 4 million floats
  test::on_every_target([](const std::string& target) {
    const double tanh_error = worst([](int64_t n, const float* x, float* y) { tanh_forward(n, x, 1, y); },
                                    [](double x) { return std::tanh(x); }, kInf, kStride);
    const double sigmoid_error = worst([](int64_t n, const float* x, float* y) { sigmoid_forward(n, x, y); },
                                       [](double x) { return 1 / (1 + std::exp(-x)); }, 87, kStride);
    const double exp_error = worst([](int64_t n, const float* x, float* y) { exp_forward(n, x, y); },
                                   [](double x) { return std::exp(x); }, 88.7f, kStride);
    MESSAGE(target << ": ulp tanh " << tanh_error << ", sigmoid " << sigmoid_error << ", exp " << exp_error);
    CHECK(tanh_error <= 5);
    CHECK(sigmoid_error <= 3);
    CHECK(exp_error <= 2);
  });
}

TEST_CASE("special values") {
  const float x[] = {0.0f, -0.0f, kInf, -kInf, kNaN, 100, -100, 1e-40f};
  float y[8];
  tanh_forward(8, x, 1, y);
  CHECK(y[0] == 0);
  CHECK(std::signbit(y[1]));
  CHECK(y[2] == 1);
  CHECK(y[3] == -1);
  CHECK(std::isnan(y[4]));
  CHECK(y[5] == 1);
  CHECK(y[6] == -1);
  sigmoid_forward(8, x, y);
  CHECK(y[0] == 0.5f);
  CHECK(y[2] == 1);
  CHECK(y[3] == 0);
  CHECK(std::isnan(y[4]));
  exp_forward(8, x, y);
  CHECK(y[0] == 1);
  CHECK(y[2] == kInf);
  CHECK(y[3] == 0);
  CHECK(std::isnan(y[4]));
  CHECK(y[5] == kInf);
  CHECK(y[6] == doctest::Approx(0));
}

TEST_CASE("an element does not depend on its place: any split gives the same bits") {
  std::vector<float> x(1003), whole(1003), parts(1003);
  Random random(1, "split");
  for (float& v : x) v = static_cast<float>(3 * random.normal());
  tanh_forward(1003, x.data(), 1.7159f, whole.data());
  for (int64_t at = 0; at < 1003; at += 7) {
    tanh_forward(std::min<int64_t>(7, 1003 - at), x.data() + at, 1.7159f, parts.data() + at);
  }
  CHECK(whole == parts);
}

TEST_CASE("softmax and cross-entropy agree with their naive twins, extreme logits too") {
  Random random(2, "softmax");
  for (const double scale : {1.0, 30.0, 1000.0}) {
    const int64_t n = 50, classes = 10;
    std::vector<float> x(n * classes), y(x.size()), dx(x.size());
    std::vector<double> exact(x.size()), want_dx(x.size()), loss(n), want_loss(n), xd(x.size());
    std::vector<int32_t> label(n);
    for (float& v : x) v = static_cast<float>(scale * random.normal());
    for (int32_t& l : label) l = static_cast<int32_t>(random.below(classes));
    xd.assign(x.begin(), x.end());
    softmax_forward(n, classes, x.data(), y.data());
    reference::softmax_forward(n, classes, xd.data(), exact.data());
    for (size_t i = 0; i < x.size(); ++i) CHECK(std::abs(y[i] - exact[i]) <= 2e-6);
    std::vector<int32_t> other(n);
    std::vector<float> share(n);
    for (int32_t& l : other) l = static_cast<int32_t>(random.below(classes));
    for (float& s : share) s = static_cast<float>(random.uniform());
    Targets mixed(label.data(), 0.1);
    mixed.other = other.data(), mixed.share = share.data();
    for (const Targets& targets : {Targets(label.data()), Targets(label.data(), 0.1), mixed}) {
      reference::cross_entropy(n, classes, xd.data(), targets, 0.02, want_loss.data(), want_dx.data());
      const auto check = [&] {
        for (size_t i = 0; i < x.size(); ++i) CHECK(std::abs(dx[i] - want_dx[i]) <= 2e-6 * 0.02);
        for (size_t r = 0; r < label.size(); ++r)
          CHECK(std::abs(loss[r] - want_loss[r]) <= 1e-5 * std::max(1.0, want_loss[r]));
      };
      cross_entropy(n, classes, x.data(), targets, 0.02f, loss.data(), dx.data());
      check();
      dx = x;  // in place
      cross_entropy(n, classes, dx.data(), targets, 0.02f, loss.data(), dx.data());
      check();
    }
  }
}

TEST_CASE("the gradient of a ReLU is the naive one's, also in place, on every target") {
  test::on_every_target([](const std::string&) {
    Random random(3, "relu");
    for (const int64_t n : {0, 1, 7, 16, 33, 1000}) {
      std::vector<float> y(static_cast<size_t>(n)), dy(y.size()), dx(y.size(), std::nanf("")), want(y.size());
      for (float& v : y) v = static_cast<float>(random.below(3) - 1);
      for (float& v : dy) v = static_cast<float>(random.normal());
      reference::relu_backward(n, y.data(), dy.data(), want.data());
      relu_backward(n, y.data(), dy.data(), dx.data());
      CHECK(dx == want);
      relu_backward(n, y.data(), dy.data(), dy.data());
      CHECK(dy == want);
    }
  });
}
