// An ONNX graph while it grows, and what each of our operators becomes in it.
#pragma once

#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "unfold/formats/onnx/model.h"
#include "unfold/graph.h"

namespace unfold::onnx {

class GraphBuilder {
 public:
  /// A name that no value has yet: this one, or with "_" behind it; taken from now on.
  std::string fresh(std::string name);
  /// Appends a node with one output, and returns the output's name: the node's, as far as it is free.
  std::string node(std::string_view op_type, const std::string& name, std::vector<std::string> inputs,
                   std::vector<Attribute> attributes = {});
  /// Stores a tensor and returns its name.
  std::string store(const std::string& name, Tensor values);
  std::string store(const std::string& name, double value);
  std::string store(const std::string& name, std::span<const int64_t> values);
  /// What is built is known from this version of ONNX's operators on.
  void need_opset(int64_t version) { opset_ = std::max(opset_, version); }
  int64_t opset() const { return opset_; }

  Graph graph;

 private:
  std::set<std::string> taken_;
  int64_t opset_ = 17;
};

/// Appends what one layer of a network is in ONNX; `inputs` are the names of the values it reads. Its
/// parameters must have been stored under their own names. Returns the output's name.
std::string export_layer(GraphBuilder& to, const unfold::Graph& from, const unfold::Node& layer,
                         const std::vector<std::string>& inputs);

/// The operators export_layer knows: all of op_types().
std::span<const std::string_view> exported_types();

/// Adaptive average pooling along one axis as a matrix (out, in): row i has 1/count in the columns of its bin
/// [floor(i in/out), ceil((i+1) in/out)).
std::vector<float> adaptive_bins(int64_t in, int64_t out);

}  // namespace unfold::onnx
