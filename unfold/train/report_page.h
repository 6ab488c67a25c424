// The parts of the report's page that never change: its frame, its style, its script.
#pragma once

#include <string_view>

namespace unfold {

/// The page; report_html puts a section in place of each {{name}}.
extern const std::string_view kReportPage;
extern const std::string_view kReportStyle;
/// Moves the focus from epoch to epoch in a chart by arrow key. The page says all there is to say without it.
extern const std::string_view kReportScript;

}  // namespace unfold
