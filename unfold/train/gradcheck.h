// Gradients against central differences, in double: does backward compute the derivative of forward?
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "unfold/graph.h"

namespace unfold {

struct GradcheckOptions {
  uint64_t seed = 0;
  int64_t batch = 2;
  int64_t samples = 0;  ///< elements probed of each tensor, chosen at random; 0: all
  double step = 1e-3;  ///< h of (8 (f(v+h) - f(v-h)) - (f(v+2h) - f(v-2h))) / 12h, times max(1, |v|); a tenth
                       ///< of it where the network has kinks
  bool cross_entropy = false;  ///< check through the loss instead of a random linear function of the output
};

/// What was found for one tensor.
struct GradcheckRow {
  std::string tensor;  ///< "conv1.weight", or "input"
  int64_t checked = 0;
  int64_t kinks = 0;  ///< probes skipped since Relu, MaxPool2d or the like bends within the step
  double worst = 0;   ///< largest |num - ana| / max(|num|, |ana|, 1e-3 max|ana|); NaN if anything is NaN
  int64_t worst_at = -1;
  double numeric = 0, analytic = 0;  ///< there
};

/// Checks the gradient of every parameter and of the input at random normal values. The function checked is
/// sum of c*y with random c, or the mean cross-entropy for random labels.
std::vector<GradcheckRow> gradcheck(const Graph& graph, const GradcheckOptions& options);

}  // namespace unfold
