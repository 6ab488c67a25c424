// Networks for inference: what needs no training any more is computed once.
#pragma once

#include <optional>
#include <vector>

#include "unfold/graph.h"
#include "unfold/parameters.h"

namespace unfold {

struct Folded {
  Graph graph;
  Parameters<float> parameters;
  std::vector<ValueId> values;  ///< where each value of the network that was given lies in `graph`
};

/// The same network without the batch normalisations whose input is a convolution or linear layer that
/// nothing else reads: they become part of its weights and bias,
///   w' = w * g, b' = (b - running_mean) * g + bias,  g = weight / sqrt(running_var + eps), in double,
///   rounded once.
/// The layers keep their names. Nothing, where there is no such normalisation.
std::optional<Folded> fold(const Graph& graph, const Parameters<float>& parameters);

}  // namespace unfold
