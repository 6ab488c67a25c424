// The part of the report about learning: curves over the epochs and the numbers behind them.
#pragma once

#include <span>
#include <string>

#include "unfold/train/chart.h"
#include "unfold/train/report.h"

namespace unfold {

/// HTML: charts of loss, accuracy, learning rate and norms, and their tables.
std::string report_curves(const Report& report);

/// A chart in a frame under its title; `about` says what is measured. Empty if the chart has nothing to draw.
std::string chart_figure(const Chart& chart, std::string_view about);

}  // namespace unfold
