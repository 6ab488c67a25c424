// Base64 back to bytes and floats, by the alphabet of RFC 4648.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace unfold::test {

/// Fails the test for a character that is none of the alphabet.
inline std::vector<uint8_t> unbase64(const std::string& text) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<uint8_t> bytes;
  uint32_t group = 0;
  int bits = 0;
  for (const char c : text) {
    if (c == '=') break;
    const size_t six = kAlphabet.find(c);
    REQUIRE(six != std::string_view::npos);
    group = group << 6 | static_cast<uint32_t>(six);
    if ((bits += 6) >= 8) bytes.push_back(static_cast<uint8_t>(group >> (bits -= 8)));
  }
  return bytes;
}

inline std::vector<float> floats_of(const std::string& text) {
  const std::vector<uint8_t> bytes = unbase64(text);
  REQUIRE(bytes.size() % sizeof(float) == 0);
  std::vector<float> values(bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

}  // namespace unfold::test
