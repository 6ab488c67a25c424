// What a network is: a directed graph of operators and the values between them. No memory, no kernels.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "unfold/kernels/pointwise_function.h"
#include "unfold/ops/op.h"
#include "unfold/parameters.h"
#include "unfold/shape.h"

namespace unfold {

/// A value in a graph: the network's input or the output of one node.
struct ValueId {
  int index = -1;
  bool operator==(const ValueId&) const = default;
};

struct Node {
  std::string name;  ///< unique; parameters are NAME.weight, NAME.bias ...
  std::shared_ptr<const Op> op;
  std::vector<ValueId> inputs;
  ValueId output;
};

/// Built node by node, each after the values it reads, so the order of the nodes is an order of execution.
/// Shapes are those of one image; they are inferred as a node is added, and a bad one is refused there, by
/// name.
class Graph {
 public:
  /// Declares the network's one input: the shape (C, H, W) of an image. Call it first, once.
  ValueId input(const Shape& image);

  /// Adds a node and returns its output. Throws usage if the name is taken or empty, a value is unknown, or
  /// the shapes do not fit.
  ValueId add(std::string name, std::shared_ptr<const Op> op, std::vector<ValueId> inputs);

  // Sugar for the operators at hand; each adds one node.
  ValueId conv2d(std::string name, ValueId x, int64_t out_channels, const Window2d& window, bool bias = true);
  ValueId conv_transpose2d(std::string name, ValueId x, int64_t out_channels, const Window2d& window,
                           int64_t output_padding = 0, bool bias = true);
  ValueId avg_pool2d(std::string name, ValueId x, const Window2d& window, bool count_include_pad = true,
                     bool ceil_mode = false);
  ValueId max_pool2d(std::string name, ValueId x, const Window2d& window, bool ceil_mode = false);
  ValueId adaptive_avg_pool2d(std::string name, ValueId x, int64_t out_h, int64_t out_w);
  ValueId global_avg_pool(std::string name, ValueId x);
  ValueId local_response_norm(std::string name, ValueId x, int64_t size, double alpha = 1e-4,
                              double beta = 0.75, double k = 1);
  ValueId linear(std::string name, ValueId x, int64_t out_features, bool bias = true);
  ValueId tanh(std::string name, ValueId x, double scale = 1);
  ValueId relu(std::string name, ValueId x);
  ValueId sigmoid(std::string name, ValueId x);
  ValueId pointwise(std::string name, ValueId x, const PointwiseFunction& function);
  ValueId relu6(std::string name, ValueId x);
  ValueId prelu(std::string name, ValueId x, int64_t parameters = 1, double init = 0.25);
  ValueId pad(std::string name, ValueId x, int64_t around);  ///< with zeros; other pads: ops/pad.h
  ValueId transpose(std::string name, ValueId x, std::vector<int64_t> perm);
  ValueId reshape(std::string name, ValueId x, std::vector<int64_t> shape);
  ValueId dropout(std::string name, ValueId x, double p = 0.5);
  ValueId flatten(std::string name, ValueId x);
  ValueId batch_norm(std::string name, ValueId x, double eps = 1e-5, double momentum = 0.1);
  ValueId add(std::string name, ValueId a, ValueId b);
  ValueId mul(std::string name, ValueId a, ValueId b);
  ValueId concat(std::string name, std::vector<ValueId> inputs, int axis = 0);
  ValueId softmax(std::string name, ValueId x);
  ValueId log_softmax(std::string name, ValueId x);

  const std::vector<Node>& nodes() const { return nodes_; }
  const Shape& shape(ValueId value) const { return shapes_.at(static_cast<size_t>(value.index)); }
  int values() const { return static_cast<int>(shapes_.size()); }
  ValueId input() const { return {0}; }
  ValueId output() const { return {values() - 1}; }  ///< of the last node
  std::vector<Shape> input_shapes(const Node& node) const;

  /// Every node's parameters, in order.
  std::shared_ptr<const ParameterTable> parameter_table() const;
  /// Multiply-adds of one image's forward pass.
  int64_t macs() const;

 private:
  std::vector<Node> nodes_;
  std::vector<Shape> shapes_;  // by value
};

}  // namespace unfold
