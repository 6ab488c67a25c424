// Memory in which a kernel that reads what it should not finds NaN, and one that writes there is found out.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "unfold/tensor.h"

namespace unfold::test {

inline constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
inline constexpr int64_t kGuard = 64;

/// Aligned floats full of NaN between two guard zones.
class Guarded {
 public:
  explicit Guarded(int64_t floats) : buffer_(static_cast<size_t>(floats + 2 * kGuard) * 4), floats_(floats) {
    std::fill_n(base(), floats + 2 * kGuard, kNaN);
    std::fill_n(base(), kGuard, 12345.0f);
    std::fill_n(base() + kGuard + floats, kGuard, 12345.0f);
  }
  float* data() { return base() + kGuard; }
  int64_t size() const { return floats_; }
  bool intact() {
    const auto canary = [](float v) { return v == 12345.0f; };
    return std::all_of(base(), data(), canary) &&
           std::all_of(data() + floats_, data() + floats_ + kGuard, canary);
  }

 private:
  float* base() { return reinterpret_cast<float*>(buffer_.data()); }
  Buffer buffer_;
  int64_t floats_;
};

}  // namespace unfold::test
