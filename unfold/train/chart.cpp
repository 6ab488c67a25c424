#include "unfold/train/chart.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "unfold/train/html.h"

namespace unfold {
namespace {

// In the units of the view box, which are CSS pixels where a chart is kViewWidth wide.
constexpr double kViewWidth = 350, kViewHeight = 245;
constexpr double kLeft = 50, kRight = 338, kTop = 40, kBottom = 210;
constexpr size_t kMaxMarked = 40;  // epochs up to which every value has a marker
constexpr size_t kMaxBands = 200;  // epochs up to which each can be pointed at

std::string xy(double value) {
  return html::number(value, 1);
}

/// Where values and epochs stand in the drawing.
class Scale {
 public:
  explicit Scale(const Chart& chart) : first_(chart.epochs.front()), last_(chart.epochs.back()) {
    low_ = std::numeric_limits<double>::infinity();
    high_ = -low_;
    for (const Series& series : chart.series) {
      for (const double v : series.values) {
        if (!std::isfinite(v)) continue;
        low_ = std::min(low_, v);
        high_ = std::max(high_, v);
      }
    }
    empty_ = !(low_ <= high_);
    if (empty_) return;
    if (chart.from_zero) low_ = std::min(low_, 0.0);
    ticks_ = ticks(low_, high_, 5);
    low_ = ticks_.front();
    high_ = ticks_.back();
  }

  bool empty() const { return empty_; }
  const std::vector<double>& y_ticks() const { return ticks_; }
  double x(int64_t epoch) const {
    if (first_ == last_) return (kLeft + kRight) / 2;
    return kLeft +
           (kRight - kLeft) * static_cast<double>(epoch - first_) / static_cast<double>(last_ - first_);
  }
  double y(double value) const {
    // Halves first: the difference of two huge values must not overflow.
    const double range = high_ / 2 - low_ / 2;
    return range > 0 ? kBottom - (kBottom - kTop) * ((value / 2 - low_ / 2) / range) : kBottom;
  }

 private:
  int64_t first_, last_;
  double low_, high_;
  bool empty_;
  std::vector<double> ticks_;
};

std::string text_at(double x, double y, const char* anchor, std::string_view text) {
  return "<text x=\"" + xy(x) + "\" y=\"" + xy(y) + "\" text-anchor=\"" + anchor + "\">" + std::string(text) +
         "</text>";
}

std::string line(const char* style, double x1, double y1, double x2, double y2) {
  return "<line class=\"" + std::string(style) + "\" x1=\"" + xy(x1) + "\" y1=\"" + xy(y1) + "\" x2=\"" +
         xy(x2) + "\" y2=\"" + xy(y2) + "\"/>";
}

/// A circle for the first series, a square for the second: told apart without colour.
std::string marker(size_t series, double x, double y) {
  const std::string style = "class=\"m" + std::to_string(series) + "\"";
  if (series == 0) return "<circle " + style + " cx=\"" + xy(x) + "\" cy=\"" + xy(y) + "\" r=\"3\"/>";
  return "<rect " + style + " x=\"" + xy(x - 2.8) + "\" y=\"" + xy(y - 2.8) +
         "\" width=\"5.6\" height=\"5.6\"/>";
}

std::string axes(const Chart& chart, const Scale& scale) {
  std::string out = "<g class=\"axis\" aria-hidden=\"true\">";
  for (const double tick : scale.y_ticks()) {
    out += line("grid", kLeft, scale.y(tick), kRight, scale.y(tick));
    out += text_at(kLeft - 7, scale.y(tick) + 4, "end", html::significant(tick, 5));
  }
  const int64_t first = chart.epochs.front(), last = chart.epochs.back();
  const std::vector<double> steps = ticks(0, static_cast<double>(last - first), 10);
  const auto step =
      std::max<int64_t>(1, std::llround(std::ceil(steps.size() > 1 ? steps[1] - steps[0] : 1.0)));
  const int64_t next = (first / step + 1) * step;
  std::vector<int64_t> marks = {first};
  for (int64_t epoch = next; epoch <= last; epoch += step) {
    if (epoch == next && (epoch - first) * 2 < step) continue;  // too near to the first
    marks.push_back(epoch);
  }
  for (const int64_t epoch : marks) {
    out += line("tick", scale.x(epoch), kBottom, scale.x(epoch), kBottom + 4);
    out += text_at(scale.x(epoch), kBottom + 17, "middle", std::to_string(epoch));
  }
  return out + text_at((kLeft + kRight) / 2, kBottom + 34, "middle", "epoch") + "</g>";
}

std::string legend(const Chart& chart) {
  std::string out = "<g class=\"legend\" aria-hidden=\"true\">";
  double x = kLeft;
  for (size_t s = 0; s < chart.series.size(); ++s) {
    out += line(s == 0 ? "s0" : "s1", x, 12, x + 26, 12) + marker(s, x + 13, 12);
    out += text_at(x + 32, 16, "start", chart.series[s].name);
    x += 95;
  }
  return out + "</g>";
}

std::string curve(const Chart& chart, const Scale& scale, size_t s) {
  std::string path, markers;
  const std::vector<double>& values = chart.series[s].values;
  bool drawing = false;
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      drawing = false;
      continue;
    }
    const double x = scale.x(chart.epochs[i]), y = scale.y(values[i]);
    path += (drawing ? "L" : "M") + xy(x) + " " + xy(y);
    drawing = true;
    if (values.size() <= kMaxMarked) markers += marker(s, x, y);
  }
  return "<path class=\"s" + std::to_string(s) + "\" d=\"" + path + "\"/>" + markers;
}

