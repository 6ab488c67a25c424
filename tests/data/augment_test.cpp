#include "unfold/data/augment.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include "unfold/data/augment_draws.h"
#include "unfold/data/epoch_images.h"
#include "unfold/threads.h"

using namespace unfold;

namespace {

const Shape kShape{2, 5, 7};

std::vector<float> image() {
  std::vector<float> x(static_cast<size_t>(kShape.elements()));
  std::iota(x.begin(), x.end(), 1.0f);
  return x;
}

std::vector<uint8_t> picture(int64_t bytes) {
  std::vector<uint8_t> x(static_cast<size_t>(bytes));
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<uint8_t>(i * 37 % 251);
  return x;
}

/// Everything there is.
const char* const kAll =
    "flip,vflip,crop:3,resizedcrop:0.3-1,affine:20:0.1:0.8-1.2:10,elastic:40:3,jitter:0.4:0.3:0.2:0.1,cutout:"
    "3,erase";

/// Mean and variance of n numbers.
struct Moments {
  double mean = 0, variance = 0;
};
Moments moments(int n, const std::function<double(uint64_t)>& value) {
  double sum = 0, squares = 0;
  for (int i = 0; i < n; ++i) {
    const double v = value(static_cast<uint64_t>(i));
    sum += v, squares += v * v;
  }
  return {sum / n, squares / n - sum / n * sum / n};
}
/// Two means of n draws each that are the same but for chance: five standard deviations.
bool alike(const Moments& a, const Moments& b, int n) {
  return std::abs(a.mean - b.mean) <= 5 * std::sqrt((a.variance + b.variance) / n) + 1e-12 &&
         std::abs(std::sqrt(a.variance) - std::sqrt(b.variance)) <= 0.1 * std::sqrt(b.variance) + 1e-12;
}

constexpr int kDraws = 4000;

}  // namespace

TEST_CASE("flip: half of the images, each row turned round, the same for the same sample") {
  const Augmentation how{.flip = true};
  int flipped = 0;
  for (uint64_t sample = 0; sample < 400; ++sample) {
    std::vector<float> x = image(), again = x, mirrored = x;
    augment_input(how, kShape, {3, 1, sample}, x.data());
    augment_input(how, kShape, {3, 1, sample}, again.data());
    CHECK(x == again);
    for (int64_t row = 0; row < 10; ++row)
      std::reverse(mirrored.begin() + row * 7, mirrored.begin() + (row + 1) * 7);
    CHECK((x == image() || x == mirrored));
    flipped += x == mirrored;
  }
  CHECK(flipped > 150);  // five standard deviations
  CHECK(flipped < 250);
}

TEST_CASE("vflip: half of the images, their rows in the other order") {
  int flipped = 0;
  for (uint64_t sample = 0; sample < 400; ++sample) {
    std::vector<float> x = image(), mirrored = x;
    augment_input({.vflip = true}, kShape, {3, 1, sample}, x.data());
    for (int64_t i = 0; i < 70; ++i)
      mirrored[static_cast<size_t>(i)] = static_cast<float>(i / 35 * 35 + (4 - i / 7 % 5) * 7 + i % 7 + 1);
    CHECK((x == image() || x == mirrored));
    flipped += x == mirrored;
  }
  CHECK(flipped > 150);
  CHECK(flipped < 250);
}

