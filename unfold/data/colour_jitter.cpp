#include "unfold/data/colour_jitter.h"

#include <algorithm>
#include <cmath>

namespace unfold {
namespace {

constexpr float kWhite = 255;

float grey(float r, float g, float b) {
  return 0.2989f * r + 0.587f * g + 0.114f * b;
}

float blend(float a, float b, float factor) {
  return std::clamp(factor * a + (1 - factor) * b, 0.0f, kWhite);
}

}  // namespace

void adjust_brightness(double factor, int64_t channels, int64_t plane, float* x) {
  const auto f = static_cast<float>(factor);
  for (int64_t i = 0; i < channels * plane; ++i) x[i] = std::clamp(f * x[i], 0.0f, kWhite);
}

void adjust_contrast(double factor, int64_t channels, int64_t plane, float* x) {
  double sum = 0;
  for (int64_t i = 0; i < plane; ++i)
    sum += static_cast<double>(channels == 3 ? grey(x[i], x[plane + i], x[2 * plane + i]) : x[i]);
  const auto mean = static_cast<float>(sum / static_cast<double>(plane)), f = static_cast<float>(factor);
  for (int64_t i = 0; i < channels * plane; ++i) x[i] = blend(x[i], mean, f);
}

void adjust_saturation(double factor, int64_t channels, int64_t plane, float* x) {
  if (channels != 3) return;
  const auto f = static_cast<float>(factor);
  float *r = x, *g = x + plane, *b = x + 2 * plane;
  for (int64_t i = 0; i < plane; ++i) {
    const float without = grey(r[i], g[i], b[i]);
    r[i] = blend(r[i], without, f), g[i] = blend(g[i], without, f), b[i] = blend(b[i], without, f);
  }
}

void adjust_hue(double factor, int64_t channels, int64_t plane, float* x) {
  if (channels != 3) return;
  const auto turn = static_cast<float>(factor);
  float *r = x, *g = x + plane, *b = x + 2 * plane;
  for (int64_t i = 0; i < plane; ++i) {
    const float high = std::max({r[i], g[i], b[i]}), low = std::min({r[i], g[i], b[i]}), range = high - low;
    if (!(range > 0)) continue;  // grey has no hue
    // The hue in sixths of the circle: which channel is the largest, and which of the others is nearer.
    const float sixths = high == r[i]   ? (g[i] - b[i]) / range
                         : high == g[i] ? 2 + (b[i] - r[i]) / range
                                        : 4 + (r[i] - g[i]) / range;
    float hue = sixths / 6 + turn;
    hue -= std::floor(hue);
    const float at = std::min(hue * 6, 5.9999995f), whole = std::floor(at), part = at - whole;
    const float rising = low + range * part, falling = high - range * part;
    switch (static_cast<int>(whole)) {
      case 0:
        r[i] = high, g[i] = rising, b[i] = low;
        break;
      case 1:
        r[i] = falling, g[i] = high, b[i] = low;
        break;
      case 2:
        r[i] = low, g[i] = high, b[i] = rising;
        break;
      case 3:
        r[i] = low, g[i] = falling, b[i] = high;
        break;
      case 4:
        r[i] = rising, g[i] = low, b[i] = high;
        break;
      default:
        r[i] = high, g[i] = low, b[i] = falling;
        break;
    }
  }
}

}  // namespace unfold
