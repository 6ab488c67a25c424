#include "unfold/fold.h"

#include <algorithm>
#include <cmath>

#include "unfold/ops/batch_norm.h"
#include "unfold/ops/conv2d.h"
#include "unfold/ops/linear.h"

namespace unfold {
namespace {

/// The same operator with a bias, or null if it is none that takes a batch normalisation in.
std::shared_ptr<const Op> with_bias(const Op& op) {
  if (op.type() == "Conv2d") {
    const auto& conv = static_cast<const Conv2d&>(op);
    return std::make_shared<Conv2d>(conv.out_channels(), conv.window(), true);
  }
  if (op.type() == "Linear")
    return std::make_shared<Linear>(static_cast<const Linear&>(op).out_features(), true);
  return nullptr;
}

/// The batch normalisation that alone reads what node i makes, or null.
const Node* norm_behind(const Graph& graph, size_t i) {
  const Node* norm = nullptr;
  int readers = 0;
  for (const Node& node : graph.nodes()) {
    for (const ValueId input : node.inputs) {
      if (input != graph.nodes()[i].output) continue;
      ++readers;
      norm = &node;
    }
  }
  return readers == 1 && norm->op->type() == "BatchNorm" ? norm : nullptr;
}

const float* find(const Parameters<float>& parameters, const std::string& name) {
  const int index = parameters.table().find(name);
  return index < 0 ? nullptr : parameters.slice(index);
}

/// Copies the parameters of a layer of `to`, with the batch normalisation `norm` folded in, if there is one.
void copy_layer(const Parameters<float>& from, const Graph& graph, const Node& layer, const Node* norm,
                Parameters<float>& to) {
  for (const ParameterSpec& spec : layer.op->parameters(graph.input_shapes(layer))) {
    const std::string name = layer.name + "." + spec.name;
    float* const target = to.slice(to.table().find(name));
    const float* const source = find(from, name);
    if (!norm) {
      std::copy_n(source, spec.shape.elements(), target);
      continue;
    }
    const float *const scale = find(from, norm->name + ".weight"), *const shift =
                                                                       find(from, norm->name + ".bias");
    const float *const mean = find(from, norm->name + ".running_mean"), *const var =
                                                                            find(from,
                                                                                 norm->name + ".running_var");
    const double eps = static_cast<const BatchNorm&>(*norm->op).eps();
    for (int64_t r = 0, rows = spec.shape[0], row = spec.shape.elements() / rows; r < rows; ++r) {
      const double g = static_cast<double>(scale[r]) / std::sqrt(static_cast<double>(var[r]) + eps);
      if (spec.name == "bias") {
        const double bias = source ? static_cast<double>(source[r]) : 0;
        target[r] =
            static_cast<float>((bias - static_cast<double>(mean[r])) * g + static_cast<double>(shift[r]));
      } else {
        for (int64_t e = r * row; e < (r + 1) * row; ++e)
          target[e] = static_cast<float>(static_cast<double>(source[e]) * g);
      }
    }
  }
}

}  // namespace

std::optional<Folded> fold(const Graph& graph, const Parameters<float>& parameters) {
  Folded folded;
  folded.values.assign(static_cast<size_t>(graph.values()), {});
  const auto value = [&](ValueId old) -> ValueId& { return folded.values[static_cast<size_t>(old.index)]; };
  value(graph.input()) = folded.graph.input(graph.shape(graph.input()));
  std::vector<const Node*> norms;  // folded into each new node, or null
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node& node = graph.nodes()[i];
    if (value(node.output).index >= 0) continue;  // folded already
    const Node* norm = norm_behind(graph, i);
    std::shared_ptr<const Op> op = norm ? with_bias(*node.op) : nullptr;
    if (!op) norm = nullptr, op = node.op;
    std::vector<ValueId> inputs;
    for (const ValueId input : node.inputs) inputs.push_back(value(input));
    value(node.output) = folded.graph.add(node.name, std::move(op), std::move(inputs));
    if (norm) value(norm->output) = value(node.output);
    norms.push_back(norm);
  }
  if (std::all_of(norms.begin(), norms.end(), [](const Node* norm) { return norm == nullptr; })) return {};
  folded.parameters = Parameters<float>(folded.graph.parameter_table());
  for (size_t i = 0; i < norms.size(); ++i)
    copy_layer(parameters, folded.graph, folded.graph.nodes()[i], norms[i], folded.parameters);
  return folded;
}

}  // namespace unfold
