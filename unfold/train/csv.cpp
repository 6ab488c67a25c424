#include "unfold/train/csv.h"

#include <cmath>

namespace unfold::csv {

std::string quoted(std::string_view field) {
  if (field.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(field);
  std::string out = "\"";
  for (const char c : field) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

std::string number(double value) {
  if (!std::isfinite(value)) return "";
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof digits, value).ptr};
}

std::vector<std::string> take_record(std::string_view& text) {
  std::vector<std::string> cells(1);
  bool in_quotes = false;
  size_t i = 0;
  while (i < text.size()) {
    const char c = text[i++];
    if (in_quotes) {
      if (c != '"') {
        cells.back() += c;
      } else if (i < text.size() && text[i] == '"') {
        cells.back() += text[i++];
      } else {
        in_quotes = false;
      }
    } else if (c == '"') {
      in_quotes = true;
    } else if (c == ',') {
      cells.emplace_back();
    } else if (c == '\n') {
      break;
    } else if (c != '\r' || i >= text.size() || text[i] != '\n') {
      cells.back() += c;
    }
  }
  text.remove_prefix(i);
  return cells;
}

}  // namespace unfold::csv
