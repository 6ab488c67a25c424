#include "unfold/formats/onnx/import.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "unfold/formats/onnx/export.h"
#include "unfold/formats/onnx/import_graph.h"
#include "unfold/formats/preprocessing.h"
#include "unfold/ops/shape_ops.h"
#include "unfold/text.h"

namespace unfold::onnx {
namespace {

const std::string* metadata(const Model& model, const char* key) {
  const auto found = model.metadata.find(key);
  return found == model.metadata.end() ? nullptr : &found->second;
}

const ImportRule* rule_for(const Node& node) {
  if (!node.domain.empty()) return nullptr;
  for (const auto rules : {import_layers(), import_pools(), import_pointwise(), import_shapes()}) {
    const auto found = std::ranges::find(rules, node.op_type, &ImportRule::op_type);
    if (found != rules.end()) return &*found;
  }
  return nullptr;
}

void apply(ImportGraph& in, const Node& node) {
  const ImportRule* rule = rule_for(node);
  if (!rule) {
    in.refuse(node, "an operator that networks have not here", {},
              printable(node.domain.empty() ? node.op_type : node.domain + "." + node.op_type));
  }
  try {
    rule->apply(in, node);
  } catch (const Error& e) {  // of a layer that cannot be
    if (e.kind() == ErrorKind::model) throw;
    in.refuse(node, e.what());
  }
}

/// The output as (classes), if that is what it is.
void finish(ImportGraph& in) {
  const Node& last = *in.nodes().back();
  const Node end = {.name = "flatten",
                    .op_type = "Flatten",
                    .domain = {},
                    .inputs = {in.output()},
                    .outputs = {""},
                    .attributes = {}};
  if (!in.is_value(end, 0)) in.refuse(last, "the output does not come from the images");
  ValueId out = in.value(end, 0);
  const Shape shape = in.graph.shape(out);
  if (shape.rank() == 3 && shape[1] == 1 && shape[2] == 1) {
    out = in.add(end, std::make_shared<Flatten>(), {out});
  } else if (shape.rank() != 1) {
    in.refuse(last, "the output is no row of classes", "(N, classes)", of_images(shape));
  }
  if (in.graph.nodes().empty() || out != in.graph.output())
    in.refuse(last, "layers that the output does not need stand behind it");
}

/// Bytes / 255, and for a grey input of MNIST's sizes the treatment of digits.
Preprocessing assumed(const Shape& image) {
  Preprocessing how = {
      .image_h = image[1], .image_w = image[2], .out_h = image[1], .out_w = image[2], .digit = false};
  const bool square = image[0] == 1 && image[1] == image[2];
  if (square && (image[1] == 28 || image[1] == 32)) how.image_h = how.image_w = 28, how.digit = true;
  return how;
}

/// The graph behind the preprocessing that an export began it with: its input is what that gives.
Model without_preprocessing(const Model& from, const Preprocessing& how) {
  const auto first = [](const Node& node) { return node.name.starts_with(kPreprocessPrefix); };
  constexpr int64_t kUint8 = 2;  // TensorProto.DataType
  Model inner = from;
  Graph& graph = inner.graph;
  if (graph.inputs.size() == 1 && graph.inputs[0].type != kUint8) return inner;  // exported without it
  const auto last = std::find_if(graph.nodes.rbegin(), graph.nodes.rend(), first);
  if (last == graph.nodes.rend() || last->outputs.empty() || graph.inputs.size() != 1 ||
      !graph.inputs[0].shape || graph.inputs[0].shape->size() != 4)
    return inner;
  ValueInfo& input = graph.inputs[0];
  input.name = last->outputs[0];
  (*input.shape)[2] = how.out_h;
  (*input.shape)[3] = how.out_w;
  std::erase_if(graph.nodes, first);
  return inner;
}

void take_classes(const Model& from, std::string_view where, LoadedModel& to) {
  const Shape out = to.model.graph.shape(to.model.graph.output());
  std::vector<std::string>& classes = to.model.classes;
  if (const std::string* text = metadata(from, kClassesKey)) {
    try {
      classes = nlohmann::json::parse(*text).get<std::vector<std::string>>();
    } catch (const std::exception& e) {
      throw Error(ErrorKind::model, "the names of the classes cannot be understood")
          .where(where)
          .got(e.what());
    }
    if (static_cast<int64_t>(classes.size()) != out[0]) {
      throw Error(ErrorKind::model, "outputs and class names differ in number")
          .where(where)
          .wanted(std::to_string(out[0]))
          .got(std::to_string(classes.size()));
    }
    return;
  }
  if (out[0] > kMaxClasses) {
    throw Error(ErrorKind::model, "too many classes")
        .where(where)
        .wanted("at most " + std::to_string(kMaxClasses))
        .got(std::to_string(out[0]));
  }
  for (int64_t i = 0; i < out[0]; ++i) classes.push_back(std::to_string(i));
}

}  // namespace

LoadedModel import_model(const Model& from, std::string_view where) {
  const std::string* text = metadata(from, kPreprocessingKey);
  std::optional<Preprocessing> described;
  if (text) described = parse_preprocessing(*text, where);
  const Model inner = described ? without_preprocessing(from, *described) : from;
  ImportGraph in(inner, where);
  for (const Node* node : in.nodes()) {
    if (!in.taken(*node)) apply(in, *node);
  }
  finish(in);

  LoadedModel loaded;
  unfold::Model& model = loaded.model;
  const std::string *name = metadata(from, kNameKey), *data = metadata(from, kTrainedOnKey);
  model.name = name && !name->empty() ? *name : std::filesystem::path(where).stem().string();
  if (data) model.trained_on = *data;
  model.parameters = in.parameters();
  model.graph = std::move(in.graph);
  const Shape image = model.graph.shape(model.graph.input());
  model.preprocessing = described ? *described : assumed(image);
  model.preprocessing.check(where, image[0]);
  if (model.preprocessing.output(image[0]) != image) {
    throw Error(ErrorKind::model, "the preprocessing does not make the network's input")
        .where(where)
        .wanted(image.text())
        .got(model.preprocessing.output(image[0]).text());
  }
  take_classes(from, where, loaded);
  loaded.assumed = !described;
  return loaded;
}

}  // namespace unfold::onnx
