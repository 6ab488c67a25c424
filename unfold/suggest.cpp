#include "unfold/suggest.h"

#include <algorithm>
#include <cctype>

namespace unfold {
namespace {

std::string lower(std::string_view word) {
  std::string result(word);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

/// Letters inserted, dropped, exchanged, or two neighbours swapped (optimal string alignment).
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> before, last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = last;
    last = row;
  }
  return last[b.size()];
}

}  // namespace

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  if (word.empty() || word.size() > 64) return "";
  const std::string wanted = lower(word);
  size_t best = std::max<size_t>(1, wanted.size() / 3) + 1;
  std::string nearest, beginning;
  int beginnings = 0;
  for (const std::string& candidate : candidates) {
    const std::string name = lower(candidate);
    const size_t distance = edit_distance(wanted, name);
    if (distance < best && distance < name.size()) {
      best = distance;
      nearest = candidate;
    }
    if (name.starts_with(wanted)) {
      beginning = candidate;
      ++beginnings;
    }
  }
  return nearest.empty() && beginnings == 1 ? beginning : nearest;
}

Error unknown_name(std::string_view what, std::string_view word, const std::vector<std::string>& candidates) {
  std::string hint;
  if (const std::string nearest = did_you_mean(word, candidates); !nearest.empty()) {
    hint = "did you mean '" + nearest + "'? ";
  }
  hint += "there is";
  for (size_t i = 0; i < candidates.size(); ++i) hint += (i ? ", " : " ") + candidates[i];
  return Error(ErrorKind::usage, "unknown " + std::string(what) + " '" + std::string(word) + "'").hint(hint);
}

}  // namespace unfold
