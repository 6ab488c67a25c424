// Import of activations, and of arithmetic with values and with stored numbers.
#include <algorithm>
#include <limits>

#include "unfold/formats/onnx/import_window.h"
#include "unfold/ops/activation.h"
#include "unfold/ops/conv2d.h"
#include "unfold/ops/dropout.h"
#include "unfold/ops/join.h"
#include "unfold/ops/pointwise.h"
#include "unfold/ops/prelu.h"
#include "unfold/ops/shape_ops.h"

namespace unfold::onnx {
namespace {

constexpr double kLargest = std::numeric_limits<float>::max();

template <class O>
void plain(ImportGraph& in, const Node& node) {
  in.bind(node, in.add(node, std::make_shared<O>(), {in.value(node, 0)}));
}

void pointwise(ImportGraph& in, const Node& node, const PointwiseFunction& function) {
  in.bind(node, in.add(node, std::make_shared<PointwiseOp>(function), {in.value(node, 0)}));
}
void leaky_relu(ImportGraph& in, const Node& node) {
  pointwise(in, node, {Pointwise::leaky_relu, in.number(node, "alpha", 0.01)});
}
void elu(ImportGraph& in, const Node& node) {
  pointwise(in, node, {Pointwise::elu, in.number(node, "alpha", 1)});
}
void hard_sigmoid(ImportGraph& in, const Node& node) {
  pointwise(in, node, {Pointwise::hard_sigmoid, in.number(node, "alpha", 0.2), in.number(node, "beta", 0.5)});
}
void hard_swish(ImportGraph& in, const Node& node) {
  pointwise(in, node, {Pointwise::hard_swish});
}
void softplus(ImportGraph& in, const Node& node) {
  pointwise(in, node, {Pointwise::softplus});
}

void clip(ImportGraph& in, const Node& node) {
  const double min = in.number(node, "min", 1, -kLargest), max = in.number(node, "max", 2, kLargest);
  if (min <= -kLargest && max >= kLargest) return in.pass(node);
  if (min == 0 && max >= kLargest) return plain<Relu>(in, node);
  pointwise(in, node, {Pointwise::clip, std::max(min, -kLargest), std::min(max, kLargest)});
}

void selu(ImportGraph& in, const Node& node) {
  pointwise(in, node,
            {Pointwise::selu, in.number(node, "alpha", 1.67326319217681884765625),
             in.number(node, "gamma", 1.05070102214813232421875)});
}
void softsign(ImportGraph& in, const Node& node) {
  pointwise(in, node, {Pointwise::softsign});
}

/// One slope for all, or one for each channel.
void prelu(ImportGraph& in, const Node& node) {
  const std::vector<float> slopes = in.numbers(node, 1);
  const Shape x = in.shape(node, 0);
  const Tensor* const stored = in.constant(node, 1);
  if (!stored || x.rank() == 0 || !per_channel(in, node, *stored, x[0], x.rank())) {
    in.refuse(node, "slopes that are not one, or one for each channel",
              std::to_string(x.rank() == 0 ? 0 : x[0]) + " of " + of_images(x),
              stored ? stored->shape().text() : "none");
  }
  in.bind(node, in.add(node, std::make_shared<PRelu>(std::ssize(slopes)), {in.value(node, 0)}));
  in.set(node, "weight", slopes);
}

/// x * sigmoid(x) is one function.
void sigmoid(ImportGraph& in, const Node& node) {
  const Node* mul = in.only_reader(node);
  const bool silu = mul && mul->op_type == "Mul" && mul->inputs.size() == 2 &&
                    (mul->inputs[0] == node.inputs[0] || mul->inputs[1] == node.inputs[0]);
  if (!silu) return plain<Sigmoid>(in, node);
  in.take(*mul);
  in.bind(*mul, in.add(*mul, std::make_shared<PointwiseOp>(PointwiseFunction{Pointwise::silu}),
                       {in.value(node, 0)}));
}

/// A number that multiplies it belongs to it, as in the article's 1.7159 tanh.
void tanh(ImportGraph& in, const Node& node) {
  const Node* mul = in.only_reader(node);
  if (mul && mul->op_type == "Mul" && mul->inputs.size() == 2) {
    const auto scale = in.scalar(*mul, mul->inputs[0] == node.outputs[0] ? 1 : 0);
    if (scale && *scale > 0) {
      in.take(*mul);
      return in.bind(*mul, in.add(*mul, std::make_shared<Tanh>(*scale), {in.value(node, 0)}));
    }
  }
  plain<Tanh>(in, node);
}

void dropout(ImportGraph& in, const Node& node) {
  const double p = in.number(node, "ratio", 1, 0.5);
  if (!(p > 0 && p < 1)) return in.pass(node);
  in.bind(node, in.add(node, std::make_shared<Dropout>(p), {in.value(node, 0)}));
}

/// At the end of a graph it is left to whoever reads the logits: the loss has one of its own.
void softmax(ImportGraph& in, const Node& node) {
  const Shape& x = in.shape(node, 0);
  int64_t axis = in.integer(node, "axis", in.opset() < 13 ? 1 : -1);
  axis += axis < 0 ? x.rank() + 1 : 0;
  const bool vector = x.rank() == 1 || (x.rank() == 3 && x[1] == 1 && x[2] == 1);
  if (axis != 1 || !vector)
    in.refuse(node, "a softmax that is not over classes", "(N, classes), axis 1", of_images(x));
  if (node.outputs[0] == in.output()) return in.pass(node);
  if (node.op_type != "Softmax") in.refuse(node, "it is taken at the end of a graph only");
  plain<Softmax>(in, node);
}

/// y = scale * x + shift, channel by channel: a convolution of 1 x 1 with a group for each channel.
void affine(ImportGraph& in, const Node& node, size_t input, const std::vector<float>& scale,
            const std::vector<float>& shift) {
  const auto is = [](const std::vector<float>& values, float v) {
    return std::ranges::all_of(values, [v](float x) { return x == v; });
  };
  if (is(scale, 1) && is(shift, 0)) return in.pass(node, input);
  const ValueId x = in.value(node, input);
  const Shape image = in.graph.shape(x);
  if (image.rank() != 3) in.refuse(node, "numbers that scale or shift features", "layers with weights");
  Window2d one;
  one.groups = image[0];
  const bool bias = !is(shift, 0);
  const auto all = [&](const std::vector<float>& values) {
    return values.size() == 1 && image[0] <= (1 << 20)
               ? std::vector<float>(static_cast<size_t>(image[0]), values[0])
               : values;
  };
  const ValueId y = in.add(node, std::make_shared<Conv2d>(image[0], one, bias), {x});
  in.set(node, "weight", all(scale));
  if (bias) in.set(node, "bias", all(shift));
  in.bind(node, y);
}

/// One stored input: a bias, a scale.
void with_numbers(ImportGraph& in, const Node& node, size_t value) {
  const size_t other = 1 - value;
  const Tensor* stored = in.constant(node, other);
  if (!stored) in.refuse(node, "arithmetic with numbers that are computed");
  const Shape x = in.shape(node, value);
  if (x.rank() == 0 || !per_channel(in, node, *stored, x[0], x.rank())) {
    in.refuse(node, "stored numbers that are not one, or one for each channel",
              std::to_string(x.rank() == 0 ? 0 : x[0]) + " of " + of_images(x), stored->shape().text());
  }
  std::vector<float> numbers = in.numbers(node, other);
  const std::vector<float> one = {1}, none = {0};
  const auto each = [&](auto change) { std::ranges::transform(numbers, numbers.begin(), change); };
  if (node.op_type == "Add" || node.op_type == "Sum") return affine(in, node, value, one, numbers);
  if (node.op_type == "Mul") return affine(in, node, value, numbers, none);
  if (node.op_type == "Sub" && value == 0) {
    each([](float v) { return -v; });
    return affine(in, node, value, one, numbers);
  }
  if (node.op_type == "Sub") return affine(in, node, value, {-1}, numbers);
  if (value == 1) in.refuse(node, "a division by what comes from the images");
  each([](float v) { return 1 / v; });
  affine(in, node, value, numbers, none);
}

/// Sizes multiplied, as exporters flatten with.
bool of_integers(ImportGraph& in, const Node& node) {
  if (node.op_type != "Mul" || in.is_value(node, 0) || in.is_value(node, 1)) return false;
  auto a = in.integers(node, 0), b = in.integers(node, 1);
  if (!a || !b || a->size() != 1 || b->size() != 1) return false;
  const int64_t x = a->front(), y = b->front();
  constexpr int64_t kMost = int64_t{1} << 31;
  if (x < -1 || y < -1 || x > kMost || y > kMost) in.refuse(node, "arithmetic with the number of images");
  in.bind(node, ImportGraph::Integers{x * y});
  return true;
}

void arithmetic(ImportGraph& in, const Node& node) {
  if (node.inputs.size() != 2)
    in.refuse(node, "arithmetic of two inputs", "2", std::to_string(node.inputs.size()));
  if (of_integers(in, node)) return;
  const bool a = in.is_value(node, 0), b = in.is_value(node, 1);
  if (!a || !b) return with_numbers(in, node, a ? 0 : 1);
  const std::vector<ValueId> both = {in.value(node, 0), in.value(node, 1)};
  if (node.op_type == "Add" || node.op_type == "Sum")
    return in.bind(node, in.add(node, std::make_shared<Add>(), both));
  if (node.op_type == "Mul") return in.bind(node, in.add(node, std::make_shared<Mul>(), both));
  in.refuse(node, "it is taken with a stored input only");
}

void sum(ImportGraph& in, const Node& node) {
  if (node.inputs.size() == 1) return in.pass(node);
  if (node.inputs.size() == 2) return arithmetic(in, node);
  if (node.inputs.empty()) in.refuse(node, "a sum of nothing");
  ValueId total = in.value(node, 0);
  for (size_t k = 1; k < node.inputs.size(); ++k)
    total = in.add(node, std::make_shared<Add>(), {total, in.value(node, k)});
  in.bind(node, total);
}

constexpr ImportRule kPointwise[] = {
    {"Relu", plain<Relu>},     {"Sigmoid", sigmoid},   {"Tanh", tanh},
    {"LeakyRelu", leaky_relu}, {"PRelu", prelu},       {"Selu", selu},
    {"Softsign", softsign},    {"Elu", elu},           {"HardSigmoid", hard_sigmoid},
    {"HardSwish", hard_swish}, {"Softplus", softplus}, {"Clip", clip},
    {"Dropout", dropout},      {"Softmax", softmax},   {"LogSoftmax", softmax},
    {"Add", arithmetic},       {"Mul", arithmetic},    {"Sub", arithmetic},
    {"Div", arithmetic},       {"Sum", sum},
};

}  // namespace

std::span<const ImportRule> import_pointwise() {
  return kPointwise;
}

}  // namespace unfold::onnx
