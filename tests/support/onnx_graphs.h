// Small ONNX graphs as other programs write them, and what they become as networks.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "unfold/formats/onnx/import.h"

namespace unfold::test {

using Ints = std::vector<int64_t>;
using Floats = std::vector<float>;

/// What a network gives for a batch of inputs.
inline std::vector<float> outputs(const Model& model, const std::vector<float>& x, Engine engine) {
  const int64_t in = model.graph.shape(model.graph.input()).elements(),
                out = model.graph.shape(model.graph.output()).elements();
  const int64_t batch = static_cast<int64_t>(x.size()) / in;
  ThreadPool pool(1);
  const Plan<float> plan(model.graph, {.batch = batch, .training = false, .engine = engine});
  Workspace<float> workspace(plan.memory(), 1);
  plan.pack(model.parameters, workspace, pool);
  std::vector<float> y(static_cast<size_t>(batch * out));
  plan.forward(
      model.parameters,
      [&](int64_t first, int64_t n, float* to) { std::copy_n(x.data() + first * in, n * in, to); },
      [&](int64_t first, int64_t n, const float* from) {
        std::copy_n(from, n * out, y.data() + first * out);
      },
      workspace, pool, true);
  return y;
}

inline onnx::TensorValue tensor(const char* name, const Shape& shape, const Floats& values) {
  return {name, Tensor::from<float>(shape, std::span(values)), {}};
}
inline onnx::TensorValue whole(const char* name, const Ints& values) {
  return {name, Tensor::from<int64_t>({static_cast<int64_t>(values.size())}, std::span(values)), {}};
}

/// A graph from "x" (N, C, H, W) whose last node makes the output.
inline onnx::Model graph_of(const Ints& input, std::vector<onnx::TensorValue> stored,
                            std::vector<onnx::Node> nodes, int64_t opset = 17) {
  onnx::Model m;
  m.opsets = {{"", opset}};
  m.graph.inputs = {{"x", 1, input}};
  m.graph.outputs = {{nodes.back().outputs[0], 1, std::nullopt}};
  m.graph.initializers = std::move(stored);
  m.graph.nodes = std::move(nodes);
  return m;
}
inline onnx::Node node(const char* op_type, std::vector<std::string> inputs, const char* output,
                       std::vector<onnx::Attribute> attributes = {}) {
  return {.name = {},
          .op_type = op_type,
          .domain = {},
          .inputs = std::move(inputs),
          .outputs = {output},
          .attributes = std::move(attributes)};
}

inline Model imported(const onnx::Model& model) {
  return onnx::import_model(model, "net.onnx").model;
}

inline std::vector<float> result(const onnx::Model& model, const Floats& x) {
  return outputs(imported(model), x, Engine::naive);
}

inline std::string refusal(const onnx::Model& model) {
  try {
    imported(model);
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::model);
    return e.what();
  }
  return "accepted";
}

inline bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

inline std::string operators(const Model& model) {
  std::string text;
  for (const Node& n : model.graph.nodes()) text += (text.empty() ? "" : " ") + std::string(n.op->type());
  return text;
}

inline const Floats kEight = {1, 2, 3, 4, 5, 6, 7, 8};  // (1, 2, 2, 2)

}  // namespace unfold::test
