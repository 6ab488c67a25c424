// An ONNX graph on its way to becoming a network of ours: what is known of each of its names, and what the
// rules for its operators (import_*.cpp) do with it.
#pragma once

#include <array>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "unfold/formats/onnx/model.h"
#include "unfold/graph.h"

namespace unfold::onnx {

class ImportGraph {
 public:
  /// A value of the network. Zeros that a Pad put around the images stand here until a convolution takes them
  /// into its own padding: top, left, bottom, right.
  struct Value {
    ValueId id;
    std::array<int64_t, 4> pads{};
  };
  /// Whole numbers that a graph computes from shapes; the number of images is kBatch.
  using Integers = std::vector<int64_t>;
  static constexpr int64_t kBatch = std::numeric_limits<int64_t>::min();

  /// `model` must outlive this. Throws model if its graph is not one from images to one output.
  ImportGraph(const Model& model, std::string_view where);

  /// The nodes that the output needs, in order.
  const std::vector<const Node*>& nodes() const { return nodes_; }
  /// Whether another node's rule has taken it in.
  bool taken(const Node& node) const { return taken_.contains(&node); }
  const std::string& output() const { return model_.graph.outputs[0].name; }
  /// The number of images, where the file fixes it.
  std::optional<int64_t> batch() const { return batch_; }
  int64_t opset() const { return opset_; }

  [[noreturn]] void refuse(const Node& node, std::string_view what, std::string_view wanted = {},
                           std::string_view got = {}) const;

  // ---- a node's attributes; of another kind than asked for: refused
  int64_t integer(const Node& node, std::string_view name, int64_t otherwise) const;
  /// A float stands for the decimal number it was written as: 1e-5, not 9.99999975e-06.
  double number(const Node& node, std::string_view name, double otherwise) const;
  std::string text(const Node& node, std::string_view name, std::string_view otherwise) const;
  std::optional<Integers> integers(const Node& node, std::string_view name) const;

  // ---- a node's inputs, by number
  bool has(const Node& node, size_t input) const;
  bool is_value(const Node& node, size_t input) const;
  /// A value of the network; refused if it is none, or a Pad stands before it.
  ValueId value(const Node& node, size_t input) const;
  Value padded(const Node& node, size_t input) const;
  const Shape& shape(const Node& node, size_t input) const { return graph.shape(padded(node, input).id); }
  /// A stored tensor, or nullptr.
  const Tensor* constant(const Node& node, size_t input) const;
  /// A stored tensor; refused if it is none.
  const Tensor& stored(const Node& node, size_t input) const;
  /// The same as floats; refused if it holds no real numbers.
  std::vector<float> numbers(const Node& node, size_t input) const;
  /// One stored number, if there is just one.
  std::optional<double> scalar(const Node& node, size_t input) const;
  std::optional<Integers> integers(const Node& node, size_t input) const;
  /// Integers of an input, or in older versions of the attribute.
  std::optional<Integers> integers(const Node& node, size_t input, std::string_view attribute) const;
  /// The attribute, or in newer versions the input; `otherwise` if there is neither.
  double number(const Node& node, std::string_view attribute, size_t input, double otherwise) const;

  // ---- what a rule makes of a node
  void bind(const Node& node, const Value& value) { entries_.insert_or_assign(node.outputs[0], value); }
  void bind(const Node& node, ValueId id) { bind(node, Value{id, {}}); }
  void bind(const Node& node, Integers integers) {
    constexpr size_t kMost = 64;  // of a shape's numbers; each node that passes them on holds a copy
    if (integers.size() > kMost) refuse(node, "more numbers than a shape has", "at most 64");
    entries_.insert_or_assign(node.outputs[0], std::move(integers));
  }
  void bind(const Node& node, Tensor tensor) {
    entries_.insert_or_assign(node.outputs[0], std::move(tensor));
  }
  /// The output is the input by another name.
  void pass(const Node& node, size_t input = 0);
  /// The nodes that read a node's output; none, where it is the graph's.
  std::span<const Node* const> readers(const Node& node) const;
  /// The one node that reads a node's output, or nullptr if there are more, or it is the graph's.
  const Node* only_reader(const Node& node) const;
  /// `reader` is done with `node`, whose rule goes on to bind what `reader` gives.
  void take(const Node& reader) { taken_.insert(&reader); }

  /// Adds a layer. Its name is that of `weights` without ".weight", if such a tensor is named (torchvision's
  /// parameters then keep their names), or else the node's.
  ValueId add(const Node& node, std::shared_ptr<const Op> op, std::vector<ValueId> inputs,
              const std::string& weights = {});
  /// Gives a parameter of the layer added last its values; refused if their number is wrong, or one is not
  /// finite. A stored tensor is not copied before the network is whole.
  void set(const Node& node, const char* parameter, std::vector<float> values);
  void set(const Node& node, const char* parameter, size_t input);
  /// The network's parameters, once all layers are there.
  Parameters<float> parameters();

  unfold::Graph graph;

 private:
  using Entry = std::variant<Value, Integers, Tensor, std::string /* a type that is not read */>;

  const Entry* entry(const Node& node, size_t input) const;
  std::string checked(const Node& node, const char* parameter, std::span<const float> values);
  const Attribute* attribute(const Node& node, std::string_view name) const;
  void take_input();
  void find_needed();

  const Model& model_;
  std::string where_;
  int64_t opset_ = 0;
  std::optional<int64_t> batch_;
  std::map<std::string, Entry> entries_;
  std::vector<const Node*> nodes_;
  std::map<std::string, std::vector<const Node*>> readers_;
  std::set<const Node*> taken_;
  std::set<std::string> names_;  ///< of layers
  std::map<std::string, int> uses_;
  std::map<std::string, std::variant<std::vector<float>, Tensor>> weights_;
  int64_t room_ = 0;  ///< elements that parameters may still have
};

/// How nodes of one operator are imported.
struct ImportRule {
  std::string_view op_type;
  void (*apply)(ImportGraph& in, const Node& node);
};
std::span<const ImportRule> import_layers();     ///< convolutions, products, normalisations
std::span<const ImportRule> import_pools();      ///< pooling, and Pad
std::span<const ImportRule> import_pointwise();  ///< activations and arithmetic
std::span<const ImportRule> import_shapes();     ///< what moves no number, and arithmetic of shapes

/// The number with the fewest decimal digits that reads as this float.
double decimal(float value);
/// The shape of a batch of such images: "(N, 3, 32, 32)".
std::string of_images(const Shape& image);
/// A name for a layer from that of a node: PyTorch's "/layer1/layer1.0/conv1/Conv" is "layer1.0.conv1".
std::string layer_name(const Node& node);

}  // namespace unfold::onnx
