#include "unfold/train/chart.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "unfold/error.h"
#include "unfold/train/html.h"

namespace unfold {
namespace {

// In the units of the view box, which are CSS pixels where a chart is kViewWidth wide.
constexpr double kViewWidth = 350, kViewHeight = 245;
constexpr double kLeft = 50, kRight = 338, kTop = 40, kBottom = 210;
constexpr double kRow = 18, kHalf = (kRight - kLeft) / 2 + 18;  // of a legend below the axis
constexpr size_t kShortName = 13;   // bytes of a name up to which two fit above the curves
constexpr size_t kLongName = 60;    // characters of one that is read out
constexpr size_t kMaxMarked = 40;   // epochs up to which every value has a marker
constexpr size_t kMaxBands = 200;   // epochs up to which each can be pointed at
constexpr size_t kMaxValues = 800;  // the same, of all series together

std::string xy(double value) {
  return html::number(value, 1);
}

/// A name as text, isolated if it could turn the direction of what stands around it.
std::string label(const Series& series, size_t limit) {
  const std::string text = html::escape(series.name, limit);
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) { return c > 0; });
  return plain ? text : "\xE2\x81\xA8" + text + "\xE2\x81\xA9";
}

/// Whether the legend has to stand below the axis, in two columns.
bool legend_below(const Chart& chart) {
  return chart.series.size() > 2 ||
         std::any_of(chart.series.begin(), chart.series.end(),
                     [](const Series& series) { return series.name.size() > kShortName; });
}
double legend_x(const Chart& chart, size_t s) {
  return legend_below(chart) ? kLeft - 34 + (s % 2 ? kHalf : 0) : kLeft + 95 * static_cast<double>(s);
}
double legend_y(const Chart& chart, size_t s) {
  const size_t row = s / 2;
  return legend_below(chart) ? kViewHeight + 12 + kRow * static_cast<double>(row) : 12;
}

