// Walks over several arrays at once, each with strides of its own: broadcasting, transposing, slicing.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace unfold::onnx {

/// The strides of a contiguous array of these sizes. Those of one that cannot be are some numbers: whoever
/// makes it refuses.
inline std::vector<int64_t> contiguous_strides(std::span<const int64_t> sizes) {
  std::vector<int64_t> strides(sizes.size());
  uint64_t stride = 1;
  for (size_t i = sizes.size(); i-- > 0;) {
    strides[i] = static_cast<int64_t>(stride);
    stride *= static_cast<uint64_t>(sizes[i]);
  }
  return strides;
}

/// The strides of a contiguous array of sizes `own` that is repeated to sizes `all`, aligned at the last
/// axis: 0 along an axis that it lacks or has once. What does not fit is the caller's to refuse.
inline std::vector<int64_t> broadcast_strides(std::span<const int64_t> own, std::span<const int64_t> all) {
  const std::vector<int64_t> dense = contiguous_strides(own);
  std::vector<int64_t> strides(all.size(), 0);
  for (size_t i = 0; i < own.size(); ++i) {
    if (own[i] != 1) strides[all.size() - own.size() + i] = dense[i];
  }
  return strides;
}

/// A walk over K arrays. Axes that lie one behind the other in all of them are one; what is left of the last
/// is a row, to be a loop of its own.
template <size_t K>
class Walk {
 public:
  using Steps = std::array<int64_t, K>;

  Walk(std::span<const int64_t> sizes, const std::array<std::vector<int64_t>, K>& strides) {
    for (size_t i = 0; i < sizes.size(); ++i) {
      total_ *= sizes[i];
      if (sizes[i] == 1) continue;
      Axis axis{sizes[i], {}};
      for (size_t k = 0; k < K; ++k) axis.steps[k] = strides[k][i];
      if (!axes_.empty() && continues(axes_.back(), axis)) {
        axes_.back() = {axes_.back().size * axis.size, axis.steps};
      } else {
        axes_.push_back(axis);
      }
    }
    if (axes_.empty()) axes_.push_back({1, {}});
    row_ = axes_.back();
    axes_.pop_back();
    if (row_.size > 0) rows_ = total_ / row_.size;
  }

  int64_t row_size() const { return row_.size; }
  const Steps& steps() const { return row_.steps; }  ///< from element to element of a row
  int64_t row_count() const { return total_ == 0 ? 0 : rows_; }

  /// Calls f(offsets of the row's first elements) for rows [first, last).
  template <class F>
  void rows(int64_t first, int64_t last, F f) const {
    if (first >= last) return;
    std::vector<int64_t> index(axes_.size());
    Steps at{};
    int64_t rest = first;
    for (size_t i = axes_.size(); i-- > 0;) {
      index[i] = rest % axes_[i].size;
      rest /= axes_[i].size;
      for (size_t k = 0; k < K; ++k) at[k] += index[i] * axes_[i].steps[k];
    }
    for (int64_t row = first; row < last; ++row) {
      f(at);
      for (size_t i = axes_.size(); i-- > 0;) {
        const Axis& axis = axes_[i];
        for (size_t k = 0; k < K; ++k) at[k] += axis.steps[k];
        if (++index[i] < axis.size) break;
        index[i] = 0;
        for (size_t k = 0; k < K; ++k) at[k] -= axis.size * axis.steps[k];
      }
    }
  }
  template <class F>
  void rows(F f) const {
    rows(0, row_count(), f);
  }

 private:
  struct Axis {
    int64_t size = 1;
    Steps steps{};
  };
  static bool continues(const Axis& outer, const Axis& inner) {
    for (size_t k = 0; k < K; ++k) {
      if (outer.steps[k] != inner.steps[k] * inner.size) return false;
    }
    return true;
  }

  std::vector<Axis> axes_;
  Axis row_;
  int64_t total_ = 1, rows_ = 0;
};

}  // namespace unfold::onnx
