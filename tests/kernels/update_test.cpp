// The vector optimizer steps against their plain loops: the same bits, on every SIMD target.
#include "unfold/kernels/update.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "tests/support/targets.h"
#include "unfold/random.h"

using namespace unfold;

namespace {

std::vector<float> normal(size_t n, const char* stream, bool positive = false) {
  Random random(1, stream);
  std::vector<float> values(n);
  for (float& v : values) v = static_cast<float>(positive ? std::abs(random.normal()) : random.normal());
  return values;
}

}  // namespace

TEST_CASE("SGD and Adam: every target gives the plain loop's bits, and writes nothing behind the range") {
  const SgdStep sgd{0.05f, 0.9f, 1e-4f};
  const AdamStep adam{3e-3f, 1.7f, 1e-8f, 1e-4f, 0.1f, 0.999f, 0.001f};
  for (const size_t n : {1, 7, 16, 61, 1000}) {
    const auto g = normal(n + 1, "g"), p0 = normal(n + 1, "p"), m0 = normal(n + 1, "m"),
               v0 = normal(n + 1, "v", true);
    auto p1 = p0, m1 = m0, p2 = p0, m2 = m0, v2 = v0;
    for (size_t i = 0; i < n; ++i) {
      m1[i] = sgd.momentum * m1[i] + (g[i] + sgd.decay * p1[i]);
      p1[i] -= sgd.rate * m1[i];
      const float gradient = g[i] + adam.decay * p2[i];
      m2[i] += adam.keep1 * (gradient - m2[i]);
      v2[i] = adam.beta2 * v2[i] + adam.keep2 * gradient * gradient;
      p2[i] -= adam.rate * m2[i] / (std::sqrt(v2[i]) * adam.root + adam.epsilon);
    }
    // With Nesterov's momentum, and AdamW: from the same moments.
    SgdStep nesterov = sgd;
    nesterov.nesterov = true;
    AdamStep adamw = adam;
    adamw.shrink = 0.99f;
    auto p3 = p0, p4 = p0;
    for (size_t i = 0; i < n; ++i) {
      p3[i] -= sgd.rate * (g[i] + sgd.decay * p0[i] + sgd.momentum * m1[i]);
      p4[i] = 0.99f * p0[i] - adam.rate * m2[i] / (std::sqrt(v2[i]) * adam.root + adam.epsilon);
    }
    test::on_every_target([&](const std::string& target) {
      CAPTURE(target);
      CAPTURE(n);
      auto p = p0, m = m0, v = v0;
      sgd_update(static_cast<int64_t>(n), sgd, g.data(), p.data(), m.data());
      CHECK(p == p1);
      CHECK(m == m1);
      p = p0, m = m0;
      adam_update(static_cast<int64_t>(n), adam, g.data(), p.data(), m.data(), v.data());
      CHECK(p == p2);
      CHECK(m == m2);
      CHECK(v == v2);
      p = p0, m = m0;
      sgd_update(static_cast<int64_t>(n), nesterov, g.data(), p.data(), m.data());
      CHECK(p == p3);
      CHECK(m == m1);
      p = p0, m = m0, v = v0;
      adam_update(static_cast<int64_t>(n), adamw, g.data(), p.data(), m.data(), v.data());
      CHECK(p == p4);
      CHECK(m == m2);
    });
  }
}

TEST_CASE("one NaN or infinity is found wherever it stands") {
  test::on_every_target([](const std::string& target) {
    CAPTURE(target);
    auto x = normal(100, "x");
    CHECK(all_finite(100, x.data()));
    CHECK(all_finite(0, x.data()));
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity()}) {
      for (size_t at = 0; at < x.size(); ++at) {
        const float good = x[at];
        x[at] = bad;
        CHECK(!all_finite(100, x.data()));
        x[at] = good;
      }
    }
    x.assign(100, 3e38f);  // their sum is infinite, they are not
    CHECK(all_finite(100, x.data()));
  });
}
