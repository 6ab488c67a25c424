// The vector kernels of batch normalisation are the reference's in every bit, on every target.
#include "unfold/kernels/batch_norm.h"

#include <doctest/doctest.h>

#include <cstring>

#include "tests/support/nhwc.h"
#include "tests/support/targets.h"
#include "unfold/random.h"

using namespace unfold;
using test::Guarded;

namespace {

std::vector<float> drawn(int64_t n, Random& random) {
  std::vector<float> values(static_cast<size_t>(n));
  for (float& v : values) v = static_cast<float>(3 + random.normal());
  return values;
}

}  // namespace

TEST_CASE("sums and affine maps by channel: the reference's bits, in both orders of the axes") {
  Random random(2, "batch norm");
  for (int i = 0; i < 60; ++i) {
    const ChannelView view{1 + random.below(70), 1 + random.below(40), i % 2 == 0};
    const int64_t n = view.channels * view.pixels;
    CAPTURE(view.channels);
    CAPTURE(view.pixels);
    CAPTURE(view.last);
    const auto x = drawn(n, random), dy = drawn(n, random);
    const auto center = drawn(view.channels, random), scale = drawn(view.channels, random);
    const auto slope = drawn(view.channels, random), shift = drawn(view.channels, random);
    const auto channels = static_cast<size_t>(view.channels), elements = static_cast<size_t>(n);
    std::vector<double> sum(channels), product(channels);
    std::vector<float> y(elements), dx(elements);
    reference::channel_sums(view, dy.data(), x.data(), sum.data(), product.data());
    reference::channel_affine(view, x.data(), center.data(), scale.data(), shift.data(), y.data());
    reference::channel_affine_backward(view, dy.data(), scale.data(), x.data(), center.data(), slope.data(),
                                       shift.data(), dx.data());
    test::on_every_target([&](const std::string& target) {
      CAPTURE(target);
      std::vector<double> got_sum(channels), got_product(channels);
      Guarded got_y(n), got_dx(n);
      channel_sums(view, dy.data(), x.data(), got_sum.data(), got_product.data());
      channel_affine(view, x.data(), center.data(), scale.data(), shift.data(), got_y.data());
      channel_affine_backward(view, dy.data(), scale.data(), x.data(), center.data(), slope.data(),
                              shift.data(), got_dx.data());
      CHECK(got_sum == sum);
      CHECK(got_product == product);
      CHECK(std::memcmp(got_y.data(), y.data(), elements * sizeof(float)) == 0);
      CHECK(std::memcmp(got_dx.data(), dx.data(), elements * sizeof(float)) == 0);
      CHECK(got_y.intact());
      CHECK(got_dx.intact());
    });
  }
}
