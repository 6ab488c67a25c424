// What nlohmann-json says of a text, for people.
#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace unfold {

/// The message of an exception of the JSON library without the exception's own name, "[json.exception...] ",
/// which stands before it.
inline std::string json_message(const std::exception& e) {
  const std::string_view text = e.what();
  const size_t end = text.starts_with("[json.exception.") ? text.find("] ") : std::string_view::npos;
  return std::string(end == std::string_view::npos ? text : text.substr(end + 2));
}

}  // namespace unfold
