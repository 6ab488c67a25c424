#include "unfold/data/augment.h"

#include <algorithm>

#include "unfold/data/augment_draws.h"
#include "unfold/data/colour_jitter.h"
#include "unfold/data/warp.h"

namespace unfold {
namespace {

/// The planes of one image, and room for the next ones: lives as long as its thread, so that a step of
/// training allocates nothing.
struct Planes {
  std::vector<float> now, next, fields, scratch;
  std::vector<uint8_t> bytes;

  /// What a step makes of `now` becomes `now`.
  template <class Step>
  void apply(Step step) {
    next.resize(now.size());
    step(now.data(), next.data());
    now.swap(next);
  }
};

Planes& planes() {
  thread_local Planes planes;
  return planes;
}

/// Overwrites `fields` with dy and dx of every pixel.
void displacements(const Augmentation::Elastic& how, int64_t h, int64_t w, const SampleKey& key, Planes& p) {
  const int64_t plane = h * w;
  p.fields.resize(static_cast<size_t>(2 * plane));
  p.scratch.resize(static_cast<size_t>(gaussian_blur_scratch(how.sigma, h, w)));
  draw::elastic(key, p.fields);
  gaussian_blur(how.sigma, h, w, p.fields.data(), p.scratch);
  gaussian_blur(how.sigma, h, w, p.fields.data() + plane, p.scratch);
  for (float& v : p.fields) v *= static_cast<float>(how.alpha / 2);
}

void jitter(const Augmentation::Jitter& how, int64_t channels, int64_t plane, const SampleKey& key,
            float* x) {
  const auto [order, factors] = draw::jitter(how, key);
  for (const int step : order) {
    if (step == 0 && how.brightness > 0) adjust_brightness(factors[0], channels, plane, x);
    if (step == 1 && how.contrast > 0) adjust_contrast(factors[1], channels, plane, x);
    if (step == 2 && how.saturation > 0) adjust_saturation(factors[2], channels, plane, x);
    if (step == 3 && how.hue > 0) adjust_hue(factors[3], channels, plane, x);
  }
}

bool changes_bytes(const Augmentation& how) {
  return how.resized_crop || how.affine || how.elastic || how.jitter;
}

/// Sets a part of all channels to 0.
void clear(const Shape& chw, const draw::Part& part, float* x) {
  const int64_t h = chw[1], w = chw[2];
  for (int64_t c = 0; c < chw[0]; ++c) {
    for (int64_t y = part.top; y < part.top + part.h; ++y)
      std::fill_n(x + (c * h + y) * w + part.left, part.w, 0.0f);
  }
}

}  // namespace

void augment_bytes(const Augmentation& how, const Shape& chw, const SampleKey& key, const uint8_t* image,
                   uint8_t* out) {
  const int64_t channels = chw[0], h = chw[1], w = chw[2];
  if (!changes_bytes(how)) {
    std::copy_n(image, chw.elements(), out);
    return;
  }
  Planes& p = planes();
  p.now.assign(image, image + chw.elements());
  if (how.resized_crop) {
    const draw::Part part = draw::resized_crop(*how.resized_crop, h, w, key);
    p.apply([&](const float* from, float* to) {
      resize_part(channels, h, w, part.top, part.left, part.h, part.w, from, to);
    });
  }
  if (how.affine) {
    const draw::Affine a = draw::affine(*how.affine, h, w, key);
    const AffineMap map = affine_map(h, w, a.degrees, a.dy, a.dx, a.scale, a.shear);
    p.apply([&](const float* from, float* to) { warp(map, channels, h, w, from, to); });
  }
  if (how.elastic) {
    displacements(*how.elastic, h, w, key, p);
    p.apply([&](const float* from, float* to) {
      warp(p.fields.data(), p.fields.data() + h * w, channels, h, w, from, to);
    });
  }
  if (how.jitter) jitter(*how.jitter, channels, h * w, key, p.now.data());
  std::transform(p.now.begin(), p.now.end(), out,
                 [](float v) { return static_cast<uint8_t>(std::clamp(v, 0.0f, 255.0f) + 0.5f); });
}

void augment_input(const Augmentation& how, const Shape& chw, const SampleKey& key, float* x) {
  const int64_t h = chw[1], w = chw[2];
  if (how.flip && draw::flip(key)) {
    for (int64_t row = 0; row < chw[0] * h; ++row) std::reverse(x + row * w, x + (row + 1) * w);
  }
  if (how.vflip && draw::vflip(key)) {
    for (int64_t c = 0; c < chw[0]; ++c) {
      for (int64_t y = 0; y < h / 2; ++y) {
        float *above = x + (c * h + y) * w, *below = x + (c * h + h - 1 - y) * w;
        std::swap_ranges(above, above + w, below);
      }
    }
  }
  if (how.cutout > 0) clear(chw, draw::cutout(how.cutout, h, w, key), x);
  if (how.erase) clear(chw, draw::erase(*how.erase, h, w, key), x);
}

void augmented_input(const Augmentation& how, const Preprocessing& preprocessing,
                     std::span<const uint8_t> image, const SampleKey& key, float* out) {
  const int64_t channels =
      static_cast<int64_t>(image.size()) / (preprocessing.image_h * preprocessing.image_w);
  if (changes_bytes(how)) {
    std::vector<uint8_t>& bytes = planes().bytes;
    bytes.resize(image.size());
    augment_bytes(how, {channels, preprocessing.image_h, preprocessing.image_w}, key, image.data(),
                  bytes.data());
    image = bytes;
  }
  const draw::Move move = how.crop > 0 ? draw::crop(how.crop, key) : draw::Move{};
  preprocess(preprocessing, image, out, move.dy, move.dx);
  augment_input(how, preprocessing.output(channels), key, out);
}

}  // namespace unfold
