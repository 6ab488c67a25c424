// What the pages are made of: the frame with style and script, tables, durations.
#pragma once

#include <string>
#include <string_view>

namespace unfold::html {

/// One page. Title and note are text of users; subtitle and main are HTML.
struct Page {
  std::string_view title, subtitle, note, main;
  bool replay = false;  ///< whether the script of the training replay belongs to it
};

/// The page as one HTML file that loads nothing and runs no script but its own.
std::string page(const Page& page);

/// A part of a page under a heading. `id` is unique in the page; heading and body are HTML.
std::string section(std::string_view id, std::string_view heading, std::string_view body);

/// A table in a frame that scrolls, by keyboard too. `caption` is for screen readers. All is HTML.
std::string table(std::string_view style, std::string_view caption, std::string_view head,
                  std::string_view body);
std::string column(std::string_view text);    ///< head of a column
std::string row_head(std::string_view text);  ///< first cell of a row
std::string cell(std::string_view text);

/// "2.9 s", "3 min 07 s", "2 h 05 min".
std::string duration(double seconds);
/// 12345.6 as "12,346".
std::string rounded(double value);

}  // namespace unfold::html
