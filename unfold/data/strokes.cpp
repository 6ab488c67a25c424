#include "unfold/data/strokes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "unfold/data/glyphs.h"
#include "unfold/error.h"
#include "unfold/random.h"

namespace unfold {
namespace {

constexpr int kSide = 28;

/// The random numbers of one image, without libm (whose last bits differ between machines).
struct Dice {
  Random random;
  float between(float low, float high) { return low + (high - low) * static_cast<float>(random.uniform()); }
  /// Bell-shaped: mean 0, standard deviation `sd`, never beyond 3.5 of them.
  float bell(float sd) {
    double sum = 0;  // a loop, because the operands of + may be computed in any order
    for (int i = 0; i < 4; ++i) sum += random.uniform();
    return sd * static_cast<float>((sum - 2) * 1.7320508075688772);
  }
};

/// A smooth line through the control points (Catmull and Rom), cut into short straight pieces.
PenStroke flatten(const PenStroke& control) {
  constexpr int kPieces = 6;
  const size_t last = control.size() - 1;
  const auto tangent = [&](size_t i, bool leaving) -> PenPoint {
    const bool end = i == 0 || i == last || control[i].corner;
    const PenPoint& a = control[end && leaving ? i : (i == 0 ? 0 : i - 1)];
    const PenPoint& b = control[end && !leaving ? i : (i == last ? last : i + 1)];
    const float half = end ? 1.0f : 0.5f;
    return {(b.x - a.x) * half, (b.y - a.y) * half};
  };
  PenStroke line = {control[0]};
  for (size_t i = 0; i < last; ++i) {
    const PenPoint from = tangent(i, true);
    const PenPoint to = tangent(i + 1, false);
    for (int k = 1; k <= kPieces; ++k) {
      const float t = static_cast<float>(k) / kPieces;
      const float h1 = t * t * (3 - 2 * t);  // Hermite's polynomials
      const float h0 = 1 - h1;
      const float g0 = t * (1 - t) * (1 - t);
      const float g1 = t * t * (t - 1);
      line.push_back({h0 * control[i].x + h1 * control[i + 1].x + g0 * from.x + g1 * to.x,
                      h0 * control[i].y + h1 * control[i + 1].y + g0 * from.y + g1 * to.y});
    }
  }
  return line;
}

/// The lines of one digit as one hand wrote it: jitter, bend, slant, turn; in units of the box.
Glyph write(const Glyph& style, Dice& dice) {
  const float jitter = dice.between(0.015f, 0.07f);
  const float width = dice.between(0.55f, 1.25f);
  const float slant = 0.18f + dice.bell(0.26f);
  const float t = dice.bell(0.07f);  // tangent of half the angle: about 8 degrees
  const float cosine = (1 - t * t) / (1 + t * t);
  const float sine = 2 * t / (1 + t * t);
  std::array<float, 6> bend{};
  for (float& b : bend) b = dice.bell(0.18f);
  Glyph lines;
  for (PenStroke stroke : style) {
    for (PenPoint& p : stroke) {
      p.x += dice.bell(jitter);
      p.y += dice.bell(jitter);
    }
    stroke = flatten(stroke);
    for (PenPoint& p : stroke) {
      const float u = p.x - 0.5f;
      const float v = p.y - 0.5f;
      const float x = (u + bend[0] * u * u + bend[1] * u * v + bend[2] * v * v) * width - slant * v;
      const float y = v + bend[3] * u * u + bend[4] * u * v + bend[5] * v * v;
      p = {cosine * x - sine * y, sine * x + cosine * y};
    }
    lines.push_back(std::move(stroke));
  }
  return lines;
}

/// Moves the lines so that they fill a square of `size` pixels and their centre of mass is the image's
/// centre.
void place(Glyph& lines, float size) {
  float left = 1e9f, right = -1e9f, top = 1e9f, bottom = -1e9f;
  float mass = 0, mass_x = 0, mass_y = 0;
  for (const PenStroke& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) {
      left = std::min(left, line[i].x);
      right = std::max(right, line[i].x);
      top = std::min(top, line[i].y);
      bottom = std::max(bottom, line[i].y);
      if (i == 0) continue;
      const float dx = line[i].x - line[i - 1].x;
      const float dy = line[i].y - line[i - 1].y;
      const float length = std::sqrt(dx * dx + dy * dy);
      mass += length;
      mass_x += length * (line[i].x + line[i - 1].x) / 2;
      mass_y += length * (line[i].y + line[i - 1].y) / 2;
    }
  }
  const float scale = size / std::max(right - left, bottom - top);
  for (PenStroke& line : lines) {
    for (PenPoint& p : line) {
      p.x = (p.x - mass_x / mass) * scale + (kSide - 1) / 2.0f;
      p.y = (p.y - mass_y / mass) * scale + (kSide - 1) / 2.0f;
    }
  }
}

/// Draws the straight piece from `a` to `b` with a round pen; where lines overlap the brighter one is seen.
void draw(const PenPoint& a, const PenPoint& b, float radius, float soft,
          std::array<float, kSide * kSide>& ink) {
  const float reach = radius + soft;
  const auto clamp = [](float value) { return std::clamp(static_cast<int>(value), 0, kSide - 1); };
  const int x0 = clamp(std::min(a.x, b.x) - reach), x1 = clamp(std::max(a.x, b.x) + reach + 1);
  const int y0 = clamp(std::min(a.y, b.y) - reach), y1 = clamp(std::max(a.y, b.y) + reach + 1);
  const float dx = b.x - a.x, dy = b.y - a.y;
  const float square = std::max(dx * dx + dy * dy, 1e-12f);
  for (int y = y0; y <= y1; ++y) {
    for (int x = x0; x <= x1; ++x) {
      const float px = static_cast<float>(x) - a.x, py = static_cast<float>(y) - a.y;
      const float t = std::clamp((px * dx + py * dy) / square, 0.0f, 1.0f);
      const float ex = px - t * dx, ey = py - t * dy;
      const float distance = std::sqrt(ex * ex + ey * ey);
      float& pixel = ink[static_cast<size_t>(y) * static_cast<size_t>(kSide) + static_cast<size_t>(x)];
      pixel = std::max(pixel, std::clamp((radius - distance) / soft + 0.5f, 0.0f, 1.0f));
    }
  }
}

void draw_digit(int digit, Dice& dice, std::vector<uint8_t>& pixels) {
  const std::vector<Glyph>& choices = glyph_styles()[static_cast<size_t>(digit)];
  const auto style = static_cast<size_t>(dice.random.below(std::ssize(choices)));
  Glyph lines = write(choices[style], dice);
  const float radius = std::max(0.7f, 1.3f + dice.bell(0.4f));
  const float soft = dice.between(0.8f, 1.4f);  // the blurred edge, in pixels
  const float size = dice.between(18.5f, 20.5f) - 2 * radius;
  place(lines, size);
  std::array<float, kSide * kSide> ink{};
  for (const PenStroke& line : lines) {
    const float begin = radius * dice.between(0.8f, 1.15f);  // the pen's pressure changes along the way
    const float end = radius * dice.between(0.7f, 1.15f);
    for (size_t i = 1; i < line.size(); ++i) {
      const float t = static_cast<float>(i) / static_cast<float>(line.size() - 1);
      draw(line[i - 1], line[i], begin + (end - begin) * t, soft, ink);
    }
  }
  const float bright = dice.between(240, 300);
  for (const float value : ink) {
    if (!(value > 0)) {
      pixels.push_back(0);
      continue;
    }
    const float noisy = value * bright * (1 - 0.15f * dice.between(0, 1)) + 0.5f;
    pixels.push_back(static_cast<uint8_t>(std::min(noisy, 255.0f)));
  }
}

Dataset make_part(uint64_t seed, const std::string& part, int64_t count) {
  if (count < 1) {
    throw Error(ErrorKind::usage, "the number of images is too small")
        .where("strokes " + part)
        .wanted("at least 1")
        .got(std::to_string(count));
  }
  Dataset data{"strokes", Shape({1, kSide, kSide}), {}, {}, {}};
  for (int digit = 0; digit < 10; ++digit) data.classes.push_back(std::to_string(digit));
  data.pixels.reserve(static_cast<size_t>(count) * kSide * kSide);
  std::array<uint8_t, 10> order{};
  for (int64_t i = 0; i < count; ++i) {
    if (i % 10 == 0) {
      std::iota(order.begin(), order.end(), uint8_t{0});
      Random shuffle(seed, "strokes.order." + part, static_cast<uint64_t>(i / 10));
      for (size_t k = 9; k > 0; --k) {
        std::swap(order[k], order[static_cast<size_t>(shuffle.below(static_cast<int64_t>(k) + 1))]);
      }
    }
    const uint8_t digit = order[static_cast<size_t>(i % 10)];
    Dice dice{Random(seed, "strokes." + part, static_cast<uint64_t>(i))};
    draw_digit(digit, dice, data.pixels);
    data.labels.push_back(digit);
  }
  return data;
}

}  // namespace

DatasetPair make_strokes(uint64_t seed, int64_t train, int64_t test) {
  return {make_part(seed, "train", train), make_part(seed, "test", test)};
}

}  // namespace unfold
