#include "unfold/data/ink.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "unfold/data/ruled_lines.h"

namespace unfold::ink {
namespace {

constexpr int64_t kSide = 512;  // of the plane that is worked on: a digit a tenth of it is still found
constexpr int64_t kCells = 64;  // of the coarse plane that light and paper are judged on

/// Rec. 601 luma of a pixel, 0 to 255.
float luma(const uint8_t* p, int64_t channels) {
  if (channels <= 2) return p[0];
  return 0.299f * p[0] + 0.587f * p[1] + 0.114f * p[2];
}

/// The grey that transparent parts are given. What is visible shows ink and paper already if it has contrast:
/// then its median, the paper's. Else it is all ink: then the far end from it.
float ground_of(const Image& image) {
  const int64_t c = image.channels, n = image.width * image.height;
  const int64_t step = std::max<int64_t>(1, n / 100'000);
  std::vector<float> visible;
  for (int64_t i = 0; i < n; i += step) {
    const uint8_t* p = image.pixels.data() + i * c;
    if (p[c - 1] >= 128) visible.push_back(luma(p, c));
  }
  if (visible.empty()) return 255;
  const float low = quantile(visible, 0.04), high = quantile(visible, 0.96);
  const float median = quantile(visible, 0.5);
  if (high - low > 64) return median;
  return median < 128 ? 255.f : 0.f;
}

/// The light on the paper: a quadratic surface over the picture, x and y from -1 to 1.
struct Surface {
  std::array<double, 6> k{};

  static std::array<double, 6> terms(double y, double x) { return {1, x, y, x * x, x * y, y * y}; }
  double at(double y, double x) const {
    const auto t = terms(y, x);
    double sum = 0;
    for (size_t i = 0; i < t.size(); ++i) sum += k[i] * t[i];
    return sum;
  }
};

/// Solves a x = b for a symmetric positive definite a, by elimination.
std::array<double, 6> solve(std::array<std::array<double, 6>, 6> a, std::array<double, 6> b) {
  for (size_t i = 0; i < 6; ++i) {
    for (size_t row = i + 1; row < 6; ++row) {
      const double factor = a[row][i] / a[i][i];
      for (size_t column = i; column < 6; ++column) a[row][column] -= factor * a[i][column];
      b[row] -= factor * b[i];
    }
  }
  for (size_t i = 6; i-- > 0;) {
    for (size_t column = i + 1; column < 6; ++column) b[i] -= a[i][column] * b[column];
    b[i] /= a[i][i];
  }
  return b;
}

double coordinate(int64_t i, int64_t size) {
  return (2 * static_cast<double>(i) + 1) / static_cast<double>(size) - 1;
}

/// Fits the surface to most of the cells. Those far from it, ink or a table at the rim, are left out more and
/// more strictly (Tukey's weights). Begins with the flat median, so it takes the side of the majority.
Surface fit_light(const Plane& cells) {
  std::vector<float> sorted = cells.v;
  Surface light;
  light.k[0] = quantile(sorted, 0.5);
  for (float& v : sorted) v = std::abs(v - static_cast<float>(light.k[0]));
  double reach = std::clamp(6.0 * quantile(sorted, 0.5), 0.08, 0.5);
  for (int round = 0; round < 12; ++round, reach = std::max(reach * 0.8, 0.06)) {
    std::array<std::array<double, 6>, 6> a{};
    std::array<double, 6> b{};
    for (int64_t y = 0; y < cells.h; ++y) {
      for (int64_t x = 0; x < cells.w; ++x) {
        const double cy = coordinate(y, cells.h), cx = coordinate(x, cells.w);
        const double far = (cells.at(y, x) - light.at(cy, cx)) / reach;
        if (std::abs(far) >= 1) continue;
        const double weight = (1 - far * far) * (1 - far * far);
        const auto t = Surface::terms(cy, cx);
        for (size_t i = 0; i < 6; ++i) {
          for (size_t j = 0; j < 6; ++j) a[i][j] += weight * t[i] * t[j];
          b[i] += weight * t[i] * cells.at(y, x);
        }
      }
    }
    // A little stiffness: no bend where few cells speak for it.
    const double stiff = 1e-3 * static_cast<double>(cells.w * cells.h);
    for (size_t i = 0; i < 6; ++i) a[i][i] += i == 0 ? 1e-9 : stiff;
    light.k = solve(a, b);
  }
  return light;
}

/// The least (or largest) value within `reach` along both axes.
template <class Pick>
Plane window(const Plane& in, int64_t reach, Pick pick) {
  Plane rows = in;
  for (int64_t y = 0; y < in.h; ++y) {
    for (int64_t x = 0; x < in.w; ++x) {
      for (int64_t i = -reach; i <= reach; ++i) rows.at(y, x) = pick(rows.at(y, x), in.near(y, x + i));
    }
  }
  Plane out = rows;
  for (int64_t y = 0; y < in.h; ++y) {
    for (int64_t x = 0; x < in.w; ++x) {
      for (int64_t i = -reach; i <= reach; ++i) out.at(y, x) = pick(out.at(y, x), rows.near(y + i, x));
    }
  }
  return out;
}

/// Whether the paper is all of one colour, as no camera sees it.
bool is_flat(const Plane& amount) {
  const auto near_zero =
      std::count_if(amount.v.begin(), amount.v.end(), [](float v) { return std::abs(v) < 0.003f; });
  return static_cast<double>(near_zero) > 0.4 * static_cast<double>(amount.v.size());
}

/// A coarse copy, at most kCells a side.
Plane cells_of(const Plane& plane) {
  const double per_cell = std::max(1.0, static_cast<double>(std::max(plane.w, plane.h)) / kCells);
  const auto count = [&](int64_t size) {
    return std::max<int64_t>(1, std::llround(static_cast<double>(size) / per_cell));
  };
  return resized(plane, count(plane.w), count(plane.h));
}

float least(float a, float b) {
  return std::min(a, b);
}
float largest(float a, float b) {
  return std::max(a, b);
}

/// What remains of the cells without the light things that are narrower than a fifth of the picture, as
/// strokes are.
Plane without_strokes(const Plane& cells) {
  const int64_t reach = std::max(cells.w, cells.h) / 10;
  return window(window(cells, reach, least), reach, largest);
}

/// The paper of a picture that was drawn, not photographed: nearly all of it is as light or as dark as it
/// gets, and one of the two is the same everywhere. It is told from the ink by the corners, since a tightly
/// cut digit may be more than half of its picture. Nothing if there is no such paper.
std::optional<float> drawn_paper(const Plane& grey) {
  const auto [low, high] = std::minmax_element(grey.v.begin(), grey.v.end());
  const float dark = *low, light = *high;
  if (light - dark < 0.2f) return std::nullopt;
  constexpr float kSame = 2.5f / 255;  // what a codec may change
  const float near = 0.15f * (light - dark);
  struct Group {
    double same = 0, near = 0, outside = 0;
  } darker, lighter;
  for (int64_t y = 0; y < grey.h; ++y) {
    for (int64_t x = 0; x < grey.w; ++x) {
      const float v = grey.at(y, x);
      const double cy = coordinate(y, grey.h), cx = coordinate(x, grey.w);
      const double far_out = (cy * cy + cx * cx) * (cy * cy + cx * cx);
      for (auto [group, off] : {std::pair{&darker, v - dark}, std::pair{&lighter, light - v}}) {
        if (off <= kSame) group->same += 1;
        if (off > near) continue;
        group->near += 1;
        group->outside += far_out;
      }
    }
  }
  const bool is_light = lighter.outside >= darker.outside;
  const auto all = static_cast<double>(grey.v.size());
  if ((is_light ? lighter : darker).same < 0.2 * all) return std::nullopt;
  if (lighter.near + darker.near < 0.55 * all) return std::nullopt;
  return is_light ? light : dark;
}

/// Whether what stands out from its surroundings, squared and summed, is darker than they are.
bool is_ink_dark(const Plane& cells, bool only_strokes) {
  const int64_t reach = only_strokes ? std::max(cells.w, cells.h) / 8 : 0;
  std::vector<float> around;
  double darker = 0, lighter = 0;
  for (int64_t y = 0; y < cells.h; ++y) {
    for (int64_t x = 0; x < cells.w; ++x) {
      double far = cells.at(y, x);
      if (only_strokes) {  // the median follows the edge of a shadow, and no stroke
        around.clear();
        for (int64_t i = std::max<int64_t>(0, y - reach); i <= std::min(cells.h - 1, y + reach); ++i) {
          for (int64_t j = std::max<int64_t>(0, x - reach); j <= std::min(cells.w - 1, x + reach); ++j) {
            around.push_back(cells.at(i, j));
          }
        }
        far -= quantile(around, 0.5);
      }
      (far < 0 ? darker : lighter) += far * far;
    }
  }
  return darker >= lighter;
}

/// Takes away what is broader than a stroke can be: shadows, stains, what the surface could not follow.
void remove_broad(Plane& amount) {
  const Plane broad = without_strokes(cells_of(amount));
  // Where pixel i of the fine plane lies between the centres of two cells.
  const auto between = [](int64_t i, int64_t cells, int64_t size) {
    const double c =
        (static_cast<double>(i) + 0.5) * static_cast<double>(cells) / static_cast<double>(size) - 0.5;
    return std::pair{static_cast<int64_t>(std::floor(c)), static_cast<float>(c - std::floor(c))};
  };
  for (int64_t y = 0; y < amount.h; ++y) {
    const auto [iy, fy] = between(y, broad.h, amount.h);
    for (int64_t x = 0; x < amount.w; ++x) {
      const auto [ix, fx] = between(x, broad.w, amount.w);
      const float above = broad.near(iy, ix) * (1 - fx) + broad.near(iy, ix + 1) * fx;
      const float below = broad.near(iy + 1, ix) * (1 - fx) + broad.near(iy + 1, ix + 1) * fx;
      // What is left of the light there is the paper's full brightness.
      const float shade = std::clamp(above * (1 - fy) + below * fy, -0.5f, 0.9f);
      amount.at(y, x) = (amount.at(y, x) - shade) / (1 - shade);
    }
  }
}

/// Otsu's threshold: the one that parts the values into two groups with the least spread inside them.
float otsu(const std::vector<float>& values) {
  constexpr size_t kBins = 256;
  std::array<double, kBins> histogram{};
  for (float v : values) ++histogram[static_cast<size_t>(std::clamp(v, 0.f, 1.f) * (kBins - 1) + 0.5f)];
  double total = 0, sum = 0;
  for (size_t i = 0; i < kBins; ++i) {
    total += histogram[i];
    sum += histogram[i] * static_cast<double>(i);
  }
  double below = 0, below_sum = 0, best = -1;
  size_t best_from = 0, best_to = 0;  // between two clear groups every threshold is as good: take the middle
  for (size_t i = 0; i + 1 < kBins; ++i) {
    below += histogram[i];
    below_sum += histogram[i] * static_cast<double>(i);
    if (below == 0 || below == total) continue;
    const double gap = below_sum / below - (sum - below_sum) / (total - below);
    const double between = below * (total - below) * gap * gap;
    if (between > best * (1 + 1e-12)) best = between, best_from = i;
    if (between >= best * (1 - 1e-12)) best_to = i;
  }
  return (static_cast<float>(best_from + best_to) / 2 + 0.5f) / (kBins - 1);
}

/// Threshold, noise of what is below it, and the amount in the middle of strokes.
void measure(Ink& ink) {
  const float parted = otsu(ink.amount.v);
  std::vector<float> paper, strokes;
  for (float v : ink.amount.v) {
    if (v <= parted) paper.push_back(v);
  }
  if (paper.empty()) paper.push_back(0);
  const float middle = quantile(paper, 0.5);
  for (float& v : paper) v = std::abs(v - middle);
  ink.noise = 1.4826f * quantile(paper, 0.5);
  ink.threshold = std::max(parted, middle + 3 * ink.noise);
  for (float v : ink.amount.v) {
    if (v > ink.threshold) strokes.push_back(v);
  }
  ink.blank = strokes.empty();
  ink.peak = ink.blank ? 0 : quantile(strokes, 0.8);
}

}  // namespace

Plane grey(const Image& image, int64_t factor) {
  const int64_t c = image.channels;
  const bool alpha = c == 2 || c == 4;
  const float ground = alpha ? ground_of(image) : 0;
  Plane out((image.width + factor - 1) / factor, (image.height + factor - 1) / factor);
  std::vector<float> sums(static_cast<size_t>(out.w));
  for (int64_t oy = 0; oy < out.h; ++oy) {
    std::fill(sums.begin(), sums.end(), 0.f);
    const int64_t y1 = std::min((oy + 1) * factor, image.height);
    for (int64_t y = oy * factor; y < y1; ++y) {
      const uint8_t* p = image.at(y, 0).data();
      for (int64_t ox = 0, x = 0; ox < out.w; ++ox) {
        const int64_t x1 = std::min((ox + 1) * factor, image.width);
        float sum = 0;
        for (; x < x1; ++x, p += c) {
          const float value = luma(p, c);
          sum += alpha ? ground + (value - ground) * (p[c - 1] / 255.f) : value;
        }
        sums[static_cast<size_t>(ox)] += sum;
      }
    }
    for (int64_t ox = 0; ox < out.w; ++ox) {
      const int64_t x1 = std::min((ox + 1) * factor, image.width);
      const auto count = static_cast<float>((y1 - oy * factor) * (x1 - ox * factor));
      out.at(oy, ox) = sums[static_cast<size_t>(ox)] / (count * 255);
    }
  }
  return out;
}

Ink see_ink(const Image& image) {
  const int64_t longer = std::max(image.width, image.height);
  const int64_t factor = (longer + kSide - 1) / kSide;
  Ink ink;
  ink.scale = static_cast<double>(factor);
  ink.amount = grey(image, factor);
  Plane& amount = ink.amount;

  const std::optional<float> paper_level = drawn_paper(amount);
  const Surface light = paper_level ? Surface{{*paper_level}} : fit_light(cells_of(amount));
  Plane rest = amount;
  for (int64_t y = 0; y < amount.h; ++y) {
    for (int64_t x = 0; x < amount.w; ++x) {
      rest.at(y, x) -= static_cast<float>(light.at(coordinate(y, amount.h), coordinate(x, amount.w)));
    }
  }
  // What was drawn has no shadows: there, a broad thing is a stroke.
  ink.photo = !paper_level && std::max(amount.w, amount.h) >= 48 && !is_flat(rest);
  ink.dark = is_ink_dark(cells_of(rest), ink.photo);
  for (size_t i = 0; i < amount.v.size(); ++i) {
    const float far = rest.v[i], paper = std::clamp(amount.v[i] - far, 0.f, 1.f);
    amount.v[i] = ink.dark ? -far / std::max(paper, 0.1f) : far / std::max(1 - paper, 0.1f);
  }
  if (ink.photo) remove_broad(amount);
  measure(ink);

  if (std::max(amount.w, amount.h) >= 64) {
    std::vector<Line> lines = find_lines(amount, ink.noise, false);
    for (const Line& line : find_lines(amount, ink.noise, true)) lines.push_back(line);
    // One or two strong lines may be the strokes of a digit that fills the picture.
    std::erase_if(lines, [&](const Line& l) { return lines.size() < 3 && l.amount > 0.6f * ink.peak; });
    if (!lines.empty()) {
      remove_lines(amount, ink.noise, lines);
      measure(ink);
    }
  }
  ink.blank = ink.blank || ink.peak < 0.1f || ink.peak < 5 * ink.noise;
  return ink;
}

}  // namespace unfold::ink
