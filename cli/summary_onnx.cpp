#include "cli/summary_onnx.h"

#include <algorithm>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "unfold/formats/onnx/reader.h"

namespace unfold::cli {
namespace {

using nlohmann::ordered_json;

/// Inputs that are no weights: old files list those too.
std::vector<const onnx::ValueInfo*> asked_for(const onnx::Graph& graph) {
  std::map<std::string_view, const onnx::TensorValue*> weights;
  for (const onnx::TensorValue& w : graph.initializers) weights[w.name] = &w;
  std::vector<const onnx::ValueInfo*> inputs;
  for (const onnx::ValueInfo& input : graph.inputs) {
    if (!weights.contains(input.name)) inputs.push_back(&input);
  }
  return inputs;
}

ordered_json described(const onnx::ValueInfo& value) {
  ordered_json shape;
  if (value.shape) {
    shape = ordered_json::array();
    for (const int64_t size : *value.shape) shape.push_back(size < 0 ? ordered_json() : ordered_json(size));
  }
  return {{"name", value.name},
          {"type", value.type == 0 ? "no tensor" : onnx::type_name(value.type)},
          {"shape", shape}};
}

std::string line(const onnx::ValueInfo& value) {
  std::string text = "  " + shown(value.name) + "  ";
  text += value.type == 0 ? "no tensor" : onnx::type_name(value.type);
  if (!value.shape) return text;
  text += " (";
  for (size_t i = 0; i < value.shape->size(); ++i) {
    const int64_t size = (*value.shape)[i];
    text += (i ? ", " : "") + (size < 0 ? "?" : std::to_string(size));
  }
  return text + ")";
}

void add_values(const onnx::Graph& graph, ordered_json& json) {
  json["inputs"] = json["outputs"] = ordered_json::array();
  for (const onnx::ValueInfo* input : asked_for(graph)) json["inputs"].push_back(described(*input));
  for (const onnx::ValueInfo& output : graph.outputs) json["outputs"].push_back(described(output));
}

void print_values(const onnx::Graph& graph) {
  std::cout << "Inputs\n";
  for (const onnx::ValueInfo* input : asked_for(graph)) std::cout << line(*input) << '\n';
  std::cout << "\nOutputs\n";
  for (const onnx::ValueInfo& output : graph.outputs) std::cout << line(output) << '\n';
}

}  // namespace

std::string shown(std::string name) {
  std::replace_if(name.begin(), name.end(), [](unsigned char c) { return c < ' ' || c == '\x7f'; }, '?');
  return name;
}

void print_onnx_values(const std::filesystem::path& path) {
  print_values(onnx::read_model(path).graph);
}

void add_onnx_values(const std::filesystem::path& path, ordered_json& json) {
  add_values(onnx::read_model(path).graph, json);
}

void print_onnx_summary(const std::filesystem::path& path, bool json) {
  const onnx::Model model = onnx::read_model(path);
  const onnx::Graph& graph = model.graph;
  std::map<std::string, int64_t> operators;
  for (const onnx::Node& node : graph.nodes) {
    ++operators[node.domain.empty() ? node.op_type : node.domain + "." + node.op_type];
  }
  int64_t elements = 0, bytes = 0;
  for (const onnx::TensorValue& w : graph.initializers) {
    elements += w.refused.empty() ? w.values.elements() : 0;
    bytes += w.refused.empty() ? static_cast<int64_t>(w.values.bytes()) : 0;
  }
  if (json) {
    ordered_json out = {{"format", "onnx"},           {"ir_version", model.ir_version},
                        {"producer", model.producer}, {"opsets", model.opsets},
                        {"graph", graph.name},        {"nodes", graph.nodes.size()},
                        {"operators", operators},     {"initializers", graph.initializers.size()},
                        {"elements", elements},       {"bytes", bytes}};
    add_values(graph, out);
    std::cout << out.dump(-1, ' ', false, ordered_json::error_handler_t::replace) << '\n';
    return;
  }
  std::cout << "ONNX, IR version " << model.ir_version;
  for (const auto& [domain, version] : model.opsets) {
    std::cout << ", " << (domain.empty() ? "" : shown(domain) + " ") << "opset " << version;
  }
  if (!model.producer.empty()) std::cout << ", by " << shown(model.producer);
  std::cout << "\n\n";
  print_values(graph);
  std::cout << "\nOperators\n";
  for (const auto& [name, count] : operators) std::cout << "  " << count << " x " << shown(name) << '\n';
  std::cout << '\n'
            << graph.nodes.size() << " nodes, " << graph.initializers.size() << " stored tensors of "
            << elements << " elements\n";
}

}  // namespace unfold::cli
