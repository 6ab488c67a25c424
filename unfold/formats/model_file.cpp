#include "unfold/formats/model_file.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "unfold/files.h"
#include "unfold/formats/json_message.h"
#include "unfold/formats/json_number.h"
#include "unfold/formats/onnx/import.h"
#include "unfold/formats/onnx/reader.h"
#include "unfold/formats/preprocessing_json.h"
#include "unfold/small_build.h"

namespace unfold {
namespace {

using Json = nlohmann::json;

constexpr const char* kFormatKey = "unfold.format";
constexpr const char* kModelKey = "unfold.model";
constexpr const char* kFormat = "1";
constexpr size_t kMostLayers = 10000;

/// The network, by value number: 0 is the input, node i makes value i + 1.
Graph graph_from(const Json& json, const MakeOp& make) {
  Graph graph;
  std::vector<ValueId> values{graph.input(Shape(whole_numbers(json.at("input"))))};
  if (json.at("layers").size() > kMostLayers) {
    throw Error(ErrorKind::model, "the network has too many layers")
        .wanted("at most " + std::to_string(kMostLayers))
        .got(std::to_string(json.at("layers").size()));
  }
  for (const Json& layer : json.at("layers")) {
    std::vector<ValueId> inputs;
    for (const Json& input : layer.at("inputs")) inputs.push_back(values.at(whole_number<size_t>(input)));
    const auto name = layer.at("name").get<std::string>(), type = layer.at("type").get<std::string>();
    std::shared_ptr<const Op> op;
    try {
      op = make(type, layer.at("attributes").get<Attributes>());
    } catch (const Error& e) {  // graph.add names the layer itself
      throw Error(ErrorKind::model, e.what()).where(name).hint(e.hint());
    }
    values.push_back(graph.add(name, std::move(op), std::move(inputs)));
  }
  return graph;
}

/// Whether the file's tensors are exactly those of the network of this name, which is then made.
bool holds(std::string_view name, const SafetensorsFile& file, Model& model) {
  if constexpr (kSmallBuild) return false;
  const auto table = make_graph(name).parameter_table();
  const bool same =
      file.tensors.size() == table->slices().size() &&
      std::all_of(table->slices().begin(), table->slices().end(), [&](const ParameterSlice& slice) {
        const Tensor* tensor = file.find(slice.name);
        return tensor && tensor->shape() == slice.shape;
      });
  if (same) model = make_model(name, 0);
  return same;
}

}  // namespace

std::string describe_model(const Model& model) {
  Json layers = Json::array();
  for (const Node& node : model.graph.nodes()) {
    Json inputs = Json::array();
    for (const ValueId value : node.inputs) inputs.push_back(value.index);
    layers.push_back({{"name", node.name},
                      {"type", node.op->type()},
                      {"inputs", inputs},
                      {"attributes", node.op->attributes()}});
  }
  const auto sizes = model.graph.shape(model.graph.input()).sizes();
  const Json json = {{"name", model.name},
                     {"trained_on", model.trained_on},
                     {"input", std::vector<int64_t>(sizes.begin(), sizes.end())},
                     {"layers", layers},
                     {"classes", model.classes},
                     {"preprocessing", preprocessing_json(model.preprocessing)}};
  return json.dump();
}

Model model_from_description(std::string_view text, std::string_view where, int64_t parameters,
                             const MakeOp& make) {
  Model model;
  try {
    const Json json = Json::parse(text);
    model.name = json.at("name").get<std::string>();
    model.trained_on = json.at("trained_on").get<std::string>();
    model.graph = graph_from(json, make);
    model.classes = json.at("classes").get<std::vector<std::string>>();
    model.preprocessing = preprocessing_from(json.at("preprocessing"));
    const auto table = model.graph.parameter_table();
    if (table->count() > parameters) {
      throw Error(ErrorKind::model, "the file has too few weights for its network")
          .wanted(std::to_string(table->count()))
          .got(std::to_string(parameters));
    }
    model.parameters = Parameters<float>(table);
    model.check();
  } catch (const Error& e) {
    throw Error(ErrorKind::model, e.what()).where(where).hint(e.hint());
  } catch (const std::exception& e) {  // from the JSON library, or an index out of range
    throw Error(ErrorKind::model, "the description of the network cannot be understood")
        .where(where)
        .got(json_message(e));
  }
  return model;
}

void add_tensors(SafetensorsFile& file, const Parameters<float>& parameters, const std::string& prefix) {
  int index = 0;
  for (const ParameterSlice& slice : parameters.table().slices()) {
    file.tensors.emplace_back(prefix + slice.name, parameters.tensor(index++));
  }
}

void read_tensors(const SafetensorsFile& file, Parameters<float>& parameters, const std::string& prefix,
                  std::string_view where) {
  int index = 0;
  for (const ParameterSlice& slice : parameters.table().slices()) {
    const Tensor* tensor = file.find(prefix + slice.name);
    const auto refuse = [&](const char* message, const std::string& got) {
      throw Error(ErrorKind::model, message)
          .where(std::string(where) + ": " + prefix + slice.name)
          .wanted("F32 " + slice.shape.text())
          .got(got);
    };
    if (!tensor) refuse("a tensor is missing", "none of that name");
    if (tensor->dtype() != Dtype::f32 || tensor->shape() != slice.shape) {
      refuse("a tensor does not fit the network",
             std::string(dtype_name(tensor->dtype())) + " " + tensor->shape().text());
    }
    const auto values = tensor->span<float>();
    if (!std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); })) {
      refuse("a tensor holds NaN or infinity", "a value that is not finite");
    }
    std::copy(values.begin(), values.end(), parameters.slice(index++));
  }
}

