#include "unfold/data/augment_draws.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "unfold/random.h"

namespace unfold::draw {
namespace {

constexpr int kTries = 10;

Random stream(const char* name, const SampleKey& key) {
  return Random(key.seed, name, key.epoch, key.sample);
}

double uniform(Random& random, const Augmentation::Range& range) {
  return random.uniform(range.low, range.high);
}

/// A ratio whose logarithm is uniform.
double log_uniform(Random& random, const Augmentation::Range& range) {
  return std::exp(random.uniform(std::log(range.low), std::log(range.high)));
}

/// A part of an area of `scale` and a ratio of its sides, first by second.
std::pair<int64_t, int64_t> sides(Random& random, const Augmentation::Range& scale,
                                  const Augmentation::Range& ratio, int64_t h, int64_t w) {
  const double area = static_cast<double>(h) * static_cast<double>(w) * uniform(random, scale);
  const double sides = log_uniform(random, ratio);
  return {std::llround(std::sqrt(area * sides)), std::llround(std::sqrt(area / sides))};
}

Part anywhere(Random& random, int64_t part_h, int64_t part_w, int64_t h, int64_t w) {
  const int64_t top = random.below(h - part_h + 1), left = random.below(w - part_w + 1);
  return {top, left, part_h, part_w};
}

/// The gamma distribution (Marsaglia and Tsang, "A simple method for generating gamma variables", 2000).
double gamma(Random& random, double shape) {
  if (shape < 1) {
    const double larger = gamma(random, shape + 1);
    return larger * std::pow(1 - random.uniform(), 1 / shape);
  }
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = random.normal(), v = std::pow(1 + c * x, 3);
    if (v > 0 && std::log(1 - random.uniform()) < x * x / 2 + d - d * v + d * std::log(v)) return d * v;
  }
}

}  // namespace

Part resized_crop(const Augmentation::ResizedCrop& how, int64_t h, int64_t w, const SampleKey& key) {
  Random random = stream("augment.resized_crop", key);
  for (int k = 0; k < kTries; ++k) {
    const auto [part_w, part_h] = sides(random, how.scale, how.ratio, h, w);
    if (part_w >= 1 && part_w <= w && part_h >= 1 && part_h <= h)
      return anywhere(random, part_h, part_w, h, w);
  }
  const double ratio = static_cast<double>(w) / static_cast<double>(h);
  int64_t part_h = h, part_w = w;
  if (ratio < how.ratio.low) {
    part_h = std::clamp<int64_t>(std::llround(static_cast<double>(w) / how.ratio.low), 1, h);
  } else if (ratio > how.ratio.high) {
    part_w = std::clamp<int64_t>(std::llround(static_cast<double>(h) * how.ratio.high), 1, w);
  }
  return {(h - part_h) / 2, (w - part_w) / 2, part_h, part_w};
}

Part erase(const Augmentation::Erase& how, int64_t h, int64_t w, const SampleKey& key) {
  Random random = stream("augment.erase", key);
  if (!(random.uniform() < how.probability)) return {};
  for (int k = 0; k < kTries; ++k) {
    const auto [part_h, part_w] = sides(random, how.scale, how.ratio, h, w);
    if (part_h < h && part_w < w) return anywhere(random, part_h, part_w, h, w);
  }
  return {};
}

Part cutout(int64_t side, int64_t h, int64_t w, const SampleKey& key) {
  Random random = stream("augment.cutout", key);
  const int64_t top = random.below(h) - side / 2, left = random.below(w) - side / 2;
  const int64_t y0 = std::max<int64_t>(top, 0), y1 = std::min(top + side, h);
  const int64_t x0 = std::max<int64_t>(left, 0), x1 = std::min(left + side, w);
  return {y0, x0, y1 - y0, x1 - x0};
}

Move crop(int64_t padding, const SampleKey& key) {
  Random random = stream("augment.shift", key);
  const int64_t dy = random.below(2 * padding + 1) - padding, dx = random.below(2 * padding + 1) - padding;
  return {dy, dx};
}

Affine affine(const Augmentation::Affine& how, int64_t h, int64_t w, const SampleKey& key) {
  Random random = stream("augment.affine", key);
  const double far_x = how.translate * static_cast<double>(w), far_y = how.translate * static_cast<double>(h);
  Affine drawn;
  drawn.degrees = random.uniform(-how.degrees, how.degrees);
  drawn.dx = std::round(random.uniform(-far_x, far_x));
  drawn.dy = std::round(random.uniform(-far_y, far_y));
  drawn.scale = uniform(random, how.scale);
  drawn.shear = random.uniform(-how.shear, how.shear);
  return drawn;
}

Jitter jitter(const Augmentation::Jitter& how, const SampleKey& key) {
  Random random = stream("augment.jitter", key);
  Jitter drawn{{0, 1, 2, 3}, {}};
  for (size_t i = 3; i > 0; --i) {
    const auto other = static_cast<size_t>(random.below(static_cast<int64_t>(i) + 1));
    std::swap(drawn.order[i], drawn.order[other]);
  }
  const auto factor = [&](double b) { return random.uniform(std::max(0.0, 1 - b), 1 + b); };
  drawn.factors[0] = factor(how.brightness);
  drawn.factors[1] = factor(how.contrast);
  drawn.factors[2] = factor(how.saturation);
  drawn.factors[3] = random.uniform(-how.hue, how.hue);
  return drawn;
}

void elastic(const SampleKey& key, std::span<float> noise) {
  Random random = stream("augment.elastic", key);
  for (float& v : noise) v = static_cast<float>(random.bits() >> 8) / 8388608.0f - 1;  // exact
}

Mix mixup(double alpha, int64_t images, const SampleKey& key) {
  Random random = stream("augment.mixup", key);
  const int64_t other = random.below(images);
  const double a = gamma(random, alpha), b = gamma(random, alpha), both = a + b;
  return {other, both > 0 ? static_cast<float>(std::max(a, b) / both) : 1.0f};
}

bool flip(const SampleKey& key) {
  return stream("augment.flip", key).below(2) == 1;
}

bool vflip(const SampleKey& key) {
  return stream("augment.vflip", key).below(2) == 1;
}

}  // namespace unfold::draw
