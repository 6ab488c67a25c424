#include "unfold/data/preprocess.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "unfold/error.h"

using namespace unfold;

namespace {

/// Bytes without a pattern.
std::vector<uint8_t> some_bytes(int64_t n, uint32_t seed = 1) {
  std::vector<uint8_t> bytes(static_cast<size_t>(n));
  for (uint8_t& b : bytes) {
    seed = seed * 1664525 + 1013904223;
    b = static_cast<uint8_t>(seed >> 24);
  }
  return bytes;
}

template <class T = double>
std::vector<T> run(const Preprocessing& how, const std::vector<uint8_t>& image, int64_t dy = 0,
                   int64_t dx = 0) {
  const auto channels = static_cast<int64_t>(image.size()) / (how.image_h * how.image_w);
  std::vector<T> out(static_cast<size_t>(channels * how.out_h * how.out_w), T{-99});
  preprocess(how, image, out.data(), dy, dx);
  return out;
}

/// The image moved with zeros coming in, by the definition.
std::vector<uint8_t> moved(const std::vector<uint8_t>& image, int64_t h, int64_t w, int64_t dy, int64_t dx) {
  std::vector<uint8_t> out(image.size(), 0);
  for (int64_t y = 0; y < h; ++y) {
    for (int64_t x = 0; x < w; ++x) {
      if (y < dy || x < dx || y - dy >= h || x - dx >= w) continue;
      out[static_cast<size_t>(y * w + x)] = image[static_cast<size_t>((y - dy) * w + x - dx)];
    }
  }
  return out;
}

}  // namespace

TEST_CASE("padding centres the image on value 0, which becomes -mean/std") {
  Preprocessing how;
  how.mean = 0.1307;
  how.std = 0.3081;
  const auto image = some_bytes(28 * 28);
  const auto out = run(how, image);
  for (int64_t y = 0; y < 32; ++y) {
    for (int64_t x = 0; x < 32; ++x) {
      const bool inside = y >= 2 && y < 30 && x >= 2 && x < 30;
      const double v = inside ? image[static_cast<size_t>((y - 2) * 28 + x - 2)] / 255.0 : 0.0;
      CHECK(out[static_cast<size_t>(y * 32 + x)] == (v - 0.1307) / 0.3081);
    }
  }
}

TEST_CASE("padding to a smaller size crops the middle, to an odd one leaves the rest below and right") {
  Preprocessing how{.image_h = 4, .image_w = 4, .out_h = 2, .out_w = 7};
  std::vector<uint8_t> image(16);
  std::iota(image.begin(), image.end(), uint8_t{1});
  const auto out = run(how, image);
  const std::vector<double> bytes{0, 5, 6, 7, 8, 0, 0, 0, 9, 10, 11, 12, 0, 0};
  for (size_t i = 0; i < bytes.size(); ++i) CHECK(out[i] == bytes[i] / 255);
}

TEST_CASE("bilinear gives torch's numbers, larger and smaller") {
  // torch.nn.functional.interpolate(x / 255, size, mode="bilinear", align_corners=False) in float64.
  const std::vector<uint8_t> image{0, 37, 74, 111, 148, 185, 222, 3, 40, 77, 114, 151};
  const std::vector<double> larger{0,
                                   0.072549019607843129,
                                   0.16928104575163397,
                                   0.26601307189542484,
                                   0.36274509803921573,
                                   0.43529411764705883,
                                   0.23215686274509803,
                                   0.30470588235294116,
                                   0.401437908496732,
                                   0.49816993464052289,
                                   0.39411764705882357,
                                   0.26588235294117646,
                                   0.58039215686274515,
                                   0.65294117647058814,
                                   0.74967320261437909,
                                   0.84640522875816993,
                                   0.44117647058823528,
                                   0.011764705882352941,
                                   0.32627450980392164,
                                   0.39882352941176469,
                                   0.49555555555555564,
                                   0.59228758169934648,
                                   0.48823529411764705,
                                   0.35999999999999993,
                                   0.15686274509803921,
                                   0.22941176470588232,
                                   0.32614379084967315,
                                   0.4228758169934641,
                                   0.51960784313725483,
                                   0.59215686274509804};
  const std::vector<double> smaller{0.169281045751634,   0.36274509803921567, 0.34705882352941181,
                                    0.28692810457516338, 0.48039215686274511, 0.46470588235294119};
  const auto close = [&](int64_t h, int64_t w, const std::vector<double>& wanted) {
    const auto out =
        run({.image_h = 3, .image_w = 4, .fit = Preprocessing::Fit::bilinear, .out_h = h, .out_w = w}, image);
    REQUIRE(out.size() == wanted.size());
    for (size_t i = 0; i < out.size(); ++i) CHECK(std::abs(out[i] - wanted[i]) <= 1e-15);
  };
  close(5, 6, larger);
  close(2, 3, smaller);
}

