#include "cli/table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <vector>

namespace unfold::cli {
namespace {

constexpr std::string_view kGap = "...";

/// The first and the last of 0 .. count-1, `shown` in all.
std::vector<int64_t> ends(int64_t count, int64_t shown) {
  std::vector<int64_t> chosen;
  for (int64_t k = 0; k < std::min(count, shown); ++k) {
    chosen.push_back(k < (shown + 1) / 2 ? k : count - std::min(count, shown) + k);
  }
  return chosen;
}

/// A choice of rows and columns, with every text it needs.
struct Cut {
  std::vector<int64_t> rows, columns;
  std::vector<std::string> row_labels, column_labels;
  std::vector<std::vector<std::string>> cells;
  size_t label_width = 0, cell_width = 1;
  bool columns_cut = false, rows_cut = false;

  Cut(const Table& t, int64_t most_rows, int64_t most_columns, bool with_column_labels, bool with_row_labels)
      : rows(ends(t.rows, most_rows)), columns(ends(t.columns, most_columns)) {
    columns_cut = std::ssize(columns) < t.columns;
    rows_cut = std::ssize(rows) < t.rows;
    if (with_column_labels && t.column_label) {
      for (const int64_t c : columns) column_labels.push_back(t.column_label(c));
    }
    if (with_row_labels && t.row_label) {
      for (const int64_t r : rows) row_labels.push_back(t.row_label(r));
      if (!column_labels.empty()) label_width = t.corner.size();
      if (rows_cut) label_width = std::max(label_width, kGap.size());
    }
    for (const int64_t r : rows) {
      cells.emplace_back();
      for (const int64_t c : columns) cells.back().push_back(t.cell(r, c));
    }
    for (const std::string& label : row_labels) label_width = std::max(label_width, label.size());
    for (const std::string& label : column_labels) cell_width = std::max(cell_width, label.size());
    for (const auto& row : cells) {
      for (const std::string& cell : row) cell_width = std::max(cell_width, cell.size());
    }
  }

  size_t line_width() const {
    return label_width + columns.size() * (cell_width + 1) + (columns_cut ? kGap.size() + 1 : 0);
  }

  std::string line(std::string_view label, const std::vector<std::string>& row, size_t indent) const {
    const auto to_the_right = [](std::string_view text, size_t width) {
      return std::string(width - std::min(width, text.size()), ' ').append(text);
    };
    std::string text = std::string(indent, ' ') + to_the_right(label, label_width);
    for (size_t c = 0; c < row.size(); ++c) {
      if (columns_cut && c == (row.size() + 1) / 2) text.append(" ").append(kGap);
      text.append(" ").append(to_the_right(row[c], cell_width));
    }
    if (columns_cut && row.size() == 1) text.append(" ").append(kGap);
    return text + "\n";
  }
};

Cut widest_that_fits(const Table& t, size_t width, int64_t most_rows) {
  const auto most = static_cast<int64_t>(width / 2);  // a cell and the space before it take two at least
  if (t.columns <= most) {
    for (const bool labels : {true, false}) {
      Cut all(t, most_rows, t.columns, labels, true);
      if (all.line_width() <= width) return all;
    }
  }
  // With columns missing the labels say which are left.
  for (int64_t columns = std::min(most, t.columns - 1); columns >= 1; --columns) {
    Cut some(t, most_rows, columns, true, true);
    if (some.line_width() <= width) return some;
  }
  return Cut(t, most_rows, 1, false, false);
}

}  // namespace

std::string table_text(const Table& t, int width, int indent, int64_t most_rows) {
  const auto margin = static_cast<size_t>(indent);
  const Cut cut = widest_that_fits(t, static_cast<size_t>(width) - margin, most_rows);
  std::string text;
  if (!cut.column_labels.empty()) {
    text += cut.line(cut.row_labels.empty() ? "" : t.corner, cut.column_labels, margin);
  }
  for (size_t r = 0; r < cut.rows.size(); ++r) {
    if (cut.rows_cut && r == (cut.rows.size() + 1) / 2) text += std::string(margin, ' ').append(kGap) + "\n";
    text += cut.line(cut.row_labels.empty() ? "" : cut.row_labels[r], cut.cells[r], margin);
  }
  std::string left_out;
  const auto say = [&](size_t shown, int64_t all, const char* what) {
    left_out +=
        (left_out.empty() ? "" : ", ") + std::to_string(shown) + " of " + std::to_string(all) + " " + what;
  };
  if (cut.rows_cut) say(cut.rows.size(), t.rows, "rows");
  if (cut.columns_cut) say(cut.columns.size(), t.columns, "columns");
  if (!left_out.empty()) text += wrapped("(" + left_out + " shown)", width);
  return text;
}

std::string wrapped(std::string_view text, int width) {
  std::string lines, line;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    if (!line.empty() && line.size() + 1 + word.size() > static_cast<size_t>(width)) {
      lines += line + "\n";
      line.clear();
    }
    line.append(line.empty() ? "" : " ").append(word);
  }
  return lines + line + "\n";
}

std::string number_text(double value) {
  constexpr double kWhole = 1e9;
  char text[32];
  const bool whole = value == std::floor(value) && std::fabs(value) < kWhole;
  std::snprintf(text, sizeof text, whole ? "%.0f" : "%.4g", value);
  return std::string(text) == "-0" ? "0" : text;
}

}  // namespace unfold::cli
