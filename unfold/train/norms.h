// How large the weights and the gradients of each layer are, epoch by epoch: norms.csv.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "unfold/parameters.h"
#include "unfold/train/metrics.h"

namespace unfold {

/// One row of norms.csv: a layer at the end of an epoch. A layer's weights and biases are taken together.
struct NormRow {
  int64_t epoch = 0;         ///< 1 for the first
  std::string layer;         ///< "conv1"
  double weight = kMissing;  ///< L2 norm
  double gradient =
      kMissing;  ///< root mean square of the gradient's L2 norm over the steps that were looked at
};

/// Adds the sum of squares of each slice to sums[slice], in an order that depends on its length alone.
void add_squares(const Parameters<float>& values, std::span<double> sums);

/// The rows of one epoch, a layer each, in the network's order: slices NAME.weight and NAME.bias are layer
/// NAME. `gradient_squares` holds, by slice, what add_squares summed over `steps` gradients.
std::vector<NormRow> layer_norms(int64_t epoch, const Parameters<float>& weights,
                                 std::span<const double> gradient_squares, int64_t steps);

/// The rows as CSV under the header `epoch,layer,weight_norm,gradient_norm`; numbers as in metrics.csv.
std::string norms_csv(std::span<const NormRow> rows);

/// The inverse of norms_csv. Throws data, naming `where` and the record, if the header differs, a record has
/// not four cells, or a cell is not what its column holds.
std::vector<NormRow> parse_norms_csv(std::string_view text, std::string_view where = "norms.csv");

}  // namespace unfold
