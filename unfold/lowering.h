// Graph -> what an engine runs: in which order, whose gradient is wanted, who overwrites it and who adds to
// it. naive and im2col use this plain lowering, one step per node; an engine that fuses nodes or changes
// layouts rewrites the list here, before any memory is placed.
#pragma once

#include <vector>

#include "unfold/graph.h"

namespace unfold {

struct LoweredNode {
  int node = 0;  ///< index in graph.nodes()
  /// What happens to the gradient of one input in the backward pass.
  enum class Gradient : uint8_t {
    none,       ///< nobody needs it: no parameter lies before it
    overwrite,  ///< this node is the first in backward order to reach that value
    add,        ///< an earlier one in backward order wrote it: add to it
  };
  Gradient gradient[Call<float>::kMaxInputs] = {Gradient::none, Gradient::none};
  bool backward = false;       ///< whether the node takes part in the backward pass at all
  int weight = -1, bias = -1;  ///< indices in the parameter table
};

/// Nodes in forward order; the backward pass runs them in reverse. With `input_gradient` the gradient of the
/// network's input is computed too. Values that do not reach the output get no gradient.
std::vector<LoweredNode> lower(const Graph& graph, bool input_gradient);

}  // namespace unfold
