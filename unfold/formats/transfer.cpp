#include "unfold/formats/transfer.h"

#include <algorithm>
#include <cmath>

#include "unfold/data/digit.h"
#include "unfold/error.h"
#include "unfold/half.h"

namespace unfold {
namespace {

/// The same layer with so many outputs, or null if it is none that decides that.
std::shared_ptr<const Op> with_outputs(const Op& op, int64_t outputs) {
  Attributes attributes = op.attributes();
  const char* const name = op.type() == "Linear"   ? "out_features"
                           : op.type() == "Conv2d" ? "out_channels"
                                                   : nullptr;
  if (!name) return nullptr;
  attributes[name] = {static_cast<double>(outputs)};
  return make_op(op.type(), attributes);
}

/// The network with another number of outputs.
Graph with_head(const Model& model, int64_t outputs) {
  const auto& nodes = model.graph.nodes();
  const auto has_weights = [&](const Node& node) {
    return !node.op->parameters(model.graph.input_shapes(node)).empty();
  };
  const auto last = std::find_if(nodes.rbegin(), nodes.rend(), has_weights);
  const auto head = last == nodes.rend() ? nullptr : with_outputs(*last->op, outputs);
  Graph graph;
  graph.input(model.graph.shape(model.graph.input()));
  for (const Node& node : nodes) graph.add(node.name, head && &node == &*last ? head : node.op, node.inputs);
  if (!head || graph.shape(graph.output()) != Shape{outputs}) {
    throw Error(ErrorKind::usage, "the network cannot be given another number of classes")
        .where(model.name)
        .wanted("a linear layer or a convolution as the last layer with weights");
  }
  return graph;
}

bool is_counter(std::string_view name) {
  return name.ends_with(".num_batches_tracked");
}

}  // namespace

std::vector<float> as_floats(const Tensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.elements()));
  const auto* halves = static_cast<const uint16_t*>(tensor.raw());
  switch (tensor.dtype()) {
    case Dtype::f32:
      std::copy_n(tensor.data<float>(), values.size(), values.begin());
      return values;
    case Dtype::f64:
      std::transform(tensor.data<double>(), tensor.data<double>() + values.size(), values.begin(),
                     [](double v) { return static_cast<float>(v); });
      return values;
    case Dtype::f16:
      std::transform(halves, halves + values.size(), values.begin(), from_half);
      return values;
    case Dtype::bf16:
      std::transform(halves, halves + values.size(), values.begin(), from_bfloat);
      return values;
    default:
      throw Error(ErrorKind::usage, "a tensor of no floating-point numbers")
          .wanted("F32, F16, BF16 or F64")
          .got(dtype_name(tensor.dtype()));
  }
}

Model fitted_to(const Model& model, const Dataset& data, uint64_t seed) {
  const Shape in = model.graph.shape(model.graph.input());
  if (data.image[0] != in[0]) {
    throw Error(ErrorKind::usage, "the data's images have other channels than the network takes")
        .where(data.name)
        .wanted(std::to_string(in[0]))
        .got(std::to_string(data.image[0]));
  }
  Model fitted = model;
  if (data.classes.size() != model.classes.size()) {
    fitted.graph = with_head(model, static_cast<int64_t>(data.classes.size()));
    fitted.parameters = Parameters<float>(fitted.graph.parameter_table());
    initialise(fitted.parameters, Init::pytorch, seed);
    int index = 0;
    for (const ParameterSlice& slice : fitted.parameters.table().slices()) {
      float* const to = fitted.parameters.slice(index++);
      const int from = model.parameters.table().find(slice.name);
      if (model.parameters.table()[from].shape == slice.shape)
        std::copy_n(model.parameters.slice(from), slice.shape.elements(), to);
    }
  }
  Preprocessing& how = fitted.preprocessing;
  if (how.image_h != data.image[1] || how.image_w != data.image[2]) {
    how.image_h = data.image[1];
    how.image_w = data.image[2];
    const bool same = how.image_h == how.out_h && how.image_w == how.out_w;
    how.fit = same ? Preprocessing::Fit::pad : Preprocessing::Fit::bilinear;
  }
  how.digit = how.digit && are_digits(data);
  fitted.classes = data.classes;
  fitted.trained_on = data.name;
  return fitted;
}

