// "Did you mean": the nearest of the names that exist.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "unfold/error.h"

namespace unfold {

/// The candidate nearest to `word`, or "" if none is near. Near: at most a third of the letters inserted,
/// dropped, exchanged or swapped (one at least), or the beginning of one candidate only. Case does not count.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

/// The usage error for a name that does not exist: "unknown engine 'im2cl'", with the nearest name and all
/// names in the hint.
Error unknown_name(std::string_view what, std::string_view word, const std::vector<std::string>& candidates);

}  // namespace unfold