TEST_CASE("cutout: one square of zeros around a pixel, the same in all channels; every pixel is hit") {
  const Augmentation how{.cutout = 3};
  std::vector<int> hit(35);
  for (uint64_t sample = 0; sample < 500; ++sample) {
    std::vector<float> x = image();
    augment_input(how, kShape, {3, 1, sample}, x.data());
    int64_t y0 = 9, y1 = -1, x0 = 9, x1 = -1, zeros = 0;
    for (int64_t i = 0; i < 35; ++i) {
      const bool zero = x[static_cast<size_t>(i)] == 0;
      CHECK(zero == (x[static_cast<size_t>(35 + i)] == 0));
      if (!zero) {
        CHECK(x[static_cast<size_t>(i)] == static_cast<float>(i + 1));
        continue;
      }
      ++zeros;
      ++hit[static_cast<size_t>(i)];
      y0 = std::min(y0, i / 7), y1 = std::max(y1, i / 7);
      x0 = std::min(x0, i % 7), x1 = std::max(x1, i % 7);
    }
    CHECK(zeros == (y1 - y0 + 1) * (x1 - x0 + 1));                   // a rectangle
    CHECK((y1 - y0 == 2 || ((y0 == 0 || y1 == 4) && y1 - y0 < 2)));  // smaller at the edge only
    CHECK((x1 - x0 == 2 || ((x0 == 0 || x1 == 6) && x1 - x0 < 2)));
  }
  CHECK(std::all_of(hit.begin(), hit.end(), [](int n) { return n > 0; }));
}

TEST_CASE("another seed, epoch or sample draws anew, of every augmentation") {
  const Preprocessing plain{.image_h = 12, .image_w = 12, .out_h = 12, .out_w = 12};
  const std::vector<uint8_t> pixels = picture(3 * 144);
  for (const char* text : {"flip,cutout:2", "vflip,crop:3", "resizedcrop", "affine:40", "elastic",
                           "jitter:0.5", "jitter:0:0:0:0.3", "erase:1", kAll}) {
    CAPTURE(text);
    const auto one = [&](uint64_t seed, uint64_t epoch, uint64_t sample) {
      std::vector<float> x(432);
      augmented_input(augmentation_from(text), plain, pixels, {seed, epoch, sample}, x.data());
      return x;
    };
    CHECK(one(5, 6, 7) == one(5, 6, 7));
    int seeds = 0, epochs = 0, samples = 0;
    for (uint64_t i = 0; i < 50; ++i) {
      seeds += one(i, 0, 0) != one(i + 1, 0, 0);
      epochs += one(0, i, 0) != one(0, i + 1, 0);
      samples += one(0, 0, i) != one(0, 0, i + 1);
    }
    CHECK(std::min({seeds, epochs, samples}) > 25);
  }
}

TEST_CASE("the same bits from any number of threads, whatever they did before") {
  const Augmentation how = augmentation_from(kAll);
  const Preprocessing fit{
      .image_h = 12, .image_w = 14, .fit = Preprocessing::Fit::bilinear, .out_h = 16, .out_w = 16};
  const std::vector<uint8_t> pixels = picture(3 * 12 * 14);
  const auto all = [&](int threads) {
    ThreadPool pool(threads);
    std::vector<float> x(40 * 768);
    pool.run(40, [&](int64_t i, int) {
      augmented_input(how, fit, pixels, {1, 2, static_cast<uint64_t>(i)}, x.data() + i * 768);
    });
    return x;
  };
  const std::vector<float> one = all(1);
  CHECK(all(2) == one);
  CHECK(all(7) == one);
}

TEST_CASE("bytes are rounded once, values that are nothing are left alone") {
  const std::vector<uint8_t> pixels = picture(70);
  std::vector<uint8_t> out(70);
  for (const char* same :
       {"none", "flip", "affine:0", "elastic:0", "resizedcrop:1-1:1.4-1.4", "jitter:0:0:0:0"}) {
    CAPTURE(same);
    augment_bytes(augmentation_from(same), kShape, {1, 2, 3}, pixels.data(), out.data());
    CHECK(out == pixels);
  }
  // Only half as bright or as bright: a factor of 0.5 to 1.5, cut off at 255.
  bool dark = false, bright = false;
  for (uint64_t sample = 0; sample < 20; ++sample) {
    const double factor = draw::jitter({.brightness = 0.5}, {1, 2, sample}).factors[0];
    augment_bytes({.jitter = Augmentation::Jitter{.brightness = 0.5}}, kShape, {1, 2, sample}, pixels.data(),
                  out.data());
    for (size_t i = 0; i < 70; ++i)
      CHECK(std::abs(out[i] - std::min(255.0, factor * pixels[i])) <= 0.5 + 1e-4);
    dark = dark || factor < 0.8;
    bright = bright || factor > 1.2;
  }
  CHECK(dark);
  CHECK(bright);
}

