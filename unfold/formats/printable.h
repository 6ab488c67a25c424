// A file's own text as part of a message.
#pragma once

#include <string>
#include <string_view>

namespace unfold {

/// The text between quotes: at most 80 characters of it, those outside ASCII and controls as '?'.
inline std::string printable(std::string_view text) {
  constexpr size_t kMost = 80;
  std::string out = "'";
  for (const char c : text.substr(0, kMost)) out += c < ' ' || c > '~' ? '?' : c;
  return out + (text.size() > kMost ? "...'" : "'");
}

}  // namespace unfold
