// Which taps of a kernel reach which positions, along one axis; what the convolutions on the lane layout
// share.
#pragma once

#include <algorithm>
#include <cstdint>

namespace unfold::lanes {

constexpr int64_t kMaxTile = 6;         // channels of a tile
constexpr int64_t kGroupPixels = 1024;  // one float chain over more pixels loses digits
constexpr int64_t kMaxColumns = 6;      // taps of a tile of dw
constexpr int64_t kWeightTile = 2;      // output channels of a tile of dw

/// The taps that reach one output position along one axis: first, first + step, ... (`count` of them). The
/// first reads position `at`, each next one `move` further.
struct Reach {
  int32_t first, count, at;
};

/// The taps k of a kernel that an output position o reads: 0 <= o*stride - pad + k*dilation < size.
inline Reach forward_reach(int64_t o, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation,
                           int64_t size) {
  const int64_t start = o * stride - pad;
  const int64_t first = start >= 0 ? 0 : std::min(kernel, (-start + dilation - 1) / dilation);
  const int64_t last = start >= size ? 0 : std::min(kernel, (size - 1 - start) / dilation + 1);
  const int64_t count = std::max<int64_t>(last - first, 0);
  return {static_cast<int32_t>(first), static_cast<int32_t>(count),
          static_cast<int32_t>(count > 0 ? start + first * dilation : 0)};
}

/// The taps k that carry an input position i to an output: (i + pad - k*dilation) / stride, whole and below
/// `size`.
inline Reach backward_reach(int64_t i, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation,
                            int64_t size) {
  Reach reach{};
  for (int64_t k = 0; k < kernel; ++k) {
    const int64_t at = i + pad - k * dilation;
    if (at < 0 || at % stride != 0 || at / stride >= size) continue;
    if (reach.count++ == 0) {
      reach.first = static_cast<int32_t>(k);
      reach.at = static_cast<int32_t>(at / stride);
    }
  }
  return reach;
}

}  // namespace unfold::lanes
