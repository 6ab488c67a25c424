#include "unfold/formats/onnx/export.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "unfold/error.h"
#include "unfold/formats/onnx/builder.h"
#include "unfold/formats/preprocessing.h"

namespace unfold::onnx {
namespace {

constexpr int64_t kFloat = 1, kUint8 = 2;  // TensorProto.DataType

/// One number, or one a channel, so that it fits (N, C, H, W).
Tensor per_channel(const PerChannel& of) {
  const std::vector<float> values(of.values().begin(), of.values().end());
  const auto count = static_cast<int64_t>(values.size());
  return Tensor::from<float>(count == 1 ? Shape{} : Shape{1, count, 1, 1}, std::span(values));
}

bool all(const PerChannel& of, double value) {
  return std::ranges::all_of(of.values(), [&](double v) { return v == value; });
}

/// From bytes to the network's input; the steps of preprocess(), in its order.
std::string add_preprocessing(GraphBuilder& to, const Preprocessing& how, std::string x) {
  const auto add = [&](std::string_view op_type, const char* name, std::vector<std::string> more,
                       std::vector<Attribute> attributes = {}) {
    more.insert(more.begin(), x);
    x = to.node(op_type, std::string(kPreprocessPrefix) + name, std::move(more), std::move(attributes));
  };
  add("Cast", "cast", {}, {{"to", kFloat}});
  add("Div", "unit", {to.store("preprocess.largest", 255.0)});
  if (how.image_h != how.out_h || how.image_w != how.out_w) {
    if (how.fit == Preprocessing::Fit::pad) {
      const int64_t top = (how.out_h - how.image_h) / 2, left = (how.out_w - how.image_w) / 2;
      const int64_t pads[] = {
          0, 0, top, left, 0, 0, how.out_h - how.image_h - top, how.out_w - how.image_w - left};
      add("Pad", "pad", {to.store("preprocess.pads", pads)});
    } else {
      to.need_opset(18);
      const int64_t sizes[] = {how.out_h, how.out_w};
      add("Resize", "resize", {"", "", to.store("preprocess.sizes", sizes)},
          {{"mode", std::string("linear")},
           {"coordinate_transformation_mode", std::string("half_pixel")},
           {"axes", std::vector<int64_t>{2, 3}}});
    }
  }
  if (!all(how.mean, 0)) add("Sub", "centre", {to.store("preprocess.mean", per_channel(how.mean))});
  if (!all(how.std, 1)) add("Div", "scale", {to.store("preprocess.std", per_channel(how.std))});
  return x;
}

ValueInfo value_info(std::string name, int64_t type, const Shape& image) {
  std::vector<int64_t> sizes = {-1};
  sizes.insert(sizes.end(), image.sizes().begin(), image.sizes().end());
  return {std::move(name), static_cast<int32_t>(type), std::move(sizes)};
}

}  // namespace

Model export_model(const unfold::Model& model, const ExportOptions& options) {
  const unfold::Graph& from = model.graph;
  const Shape out = from.shape(from.output());
  const bool probable = !from.nodes().empty() && from.nodes().back().op->type() == "Softmax";
  if (options.softmax && out.rank() != 1) {
    throw Error(ErrorKind::usage, "a Softmax is over classes")
        .where(model.name)
        .wanted("(classes)")
        .got(out.text());
  }
  if (from.nodes().empty()) throw Error(ErrorKind::usage, "a network without layers").where(model.name);
  GraphBuilder to;
  const Shape in = from.shape(from.input());
  const std::string input = to.fresh(options.preprocess ? "pixels" : "input");
  const std::string output = to.fresh(options.softmax || probable ? "probabilities" : "logits");
  to.graph.name = model.name.empty() ? "network" : model.name;
  int index = 0;
  for (const ParameterSlice& slice : model.parameters.table().slices())
    to.store(slice.name, model.parameters.tensor(index++));

  std::vector<std::string> values(static_cast<size_t>(from.values()));
  values[0] = input;
  if (options.preprocess) {
    for (const unfold::Node& layer : from.nodes()) {
      if (layer.name.starts_with(kPreprocessPrefix)) {
        throw Error(ErrorKind::usage, "a name that the preprocessing has in an export")
            .where(layer.name)
            .hint("call the layer something else, or export without the preprocessing");
      }
    }
    const Preprocessing& how = model.preprocessing;
    to.graph.inputs = {value_info(input, kUint8, {in[0], how.image_h, how.image_w})};
    values[0] = add_preprocessing(to, how, input);
  } else {
    to.graph.inputs = {value_info(input, kFloat, in)};
  }
  for (const unfold::Node& layer : from.nodes()) {
    std::vector<std::string> inputs;
    for (const ValueId value : layer.inputs) inputs.push_back(values[static_cast<size_t>(value.index)]);
    values[static_cast<size_t>(layer.output.index)] = export_layer(to, from, layer, inputs);
  }
  if (options.softmax && !probable) to.node("Softmax", "softmax", {values.back()}, {{"axis", int64_t{1}}});
  to.graph.nodes.back().outputs = {output};  // nothing reads it: each layer stands after those it reads
  to.graph.outputs = {value_info(output, kFloat, out)};

  Model exported;
  exported.ir_version = to.opset() < 19 ? 8 : 9;
  exported.producer = "unfold";
  exported.opsets = {{"", to.opset()}};
  exported.metadata = {{kNameKey, model.name},
                       {kTrainedOnKey, model.trained_on},
                       {kClassesKey, nlohmann::json(model.classes).dump()},
                       {kPreprocessingKey, preprocessing_text(model.preprocessing)}};
  exported.graph = std::move(to.graph);
  return exported;
}

}  // namespace unfold::onnx
