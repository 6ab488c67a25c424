// Matrices as text, fitted to a width.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace unfold::cli {

/// A matrix to be shown; the functions give the text of a cell and of the labels (which may be empty
/// functions).
struct Table {
  int64_t rows = 0, columns = 0;
  std::function<std::string(int64_t row, int64_t column)> cell;
  std::function<std::string(int64_t row)> row_label;
  std::function<std::string(int64_t column)> column_label;
  std::string corner;  ///< what the row labels are, above them
};

/// The lines of the table, none longer than `width` (>= 20), cells to the right, `indent` spaces before each.
/// Column labels are left out where only they make it too wide. What still does not fit is left out in the
/// middle: columns so that the line fits, rows so that at most `most_rows` remain. "..." stands in their
/// place and a last line says how many of each are shown.
std::string table_text(const Table& table, int width, int indent = 2, int64_t most_rows = 48);

/// `text` broken at its spaces into lines of at most `width` characters, each ended by a newline.
std::string wrapped(std::string_view text, int width);

/// A number as people write it: "3", "-0.5", "1.235e-05".
std::string number_text(double value);

}  // namespace unfold::cli
