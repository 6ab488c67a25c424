#include "unfold/ops/op.h"

#include <algorithm>
#include <array>

#include <cmath>

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
#include "unfold/ops/window_attributes.h"

namespace unfold {
namespace {

/// One number, or `otherwise` where it is missing.
double number_of(const Attributes& attributes, const std::string& name, double otherwise) {
  const auto at = attributes.find(name);
  return at == attributes.end() || at->second.size() != 1 ? otherwise : at->second[0];
}

/// The whole numbers under a name, `count` of them.
std::vector<int64_t> integers_of(const Attributes& attributes, const std::string& name, size_t count) {
  const auto at = attributes.find(name);
  if (at == attributes.end() || at->second.size() != count) {
    throw Error(ErrorKind::model, "an operator's attribute is missing or has the wrong length")
        .where(name)
        .wanted(std::to_string(count) + " numbers");
  }
  std::vector<int64_t> values;
  for (const double v : at->second) {
    if (!(std::abs(v) <= 0x1p53) || v != std::floor(v)) {
      throw Error(ErrorKind::model, "an operator's attribute is no whole number")
          .where(name)
          .got(std::to_string(v));
    }
    values.push_back(static_cast<int64_t>(v));
  }
  return values;
}

/// As many of them as there are.
std::vector<int64_t> integers_of(const Attributes& attributes, const std::string& name) {
  const auto at = attributes.find(name);
  return integers_of(attributes, name, at == attributes.end() ? 1 : at->second.size());
}

using Make = std::shared_ptr<const Op> (*)(const Attributes&);

template <Pointwise kKind>
std::shared_ptr<const Op> pointwise(const Attributes& attributes) {
  return make_pointwise(kKind, attributes);
}

/// The one list of operators: a type's name and how it is made from its attributes.
struct Entry {
  std::string_view type;
  Make make;
};

constexpr Entry kOps[] = {
    {"Conv2d",
     [](const Attributes& a) -> std::shared_ptr<const Op> {
       return std::make_shared<Conv2d>(integer_of(a, "out_channels", 0), window_of(a),
                                       integer_of(a, "bias", 1) != 0);
     }},
    {"ConvTranspose2d",
     [](const Attributes& a) -> std::shared_ptr<const Op> {
       const auto more = integers_of(a, "output_padding", 2);
       return std::make_shared<ConvTranspose2d>(integer_of(a, "out_channels", 0), window_of(a), more[0],
                                                more[1], integer_of(a, "bias", 1) != 0);
     }},
    {"AvgPool2d",
     [](const Attributes& a) -> std::shared_ptr<const Op> {
       return std::make_shared<AvgPool2d>(window_of(a), integer_of(a, "count_include_pad", 1) != 0,
                                          integer_of(a, "ceil_mode", 0) != 0);
     }},
    {"MaxPool2d",
     [](const Attributes& a) -> std::shared_ptr<const Op> {
       return std::make_shared<MaxPool2d>(window_of(a), integer_of(a, "ceil_mode", 0) != 0);
     }},
    {"Linear",
     [](const Attributes& a) -> std::shared_ptr<const Op> {
       return std::make_shared<Linear>(integer_of(a, "out_features", 0), integer_of(a, "bias", 1) != 0);
     }},
    {"Tanh",
     [](const Attributes& a) -> std::shared_ptr<const Op> {
       return std::make_shared<Tanh>(number_of(a, "scale", 1));
     }},
    {"Relu", [](const Attributes&) -> std::shared_ptr<const Op> { return std::make_shared<Relu>(); }},
    {"Sigmoid", [](const Attributes&) -> std::shared_ptr<const Op> { return std::make_shared<Sigmoid>(); }},
    {"LeakyRelu", pointwise<Pointwise::leaky_relu>},
    {"Elu", pointwise<Pointwise::elu>},
    {"HardSigmoid", pointwise<Pointwise::hard_sigmoid>},
    {"HardSwish", pointwise<Pointwise::hard_swish>},
    {"Silu", pointwise<Pointwise::silu>},
    {"Clip", pointwise<Pointwise::clip>},
    {"Softplus", pointwise<Pointwise::softplus>},
    {"Selu", pointwise<Pointwise::selu>},
    {"Softsign", pointwise<Pointwise::softsign>},
    {"PRelu",
     [](const Attributes& a) -> std::shared_ptr<const Op> {
       return std::make_shared<PRelu>(integer_of(a, "num_parameters", 1), number_of(a, "init", 0.25));
     }},
    {"Pad",
     [](const Attributes& a) -> std::shared_ptr<const Op> {
       return make_pad(integers_of(a, "pads", 4), integer_of(a, "mode", 0), number_of(a, "value", 0));
     }},
    {"Transpose",
     [](const Attributes& a) -> std::shared_ptr<const Op> {
       return std::make_shared<Transpose>(integers_of(a, "perm"));
     }},
    {"Reshape",
     [](const Attributes& a) -> std::shared_ptr<const Op> {
       return std::make_shared<Reshape>(integers_of(a, "shape"));
     }},
    {"Flatten", [](const Attributes&) -> std::shared_ptr<const Op> { return std::make_shared<Flatten>(); }},
    {"Add", [](const Attributes&) -> std::shared_ptr<const Op> { return std::make_shared<Add>(); }},
    {"Mul", [](const Attributes&) -> std::shared_ptr<const Op> { return std::make_shared<Mul>(); }},
    {"Concat",
     [](const Attributes& a) -> std::shared_ptr<const Op> {
       const auto at = [&](const char* name) {
         return static_cast<int>(std::clamp<int64_t>(integer_of(a, name, 0), -1, 99));
       };
       return std::make_shared<Concat>(at("inputs"), at("axis"));
     }},
    {"AdaptiveAvgPool2d",
     [](const Attributes& a) -> std::shared_ptr<const Op> {
       const auto size = integers_of(a, "output_size", 2);
       return std::make_shared<AdaptiveAvgPool2d>(size[0], size[1]);
     }},
    {"LocalResponseNorm",
     [](const Attributes& a) -> std::shared_ptr<const Op> {
       return std::make_shared<LocalResponseNorm>(integer_of(a, "size", 0), number_of(a, "alpha", 1e-4),
                                                  number_of(a, "beta", 0.75), number_of(a, "k", 1));
     }},
    {"BatchNorm",
     [](const Attributes& a) -> std::shared_ptr<const Op> {
       return std::make_shared<BatchNorm>(number_of(a, "eps", 1e-5), number_of(a, "momentum", 0.1));
     }},
    {"Dropout",
     [](const Attributes& a) -> std::shared_ptr<const Op> {
       return std::make_shared<Dropout>(number_of(a, "p", 0.5));
     }},
    {"Softmax", [](const Attributes&) -> std::shared_ptr<const Op> { return std::make_shared<Softmax>(); }},
    {"LogSoftmax",
     [](const Attributes&) -> std::shared_ptr<const Op> { return std::make_shared<LogSoftmax>(); }},
};

}  // namespace

std::shared_ptr<const Op> make_op(std::string_view type, const Attributes& attributes) {
  for (const Entry& entry : kOps) {
    if (entry.type != type) continue;
    try {
      return entry.make(attributes);
    } catch (const Error& e) {
      throw Error(ErrorKind::model, e.what()).where(type).hint(e.hint());
    }
  }
  throw Error(ErrorKind::model, "unknown operator").got(type);
}

std::span<const std::string_view> op_types() {
  static constexpr auto kTypes = [] {
    std::array<std::string_view, std::size(kOps)> types;
    for (size_t i = 0; i < types.size(); ++i) types[i] = kOps[i].type;
    return types;
  }();
  return kTypes;
}

Attributes window_attributes(const Window2d& w) {
  const auto list = [](std::initializer_list<int64_t> values) {
    return std::vector<double>(values.begin(), values.end());
  };
  return {{"kernel_shape", list({w.kernel_h, w.kernel_w})},
          {"strides", list({w.stride_h, w.stride_w})},
          {"pads", list({w.pad_top, w.pad_left, w.pad_bottom, w.pad_right})},
          {"dilations", list({w.dilation_h, w.dilation_w})}};
}

Window2d window_of(const Attributes& attributes) {
  const auto kernel = integers_of(attributes, "kernel_shape", 2),
             strides = integers_of(attributes, "strides", 2);
  const auto pads = integers_of(attributes, "pads", 4), dilations = integers_of(attributes, "dilations", 2);
  return {kernel[0],
          kernel[1],
          strides[0],
          strides[1],
          pads[0],
          pads[1],
          pads[2],
          pads[3],
          dilations[0],
          dilations[1],
          integer_of(attributes, "groups", 1)};
}

int64_t integer_of(const Attributes& attributes, const std::string& name, int64_t otherwise) {
  return attributes.contains(name) ? integers_of(attributes, name, 1)[0] : otherwise;
}

}  // namespace unfold
