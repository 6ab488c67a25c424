// A labelled set of images, whole in memory as bytes: what every data source yields and every batch is cut
// from.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "unfold/shape.h"

namespace unfold {

inline constexpr int64_t kMaxClasses = 1 << 14;  ///< of a data set or a model

struct Dataset {
  std::string name;                  ///< "mnist", "fashion-mnist", "strokes"
  Shape image;                       ///< (C, H, W) of one image
  std::vector<uint8_t> pixels;       ///< (N, C, H, W), 0 = black
  std::vector<int32_t> labels;       ///< (N), each below classes.size()
  std::vector<std::string> classes;  ///< name of each label
  int64_t validation = 0;            ///< how many of the last images were published for validation

  int64_t size() const { return static_cast<int64_t>(labels.size()); }
  std::span<const uint8_t> at(int64_t i) const {
    const auto n = static_cast<size_t>(image.elements());
    return {pixels.data() + static_cast<size_t>(i) * n, n};
  }
};

/// The two parts a data set is published in.
struct DatasetPair {
  Dataset train, test;
};

}  // namespace unfold
