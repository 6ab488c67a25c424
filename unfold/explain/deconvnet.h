// What in the image made a unit fire: an activation, brought back to pixels by the network run in reverse.
//
// Zeiler & Fergus 2013, Visualizing and Understanding Convolutional Networks, section 2.1: all other
// activations of the layer are set to 0, and what is left goes down through, layer by layer, unpooling by the
// switches of the forward pass, a ReLU of the signal itself, and the transposed filters (a convolution's
// gradient with respect to its input), without biases. Average pooling has no switches: it spreads evenly. A
// tanh or sigmoid multiplies by its derivative; the paper, which knows ReLU only, does not say, and their
// inverse would blow up where they are flat.
#pragma once

#include <cstdint>
#include <vector>

#include "unfold/explain/layer.h"
#include "unfold/explain/walk.h"

namespace unfold {

// `layer` is a value of the walk, best one behind a ReLU or a pooling (activation_of), `unit` one of its C
// maps, or of its F features. Throw usage for a unit or cell that is not there.

/// Where the unit's map is largest, the first in row order.
Cell strongest(const Walk& walk, ValueId layer, int64_t unit);

/// The activation of one cell brought back: (C, H, W) of the network's input, 0 outside its receptive field.
std::vector<float> deconvnet(const Walk& walk, ValueId layer, int64_t unit, Cell at);

/// Of the strongest cell.
std::vector<float> deconvnet(const Walk& walk, ValueId layer, int64_t unit);

/// Of the unit's whole map.
std::vector<float> deconvnet_map(const Walk& walk, ValueId layer, int64_t unit);

}  // namespace unfold