Tensor as_dtype(const Tensor& tensor, Dtype dtype, std::string_view where) {
  if (dtype == Dtype::f32) return tensor;
  if (dtype != Dtype::f16 && dtype != Dtype::bf16) {
    throw Error(ErrorKind::usage, "weights are written as F32, F16 or BF16")
        .where(where)
        .got(dtype_name(dtype));
  }
  Tensor out(dtype, tensor.shape());
  auto* to = static_cast<uint16_t*>(out.raw());
  for (const float value : tensor.span<float>()) {
    *to = dtype == Dtype::f16 ? to_half(value) : to_bfloat(value);
    const float back = dtype == Dtype::f16 ? from_half(*to) : from_bfloat(*to);
    if (std::isfinite(value) && !std::isfinite(back)) {
      throw Error(ErrorKind::usage, "a weight is too large for 16 bits")
          .where(where)
          .wanted(dtype == Dtype::f16 ? "less than 65520" : "less than 3.4e38")
          .got(std::to_string(value))
          .hint("BF16 has the range of F32");
    }
    ++to;
  }
  return out;
}

SafetensorsFile state_dict(const Parameters<float>& parameters, Dtype dtype) {
  SafetensorsFile file;
  file.metadata = {{"format", "pt"}};
  int index = 0;
  for (const ParameterSlice& slice : parameters.table().slices())
    file.tensors.emplace_back(slice.name, as_dtype(parameters.tensor(index++), dtype, slice.name));
  return file;
}

std::string Transfer::text(size_t most) const {
  std::string text;
  const auto add = [&](const std::vector<std::string>& names, const char* what) {
    if (names.empty()) return;
    text += std::to_string(names.size()) + " " + what;
    for (size_t i = 0; i < std::min(most, names.size()); ++i) text += (i == 0 ? ": " : ", ") + names[i];
    text += names.size() > most ? ", ...\n" : "\n";
  };
  add(matched, "taken over");
  add(reshaped, "of another shape, left as drawn");
  add(missing, "not in the file, left as drawn");
  add(left_over, "in the file only");
  if (!text.empty()) text.pop_back();
  return text;
}

Transfer transfer(const SafetensorsFile& from, Parameters<float>& to, std::string_view where) {
  Transfer result;
  Parameters<float> changed = to;
  int index = 0;
  for (const ParameterSlice& slice : to.table().slices()) {
    float* const target = changed.slice(index++);
    const Tensor* tensor = from.find(slice.name);
    if (!tensor) {
      result.missing.push_back(slice.name);
    } else if (tensor->shape() != slice.shape) {
      result.reshaped.push_back(slice.name + ": " + tensor->shape().text() + " there, " + slice.shape.text() +
                                " here");
    } else {
      const auto refuse = [&](const char* message, std::string_view got) {
        throw Error(ErrorKind::model, message).where(std::string(where) + ": " + slice.name).got(got);
      };
      const Dtype dtype = tensor->dtype();
      if (dtype != Dtype::f32 && dtype != Dtype::f16 && dtype != Dtype::bf16 && dtype != Dtype::f64)
        refuse("a weight is no floating-point number", dtype_name(dtype));
      const std::vector<float> values = as_floats(*tensor);
      if (!std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); }))
        refuse("a tensor holds NaN or infinity", "a value that is not finite");
      std::copy(values.begin(), values.end(), target);
      result.matched.push_back(slice.name);
    }
  }
  for (const auto& [name, tensor] : from.tensors) {
    if (!is_counter(name) && to.table().find(name) < 0) result.left_over.push_back(name);
  }
  if (result.matched.empty()) {
    throw Error(ErrorKind::model, "none of the file's tensors fits the network")
        .where(where)
        .wanted(to.table().slices().empty() ? ""
                                            : to.table()[0].name + " " + to.table()[0].shape.text() + ", ...")
        .got(from.tensors.empty()
                 ? "no tensors"
                 : from.tensors[0].first + " " + from.tensors[0].second.shape().text() + ", ...")
        .hint(
            "is this the network they are of (--model)? names are torchvision's; 'unfold summary' shows a "
            "network's layers");
  }
  to = std::move(changed);
  return result;
}

}  // namespace unfold
