#include "unfold/lowering.h"

namespace unfold {

std::vector<LoweredNode> lower(const Graph& graph, bool input_gradient) {
  const std::vector<Node>& nodes = graph.nodes();
  const auto at = [](ValueId value) { return static_cast<size_t>(value.index); };

  // Forward: which values depend on a parameter (or on an input whose gradient is wanted).
  std::vector<bool> wants(static_cast<size_t>(graph.values()), false);
  wants[at(graph.input())] = input_gradient;
  std::vector<LoweredNode> lowered(nodes.size());
  const auto table = graph.parameter_table();
  for (size_t i = 0; i < nodes.size(); ++i) {
    lowered[i].node = static_cast<int>(i);
    lowered[i].weight = table->find(nodes[i].name + ".weight");
    lowered[i].bias = table->find(nodes[i].name + ".bias");
    bool any = lowered[i].weight >= 0;
    for (const ValueId value : nodes[i].inputs) any = any || wants[at(value)];
    wants[at(nodes[i].output)] = any;
  }

  // Backward: who reaches a value first overwrites its gradient, the others add.
  std::vector<bool> reached(static_cast<size_t>(graph.values()), false);
  reached[at(graph.output())] = true;  // by the loss
  for (size_t i = nodes.size(); i-- > 0;) {
    LoweredNode& node = lowered[i];
    node.backward = reached[at(nodes[i].output)] && wants[at(nodes[i].output)];
    if (!node.backward) continue;
    for (size_t k = 0; k < nodes[i].inputs.size(); ++k) {
      const size_t value = at(nodes[i].inputs[k]);
      if (!wants[value]) continue;
      node.gradient[k] = reached[value] ? LoweredNode::Gradient::add : LoweredNode::Gradient::overwrite;
      reached[value] = true;
    }
  }
  return lowered;
}

}  // namespace unfold