TEST_CASE("crop is RandomCrop with padding: black comes in before the mean is taken off") {
  const Preprocessing how{.image_h = 5, .image_w = 7, .out_h = 5, .out_w = 7, .mean = 0.25, .std = 0.5};
  const std::vector<uint8_t> pixels = picture(70);
  std::set<std::pair<int64_t, int64_t>> moves;
  for (uint64_t sample = 0; sample < 200; ++sample) {
    std::vector<float> x(70);
    augmented_input({.crop = 2}, how, pixels, {1, 0, sample}, x.data());
    const auto [dy, dx] = draw::crop(2, {1, 0, sample});
    moves.insert({dy, dx});
    for (int64_t i = 0; i < 70; ++i) {
      const int64_t y = i / 7 % 5 - dy, column = i % 7 - dx;
      const bool inside = y >= 0 && y < 5 && column >= 0 && column < 7;
      const double v = inside ? pixels[static_cast<size_t>(i / 35 * 35 + y * 7 + column)] / 255.0 : 0;
      CHECK(static_cast<double>(x[static_cast<size_t>(i)]) ==
            doctest::Approx((v - 0.25) / 0.5).epsilon(1e-5));
    }
  }
  CHECK(moves.size() == 25);
  CHECK(moves.begin()->first == -2);
  CHECK(moves.rbegin()->first == 2);
}

TEST_CASE("resized crops are drawn as torchvision's") {
  std::mt19937_64 engine(1);
  const auto uniform = [&](double low, double high) {
    return std::uniform_real_distribution(low, high)(engine);
  };
  for (const auto& [h, w, scale, ratio] :
       {std::tuple<int, int, Augmentation::Range, Augmentation::Range>{32, 32, {0.08, 1}, {0.75, 4.0 / 3}},
        {20, 50, {0.5, 1}, {0.9, 1.1}},  // rarely fits: mostly the middle
        {50, 20, {0.2, 0.4}, {0.5, 2}}}) {
    std::vector<std::array<double, 4>> ours, theirs;
    for (int i = 0; i < kDraws; ++i) {
      const draw::Part p = draw::resized_crop({scale, ratio}, h, w, {9, 1, static_cast<uint64_t>(i)});
      CHECK((p.h >= 1 && p.w >= 1 && p.top >= 0 && p.left >= 0 && p.top + p.h <= h && p.left + p.w <= w));
      ours.push_back({static_cast<double>(p.top), static_cast<double>(p.left), static_cast<double>(p.h),
                      static_cast<double>(p.w)});
      int top = -1, left = -1, ph = 0, pw = 0;  // RandomResizedCrop.get_params, word by word
      for (int k = 0; k < 10 && top < 0; ++k) {
        const double area = h * w * uniform(scale.low, scale.high);
        const double aspect = std::exp(uniform(std::log(ratio.low), std::log(ratio.high)));
        pw = static_cast<int>(std::lround(std::sqrt(area * aspect)));
        ph = static_cast<int>(std::lround(std::sqrt(area / aspect)));
        if (0 < pw && pw <= w && 0 < ph && ph <= h) {
          top = std::uniform_int_distribution(0, h - ph)(engine);
          left = std::uniform_int_distribution(0, w - pw)(engine);
        }
      }
      if (top < 0) {
        const double in = static_cast<double>(w) / h;
        pw = in > ratio.high ? static_cast<int>(std::lround(h * ratio.high)) : w;
        ph = in < ratio.low ? static_cast<int>(std::lround(w / ratio.low)) : h;
        top = (h - ph) / 2, left = (w - pw) / 2;
      }
      theirs.push_back({static_cast<double>(top), static_cast<double>(left), static_cast<double>(ph),
                        static_cast<double>(pw)});
    }
    for (size_t field = 0; field < 4; ++field) {
      CAPTURE(field);
      const auto of = [&](const auto& draws) {
        return moments(kDraws, [&](uint64_t i) { return draws[i][field]; });
      };
      CHECK(alike(of(ours), of(theirs), kDraws));
    }
  }
}

