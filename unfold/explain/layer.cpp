#include "unfold/explain/layer.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

#include "unfold/error.h"

namespace unfold {
namespace {

constexpr size_t kMostNames = 24;  // a message lists no more

}  // namespace

const Node& layer_named(const Graph& graph, std::string_view name) {
  std::string names;
  size_t count = 0;
  for (const Node& node : graph.nodes()) {
    if (node.name == name) return node;
    if (++count <= kMostNames) names += (names.empty() ? "" : ", ") + node.name;
  }
  if (count > kMostNames) names += ", ...";
  throw Error(ErrorKind::usage, "the network has no such layer").wanted(names).got(name);
}

ValueId activation_of(const Graph& graph, const Node& layer) {
  const Node* reader = nullptr;
  for (const Node& node : graph.nodes()) {
    if (std::find(node.inputs.begin(), node.inputs.end(), layer.output) == node.inputs.end()) continue;
    if (reader) return layer.output;
    reader = &node;
  }
  if (!reader) return layer.output;
  const std::string_view type = reader->op->type();
  return type == "Relu" || type == "Tanh" || type == "Sigmoid" ? reader->output : layer.output;
}

const Node* first_of(const Graph& graph, std::string_view type) {
  for (const Node& node : graph.nodes()) {
    if (node.op->type() == type) return &node;
  }
  return nullptr;
}

const Node* last_of(const Graph& graph, std::string_view type) {
  const Node* last = nullptr;
  for (const Node& node : graph.nodes()) {
    if (node.op->type() == type) last = &node;
  }
  return last;
}

ValueId logits_of(const Graph& graph) {
  const Node& last = graph.nodes().back();
  return last.op->type() == "Softmax" ? last.inputs[0] : last.output;
}

Shape maps_of(const Graph& graph, ValueId value) {
  const Shape shape = graph.shape(value);
  if (shape.rank() == 3) return shape;
  if (shape.rank() == 1) return {shape[0], 1, 1};
  throw Error(ErrorKind::usage, "only values of one axis or three are maps")
      .where(value.index > 0 ? graph.nodes()[static_cast<size_t>(value.index) - 1].name : "input")
      .got(shape.text());
}

int64_t class_named(const Model& model, std::string_view name) {
  const auto& classes = model.classes;
  const auto at = std::find(classes.begin(), classes.end(), name);
  if (at != classes.end()) return at - classes.begin();
  int64_t index = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
  if (error == std::errc() && end == name.data() + name.size() && index >= 0 &&
      std::cmp_less(index, classes.size())) {
    return index;
  }
  std::string names;
  for (size_t c = 0; c < std::min(classes.size(), kMostNames); ++c) names += (c ? ", " : "") + classes[c];
  if (classes.size() > kMostNames) names += ", ...";
  throw Error(ErrorKind::usage, "the model knows no such class")
      .wanted(names + ", or an index below " + std::to_string(classes.size()))
      .got(name);
}

}  // namespace unfold