/// Where values and epochs stand in the drawing.
class Scale {
 public:
  explicit Scale(const Chart& chart) : first_(chart.epochs.front()), last_(chart.epochs.back()) {
    if (!chart.between.empty()) {
      first_ = std::min(first_, static_cast<int64_t>(std::floor(chart.between.front().first)));
    }
    low_ = std::numeric_limits<double>::infinity();
    high_ = -low_;
    for (const Series& series : chart.series) {
      for (const double v : series.values) {
        if (!std::isfinite(v)) continue;
        low_ = std::min(low_, v);
        high_ = std::max(high_, v);
      }
    }
    for (const auto& [at, v] : chart.between) {
      if (!std::isfinite(v)) continue;
      low_ = std::min(low_, v);
      high_ = std::max(high_, v);
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
  int64_t first() const { return first_; }
  int64_t last() const { return last_; }
  double x(int64_t epoch) const { return x(static_cast<double>(epoch)); }
  double x(double epoch) const {
    if (first_ == last_) return (kLeft + kRight) / 2;
    return kLeft +
           (kRight - kLeft) * (epoch - static_cast<double>(first_)) / static_cast<double>(last_ - first_);
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

/// Circle, square, triangle, diamond, then the same hollow: told apart without colour.
std::string marker(size_t series, double x, double y, const char* more = "") {
  const std::string style = "class=\"m" + std::to_string(series) + more + "\"";
  switch (series % 4) {
    case 0:
      return "<circle " + style + " cx=\"" + xy(x) + "\" cy=\"" + xy(y) + "\" r=\"3\"/>";
    case 1:
      return "<rect " + style + " x=\"" + xy(x - 2.8) + "\" y=\"" + xy(y - 2.8) +
             "\" width=\"5.6\" height=\"5.6\"/>";
    case 2:
      return "<path " + style + " d=\"M" + xy(x) + " " + xy(y - 3.6) + "l3.6 6.4h-7.2z\"/>";
    default:
      return "<path " + style + " d=\"M" + xy(x) + " " + xy(y - 4) + "l4 4l-4 4l-4 -4z\"/>";
  }
}

std::string axes(const Scale& scale) {
  std::string out = "<g class=\"axis\" aria-hidden=\"true\">";
  for (const double tick : scale.y_ticks()) {
    out += line("grid", kLeft, scale.y(tick), kRight, scale.y(tick));
    out += text_at(kLeft - 7, scale.y(tick) + 4, "end", html::significant(tick, 5));
  }
  const int64_t first = scale.first(), last = scale.last();
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

/// What stands in the legend's places: a key of each series, and its name or what `text` makes of it.
template <class Text>
std::string keys(const Chart& chart, Text text) {
  std::string out;
  for (size_t s = 0; s < chart.series.size(); ++s) {
    const double x = legend_x(chart, s), y = legend_y(chart, s);
    out += line(("s" + std::to_string(s)).c_str(), x, y, x + 26, y) + marker(s, x + 13, y) +
           text_at(x + 32, y + 4, "start", text(s));
  }
  return out;
}

std::string legend(const Chart& chart) {
  return "<g class=\"legend\" aria-hidden=\"true\">" +
         keys(chart, [&](size_t s) { return label(chart.series[s], 19); }) + "</g>";
}

std::string curve(const Chart& chart, const Scale& scale, size_t s) {
  std::string path, markers;
  const std::vector<double>& values = chart.series[s].values;
  bool drawing = false;
  const auto draw = [&](double x, double value) {
    if (std::isfinite(value)) path += (drawing ? "L" : "M") + xy(x) + " " + xy(scale.y(value));
    drawing = std::isfinite(value);
  };
  const bool finer = s == 0 && !chart.between.empty();
  if (finer) {
    for (const auto& [at, value] : chart.between) draw(scale.x(at), value);
  }
  for (size_t i = 0; i < values.size(); ++i) {
    const double x = scale.x(chart.epochs[i]);
    if (!finer) draw(x, values[i]);
    if (std::isfinite(values[i]) && values.size() <= kMaxMarked) markers += marker(s, x, scale.y(values[i]));
  }
  return "<path class=\"s" + std::to_string(s) + "\" d=\"" + path + "\"/>" + markers;
}

std::string value_text(const Chart& chart, double value) {
  return (chart.digits < 0 ? html::significant(value, 3) : html::number(value, chart.digits)) + chart.unit;
}

/// "Epoch 3: train 0.0689, validation 0.0512".
std::string readout(const Chart& chart, size_t i) {
  std::string text = "Epoch " + std::to_string(chart.epochs[i]);
  int said = 0;
  for (size_t s = 0; s < chart.series.size(); ++s) {
    const double value = chart.series[s].values[i];
    if (!std::isfinite(value)) continue;
    text += (said++ == 0 ? ": " : ", ") + label(chart.series[s], kLongName) + " " + value_text(chart, value);
  }
  return text;
}

/// One band per epoch, invisible until it is pointed at or focused; then it shows its numbers.
std::string bands(const Chart& chart, const Scale& scale) {
  std::string out;
  const size_t n = chart.epochs.size(),
               most = std::min(kMaxBands, kMaxValues / std::max<size_t>(1, chart.series.size())),
               stride = (n + most - 1) / most;
  const bool below = legend_below(chart);
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
      if (std::isfinite(value)) out += marker(s, x, scale.y(value), " big");
    }
    if (below) {
      out += text_at(kLeft, 16, "start", "epoch " + std::to_string(chart.epochs[i])) + "<g>" +
             keys(chart,
                  [&](size_t s) {
                    return label(chart.series[s], 11) + " " + value_text(chart, chart.series[s].values[i]);
                  }) +
             "</g>";
    } else {
      out += text_at(kLeft, 16, "start", text);
    }
    out += "</g></g>\n";
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
    text += "; " + label(series, kLongName) + " from " + value_text(chart, *first) + " to " +
            value_text(chart, *last);
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
  if (chart.series.size() > Chart::kMaxSeries) {
    throw Error(ErrorKind::usage, "a chart cannot show this many series")
        .wanted("at most " + std::to_string(Chart::kMaxSeries))
        .got(std::to_string(chart.series.size()));
  }
  const Scale scale(chart);
  if (scale.empty()) return "";
  const size_t rows = (chart.series.size() + 1) / 2;
  const double height = kViewHeight + (legend_below(chart) ? 4 + kRow * static_cast<double>(rows) : 0);
  std::string out = "<svg class=\"chart\" viewBox=\"0 0 " + xy(kViewWidth) + " " + xy(height) +
                    "\" role=\"group\" aria-label=\"" + summary(chart) + "\">\n" + axes(scale) + "\n";
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
