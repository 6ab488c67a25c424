#include "unfold/graph.h"

#include <algorithm>

#include "unfold/error.h"
#include "unfold/ops/activation.h"
#include "unfold/ops/adaptive_pool2d.h"
#include "unfold/ops/batch_norm.h"
#include "unfold/ops/conv2d.h"
#include "unfold/ops/conv_transpose2d.h"
#include "unfold/ops/dropout.h"
#include "unfold/ops/join.h"
#include "unfold/ops/linear.h"
#include "unfold/ops/local_response_norm.h"
#include "unfold/ops/pad.h"
#include "unfold/ops/pointwise.h"
#include "unfold/ops/pool2d.h"
#include "unfold/ops/prelu.h"
#include "unfold/ops/rearrange.h"
#include "unfold/ops/shape_ops.h"

namespace unfold {
namespace {

/// Keeps every sum over the values of a batch of a network far from overflow.
constexpr int64_t kMostElements = int64_t{1} << 30;

void require_fits_memory(const Shape& shape, const std::string& where) {
  if (shape.elements() > kMostElements) {
    throw Error(ErrorKind::usage, "a value of one image is too large")
        .where(where)
        .wanted("at most " + std::to_string(kMostElements) + " elements")
        .got(shape.text());
  }
}

}  // namespace

ValueId Graph::input(const Shape& image) {
  if (!shapes_.empty()) throw Error(ErrorKind::usage, "a graph has one input");
  if (image.elements() < 1) throw Error(ErrorKind::usage, "the input is empty").got(image.text());
  require_fits_memory(image, "input");
  shapes_.push_back(image);
  return {0};
}

ValueId Graph::add(std::string name, std::shared_ptr<const Op> op, std::vector<ValueId> inputs) {
  const std::string where = name.empty() ? std::string(op->type()) : name;
  if (name.empty() ||
      std::any_of(nodes_.begin(), nodes_.end(), [&](const Node& n) { return n.name == name; })) {
    throw Error(ErrorKind::usage, "a layer needs a name of its own").where(where).got("\"" + name + "\"");
  }
  if (static_cast<int>(inputs.size()) != op->inputs()) {
    throw Error(ErrorKind::usage, "wrong number of inputs")
        .where(where)
        .wanted(std::to_string(op->inputs()))
        .got(std::to_string(inputs.size()));
  }
  std::vector<Shape> in;
  for (const ValueId value : inputs) {
    if (value.index < 0 || value.index >= values()) {
      throw Error(ErrorKind::usage, "an input is no value of this graph").where(where);
    }
    in.push_back(shape(value));
  }
  const Shape out = op->output_shape(in, where);
  require_fits_memory(out, where);
  shapes_.push_back(out);
  nodes_.push_back({std::move(name), std::move(op), std::move(inputs), {values() - 1}});
  return nodes_.back().output;
}

ValueId Graph::conv2d(std::string name, ValueId x, int64_t out_channels, const Window2d& window, bool bias) {
  return add(std::move(name), std::make_shared<Conv2d>(out_channels, window, bias), {x});
}
ValueId Graph::conv_transpose2d(std::string name, ValueId x, int64_t out_channels, const Window2d& window,
                                int64_t output_padding, bool bias) {
  return add(std::move(name),
             std::make_shared<ConvTranspose2d>(out_channels, window, output_padding, output_padding, bias),
             {x});
}
ValueId Graph::avg_pool2d(std::string name, ValueId x, const Window2d& window, bool count_include_pad,
                          bool ceil_mode) {
  return add(std::move(name), std::make_shared<AvgPool2d>(window, count_include_pad, ceil_mode), {x});
}
ValueId Graph::max_pool2d(std::string name, ValueId x, const Window2d& window, bool ceil_mode) {
  return add(std::move(name), std::make_shared<MaxPool2d>(window, ceil_mode), {x});
}
ValueId Graph::adaptive_avg_pool2d(std::string name, ValueId x, int64_t out_h, int64_t out_w) {
  return add(std::move(name), std::make_shared<AdaptiveAvgPool2d>(out_h, out_w), {x});
}
ValueId Graph::global_avg_pool(std::string name, ValueId x) {
  return adaptive_avg_pool2d(std::move(name), x, 1, 1);
}
ValueId Graph::local_response_norm(std::string name, ValueId x, int64_t size, double alpha, double beta,
                                   double k) {
  return add(std::move(name), std::make_shared<LocalResponseNorm>(size, alpha, beta, k), {x});
}
ValueId Graph::linear(std::string name, ValueId x, int64_t out_features, bool bias) {
  return add(std::move(name), std::make_shared<Linear>(out_features, bias), {x});
}
ValueId Graph::tanh(std::string name, ValueId x, double scale) {
  return add(std::move(name), std::make_shared<Tanh>(scale), {x});
}
ValueId Graph::relu(std::string name, ValueId x) {
  return add(std::move(name), std::make_shared<Relu>(), {x});
}
ValueId Graph::sigmoid(std::string name, ValueId x) {
  return add(std::move(name), std::make_shared<Sigmoid>(), {x});
}
ValueId Graph::pointwise(std::string name, ValueId x, const PointwiseFunction& function) {
  return add(std::move(name), std::make_shared<PointwiseOp>(function), {x});
}
ValueId Graph::relu6(std::string name, ValueId x) {
  return pointwise(std::move(name), x, {Pointwise::clip, 0, 6});
}
ValueId Graph::prelu(std::string name, ValueId x, int64_t parameters, double init) {
  return add(std::move(name), std::make_shared<PRelu>(parameters, init), {x});
}
ValueId Graph::pad(std::string name, ValueId x, int64_t around) {
  return add(std::move(name), std::make_shared<Pad>(around, around, around, around), {x});
}
ValueId Graph::transpose(std::string name, ValueId x, std::vector<int64_t> perm) {
  return add(std::move(name), std::make_shared<Transpose>(std::move(perm)), {x});
}
ValueId Graph::reshape(std::string name, ValueId x, std::vector<int64_t> shape) {
  return add(std::move(name), std::make_shared<Reshape>(std::move(shape)), {x});
}
ValueId Graph::dropout(std::string name, ValueId x, double p) {
  return add(std::move(name), std::make_shared<Dropout>(p), {x});
}
ValueId Graph::flatten(std::string name, ValueId x) {
  return add(std::move(name), std::make_shared<Flatten>(), {x});
}
ValueId Graph::add(std::string name, ValueId a, ValueId b) {
  return add(std::move(name), std::make_shared<Add>(), {a, b});
}
ValueId Graph::batch_norm(std::string name, ValueId x, double eps, double momentum) {
  return add(std::move(name), std::make_shared<BatchNorm>(eps, momentum), {x});
}
ValueId Graph::mul(std::string name, ValueId a, ValueId b) {
  return add(std::move(name), std::make_shared<Mul>(), {a, b});
}
ValueId Graph::concat(std::string name, std::vector<ValueId> inputs, int axis) {
  const int count = static_cast<int>(inputs.size());
  return add(std::move(name), std::make_shared<Concat>(count, axis), std::move(inputs));
}
ValueId Graph::softmax(std::string name, ValueId x) {
  return add(std::move(name), std::make_shared<Softmax>(), {x});
}

ValueId Graph::log_softmax(std::string name, ValueId x) {
  return add(std::move(name), std::make_shared<LogSoftmax>(), {x});
}

std::vector<Shape> Graph::input_shapes(const Node& node) const {
  std::vector<Shape> in;
  for (const ValueId value : node.inputs) in.push_back(shape(value));
  return in;
}

std::shared_ptr<const ParameterTable> Graph::parameter_table() const {
  auto table = std::make_shared<ParameterTable>();
  for (const Node& node : nodes_) {
    for (const ParameterSpec& spec : node.op->parameters(input_shapes(node))) {
      table->add(node.name + "." + spec.name, spec.shape, spec.fan_in, spec.kind, spec.start);
    }
  }
  return table;
}

int64_t Graph::macs() const {
  int64_t total = 0;
  for (const Node& node : nodes_) total += node.op->macs(input_shapes(node));
  return total;
}

}  // namespace unfold
