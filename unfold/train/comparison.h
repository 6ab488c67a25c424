// Several training runs side by side: one HTML page.
#pragma once

#include <span>
#include <string>

#include "unfold/train/chart.h"
#include "unfold/train/report.h"

namespace unfold {

/// Runs that one page compares.
inline constexpr size_t kMaxCompared = Chart::kMaxSeries;

/// Results, curves over each other, and the settings (Report::facts) that differ, as one HTML page like that
/// of report_html. Titles tell the runs apart. Throws usage unless there are 2 to kMaxCompared runs.
std::string comparison_html(std::span<const Report> runs);

}  // namespace unfold
