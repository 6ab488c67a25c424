#include "unfold/data/strokes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "unfold/error.h"
#include "unfold/random.h"

namespace unfold {
namespace {

constexpr int kSide = 28;

struct Point {
  float x = 0, y = 0;
  bool corner = false;  ///< the pen turns sharply here
};
using Stroke = std::vector<Point>;  // control points of a smooth line; the pen is down all along
using Glyph = std::vector<Stroke>;

constexpr bool kCorner = true;

// How people write each digit, in a box of 1 x 1, x to the right, y down. Repeated entries are frequent ones.
const std::array<std::vector<Glyph>, 10>& styles() {
  static const Glyph one = {{{.5f, 0}, {.5f, .5f}, {.5f, 1}}};
  static const Glyph six = {
      {{.7f, 0}, {.32f, .3f}, {.1f, .7f}, {.35f, 1}, {.75f, .9f}, {.8f, .62f}, {.5f, .5f}, {.15f, .72f}}};
  static const Glyph seven = {{{.05f, .06f}, {.45f, .05f}, {.92f, .02f, kCorner}, {.65f, .42f}, {.42f, 1}}};
  static const std::array<std::vector<Glyph>, 10> all = {{
      {{{{.5f, 0},
         {.2f, .14f},
         {.05f, .5f},
         {.2f, .87f},
         {.5f, 1},
         {.8f, .86f},
         {.95f, .5f},
         {.8f, .13f},
         {.48f, .01f}}},
       {{{.7f, .1f},
         {.38f, .03f},
         {.08f, .35f},
         {.1f, .75f},
         {.42f, 1},
         {.76f, .85f},
         {.92f, .45f},
         {.74f, .1f},
         {.5f, .02f}}},
       {{{.62f, 0},
         {.3f, .2f},
         {.12f, .6f},
         {.25f, .95f},
         {.55f, .95f},
         {.85f, .6f},
         {.9f, .2f},
         {.62f, .02f},
         {.4f, .15f}}}},
      {one,
       one,
       one,
       one,
       {{{.25f, .25f}, {.55f, 0, kCorner}, {.55f, .5f}, {.55f, 1}}},
       {{{.25f, .22f}, {.52f, 0, kCorner}, {.52f, .5f}, {.52f, 1}}, {{.15f, 1}, {.88f, 1}}}},
      {{{{.1f, .25f},
         {.25f, .05f},
         {.55f, 0},
         {.82f, .15f},
         {.8f, .4f},
         {.5f, .72f},
         {.08f, 1, kCorner},
         {.5f, .98f},
         {.95f, .97f}}},
       {{{.1f, .2f},
         {.38f, 0},
         {.75f, .1f},
         {.78f, .4f},
         {.5f, .75f},
         {.22f, .96f},
         {.06f, .9f},
         {.2f, .76f},
         {.5f, .88f},
         {.95f, .97f}}},
       {{{.15f, .1f},
         {.5f, 0},
         {.8f, .2f},
         {.62f, .55f},
         {.1f, .95f, kCorner},
         {.4f, .9f},
         {.75f, 1},
         {.95f, .92f}}}},
      {{{{.12f, .12f},
         {.45f, 0},
         {.82f, .14f},
         {.76f, .36f},
         {.4f, .48f, kCorner},
         {.8f, .58f},
         {.9f, .8f},
         {.55f, 1},
         {.08f, .9f}}},
       {{{.1f, .08f},
         {.5f, 0},
         {.8f, .17f},
         {.6f, .4f},
         {.35f, .46f},
         {.65f, .5f},
         {.88f, .72f},
         {.6f, .98f},
         {.1f, .95f}}},
       {{{.1f, .02f},
         {.5f, .02f},
         {.88f, .02f, kCorner},
         {.45f, .4f, kCorner},
         {.85f, .55f},
         {.86f, .85f},
         {.5f, 1},
         {.08f, .9f}}}},
      {{{{.15f, 0}, {.1f, .25f}, {.1f, .52f, kCorner}, {.5f, .52f}, {.92f, .48f}},
        {{.8f, .02f}, {.78f, .5f}, {.74f, 1}}},
       {{{.68f, 0}, {.35f, .35f}, {.04f, .66f, kCorner}, {.5f, .65f}, {.96f, .62f}},
        {{.7f, .02f}, {.69f, .5f}, {.68f, 1}}},
       {{{.2f, .05f}, {.07f, .38f}, {.22f, .56f}, {.52f, .54f}, {.85f, .38f}},
        {{.88f, 0}, {.8f, .5f}, {.72f, 1}}},
       {{{.22f, .05f},
         {.1f, .4f},
         {.3f, .55f},
         {.65f, .45f},
         {.85f, .02f, kCorner},
         {.8f, .45f},
         {.72f, 1}}}},
      {{{{.9f, .02f},
         {.55f, .02f},
         {.28f, .02f, kCorner},
         {.24f, .22f},
         {.2f, .46f, kCorner},
         {.55f, .38f},
         {.9f, .65f},
         {.6f, 1},
         {.08f, .92f}}},
       {{{.28f, .06f},
         {.24f, .25f},
         {.22f, .44f, kCorner},
         {.55f, .42f},
         {.82f, .68f},
         {.55f, .97f},
         {.1f, .93f}},
        {{.27f, .05f}, {.55f, .04f}, {.95f, 0}}},
       {{{.9f, .02f}, {.45f, .05f}, {.25f, .27f}, {.5f, .45f}, {.76f, .7f}, {.5f, .98f}, {.08f, .92f}}}},
      {six,
       six,
       {{{.45f, 0},
         {.2f, .45f},
         {.12f, .8f},
         {.42f, 1},
         {.82f, .84f},
         {.68f, .58f},
         {.32f, .64f},
         {.14f, .88f}}},
       {{{.85f, .03f},
         {.45f, .15f},
         {.15f, .55f},
         {.2f, .92f},
         {.6f, .98f},
         {.82f, .72f},
         {.55f, .54f},
         {.2f, .7f}}}},
      {seven,
       seven,
       {seven[0], {{.25f, .52f}, {.52f, .5f}, {.82f, .48f}}},
       {{{.06f, .2f}, {.1f, .02f, kCorner}, {.5f, .06f}, {.9f, .04f, kCorner}, {.68f, .5f}, {.48f, 1}}},
       {{{.05f, .12f}, {.4f, .02f}, {.82f, .05f}, {.8f, .3f}, {.6f, .65f}, {.5f, 1}}}},
      {{{{.75f, .1f},
         {.45f, 0},
         {.18f, .18f},
         {.4f, .42f},
         {.74f, .66f},
         {.74f, .92f},
         {.42f, 1},
         {.14f, .86f},
         {.26f, .6f},
         {.6f, .42f},
         {.82f, .2f},
         {.7f, .06f}}},
       {{{.5f, 0}, {.24f, .12f}, {.28f, .38f}, {.52f, .47f}, {.76f, .36f}, {.76f, .12f}, {.48f, 0}},
        {{.5f, .47f}, {.18f, .62f}, {.16f, .88f}, {.5f, 1}, {.84f, .88f}, {.82f, .62f}, {.5f, .47f}}},
       {{{.85f, .05f},
         {.4f, .02f},
         {.2f, .22f},
         {.5f, .45f},
         {.7f, .72f},
         {.5f, .98f},
         {.22f, .85f},
         {.45f, .5f},
         {.75f, .25f},
         {.85f, .03f}}}},
      {{{{.84f, .14f},
         {.5f, 0},
         {.15f, .2f},
         {.25f, .48f},
         {.6f, .44f},
         {.86f, .12f, kCorner},
         {.82f, .5f},
         {.7f, 1}}},
       {{{.8f, .1f},
         {.4f, 0},
         {.12f, .25f},
         {.35f, .5f},
         {.72f, .35f},
         {.82f, .08f, kCorner},
         {.8f, .5f},
         {.8f, 1}}},
       {{{.82f, .16f},
         {.5f, 0},
         {.16f, .22f},
         {.34f, .5f},
         {.7f, .4f},
         {.84f, .15f},
         {.82f, .6f},
         {.6f, .97f},
         {.2f, .92f}}},
       {{{.7f, .05f},
         {.35f, .05f},
         {.15f, .3f},
         {.4f, .48f},
         {.72f, .28f},
         {.74f, .05f},
         {.7f, .5f},
         {.5f, 1}}}},
  }};
  return all;
}

/// The random numbers of one image, without libm (whose last bits differ between machines).
struct Dice {
  Random random;
  float between(float low, float high) { return low + (high - low) * static_cast<float>(random.uniform()); }
  /// Bell-shaped: mean 0, standard deviation `sd`, never beyond 3.5 of them.
  float bell(float sd) {
    const double sum = random.uniform() + random.uniform() + random.uniform() + random.uniform();
    return sd * static_cast<float>((sum - 2) * 1.7320508075688772);
  }
};

/// A smooth line through the control points (Catmull and Rom), cut into short straight pieces.
Stroke flatten(const Stroke& control) {
  constexpr int kPieces = 6;
  const size_t last = control.size() - 1;
  const auto tangent = [&](size_t i, bool leaving) -> Point {
    const bool end = i == 0 || i == last || control[i].corner;
    const Point& a = control[end && leaving ? i : (i == 0 ? 0 : i - 1)];
    const Point& b = control[end && !leaving ? i : (i == last ? last : i + 1)];
    const float half = end ? 1.0f : 0.5f;
    return {(b.x - a.x) * half, (b.y - a.y) * half};
  };
  Stroke line = {control[0]};
  for (size_t i = 0; i < last; ++i) {
    const Point from = tangent(i, true);
    const Point to = tangent(i + 1, false);
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
  const float jitter = dice.between(0.015f, 0.05f);
  const float width = dice.between(0.55f, 1.0f);
  const float slant = 0.12f + dice.bell(0.22f);
  const float t = dice.bell(0.05f);  // tangent of half the angle: about 6 degrees
  const float cosine = (1 - t * t) / (1 + t * t);
  const float sine = 2 * t / (1 + t * t);
  std::array<float, 6> bend{};
  for (float& b : bend) b = dice.bell(0.12f);
  Glyph lines;
  for (Stroke stroke : style) {
    for (Point& p : stroke) {
      p.x += dice.bell(jitter);
      p.y += dice.bell(jitter);
    }
    stroke = flatten(stroke);
    for (Point& p : stroke) {
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
  for (const Stroke& line : lines) {
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
  for (Stroke& line : lines) {
    for (Point& p : line) {
      p.x = (p.x - mass_x / mass) * scale + (kSide - 1) / 2.0f;
      p.y = (p.y - mass_y / mass) * scale + (kSide - 1) / 2.0f;
    }
  }
}

/// Draws the straight piece from `a` to `b` with a round pen; where lines overlap the brighter one is seen.
void draw(const Point& a, const Point& b, float radius, float soft, std::array<float, kSide * kSide>& ink) {
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
      float& pixel = ink[static_cast<size_t>(y * kSide + x)];
      pixel = std::max(pixel, std::clamp((radius - distance) / soft + 0.5f, 0.0f, 1.0f));
    }
  }
}

void draw_digit(int digit, Dice& dice, std::vector<uint8_t>& pixels) {
  const std::vector<Glyph>& choices = styles()[static_cast<size_t>(digit)];
  const auto style = static_cast<size_t>(dice.random.below(std::ssize(choices)));
  Glyph lines = write(choices[style], dice);
  const float radius = std::max(0.6f, 1.25f + dice.bell(0.4f));
  const float soft = dice.between(0.9f, 1.6f);  // the blurred edge, in pixels
  const float size = dice.between(17.5f, 20.5f) - 2 * radius;
  place(lines, size);
  std::array<float, kSide * kSide> ink{};
  for (const Stroke& line : lines) {
    const float begin = radius * dice.between(0.8f, 1.15f);  // the pen's pressure changes along the way
    const float end = radius * dice.between(0.7f, 1.15f);
    for (size_t i = 1; i < line.size(); ++i) {
      const float t = static_cast<float>(i) / static_cast<float>(line.size() - 1);
      draw(line[i - 1], line[i], begin + (end - begin) * t, soft, ink);
    }
  }
  const float bright = dice.between(225, 275);
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
