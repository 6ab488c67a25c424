// Graphs for tests, written down node by node.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "unfold/formats/onnx/model.h"

namespace unfold::test {

inline constexpr int64_t kNewest = 17;

template <class T>
Tensor tensor(std::vector<int64_t> sizes, const std::vector<T>& values) {
  Tensor t(dtype_of<T>(), Shape(sizes));
  std::copy(values.begin(), values.end(), t.data<T>());
  return t;
}

/// A list of whole numbers, as shapes, axes and the like are given.
inline Tensor list(const std::vector<int64_t>& values) {
  return tensor<int64_t>({static_cast<int64_t>(values.size())}, values);
}

/// Adds to a model what a test says; the last node's outputs are the graph's.
class GraphMaker {
 public:
  explicit GraphMaker(int64_t opset = kNewest) {
    model_.ir_version = 8;
    model_.opsets[""] = opset;
  }

  /// An input of any shape.
  GraphMaker& input(const std::string& name, int32_t type = 1) {
    model_.graph.inputs.push_back({name, type, std::nullopt});
    return *this;
  }
  GraphMaker& stored(const std::string& name, const Tensor& values) {
    model_.graph.initializers.push_back({name, values, ""});
    return *this;
  }
  GraphMaker& node(const std::string& type, std::vector<std::string> inputs, std::vector<std::string> outputs,
                   std::vector<onnx::Attribute> attributes = {}) {
    model_.graph.nodes.push_back({"", type, "", std::move(inputs), outputs, std::move(attributes)});
    model_.graph.outputs.clear();
    for (const std::string& name : outputs) {
      if (!name.empty()) model_.graph.outputs.push_back({name, 1, std::nullopt});
    }
    return *this;
  }
  onnx::Model model() const { return model_; }

 private:
  onnx::Model model_;
};

using Ints = std::vector<int64_t>;

}  // namespace unfold::test
