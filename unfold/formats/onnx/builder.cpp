#include "unfold/formats/onnx/builder.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "unfold/error.h"
#include "unfold/ops/adaptive_pool2d.h"
#include "unfold/ops/batch_norm.h"
#include "unfold/ops/conv2d.h"
#include "unfold/ops/join.h"
#include "unfold/ops/local_response_norm.h"

namespace unfold::onnx {

std::string GraphBuilder::fresh(std::string name) {
  while (!taken_.insert(name).second) name += "_";
  return name;
}

std::string GraphBuilder::node(std::string_view op_type, const std::string& name,
                               std::vector<std::string> inputs, std::vector<Attribute> attributes) {
  std::string output = fresh(name);
  graph.nodes.push_back({.name = name,
                         .op_type = std::string(op_type),
                         .domain = {},
                         .inputs = std::move(inputs),
                         .outputs = {output},
                         .attributes = std::move(attributes)});
  return output;
}

std::string GraphBuilder::store(const std::string& name, Tensor values) {
  graph.initializers.push_back({fresh(name), std::move(values), {}});
  return graph.initializers.back().name;
}
std::string GraphBuilder::store(const std::string& name, double value) {
  const auto number = static_cast<float>(value);
  return store(name, Tensor::from<float>({}, std::span(&number, 1)));
}
std::string GraphBuilder::store(const std::string& name, std::span<const int64_t> values) {
  return store(name, Tensor::from<int64_t>({static_cast<int64_t>(values.size())}, values));
}

std::vector<float> adaptive_bins(int64_t in, int64_t out) {
  std::vector<float> bins(static_cast<size_t>(out * in), 0.0f);
  for (int64_t i = 0; i < out; ++i) {
    const int64_t begin = i * in / out, end = ((i + 1) * in + out - 1) / out;
    std::fill_n(bins.begin() + (i * in + begin), end - begin, 1.0f / static_cast<float>(end - begin));
  }
  return bins;
}

namespace {

/// One layer on its way out.
struct Layer {
  GraphBuilder& to;
  const unfold::Node& node;
  const std::vector<std::string>& x;
  const std::vector<Shape>& in;  ///< of one image of each input
  const Shape& out;
  Attributes attributes;

