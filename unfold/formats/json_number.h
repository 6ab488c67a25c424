// Whole numbers out of nlohmann-json, whose get<int64_t>() takes 2.5 for 2 and 1e30 for anything.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace unfold {

/// The whole number that `json` is. Throws Json::type_error for anything else, or if T does not hold it.
template <class T, class Json>
T whole_number(const Json& json) {
  if (json.is_number_unsigned()) {
    if (const auto n = json.template get<uint64_t>(); std::in_range<T>(n)) return static_cast<T>(n);
  } else if (json.is_number_integer()) {
    if (const auto n = json.template get<int64_t>(); std::in_range<T>(n)) return static_cast<T>(n);
  }
  const std::string got = json.is_number() ? json.dump() : json.type_name();
  throw Json::type_error::create(302, "type must be a whole number, but is " + got, &json);
}

/// Those of a list; throws as whole_number().
template <class Json>
std::vector<int64_t> whole_numbers(const Json& json) {
  if (!json.is_array()) throw Json::type_error::create(302, "type must be array", &json);
  std::vector<int64_t> numbers;
  for (const Json& item : json) numbers.push_back(whole_number<int64_t>(item));
  return numbers;
}

}  // namespace unfold
