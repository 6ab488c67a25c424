// The parts of a data set's images that excite each unit of a layer most.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "unfold/data/dataset.h"
#include "unfold/explain/layer.h"
#include "unfold/model.h"

namespace unfold {

struct Patch {
  int64_t image = 0;  ///< its number in the data set
  Cell cell;          ///< of the unit's map; receptive_field() says which pixels it sees
  float activation = 0;
};

/// For each unit of a value of the model's graph (each of its C maps, or F features), the `count` images that
/// hold its largest activations, each with its strongest cell, the largest first; of equal ones the earlier
/// image. All of the data set is run forward by `engine`. Throws usage for images the model does not take, a
/// layer that is the input, or a count below 1.
std::vector<std::vector<Patch>> top_patches(const Model& model, const Dataset& data, ValueId layer,
                                            int64_t count, Engine engine, ThreadPool& pool);

/// A patch as it looks.
struct SeenPatch {
  Patch patch;
  int32_t label = 0;
  std::vector<float>
      pixels;  ///< of the network's input, (C, h, w) of the receptive field; NaN beyond the image
};
/// The top patches of some units of the convolution `layer`'s activation.
struct UnitPatches {
  int64_t unit = 0;
  std::vector<SeenPatch> patches;
};
struct LayerPatches {
  std::string data, layer;  ///< names
  int64_t h = 0, w = 0;     ///< of a patch
  std::vector<UnitPatches> units;
};

/// The `count` patches of `data` for each of `units`, cut out. Throws what top_patches and receptive_field
/// throw.
LayerPatches see_patches(const Model& model, const Dataset& data, const Node& layer,
                         const std::vector<int64_t>& units, int64_t count, Engine engine, ThreadPool& pool);

}  // namespace unfold
