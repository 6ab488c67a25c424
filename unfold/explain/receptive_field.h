// Which pixels of the input one cell of a map sees.
#pragma once

#include <cstdint>

#include <span>
#include <vector>

#include "unfold/explain/layer.h"
#include "unfold/graph.h"

namespace unfold {

/// A rectangle of pixels.
struct Field {
  int64_t top = 0, left = 0, h = 0, w = 0;
  bool operator==(const Field&) const = default;
};

/// The receptive fields of a value's cells: that of cell (y, x) is size_h x size_w pixels, its upper left one
/// at (top + y * jump_h, left + x * jump_w), where padding makes it begin before the image, even negative.
struct ReceptiveField {
  int64_t image_h = 0, image_w = 0;
  int64_t size_h = 1, size_w = 1, jump_h = 1, jump_w = 1, top = 0, left = 0;

  Field whole(Cell cell) const;    ///< beyond the image's edge, too
  Field clipped(Cell cell) const;  ///< cut off at the image's edge
};

/// Computed from the graph: through a window of K taps with dilation D, stride S and padding P, with the jump
/// J of what it reads, size grows by J * D * (K - 1), the first field moves by -J * P, and the jump becomes J
/// * S (Araujo, Norris & Sim 2019, Computing Receptive Fields of Convolutional Neural Networks). Features
/// behind a Flatten see the whole image. Throws usage where two branches with different jumps meet.
ReceptiveField receptive_field(const Graph& graph, ValueId value);

/// The pixels of a picture (C, H, W) in a field, (C, field.h, field.w); NaN beyond the picture's edge.
std::vector<float> cut_out(std::span<const float> picture, const Shape& chw, const Field& field);

}  // namespace unfold
