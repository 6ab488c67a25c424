// Cells of CSV files (RFC 4180): quoted where they must be, numbers the same in every locale.
#pragma once

#include <charconv>
#include <string>
#include <string_view>
#include <vector>

namespace unfold::csv {

/// `field` as a cell: in quotes if it holds a comma, a quote or a line break.
std::string quoted(std::string_view field);

/// The shortest text that reads back as the same double; empty if it is not finite.
std::string number(double value);

/// Whether the whole cell is one number, which is then left in `value`.
template <class T>
bool read(std::string_view cell, T& value) {
  const auto [end, failure] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  return failure == std::errc() && end == cell.data() + cell.size();
}

/// Cuts the first record off the front of `text`, with its line end (LF or CRLF), and returns its cells
/// without their quotes.
std::vector<std::string> take_record(std::string_view& text);

}  // namespace unfold::csv