std::vector<std::byte> serialize_model(const Model& model) {
  model.check();
  SafetensorsFile file;
  file.metadata = {{"format", "pt"}, {kFormatKey, kFormat}, {kModelKey, describe_model(model)}};
  add_tensors(file, model.parameters, "");
  seal(file);
  return serialize_safetensors(file);
}

void save_model(const std::filesystem::path& path, const Model& model) {
  write_file(path, serialize_model(model));
}

LoadedModel parse_model(const SafetensorsFile& file, std::string_view where, const MakeOp& make) {
  LoadedModel loaded;
  check_seal(file, where);  // a file of ours without its checksum is refused there
  const auto description = file.metadata.find(kModelKey);
  if (description != file.metadata.end()) {
    const auto format = file.metadata.find(kFormatKey);
    if (format == file.metadata.end() || format->second != kFormat) {
      throw Error(ErrorKind::model, "the file is of another version of the format")
          .where(where)
          .wanted(kFormat)
          .got(format == file.metadata.end() ? "none" : format->second);
    }
    loaded.model = model_from_description(description->second, where, file.elements(), make);
    if (file.tensors.size() != loaded.model.parameters.table().slices().size()) {
      throw Error(ErrorKind::model, "the file has other tensors than its network")
          .where(where)
          .wanted(std::to_string(loaded.model.parameters.table().slices().size()))
          .got(std::to_string(file.tensors.size()));
    }
  } else {
    if (!holds("lenet5", file, loaded.model)) {
      throw Error(ErrorKind::model,
                  "the file does not say what network it holds, and its tensors are not LeNet-5's")
          .where(where)
          .wanted(
              "the metadata of a model saved by unfold, or LeNet-5's ten tensors conv1.weight ... fc3.bias")
          .got(std::to_string(file.tensors.size()) + " tensors")
          .hint("begin a run with these weights: unfold train --model NAME --init-from " +
                std::string(where));
    }
    // What torch programs commonly use for MNIST padded to 32x32; without it no answer would be right.
    loaded.model.preprocessing = {.mean = 0.1, .std = 0.2752};
    loaded.assumed = true;
    loaded.note =
        "a file of another program, read as LeNet-5; its preprocessing is unknown: MNIST padded to 32x32, "
        "mean 0.1, deviation 0.2752 are assumed";
  }
  read_tensors(file, loaded.model.parameters, "", where);
  return loaded;
}

LoadedModel parse_model(std::span<const std::byte> bytes, std::string_view where, const MakeOp& make) {
  return parse_model(parse_safetensors(bytes, where), where, make);
}

LoadedModel load_model(const std::filesystem::path& path, const MakeOp& make) {
  if constexpr (!kSmallBuild) {
    if (path.extension() == ".onnx") return onnx::import_model(onnx::read_model(path), path.string());
  }
  if (path.extension() == ".json") {
    throw Error(ErrorKind::model, "a network in JSON has no weights")
        .where(path.string())
        .hint("train it first: unfold train --model " + path.string());
  }
  return parse_model(read_safetensors(path), path.string(), make);
}

}  // namespace unfold