TEST_CASE("bilinear to the same size changes nothing, and wide images are cut into blocks unseen") {
  const auto image = some_bytes(5 * 200);
  const auto same = run(
      {.image_h = 5, .image_w = 200, .fit = Preprocessing::Fit::bilinear, .out_h = 5, .out_w = 200}, image);
  for (size_t i = 0; i < image.size(); ++i) CHECK(same[i] == image[i] / 255.0);
}

TEST_CASE("a shift moves the image before it is fitted, zeros come in") {
  const auto image = some_bytes(6 * 5);
  for (auto fit : {Preprocessing::Fit::pad, Preprocessing::Fit::bilinear}) {
    for (int64_t side : {4, 7, 8}) {
      const Preprocessing how{
          .image_h = 6, .image_w = 5, .fit = fit, .out_h = side, .out_w = side + 1, .mean = 0.3, .std = 0.5};
      for (int64_t dy = -7; dy <= 7; ++dy) {
        for (int64_t dx = -7; dx <= 7; ++dx)
          CHECK(run(how, image, dy, dx) == run(how, moved(image, 6, 5, dy, dx)));
      }
    }
  }
}

TEST_CASE("float is double rounded, and channels follow each other") {
  for (auto fit : {Preprocessing::Fit::pad, Preprocessing::Fit::bilinear}) {
    const Preprocessing how{.fit = fit, .mean = 0.1, .std = 0.3};
    const auto image = some_bytes(3 * 28 * 28);
    const auto exact = run<double>(how, image);
    const auto single = run<float>(how, image);
    for (size_t i = 0; i < exact.size(); ++i) CHECK(std::abs(single[i] - exact[i]) <= 2e-6);
    const std::vector<uint8_t> last(image.end() - 28 * 28, image.end());
    const auto alone = run<double>(how, last);
    CHECK(std::equal(alone.begin(), alone.end(), exact.end() - 32 * 32));
  }
}

TEST_CASE("mean and standard deviation are those of the fitted pixels, padding too") {
  Dataset data{"bytes", {1, 28, 28}, some_bytes(5 * 28 * 28), std::vector<int32_t>(5, 0), {"0"}};
  for (auto fit : {Preprocessing::Fit::pad, Preprocessing::Fit::bilinear}) {
    Preprocessing how{.fit = fit, .mean = 7, .std = 9};  // not used
    const auto [mean, std] = mean_std(data, 1, 3, how);
    how.mean = mean;
    how.std = std;
    double sum = 0, squares = 0;
    for (int64_t i = 1; i < 4; ++i) {
      const auto image = data.at(i);
      for (double v : run(how, {image.begin(), image.end()})) sum += v, squares += v * v;
    }
    CHECK(std::abs(sum / (3 * 1024)) <= 1e-12);
    CHECK(std::abs(squares / (3 * 1024) - 1) <= 1e-12);
    CHECK(mean_std(data, 1, 3, how) == std::pair{mean, std});
    ThreadPool pool(2);
    CHECK(mean_std(data, 1, 3, how, &pool) == std::pair{mean, std});
  }
  CHECK_THROWS_AS(mean_std(data, 3, 3, {}), Error);
  CHECK_THROWS_AS(mean_std(data, 0, 0, {}), Error);
  CHECK_THROWS_AS(mean_std(data, -1, 2, {}), Error);
}

TEST_CASE("values from a file that make no sense are refused as a bad model") {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  CHECK_NOTHROW(Preprocessing{}.check("m", 1));
  for (const Preprocessing& how :
       {Preprocessing{.image_h = 0}, Preprocessing{.image_w = -1}, Preprocessing{.out_h = 4097},
        Preprocessing{.out_w = 0}, Preprocessing{.mean = nan}, Preprocessing{.mean = inf},
        Preprocessing{.std = 0}, Preprocessing{.std = -1}, Preprocessing{.std = nan},
        Preprocessing{.std = inf}}) {
    try {
      how.check("model.safetensors", 1);
      FAIL("not refused");
    } catch (const Error& e) {
      CHECK(e.kind() == ErrorKind::model);
      CHECK(std::string(e.what()).starts_with("model.safetensors: "));
    }
  }
}

TEST_CASE("an image of another size is refused") {
  std::vector<float> out(32 * 32);
  CHECK_THROWS_AS(preprocess({}, some_bytes(28 * 27), out.data()), Error);
  CHECK_THROWS_AS(preprocess({}, std::span<const uint8_t>{}, out.data()), Error);
}
