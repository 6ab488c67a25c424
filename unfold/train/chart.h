// A line chart as inline SVG, for the report: readable without script, by eye, keyboard and screen reader.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace unfold {

/// One line of a chart: a value for each epoch; one that is not finite is a gap.
struct Series {
  std::string name;
  std::vector<double> values;
};

/// What a chart shows. The title is the program's own: it is not escaped.
struct Chart {
  static constexpr size_t kMaxSeries = 8;
  std::string title;  ///< "Loss"
  std::string unit;   ///< behind each value: "", " %"
  int digits = 4;     ///< decimals of a value that is read out; negative: three digits in all
  std::vector<int64_t> epochs;
  std::vector<Series> series;  ///< at most kMaxSeries, told apart by colour, dashes and markers
  /// The first series between the epochs, as (epochs passed, value); if empty, straight lines are drawn.
  std::vector<std::pair<double, double>> between;
  int64_t best_epoch = 0;  ///< marked by a vertical line; 0: none
  bool from_zero = true;   ///< the axis begins at 0, else where the values begin
};

/// Multiples of 1, 2, 2.5 or 5 times a power of ten, about `wanted` of them, at least two; the first is <=
/// low, the last >= high.
std::vector<double> ticks(double low, double high, int wanted);

/// The chart as one <svg>; empty if no value is finite. Throws usage for more than kMaxSeries series.
std::string chart_svg(const Chart& chart);

}  // namespace unfold