  double number(const char* name) const { return attributes.at(name).at(0); }
  bool flag(const char* name) const { return attributes.contains(name) && number(name) != 0; }
  std::vector<int64_t> integers(const char* name) const {
    const std::vector<double>& values = attributes.at(name);
    return {values.begin(), values.end()};
  }
  /// The values read, then the parameters the operator has.
  std::vector<std::string> with_parameters() const {
    std::vector<std::string> names = x;
    for (const ParameterSpec& spec : node.op->parameters(in)) names.push_back(node.name + "." + spec.name);
    return names;
  }
  std::string add(std::string_view op_type, std::vector<std::string> inputs,
                  std::vector<Attribute> with = {}) const {
    return to.node(op_type, node.name, std::move(inputs), std::move(with));
  }
  /// A node that the layer needs beside its main one.
  std::string add_part(std::string_view op_type, const char* part, std::vector<std::string> inputs,
                       std::vector<Attribute> with = {}) const {
    return to.node(op_type, node.name + "/" + part, std::move(inputs), std::move(with));
  }
  std::string constant(const char* part, double value) const {
    return to.store(node.name + "." + part, value);
  }
};

Attribute real(const char* name, double value) {
  return {name, static_cast<float>(value)};
}

std::vector<Attribute> window(const Layer& l) {
  return {{"kernel_shape", l.integers("kernel_shape")},
          {"strides", l.integers("strides")},
          {"pads", l.integers("pads")}};
}

std::string conv(const Layer& l) {
  std::vector<Attribute> attributes = window(l);
  attributes.push_back({"dilations", l.integers("dilations")});
  attributes.push_back({"group", static_cast<const Conv2d&>(*l.node.op).window().groups});
  return l.add("Conv", l.with_parameters(), std::move(attributes));
}

std::string conv_transpose(const Layer& l) {
  std::vector<Attribute> attributes = window(l);
  attributes.push_back({"dilations", l.integers("dilations")});
  attributes.push_back({"group", l.integers("groups")[0]});
  attributes.push_back({"output_padding", l.integers("output_padding")});
  return l.add("ConvTranspose", l.with_parameters(), std::move(attributes));
}

/// Attributes of both poolings. Those of the first versions are left out where they say nothing.
std::vector<Attribute> pooling(const Layer& l) {
  std::vector<Attribute> attributes = window(l);
  if (l.flag("ceil_mode")) attributes.push_back({"ceil_mode", int64_t{1}});
  if (l.integers("dilations") != std::vector<int64_t>{1, 1}) {
    attributes.push_back({"dilations", l.integers("dilations")});
  }
  return attributes;
}
std::string max_pool(const Layer& l) {
  return l.add("MaxPool", l.x, pooling(l));
}
std::string avg_pool(const Layer& l) {
  std::vector<Attribute> attributes = pooling(l);
  if (attributes.back().name == "dilations") l.to.need_opset(19);
  attributes.push_back({"count_include_pad", int64_t{l.flag("count_include_pad")}});
  return l.add("AveragePool", l.x, std::move(attributes));
}

/// Global, windows that tile the image, or else a matrix product along each axis.
std::string adaptive_pool(const Layer& l) {
  const int64_t ih = l.in[0][1], iw = l.in[0][2], oh = l.out[1], ow = l.out[2];
  if (oh == 1 && ow == 1) return l.add("GlobalAveragePool", l.x);
  if (ih % oh == 0 && iw % ow == 0) {
    const std::vector<int64_t> tile = {ih / oh, iw / ow};
    return l.add("AveragePool", l.x, {{"kernel_shape", tile}, {"strides", tile}});
  }
  const std::vector<float> rows = adaptive_bins(ih, oh), columns = adaptive_bins(iw, ow);
  Tensor right = Tensor::from<float>({ow, iw}, columns).transposed(0, 1).clone();
  const std::string across =
      l.add_part("MatMul", "columns", {l.x[0], l.to.store(l.node.name + ".columns", std::move(right))});
  return l.add("MatMul", {l.to.store(l.node.name + ".rows", Tensor::from<float>({oh, ih}, rows)), across});
}

std::string linear(const Layer& l) {
  return l.add("Gemm", l.with_parameters(), {{"transB", int64_t{1}}});
}

std::string tanh(const Layer& l) {
  const double scale = l.number("scale");
  if (scale == 1) return l.add("Tanh", l.x);
  return l.add("Mul", {l.add_part("Tanh", "tanh", l.x), l.constant("scale", scale)});
}

template <const char* kType>
std::string plain(const Layer& l) {
  return l.add(kType, l.x);
}
/// With ONNX's attributes, which are named and meant like ours.
template <const char* kType>
std::string same(const Layer& l) {
  std::vector<Attribute> attributes;
  for (const auto& [name, values] : l.attributes) attributes.push_back(real(name.c_str(), values.at(0)));
  return l.add(kType, l.x, std::move(attributes));
}

std::string silu(const Layer& l) {
  return l.add("Mul", {l.x[0], l.add_part("Sigmoid", "sigmoid", l.x)});
}

std::string clip(const Layer& l) {
  return l.add("Clip", {l.x[0], l.constant("min", l.number("min")), l.constant("max", l.number("max"))});
}

/// A slope a channel is repeated along the axes behind it.
std::string prelu(const Layer& l) {
  std::vector<std::string> names = l.with_parameters();
  const int64_t rank = l.in[0].rank();
  if (l.number("num_parameters") > 1 && rank > 1) {
    std::vector<int64_t> axes(static_cast<size_t>(rank - 1));
    std::iota(axes.begin(), axes.end(), int64_t{1});
    names[1] = l.add_part("Unsqueeze", "slopes", {names[1], l.to.store(l.node.name + ".axes", axes)});
  }
  return l.add("PRelu", std::move(names));
}

std::string pad(const Layer& l) {
  constexpr std::string_view kModes[] = {"constant", "reflect", "edge"};
  const std::vector<int64_t> around = l.integers("pads");
  const int64_t pads[] = {0, 0, around[0], around[1], 0, 0, around[2], around[3]};
  std::vector<std::string> inputs = {l.x[0], l.to.store(l.node.name + ".pads", pads)};
  const auto mode = kModes[static_cast<size_t>(l.number("mode"))];
  if (mode == "constant") inputs.push_back(l.constant("value", l.number("value")));
  return l.add("Pad", std::move(inputs), {{"mode", std::string(mode)}});
}

std::string transpose(const Layer& l) {
  std::vector<int64_t> order = {0};
  for (const int64_t axis : l.integers("perm")) order.push_back(axis + 1);
  return l.add("Transpose", l.x, {{"perm", order}});
}

std::string reshape(const Layer& l) {
  std::vector<int64_t> sizes = {-1};
  sizes.insert(sizes.end(), l.out.sizes().begin(), l.out.sizes().end());
  return l.add("Reshape", {l.x[0], l.to.store(l.node.name + ".shape", sizes)});
}

std::string concat(const Layer& l) {
  return l.add("Concat", l.x, {{"axis", int64_t{static_cast<const Concat&>(*l.node.op).axis() + 1}}});
}

/// ONNX's window of an even size is the mirror of ours: the channels are turned around before and after.
std::string local_response_norm(const Layer& l) {
  const LocalResponse& how = static_cast<const LocalResponseNorm&>(*l.node.op).how();
  const std::vector<Attribute> attributes = {
      {"size", how.size}, real("alpha", how.alpha), real("beta", how.beta), real("bias", how.k)};
  if (how.size % 2 == 1) return l.add("LRN", l.x, attributes);
  std::vector<int64_t> backwards(static_cast<size_t>(l.in[0][0]));
  std::iota(backwards.rbegin(), backwards.rend(), int64_t{0});
  const std::string order = l.to.store(l.node.name + ".backwards", backwards);
  const Attribute axis = {"axis", int64_t{1}};
  const std::string turned = l.add_part("Gather", "turned", {l.x[0], order}, {axis});
  return l.add("Gather", {l.add_part("LRN", "lrn", {turned}, attributes), order}, {axis});
}

/// ONNX's momentum is the part that stays, ours the part that is new.
std::string batch_norm(const Layer& l) {
  return l.add("BatchNormalization", l.with_parameters(),
               {real("epsilon", l.number("eps")), real("momentum", 1 - l.number("momentum"))});
}

/// Does nothing in inference; kept so that the network can go on learning.
std::string dropout(const Layer& l) {
  return l.add("Dropout", {l.x[0], l.constant("ratio", l.number("p"))});
}

std::string softmax(const Layer& l) {
  return l.add("Softmax", l.x, {{"axis", int64_t{1}}});
}
std::string log_softmax(const Layer& l) {
  return l.add("LogSoftmax", l.x, {{"axis", int64_t{1}}});
}
std::string flatten(const Layer& l) {
  return l.add("Flatten", l.x, {{"axis", int64_t{1}}});
}

constexpr char kRelu[] = "Relu", kSigmoid[] = "Sigmoid", kLeakyRelu[] = "LeakyRelu", kElu[] = "Elu",
               kHardSigmoid[] = "HardSigmoid", kHardSwish[] = "HardSwish", kSoftplus[] = "Softplus",
               kSelu[] = "Selu", kSoftsign[] = "Softsign", kAdd[] = "Add", kMul[] = "Mul";

constexpr struct {
  std::string_view type;
  std::string (*run)(const Layer&);
} kExports[] = {
    {"Conv2d", conv},
    {"AvgPool2d", avg_pool},
    {"MaxPool2d", max_pool},
    {"AdaptiveAvgPool2d", adaptive_pool},
    {"Linear", linear},
    {"Tanh", tanh},
    {"Relu", plain<kRelu>},
    {"Sigmoid", plain<kSigmoid>},
    {"LeakyRelu", same<kLeakyRelu>},
    {"Elu", same<kElu>},
    {"HardSigmoid", same<kHardSigmoid>},
    {"HardSwish", plain<kHardSwish>},
    {"Silu", silu},
    {"Clip", clip},
    {"Softplus", plain<kSoftplus>},
    {"Selu", same<kSelu>},
    {"Softsign", plain<kSoftsign>},
    {"PRelu", prelu},
    {"ConvTranspose2d", conv_transpose},
    {"Pad", pad},
    {"Transpose", transpose},
    {"Reshape", reshape},
    {"LogSoftmax", log_softmax},
    {"Flatten", flatten},
    {"Add", plain<kAdd>},
    {"Mul", plain<kMul>},
    {"Concat", concat},
    {"LocalResponseNorm", local_response_norm},
    {"BatchNorm", batch_norm},
    {"Dropout", dropout},
    {"Softmax", softmax},
};

}  // namespace

std::string export_layer(GraphBuilder& to, const unfold::Graph& from, const unfold::Node& layer,
                         const std::vector<std::string>& inputs) {
  for (const auto& [type, run] : kExports) {
    if (type != layer.op->type()) continue;
    return run(
        {to, layer, inputs, from.input_shapes(layer), from.shape(layer.output), layer.op->attributes()});
  }
  throw Error(ErrorKind::usage, "an operator that has no form in ONNX")
      .where(layer.name)
      .got(layer.op->type());
}

std::span<const std::string_view> exported_types() {
  static constexpr auto kTypes = [] {
    std::array<std::string_view, std::size(kExports)> types;
    for (size_t i = 0; i < types.size(); ++i) types[i] = kExports[i].type;
    return types;
  }();
  return kTypes;
}

}  // namespace unfold::onnx
