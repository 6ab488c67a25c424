// Outputs that no cache keeps until they are read.
#pragma once

#include <cstdint>

namespace unfold {

/// Whether an output of `floats` is better written past the caches: it is larger than what they keep (16
/// MiB), and what is written at once, `row` floats, is whole cache lines. Written through them, each line
/// would be read from memory first.
inline bool too_far(const float* out, int64_t floats, int64_t row) {
  return floats > 4 * 1024 * 1024 && row % 16 == 0 && reinterpret_cast<uintptr_t>(out) % 64 == 0;
}

}  // namespace unfold
