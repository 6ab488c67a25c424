// The parts of a data set's images that excite each unit of a layer most.
#pragma once

#include <cstdint>
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

}  // namespace unfold
