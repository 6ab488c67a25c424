// A kernel's scratch: one buffer, cut into parts.
#pragma once

#include <cstdint>

namespace unfold {

/// `floats` to whole cache lines of 64 bytes: what a part of a buffer takes so that the next one is aligned,
/// too.
constexpr int64_t whole_lines(int64_t floats) {
  return (floats + 15) / 16 * 16;
}

/// Hands out the parts of a scratch, aligned as it is, or, from null, counts them.
class ScratchParts {
 public:
  explicit ScratchParts(float* scratch) : next_(scratch) {}
  float* take(int64_t floats) {
    float* at = next_ ? next_ + taken_ : nullptr;
    taken_ += whole_lines(floats);
    return at;
  }
  int64_t taken() const { return taken_; }

 private:
  float* next_;
  int64_t taken_ = 0;
};

}  // namespace unfold
