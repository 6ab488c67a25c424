// A convolution by oneDNN, set up as its documentation advises: it chooses the layouts, weights are packed
// and memory is allocated beforehand. Each version of oneDNN is a module of its own, loaded while running,
// so that several can take turns in one process.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "unfold/shape.h"

namespace unfold::bench {

enum class Pass { forward, backward_data, backward_weights };

/// One version of oneDNN.
struct OneDnn {
  std::string version;
  /// A pass of the layer, ready to be run again and again; `kind` gets the name of the implementation. Throws
  /// std::runtime_error if oneDNN cannot.
  std::function<std::function<void()>(const Conv2dShape& s, Pass pass, std::string& kind)> prepare;
};

/// The modules that were built beside the program and that can be loaded.
std::vector<OneDnn> load_onednn();

/// What a module exports, as "unfold_onednn": fills in `module`, throws std::runtime_error.
using OneDnnEntry = void(OneDnn& module);

}  // namespace unfold::bench
