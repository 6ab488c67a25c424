// Which pixels a class's score depends on.
#pragma once

#include <cstdint>
#include <vector>

#include "unfold/explain/walk.h"

namespace unfold {

// `c` is the class; its score is the logit, before any softmax, as in the papers. Throw usage for a class
// that is not there.

/// |d score / d x|, the largest over the channels: (H, W), nowhere negative. Simonyan, Vedaldi & Zisserman
/// 2013, Deep Inside Convolutional Networks, section 3.
std::vector<float> saliency(const Walk& walk, int64_t c);

/// d score / d x where no ReLU lets a negative gradient back: (C, H, W), of either sign. Springenberg et al.
/// 2014, Striving for Simplicity, section 3.4. A network of tanh and sigmoid has no such gate: there it is
/// the gradient.
std::vector<float> guided_backprop(const Walk& walk, int64_t c);

/// d score / d `value`, in its shape.
std::vector<float> class_gradient(const Walk& walk, int64_t c, ValueId value,
                                  ReluRule rule = ReluRule::gradient);

}  // namespace unfold
