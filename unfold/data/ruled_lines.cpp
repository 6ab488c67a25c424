#include "unfold/data/ruled_lines.h"

#include <algorithm>
#include <cmath>

namespace unfold::ink {

std::vector<Line> find_lines(const Plane& amount, float noise, bool upright) {
  const int64_t along = upright ? amount.h : amount.w, across = upright ? amount.w : amount.h;
  const auto value = [&](int64_t a, int64_t c) { return upright ? amount.at(a, c) : amount.at(c, a); };
  // No single dark thing may look like a line: values are capped where faint lines already stand out.
  const float cap = std::max(4 * noise, 0.06f);
  std::vector<float> best_profile;
  double best_score = 0, best_slope = 0;
  constexpr int kSlopes = 60;
  for (int s = -kSlopes; s <= kSlopes; ++s) {
    const double slope = 0.27 * s / kSlopes;
    const auto rise = static_cast<int64_t>(std::ceil(std::abs(slope) * static_cast<double>(along)));
    if (rise >= across / 2) continue;
    // A line is named by where it crosses the middle.
    std::vector<float> profile(static_cast<size_t>(across), 0.f), count(profile);
    for (int64_t a = 0; a < along; ++a) {
      const auto shift = std::llround(slope * (static_cast<double>(a) - static_cast<double>(along) / 2));
      for (int64_t i = 0; i < across; ++i) {
        const int64_t c = i + shift;
        if (c < 0 || c >= across) continue;
        profile[static_cast<size_t>(i)] += std::clamp(value(a, c), -cap, cap);
        count[static_cast<size_t>(i)] += 1;
      }
    }
    double score = 0;
    for (size_t i = 0; i < profile.size(); ++i) {
      profile[i] = count[i] > 0.6f * static_cast<float>(along) ? profile[i] / (count[i] * cap) : 0.f;
      score += std::pow(std::max(profile[i], 0.f), 4);
    }
    if (score > best_score) {
      best_score = score;
      best_slope = slope;
      best_profile = profile;
    }
  }
  std::vector<Line> lines;
  const auto n = static_cast<int64_t>(best_profile.size());
  for (int64_t i = 0; i < n; ++i) {
    const float v = best_profile[static_cast<size_t>(i)];
    if (v < 0.5f) continue;
    bool top = true;  // of its neighbourhood
    for (int64_t j = std::max<int64_t>(0, i - 4); j <= std::min(n - 1, i + 4); ++j) {
      const float other = best_profile[static_cast<size_t>(j)];
      if (other > v || (other == v && j < i)) top = false;
    }
    if (!top) continue;
    Line line{upright, static_cast<double>(i), best_slope, 0};
    std::vector<float> values;
    for (int64_t a = 0; a < along; ++a) {
      const auto c = i + std::llround(best_slope * (static_cast<double>(a) - static_cast<double>(along) / 2));
      if (c < 0 || c >= across) continue;
      float most = value(a, c);
      if (c > 0) most = std::max(most, value(a, c - 1));
      if (c + 1 < across) most = std::max(most, value(a, c + 1));
      values.push_back(most);
    }
    line.amount = quantile(values, 0.5);
    // Some of it must be seen nearly everywhere, in both halves, or it is a stroke.
    if (quantile(values, 0.2) < std::max(0.4f * line.amount, 1.5f * noise)) continue;
    lines.push_back(line);
  }
  return lines;
}

void remove_lines(Plane& amount, float noise, const std::vector<Line>& lines) {
  const Plane before = amount;
  const auto reach =
      std::max<int64_t>(2, std::max(amount.w, amount.h) / 128);  // half a line's width, and its blur
  for (const Line& line : lines) {
    const int64_t along = line.upright ? amount.h : amount.w, across = line.upright ? amount.w : amount.h;
    const auto at = [&](const Plane& plane, int64_t a, int64_t c) {
      c = std::clamp(c, int64_t{0}, across - 1);
      return line.upright ? plane.at(a, c) : plane.at(c, a);
    };
    const float strong = std::max(1.7f * line.amount, line.amount + 4 * noise);
    for (int64_t a = 0; a < along; ++a) {
      const auto middle =
          std::llround(line.at + line.slope * (static_cast<double>(a) - static_cast<double>(along) / 2));
      float above = 0, below = 0;  // just outside the line, a little to all sides
      for (int64_t d = -1; d <= 1; ++d) {
        if (a + d < 0 || a + d >= along) continue;
        above = std::max(above, at(before, a + d, middle - reach - 1));
        below = std::max(below, at(before, a + d, middle + reach + 1));
      }
      const float through = std::min(above, below);
      for (int64_t c = middle - reach; c <= middle + reach; ++c) {
        if (c < 0 || c >= across) continue;
        float& v = line.upright ? amount.at(a, c) : amount.at(c, a);
        if (v <= strong) v = std::min(v, std::max(through, 0.f));
      }
    }
  }
}

}  // namespace unfold::ink