std::string value_text(const Chart& chart, double value) {
  return (chart.digits < 0 ? html::significant(value, 3) : html::number(value, chart.digits)) + chart.unit;
}

/// "Epoch 3: train 0.0689, validation 0.0512".
std::string readout(const Chart& chart, size_t i) {
  std::string text = "Epoch " + std::to_string(chart.epochs[i]);
  for (size_t s = 0; s < chart.series.size(); ++s) {
    const double value = chart.series[s].values[i];
    if (!std::isfinite(value)) continue;
    text += (text.find(':') == std::string::npos ? ": " : ", ") + chart.series[s].name + " " +
            value_text(chart, value);
  }
  return text;
}

/// One band per epoch, invisible until it is pointed at or focused; then it shows its numbers.
std::string bands(const Chart& chart, const Scale& scale) {
  std::string out;
  const size_t n = chart.epochs.size(), stride = (n + kMaxBands - 1) / kMaxBands;
  for (size_t i = 0; i < n; i += stride) {
    const double x = scale.x(chart.epochs[i]);
    const double from = i > 0 ? (scale.x(chart.epochs[i - stride]) + x) / 2 : kLeft - 6;
    const double to = i + stride < n ? (scale.x(chart.epochs[i + stride]) + x) / 2 : kRight + 6;
    const std::string text = readout(chart, i);
    out += "<g class=\"e\" role=\"img\" tabindex=\"" + std::string(i == 0 ? "0" : "-1") + "\" aria-label=\"" +
           text + "\"><rect class=\"hit\" x=\"" + xy(from) + "\" y=\"" + xy(kTop - 12) + "\" width=\"" +
           xy(to - from) + "\" height=\"" + xy(kBottom - kTop + 24) + "\"/><g class=\"r\">" +
           line("at", x, kTop, x, kBottom);
    for (size_t s = 0; s < chart.series.size(); ++s) {
      const double value = chart.series[s].values[i];
      if (std::isfinite(value)) out += marker(s, x, scale.y(value));
    }
    out += text_at(kLeft, 16, "start", text) + "</g></g>\n";
  }
  return out;
}

std::string summary(const Chart& chart) {
  const size_t n = chart.epochs.size();
  std::string text = chart.title + " over " + std::to_string(n) + (n == 1 ? " epoch" : " epochs");
  for (const Series& series : chart.series) {
    const auto finite = [](double v) { return std::isfinite(v); };
    const auto first = std::find_if(series.values.begin(), series.values.end(), finite);
    const auto last = std::find_if(series.values.rbegin(), series.values.rend(), finite);
    if (first == series.values.end()) continue;
    text += "; " + series.name + " from " + value_text(chart, *first) + " to " + value_text(chart, *last);
  }
  return text + ". Arrow keys move from epoch to epoch.";
}

}  // namespace

std::vector<double> ticks(double low, double high, int wanted) {
  if (low == high) {
    const double room = low == 0 ? 1 : std::abs(low) / 2;
    low -= low == 0 ? 0 : room;
    high += room;
  }
  const double raw = (high / 2 - low / 2) / wanted * 2;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.5, 2.0, 1.0}) {
    if (factor * power >= raw) step = factor * power;
  }
  // Values whose range is beyond what a double can divide get no round numbers, only their ends.
  if (!std::isfinite(raw) || !(power > 0) || !std::isfinite(high + step) || !std::isfinite(low - step))
    return {low, high};
  const double first = std::floor(low / step + 1e-9), last = std::ceil(high / step - 1e-9);
  if (!(last - first >= 1) || last - first > 100) return {low, high};
  std::vector<double> out;
  for (double i = first; i <= last; ++i) out.push_back(i * step);
  return out;
}

std::string chart_svg(const Chart& chart) {
  if (chart.epochs.empty()) return "";
  const Scale scale(chart);
  if (scale.empty()) return "";
  std::string out = "<svg class=\"chart\" viewBox=\"0 0 " + xy(kViewWidth) + " " + xy(kViewHeight) +
                    "\" role=\"group\" aria-label=\"" + summary(chart) + "\">\n" + axes(chart, scale) + "\n";
  if (chart.best_epoch >= chart.epochs.front() && chart.best_epoch <= chart.epochs.back()) {
    const double x = scale.x(chart.best_epoch);
    out += "<g class=\"best\" aria-hidden=\"true\">" + line("at", x, kTop - 4, x, kBottom) +
           text_at(std::min(x, kRight - 10), kTop - 8, "middle", "best") + "</g>\n";
  }
  out += legend(chart) + "\n<g aria-hidden=\"true\">";
  for (size_t s = 0; s < chart.series.size(); ++s) out += curve(chart, scale, s) + "\n";
  return out + "</g>\n" + bands(chart, scale) + "</svg>\n";
}

}  // namespace unfold
