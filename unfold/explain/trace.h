// Everything one training step computes on a few images, kept: what `unfold explain` shows.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "unfold/model.h"
#include "unfold/threads.h"

namespace unfold {

/// One pass forward over one image by each engine, in seconds, the fastest of some; empty where an engine
/// would take too long or runs the layer joined with others.
struct LayerTimes {
  std::optional<double> naive, im2col, fast;
};

/// What each node takes; naive only where the network is small enough for it. `input` is one preprocessed
/// image (C, H, W). Takes a quarter of a second for a small network, and at least three passes for any.
std::vector<LayerTimes> layer_times(const Model& model, std::span<const float> input, Numerics numerics);

struct Trace {
  int64_t images = 0;
  std::vector<int32_t> classes;                          ///< by image: the class its loss asks for
  std::vector<double> losses;                            ///< by image; the step's loss is their mean
  std::vector<std::vector<float>> values;                ///< by value of the graph, (images, ...)
  std::vector<std::vector<float>> gradients;             ///< of the mean loss, the same
  Parameters<float> gradient;                            ///< of the mean loss
  Parameters<float> first_moment, second_moment, after;  ///< one step of Adam from zero moments
  double lr = 0;
  Engine engine = Engine::fast;
  std::vector<LayerTimes> times;  ///< by node
};

struct TraceOptions {
  Engine engine = Engine::fast;
  Numerics numerics = Numerics::fast;
  double lr = 1e-3;
  bool times = true;  ///< measure, too: a quarter of a second for a small network
};

/// Runs forward, cross-entropy against `classes` and backward over `inputs` (images, C, H, W), which have
/// been through the model's preprocessing, then one step of Adam. Throws usage if the sizes do not fit or a
/// class is none of the model's.
Trace trace(const Model& model, std::span<const float> inputs, std::vector<int32_t> classes,
            const TraceOptions& options, ThreadPool& pool);

}  // namespace unfold
