// One optimizer step on a range of parameters, in one pass. The naive twin is the loop for double in
// train/optimizer.cpp.
#pragma once

#include <cstdint>

namespace unfold {

/// What one step of SGD does to every element: g' = g + decay*p, m <- momentum*m + g', p <- p - rate*m, or,
/// with Nesterov's momentum, p <- p - rate*(g' + momentum*m).
struct SgdStep {
  float rate, momentum, decay;
  bool nesterov = false;
};
/// What one step of Adam does to every element, corrections for the bias of m and v folded into rate and
/// root:
///   g' = g + decay*p,  m <- m + keep1*(g' - m),  v <- beta2*v + keep2*g'*g',  p <- p - rate*m /
///   (sqrt(v)*root + epsilon)
/// after p <- p * shrink, which is 1 but for AdamW.
struct AdamStep {
  float rate, root, epsilon, decay, keep1, beta2, keep2, shrink = 1;
};

/// n elements; p, m and v are updated in place. Any split into ranges gives the same bits, those of the plain
/// loop.
void sgd_update(int64_t n, const SgdStep& step, const float* g, float* p, float* m);
void adam_update(int64_t n, const AdamStep& step, const float* g, float* p, float* m, float* v);

/// Whether no element is NaN or infinite.
bool all_finite(int64_t n, const float* x);

}  // namespace unfold