TEST_CASE("erasing is drawn as torchvision's, and only erases what it drew") {
  const Augmentation::Erase how{.probability = 0.4};
  int none = 0;
  double area = 0, log_ratio = 0;
  for (uint64_t i = 0; i < kDraws; ++i) {
    const draw::Part p = draw::erase(how, 32, 40, {2, 3, i});
    if (p.h == 0) {
      ++none;
      continue;
    }
    CHECK((p.h < 32 && p.w < 40 && p.top >= 0 && p.left >= 0 && p.top + p.h <= 32 && p.left + p.w <= 40));
    area += static_cast<double>(p.h * p.w) / (32 * 40);
    log_ratio += std::log(static_cast<double>(p.h) / static_cast<double>(p.w));
  }
  CHECK(std::abs(none - 0.6 * kDraws) < 5 * std::sqrt(kDraws * 0.24));
  const double drawn = kDraws - none;
  CHECK(area / drawn ==
        doctest::Approx(0.165).epsilon(0.06));  // tall and wide ones do not fit, and are drawn anew
  CHECK(std::abs(log_ratio / drawn) < 0.15);
  std::vector<float> x = image();
  const draw::Part p = draw::erase({.probability = 1}, 5, 7, {2, 3, 4});
  augment_input({.erase = Augmentation::Erase{.probability = 1}}, kShape, {2, 3, 4}, x.data());
  for (int64_t i = 0; i < 70; ++i) {
    const int64_t y = i / 7 % 5, column = i % 7;
    const bool inside = y >= p.top && y < p.top + p.h && column >= p.left && column < p.left + p.w;
    CHECK(x[static_cast<size_t>(i)] == (inside ? 0 : static_cast<float>(i + 1)));
  }
}

TEST_CASE("affine maps are drawn uniformly, moves by whole pixels") {
  const Augmentation::Affine how{.degrees = 30, .translate = 0.25, .scale = {0.8, 1.4}, .shear = 10};
  const auto drawn = [&](uint64_t i) { return draw::affine(how, 20, 40, {7, 8, i}); };
  const auto uniform = [](double low, double high) {
    return Moments{(low + high) / 2, (high - low) * (high - low) / 12};
  };
  CHECK(alike(moments(kDraws, [&](uint64_t i) { return drawn(i).degrees; }), uniform(-30, 30), kDraws));
  CHECK(alike(moments(kDraws, [&](uint64_t i) { return drawn(i).scale; }), uniform(0.8, 1.4), kDraws));
  CHECK(alike(moments(kDraws, [&](uint64_t i) { return drawn(i).shear; }), uniform(-10, 10), kDraws));
  CHECK(alike(moments(kDraws, [&](uint64_t i) { return drawn(i).dy; }), uniform(-5, 5), kDraws));
  CHECK(alike(moments(kDraws, [&](uint64_t i) { return drawn(i).dx; }), uniform(-10, 10), kDraws));
  double covariance = 0;
  for (uint64_t i = 0; i < kDraws; ++i) {
    const draw::Affine a = drawn(i);
    CHECK((std::abs(a.degrees) <= 30 && a.dy == std::round(a.dy) && std::abs(a.dy) <= 5 &&
           std::abs(a.dx) <= 10));
    CHECK((a.scale >= 0.8 && a.scale <= 1.4 && std::abs(a.shear) <= 10));
    covariance += a.dy * a.dx / kDraws;
  }
  CHECK(std::abs(covariance) < 5 * 2.9 * 5.8 / std::sqrt(kDraws));
}

