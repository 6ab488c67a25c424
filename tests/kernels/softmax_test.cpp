// Rows of logits that lie far apart: each is measured by its own maximum, as if it were alone.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "unfold/kernels/activation.h"
#include "unfold/kernels/reference/softmax.h"

using namespace unfold;

namespace {

constexpr int64_t kClasses = 3;
const std::vector<float> kRows = {1000, 1001, 1002, 0, 1, 2, -1000, -999, -998};  // 1000 below one another
const std::vector<int32_t> kLabels = {0, 1, 2};

/// Softmax of the logits a, a+1, a+2.
double probability(int c) {
  return std::exp(c) / (1 + std::exp(1.0) + std::exp(2.0));
}

template <class Softmax>
void each_row_sums_to_one(Softmax softmax) {
  std::vector<float> y(kRows.size());
  softmax(3, kClasses, kRows.data(), y.data());
  for (size_t i = 0; i < y.size(); ++i) {
    CHECK(std::abs(static_cast<double>(y[i]) - probability(static_cast<int>(i % 3))) <= 1e-6);
  }
}

template <class Loss>
void each_row_has_its_own_loss(Loss cross_entropy_of) {
  std::vector<float> dx(kRows.size());
  std::vector<double> loss(3);
  cross_entropy_of(3, kClasses, kRows.data(), Targets(kLabels.data()), 1.0f, loss.data(), dx.data());
  for (size_t row = 0; row < 3; ++row) {
    CHECK(std::abs(loss[row] + std::log(probability(kLabels[row]))) <= 1e-6);
    for (size_t c = 0; c < 3; ++c) {
      const double want = probability(static_cast<int>(c)) - (c == kLabels[row] ? 1 : 0);
      CHECK(std::abs(static_cast<double>(dx[row * 3 + c]) - want) <= 1e-6);
    }
  }
}

}  // namespace

TEST_CASE("softmax: a row 1000 below another loses nothing") {
  each_row_sums_to_one(softmax_forward);
  each_row_sums_to_one(reference::softmax_forward<float>);
}

TEST_CASE("cross-entropy: a row 1000 below another has its own loss and gradient") {
  each_row_has_its_own_loss(cross_entropy);
  each_row_has_its_own_loss(reference::cross_entropy<float>);
}
