// Finding one's way in a network by the names of its layers and classes.
#pragma once

#include <cstdint>
#include <string_view>

#include "unfold/model.h"

namespace unfold {

/// A place on a map.
struct Cell {
  int64_t y = 0, x = 0;
  bool operator==(const Cell&) const = default;
};

/// The layer called `name`. Throws usage, listing the names, if there is none.
const Node& layer_named(const Graph& graph, std::string_view name);

/// What people mean by a layer's feature maps: the output of the ReLU, tanh or sigmoid that alone reads the
/// layer, if there is one, else its own.
ValueId activation_of(const Graph& graph, const Node& layer);

/// The first or the last layer of a type ("Conv2d"), or null.
const Node* first_of(const Graph& graph, std::string_view type);
const Node* last_of(const Graph& graph, std::string_view type);

/// The scores of the classes before any softmax: the output, or what a Softmax that ends the network reads.
ValueId logits_of(const Graph& graph);

/// A value as maps: (C, H, W) as it is, (F) as F maps of one cell. Throws usage naming the value's layer for
/// others.
Shape maps_of(const Graph& graph, ValueId value);

/// The class called `name`, or else the one of that index. Throws usage, listing the classes, if there is
/// none.
int64_t class_named(const Model& model, std::string_view name);

}  // namespace unfold
