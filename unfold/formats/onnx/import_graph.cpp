#include "unfold/formats/onnx/import_graph.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "unfold/error.h"
#include "unfold/formats/transfer.h"
#include "unfold/text.h"

namespace unfold::onnx {
namespace {

constexpr size_t kMostLayers = 5'000;
constexpr int64_t kMostInput = int64_t{1} << 26;  // numbers of one image
constexpr int64_t kMostSide = int64_t{1} << 20;   // and along one of its axes

constexpr std::string_view kHint = "'unfold run' computes what a graph gives, whatever its operators are";

/// What a terminal and a JSON text can show.
std::string clean(std::string name) {
  std::ranges::replace_if(name, [](char c) { return c <= ' ' || c > '~'; }, '_');
  return name;
}

std::string shown(const Node& node) {
  const std::string& name = !node.name.empty() || node.outputs.empty() ? node.name : node.outputs[0];
  constexpr size_t kMost = 80;
  return clean(node.op_type.substr(0, kMost)) + " " + printable(name);
}

}  // namespace

double decimal(float value) {
  constexpr size_t kLongest = 32;
  char text[kLongest];
  const char* end = std::to_chars(text, text + kLongest, value).ptr;
  double number = static_cast<double>(value);
  std::from_chars(text, end, number);
  return number;
}

std::string of_images(const Shape& image) {
  std::string text = "(N";
  for (const int64_t size : image.sizes()) text += ", " + std::to_string(size);
  return text + ")";
}

std::string layer_name(const Node& node) {
  const size_t last = node.name.rfind('/');
  std::string name = last == 0 ? node.name.substr(1) : node.name;
  if (last != std::string::npos && last > 0 && name.starts_with('/')) {
    std::string part, before;
    name.clear();
    for (size_t at = 1; at < last; at += part.size() + 1) {
      part = node.name.substr(at, node.name.find('/', at) - at);
      if (!before.empty() && part.starts_with(before + ".")) {
        name.replace(name.size() - before.size(), before.size(), part);
      } else {
        name += (name.empty() ? "" : ".") + part;
      }
      before = part;
    }
    const std::string use = node.name.substr(last + 1);  // "Relu", or "Relu_1" where the module is used again
    if (use.starts_with(node.op_type + "_")) name += use.substr(node.op_type.size());
  }
  if (name.empty()) {
    name = node.op_type;
    std::ranges::transform(name, name.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  }
  return clean(name);
}

ImportGraph::ImportGraph(const Model& model, std::string_view where) : model_(model), where_(where) {
  const auto refuse_graph = [&](std::string_view what, std::string_view wanted, std::string_view got) {
    throw Error(ErrorKind::model, what).where(where_).wanted(wanted).got(got).hint(kHint);
  };
  const auto own = model.opsets.find("");
  opset_ = own == model.opsets.end() ? 1 : own->second;
  constexpr int64_t kRoom = int64_t{1} << 21;  // for what the graph computes, and what two layers share
  room_ = kRoom;
  for (const TensorValue& tensor : model.graph.initializers) {
    room_ += tensor.refused.empty() ? tensor.values.elements() : 0;
    if (tensor.refused.empty()) {
      entries_.insert_or_assign(tensor.name, tensor.values);
    } else {
      entries_.insert_or_assign(tensor.name, tensor.refused);
    }
  }
  for (const Node& node : model.graph.nodes) {  // weights of some exporters are Constants
    for (const Attribute& attribute : node.attributes) {
      const auto* tensor = std::get_if<TensorValue>(&attribute.value);
      if (tensor && tensor->refused.empty()) room_ += tensor->values.elements();
    }
  }
  take_input();
  if (model.graph.outputs.size() != 1)
    refuse_graph("this graph has not one output", "1", std::to_string(model.graph.outputs.size()));
  find_needed();
  if (nodes_.empty()) refuse_graph("no node makes the output", {}, printable(output()));
}

void ImportGraph::take_input() {
  std::vector<const ValueInfo*> inputs;
  std::string names;
  for (const ValueInfo& input : model_.graph.inputs) {
    if (entries_.contains(input.name)) continue;  // old files list stored tensors here, too
    inputs.push_back(&input);
    names += (names.empty() ? "" : ", ") + printable(input.name);
  }
  const auto& sizes = inputs.size() == 1 ? inputs[0]->shape : std::nullopt;
  const bool images =
      sizes && sizes->size() == 4 &&
      std::all_of(sizes->begin() + 1, sizes->end(), [](int64_t s) { return s > 0 && s <= kMostSide; });
  if (!images) {
    std::string got = inputs.size() == 1 ? names + " of " : names;
    if (inputs.size() == 1 && !sizes) got += "any shape";
    for (size_t i = 0; sizes && i < sizes->size(); ++i)
      got += (i ? " x " : "") + ((*sizes)[i] < 0 ? "?" : std::to_string((*sizes)[i]));
    throw Error(ErrorKind::model, "the input is not a batch of images of a fixed size")
        .where(where_)
        .wanted("one input (N, C, H, W)")
        .got(got)
        .hint("export it for images of a fixed size; " + std::string(kHint));
  }
  if ((*sizes)[0] >= 0) batch_ = (*sizes)[0];
  const std::span<const int64_t> all = *sizes;
  const Shape image(all.subspan(1));
  if (image.elements() > kMostInput)
    throw Error(ErrorKind::model, "the images are too large").where(where_).got(image.text());
  entries_.insert_or_assign(inputs[0]->name, Value{graph.input(image), {}});
}

void ImportGraph::find_needed() {
  std::map<std::string_view, size_t> maker;
  const std::vector<Node>& all = model_.graph.nodes;
  for (size_t i = 0; i < all.size(); ++i) {
    for (const std::string& output : all[i].outputs) {
      if (!output.empty()) maker[output] = i;
    }
  }
  std::vector<bool> needed(all.size(), false);
  std::vector<std::string_view> open = {output()};
  while (!open.empty()) {
    const auto found = maker.find(open.back());
    open.pop_back();
    if (found == maker.end() || needed[found->second]) continue;
    needed[found->second] = true;
    for (const std::string& input : all[found->second].inputs) open.push_back(input);
  }
  for (size_t i = 0; i < all.size(); ++i) {
    if (!needed[i]) continue;
    nodes_.push_back(&all[i]);
    for (const std::string& input : all[i].inputs) readers_[input].push_back(&all[i]);
  }
  for (const Node* node : nodes_) {
    for (size_t k = 1; k < node->outputs.size(); ++k) {
      if (node->outputs[k] == output() || readers_.contains(node->outputs[k]))
        refuse(*node, "only a node's first output can be used here", {}, printable(node->outputs[k]));
    }
    if (node->outputs.empty() || node->outputs[0].empty()) refuse(*node, "a node without an output");
  }
}

void ImportGraph::refuse(const Node& node, std::string_view what, std::string_view wanted,
                         std::string_view got) const {
  throw Error(ErrorKind::model, what).where(where_ + ": " + shown(node)).wanted(wanted).got(got).hint(kHint);
}

const Attribute* ImportGraph::attribute(const Node& node, std::string_view name) const {
  const auto found = std::ranges::find(node.attributes, name, &Attribute::name);
  return found == node.attributes.end() ? nullptr : &*found;
}

int64_t ImportGraph::integer(const Node& node, std::string_view name, int64_t otherwise) const {
  const Attribute* found = attribute(node, name);
  if (!found) return otherwise;
  if (const auto* v = std::get_if<int64_t>(&found->value)) return *v;
  refuse(node, "an attribute is of another kind", "a whole number", name);
}

double ImportGraph::number(const Node& node, std::string_view name, double otherwise) const {
  const Attribute* found = attribute(node, name);
  if (!found) return otherwise;
  if (const auto* v = std::get_if<float>(&found->value)) return decimal(*v);
  refuse(node, "an attribute is of another kind", "a number", name);
}

std::string ImportGraph::text(const Node& node, std::string_view name, std::string_view otherwise) const {
  const Attribute* found = attribute(node, name);
  if (!found) return std::string(otherwise);
  if (const auto* v = std::get_if<std::string>(&found->value)) return *v;
  refuse(node, "an attribute is of another kind", "a text", name);
}

std::optional<ImportGraph::Integers> ImportGraph::integers(const Node& node, std::string_view name) const {
  const Attribute* found = attribute(node, name);
  if (!found) return std::nullopt;
  if (const auto* v = std::get_if<std::vector<int64_t>>(&found->value)) return *v;
  refuse(node, "an attribute is of another kind", "whole numbers", name);
}

bool ImportGraph::has(const Node& node, size_t input) const {
  return input < node.inputs.size() && !node.inputs[input].empty();
}

const ImportGraph::Entry* ImportGraph::entry(const Node& node, size_t input) const {
  if (!has(node, input)) refuse(node, "an input is missing", "input " + std::to_string(input));
  const auto found = entries_.find(node.inputs[input]);
  if (found == entries_.end())
    refuse(node, "an input that no node before has made", {}, printable(node.inputs[input]));
  return &found->second;
}

bool ImportGraph::is_value(const Node& node, size_t input) const {
  return std::holds_alternative<Value>(*entry(node, input));
}

ImportGraph::Value ImportGraph::padded(const Node& node, size_t input) const {
  if (const auto* v = std::get_if<Value>(entry(node, input))) return *v;
  refuse(node, "input " + std::to_string(input) + " does not come from the images");
}

ValueId ImportGraph::value(const Node& node, size_t input) const {
  const Value v = padded(node, input);
  if (v.pads != std::array<int64_t, 4>{})
    refuse(node, "a Pad that only convolutions and average poolings take");
  return v.id;
}

const Tensor* ImportGraph::constant(const Node& node, size_t input) const {
  const auto found = has(node, input) ? entries_.find(node.inputs[input]) : entries_.end();
  if (found == entries_.end()) return nullptr;
  if (const auto* type = std::get_if<std::string>(&found->second))
    refuse(node, "a stored tensor of a type that is not read", {}, *type);
  return std::get_if<Tensor>(&found->second);
}

const Tensor& ImportGraph::stored(const Node& node, size_t input) const {
  const Tensor* tensor = constant(node, input);
  if (!tensor) refuse(node, "input " + std::to_string(input) + " is not stored in the file");
  return *tensor;
}

std::vector<float> ImportGraph::numbers(const Node& node, size_t input) const {
  const Tensor& tensor = stored(node, input);
  const Dtype d = tensor.dtype();
  if (d != Dtype::f32 && d != Dtype::f64 && d != Dtype::f16 && d != Dtype::bf16)
    refuse(node, "input " + std::to_string(input) + " holds no real numbers", {}, dtype_name(d));
  return as_floats(tensor);
}

std::optional<double> ImportGraph::scalar(const Node& node, size_t input) const {
  const Tensor* tensor = constant(node, input);
  if (!tensor || tensor->elements() != 1) return std::nullopt;
  return decimal(numbers(node, input)[0]);
}

std::optional<ImportGraph::Integers> ImportGraph::integers(const Node& node, size_t input) const {
  const Entry* e = entry(node, input);
  if (const auto* known = std::get_if<Integers>(e)) return *known;
  const Tensor* tensor = std::get_if<Tensor>(e);
  constexpr int64_t kMost = 1 << 16;
  if (!tensor || tensor->elements() > kMost) return std::nullopt;
  if (tensor->dtype() == Dtype::i64) {
    const auto values = tensor->span<int64_t>();
    return Integers(values.begin(), values.end());
  }
  if (tensor->dtype() == Dtype::i32) {
    const auto values = tensor->span<int32_t>();
    return Integers(values.begin(), values.end());
  }
  return std::nullopt;
}

std::optional<ImportGraph::Integers> ImportGraph::integers(const Node& node, size_t input,
                                                           std::string_view attribute) const {
  if (!has(node, input)) return integers(node, attribute);
  auto known = integers(node, input);
  if (!known) refuse(node, "numbers that are computed where fixed ones are wanted", attribute);
  return known;
}

double ImportGraph::number(const Node& node, std::string_view attribute, size_t input,
                           double otherwise) const {
  if (!has(node, input)) return number(node, attribute, otherwise);
  const auto known = scalar(node, input);
  if (!known) refuse(node, "a number that is computed where a fixed one is wanted", attribute);
  return *known;
}

void ImportGraph::pass(const Node& node, size_t input) {
  entries_.insert_or_assign(node.outputs[0], Entry(*entry(node, input)));
}

std::span<const Node* const> ImportGraph::readers(const Node& node) const {
  const auto found = readers_.find(node.outputs[0]);
  if (node.outputs[0] == output() || found == readers_.end()) return {};
  return found->second;
}

const Node* ImportGraph::only_reader(const Node& node) const {
  const auto all = readers(node);
  return all.size() == 1 ? all[0] : nullptr;
}

ValueId ImportGraph::add(const Node& node, std::shared_ptr<const Op> op, std::vector<ValueId> inputs,
                         const std::string& weights) {
  constexpr std::string_view kWeight = ".weight";
  const bool named = weights.ends_with(kWeight) && weights.size() > kWeight.size();
  const std::string base =
      named ? clean(weights.substr(0, weights.size() - kWeight.size())) : layer_name(node);
  std::string name = base;
  for (int& use = uses_[base]; !names_.insert(name).second; name = base + "_" + std::to_string(use + 1))
    ++use;
  if (graph.nodes().size() >= kMostLayers)
    refuse(node, "too many layers", "at most " + std::to_string(kMostLayers));
  return graph.add(name, std::move(op), std::move(inputs));
}

std::string ImportGraph::checked(const Node& node, const char* parameter, std::span<const float> values) {
  const unfold::Node& layer = graph.nodes().back();
  const auto specs = layer.op->parameters(graph.input_shapes(layer));
  const auto spec = std::ranges::find(specs, parameter, &ParameterSpec::name);
  const auto count = static_cast<int64_t>(values.size());
  if (spec == specs.end() || spec->shape.elements() != count) {
    refuse(node, "a stored tensor has another size",
           std::to_string(spec == specs.end() ? 0 : spec->shape.elements()) + " numbers",
           std::to_string(count));
  }
  if (!std::ranges::all_of(values, [](float v) { return std::isfinite(v); }))
    refuse(node, "a stored tensor holds NaN or infinity");
  room_ -= count;
  if (room_ < 0) refuse(node, "the layers have more weights than the file holds");
  return layer.name + "." + parameter;
}

void ImportGraph::set(const Node& node, const char* parameter, std::vector<float> values) {
  std::string name = checked(node, parameter, values);
  weights_[std::move(name)] = std::move(values);
}
void ImportGraph::set(const Node& node, const char* parameter, size_t input) {
  weights_[checked(node, parameter, numbers(node, input))] = stored(node, input);
}

Parameters<float> ImportGraph::parameters() {
  Parameters<float> all(graph.parameter_table());
  int index = 0;
  for (const ParameterSlice& slice : all.table().slices()) {
    auto& kept = weights_.at(slice.name);
    if (const auto* tensor = std::get_if<Tensor>(&kept)) kept = as_floats(*tensor);
    std::ranges::copy(std::get<std::vector<float>>(kept), all.slice(index++));
    kept = {};
  }
  return all;
}

}  // namespace unfold::onnx
