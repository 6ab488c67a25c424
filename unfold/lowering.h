// Graph -> what an engine runs: a kernel for every node, the layout of every value, conversions between
// layouts; in which order, whose gradient is wanted, who overwrites it and who adds to it. naive and im2col
// keep one step per node; fast puts the values of small networks into lanes, those of large ones into NHWC.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "unfold/graph.h"

namespace unfold {

template <class T>
struct LoweredNode {
  std::string name;
  std::shared_ptr<const Op> op;
  const Implementation<T>* kernel = nullptr;
  std::vector<int> inputs;  ///< values
  int output = 0;           ///< value
  /// What happens to the gradient of one input in the backward pass.
  enum class Gradient : uint8_t {
    none,       ///< nobody needs it: no parameter lies before it
    overwrite,  ///< this node is the first in backward order to reach that value
    add,        ///< an earlier one in backward order wrote it: add to it
  };
  Gradient gradient[Call<T>::kMaxInputs] = {};
  bool backward = false;  ///< whether the node takes part in the backward pass at all
  int weight = -1, bias = -1, mean = -1, var = -1;  ///< indices in the parameter table
};

/// Nodes in forward order; the backward pass runs them in reverse. Value 0 is the input, the last one the
/// output, both in rows.
template <class T>
struct Lowered {
  std::vector<LoweredNode<T>> nodes;
  std::vector<Shape> shapes;    ///< of one image, by value
  std::vector<Layout> layouts;  ///< by value
  std::vector<int> value_of;    ///< by value of the graph; -1 for one that a fused node keeps to itself
  bool by_layer =
      false;  ///< whether values are too large for the depth-first way, or a step needs the whole batch
};

struct LoweringOptions {
  Engine engine = Engine::fast;
  bool training = false;
  bool lanes = true;            ///< whether values may go into lanes: worth it for some images at a time
  bool fuse = true;             ///< two nodes in one where the bits stay the same
  bool exact = true;            ///< only kernels whose sums are plain chains
  bool input_gradient = false;  ///< also the gradient of the network's input
};

/// Picks for each node the first kernel in its table that the engine may take (its own, im2col's for fast,
/// the naive one for all), or the one that UNFOLD_KERNEL names. Values that do not reach the output get no
/// gradient. Throws usage naming the node if there is no kernel for it. Instantiated for float and for
/// double, where all is naive.
template <class T>
Lowered<T> lower(const Graph& graph, const LoweringOptions& options);

}  // namespace unfold
