// im2col and col2im against torch's Unfold and Fold.
#include <doctest/doctest.h>

#include <string>

#include "tests/oracle/oracle.h"
#include "unfold/im2col.h"

using namespace unfold;

TEST_CASE("each image's columns are torch's Unfold of it") {
  const oracle::Values values("unfold");
  for (int64_t k = 0; k < values.rows("unfold"); ++k) {
    CAPTURE(k);
    const Conv2dShape s = values.geometry("unfold", k);
    const Tensor x = Tensor::from<double>(s.x_shape(), oracle::numbers(s.x_shape().elements(), 6000 + 2 * k));
    const Tensor columns = im2col(x, s.window);
    const Tensor& want = values.tensor("unfold." + std::to_string(k) + ".columns");  // (N, IC*KH*KW, OH*OW)
    CHECK(split_images(columns, s.n).shape() == want.shape());
    CHECK(oracle::equal(split_images(columns, s.n).span<double>(), want.span<double>()));
    const auto size = static_cast<size_t>(s.columns());
    for (int64_t n = 0; n < s.n; ++n) {
      CHECK(oracle::equal(image_columns(columns, n, s.n).span<double>(),
                          want.span<double>().subspan(static_cast<size_t>(n) * size, size)));
    }
  }
}

TEST_CASE("col2im is torch's Fold, and folds ones to the number of windows over each pixel") {
  const oracle::Values values("unfold");
  for (int64_t k = 0; k < values.rows("unfold"); ++k) {
    CAPTURE(k);
    const std::string name = "unfold." + std::to_string(k) + ".";
    const Conv2dShape s = values.geometry("unfold", k);
    const int64_t patch = s.ic * s.window.taps();
    const Tensor drawn =
        Tensor::from<double>({s.n, patch, s.pixels()}, oracle::numbers(s.n * s.columns(), 6001 + 2 * k));
    const Tensor image = col2im(join_images(drawn), s.x_shape(), s.window);
    CHECK(image.shape() == values.tensor(name + "image").shape());
    CHECK(oracle::relative_error(std::span<const double>(image.span<double>()), values(name + "image")) <
          1e-10);

    Tensor ones = Tensor::zeros<double>({patch, s.n * s.pixels()});
    for (double& v : ones.span<double>()) v = 1;
    const Tensor overlap = col2im(ones, s.x_shape(), s.window);
    const auto want = values.operator()<int32_t>(name + "overlap");  // (IH, IW), the same for every channel
    for (int64_t c = 0; c < s.n * s.ic; ++c) {
      CHECK(oracle::equal(overlap.span<double>().subspan(static_cast<size_t>(c) * want.size(), want.size()),
                          want));
    }
  }
}
