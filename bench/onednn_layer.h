// A convolution by oneDNN, set up as its documentation advises: it chooses the layouts, weights are packed
// and memory is allocated beforehand.
#pragma once

#include <functional>
#include <string>

#include "unfold/shape.h"

namespace unfold::bench {

enum class Pass { forward, backward_data, backward_weights };

/// A pass of the layer, ready to be run again and again; `kind` gets the name of the implementation.
std::function<void()> onednn_pass(const Conv2dShape& s, Pass pass, std::string& kind);

}  // namespace unfold::bench
