// A file's own text: as part of a message, and whether it is text at all.
#pragma once

#include <cstdint>
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

/// Whether the bytes are UTF-8 as RFC 3629 has it, the only text that JSON can hold.
inline bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<uint8_t>(text[i++]);
    if (lead < 0x80) continue;
    const int more = lead >= 0xc2 && lead < 0xe0   ? 1
                     : (lead & 0xf0) == 0xe0       ? 2
                     : lead >= 0xf0 && lead < 0xf5 ? 3
                                                   : 0;
    if (more == 0 || text.size() - i < static_cast<size_t>(more)) return false;
    // The second byte excludes longer forms than needed, surrogates, and what is above U+10FFFF.
    uint8_t least = 0x80, most = 0xbf;
    if (lead == 0xe0) least = 0xa0;
    if (lead == 0xed) most = 0x9f;
    if (lead == 0xf0) least = 0x90;
    if (lead == 0xf4) most = 0x8f;
    for (int k = 0; k < more; ++k, least = 0x80, most = 0xbf) {
      const auto byte = static_cast<uint8_t>(text[i++]);
      if (byte < least || byte > most) return false;
    }
  }
  return true;
}

}  // namespace unfold