TEST_CASE("jitter: factors around 1, none below 0, every order as often as the others") {
  const Augmentation::Jitter how{.brightness = 0.4, .contrast = 2, .saturation = 0, .hue = 0.1};
  std::set<std::array<int, 4>> orders;
  std::array<int, 4> first{};
  for (uint64_t i = 0; i < kDraws; ++i) {
    const draw::Jitter j = draw::jitter(how, {1, 1, i});
    orders.insert(j.order);
    ++first[static_cast<size_t>(j.order[0])];
    CHECK((j.factors[0] >= 0.6 && j.factors[0] <= 1.4 && j.factors[1] >= 0 && j.factors[1] <= 3));
    CHECK((j.factors[2] == 1 && std::abs(j.factors[3]) <= 0.1));
  }
  CHECK(orders.size() == 24);
  for (const int n : first) CHECK(std::abs(n - kDraws / 4) < 5 * std::sqrt(kDraws * 3.0 / 16));
  const Moments contrast =
      moments(kDraws, [&](uint64_t i) { return draw::jitter(how, {1, 1, i}).factors[1]; });
  CHECK(alike(contrast, {1.5, 9.0 / 12}, kDraws));
}

TEST_CASE("elastic noise is uniform of -1 to 1") {
  std::vector<float> noise(kDraws);
  draw::elastic({4, 5, 6}, noise);
  const Moments of = moments(kDraws, [&](uint64_t i) { return static_cast<double>(noise[i]); });
  CHECK(alike(of, {0, 1.0 / 3}, kDraws));
  CHECK(std::all_of(noise.begin(), noise.end(), [](float v) { return v >= -1 && v < 1; }));
}

TEST_CASE("mixup: partners among all images, shares of the symmetric beta distribution") {
  std::mt19937_64 engine(1);
  for (const double alpha : {0.05, 0.4, 1.0, 8.0}) {
    CAPTURE(alpha);
    std::gamma_distribution<double> gamma(alpha);
    const auto drawn = [&](uint64_t i) { return draw::mixup(alpha, 50, {4, 1, i}); };
    const auto theirs = [&](uint64_t) {
      const double a = gamma(engine), b = gamma(engine);
      return a + b > 0 ? std::max(a, b) / (a + b) : 1;
    };
    CHECK(alike(moments(kDraws, [&](uint64_t i) { return static_cast<double>(drawn(i).share); }),
                moments(kDraws, theirs), kDraws));
    CHECK(alike(moments(kDraws, [&](uint64_t i) { return static_cast<double>(drawn(i).other); }),
                {24.5, (50 * 50 - 1) / 12.0}, kDraws));
  }
}

TEST_CASE("a mixed input is the two augmented inputs in their shares") {
  const Preprocessing how{.image_h = 6, .image_w = 5, .out_h = 6, .out_w = 5};
  Dataset data;
  data.image = {3, 6, 5};
  data.labels = {0, 1, 2, 0};
  data.pixels = picture(4 * 90);
  const Augmentation augment = augmentation_from("flip,crop:2,mixup"),
                     apart = augmentation_from("flip,crop:2");
  const EpochImages epoch{augment, how, data, 4, 7, 3}, plain{apart, how, data, 4, 7, 3};
  int others = 0;
  for (int64_t image = 0; image < 4; ++image) {
    const auto [other, share] = epoch.mix(image);
    others += other != image;
    CHECK((share >= 0.5f && share <= 1));
    std::vector<float> x(90), one(90), two(90);
    epoch.input(image, x.data());
    plain.input(image, one.data());
    plain.input(other, two.data());
    for (size_t i = 0; i < x.size(); ++i) CHECK(x[i] == share * one[i] + (1 - share) * two[i]);
    std::vector<float> same(90);
    augmented_input(apart, how, data.at(image), plain.key(image), same.data());
    CHECK(one == same);
    CHECK((plain.mix(image).other == image && plain.mix(image).share == 1));
  }
  CHECK(others > 0);
}
