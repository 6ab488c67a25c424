// What a batch of logits should have been: the cross-entropy's other half.
#pragma once

#include <cstdint>

namespace unfold {

/// One class for each row, or shares of two (mixup), and part of all spread over every class. A row's target
/// t has smoothing / classes everywhere, share * (1 - smoothing) more at `label` and the rest of it at
/// `other`. Holds on to the arrays.
struct Targets {
  /// Plain classes convert: gradient(..., labels, ...).
  Targets(const int32_t* labels, double smoothed = 0) : label(labels), smoothing(smoothed) {}

  const int32_t* label;            ///< (n)
  const int32_t* other = nullptr;  ///< (n), or null: `label` has all
  const float* share = nullptr;    ///< (n), with `other`: the label's part, 0 to 1
  double smoothing;                ///< 0 to below 1: torch.nn.CrossEntropyLoss's label_smoothing

  /// The rows from `first` on.
  Targets from(int64_t first) const {
    Targets t(label + first, smoothing);
    if (other) t.other = other + first, t.share = share + first;
    return t;
  }

  /// One row: how much of it falls to which class.
  struct Row {
    int32_t first, second;      ///< classes; the same where there is only one
    double one, two, each = 0;  ///< of the first, of the second, and of every class beside that
    double at(int64_t c) const { return each + (c == first ? one : 0) + (c == second ? two : 0); }
  };
  Row row(int64_t r, int64_t classes) const {
    const double all = 1 - smoothing, part = other ? static_cast<double>(share[r]) : 1.0;
    return {label[r], other ? other[r] : label[r], part * all, (1 - part) * all,
            smoothing / static_cast<double>(classes)};
  }
};

}  // namespace unfold
