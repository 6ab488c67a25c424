// Import of what has weights: convolutions, matrix products, normalisations.
#include <algorithm>
#include <cmath>

#include "unfold/formats/onnx/builder.h"
#include "unfold/formats/onnx/import_graph.h"
#include "unfold/formats/onnx/import_window.h"
#include "unfold/ops/adaptive_pool2d.h"
#include "unfold/ops/batch_norm.h"
#include "unfold/ops/conv2d.h"
#include "unfold/ops/conv_transpose2d.h"
#include "unfold/ops/linear.h"
#include "unfold/ops/local_response_norm.h"

namespace unfold::onnx {
namespace {

/// The bias that an Add behind a layer without one is: a stored number for each of `channels`, that of an
/// image of so many axes. The Add is taken in.
std::optional<std::vector<float>> bias_behind(ImportGraph& in, const Node& node, int64_t channels, int axes) {
  const Node* add = in.only_reader(node);
  if (!add || add->op_type != "Add" || !add->domain.empty() || add->inputs.size() != 2) return std::nullopt;
  const size_t other = add->inputs[0] == node.outputs[0] ? 1 : 0;
  const Tensor* stored = in.constant(*add, other);
  if (!stored || !per_channel(in, *add, *stored, channels, axes) || stored->elements() != channels)
    return std::nullopt;
  in.take(*add);
  return in.numbers(*add, other);
}

/// The node whose output a layer's is, where it has taken in the one behind it.
const Node& last_of(ImportGraph& in, const Node& node, bool took) {
  return took ? *in.only_reader(node) : node;
}

void conv(ImportGraph& in, const Node& node) {
  const ImportGraph::Value x = in.padded(node, 0);
  const Shape& sizes = in.stored(node, 1).shape();
  const Shape& image = in.graph.shape(x.id);
  if (sizes.rank() != 4 || image.rank() != 3)
    in.refuse(node, "a convolution that is not over height and width", "weights (OC, IC, KH, KW)",
              sizes.text());
  Window2d window = window_of(in, node, image, x.pads, sizes[2], sizes[3]);
  window.groups = in.integer(node, "group", 1);
  std::optional<std::vector<float>> bias;
  const bool own = in.has(node, 2);
  if (own) {
    bias = in.numbers(node, 2);
  } else {
    bias = bias_behind(in, node, sizes[0], 3);
  }
  if (window.groups < 1 || window.groups > image[0] || sizes[1] * window.groups != image[0])
    in.refuse(node, "the weights do not fit the image", std::to_string(image[0]) + " channels", sizes.text());
  const Node& last = last_of(in, node, !own && bias);
  const ValueId y =
      in.add(node, std::make_shared<Conv2d>(sizes[0], window, bias.has_value()), {x.id}, node.inputs[1]);
  in.set(node, "weight", 1);
  if (bias) in.set(node, "bias", *std::move(bias));
  in.bind(last, y);
}

/// Pads of a transposed convolution over one axis; what is wanted of the output's size decides about them.
struct Cut {
  int64_t begin, end;
};
Cut cut_of(const ImportGraph& in, const Node& node, int64_t natural, std::optional<int64_t> wanted,
           const std::string& mode, Cut given) {
  if (mode == "VALID") given = {0, 0};
  if (!wanted) return given;
  const int64_t total = natural - *wanted;
  if (total < 0)
    in.refuse(node, "an output larger than what is computed", "at most " + std::to_string(natural),
              std::to_string(*wanted));
  const int64_t less = total / 2, more = total - less;
  return mode == "SAME_UPPER" ? Cut{less, more} : Cut{more, less};
}

void conv_transpose(ImportGraph& in, const Node& node) {
  const ValueId x = in.value(node, 0);
  const Shape& sizes = in.stored(node, 1).shape();
  const Shape image = in.graph.shape(x);
  if (sizes.rank() != 4 || image.rank() != 3)
    in.refuse(node, "a convolution that is not over height and width", "weights (IC, OC, KH, KW)",
              sizes.text());
  const std::string mode = in.text(node, "auto_pad", "NOTSET");
  Window2d w = window_of(in, node, image, {}, sizes[2], sizes[3]);
  w.groups = in.integer(node, "group", 1);
  if (w.groups < 1 || w.groups > sizes[0] || sizes[0] != image[0])
    in.refuse(node, "the weights do not fit the image", std::to_string(image[0]) + " channels", sizes.text());
  const auto more = in.integers(node, "output_padding").value_or(ImportGraph::Integers{0, 0});
  const auto shape = in.integers(node, "output_shape");
  if (more.size() != 2 || (shape && shape->size() < 2)) in.refuse(node, "sizes of other than two axes");
  const auto fits = [](int64_t size) { return size >= 0 && size <= int64_t{1} << 30; };
  if (!std::ranges::all_of(more, fits) || (shape && !std::ranges::all_of(*shape, fits)))
    in.refuse(node, "a size that cannot be", "0 to 2^30");
  const auto cut = [&](size_t axis, int64_t kernel, int64_t stride, int64_t dilation, Cut given) {
    const int64_t size = image[static_cast<int>(axis) + 1];
    const int64_t natural = (size - 1) * stride + (kernel - 1) * dilation + 1 + more[axis];
    std::optional<int64_t> wanted;
    if (shape) {
      wanted = (*shape)[shape->size() - 2 + axis];
    } else if (mode.starts_with("SAME")) {
      wanted = size * stride;
    }
    return cut_of(in, node, natural, wanted, mode, given);
  };
  const Cut h = cut(0, w.kernel_h, w.stride_h, w.dilation_h, {w.pad_top, w.pad_bottom});
  const Cut v = cut(1, w.kernel_w, w.stride_w, w.dilation_w, {w.pad_left, w.pad_right});
  w.pad_top = h.begin, w.pad_bottom = h.end, w.pad_left = v.begin, w.pad_right = v.end;
  const bool bias = in.has(node, 2);
  const ValueId y =
      in.add(node, std::make_shared<ConvTranspose2d>(sizes[1] * w.groups, w, more[0], more[1], bias), {x},
             node.inputs[1]);
  in.set(node, "weight", 1);
  if (bias) in.set(node, "bias", 2);
  in.bind(node, y);
}

/// A linear layer whose weights are stored as (OUT, IN), or else (IN, OUT), and multiplied by `alpha`.
void linear(ImportGraph& in, const Node& node, bool out_in, double alpha,
            std::optional<std::vector<float>> bias) {
  const ValueId x = in.value(node, 0);
  const Shape& sizes = in.stored(node, 1).shape();
  if (sizes.rank() != 2 || in.graph.shape(x).rank() != 1) {
    in.refuse(node, "a product that is no linear layer", "(N, IN) times a stored matrix",
              of_images(in.graph.shape(x)) + " and " + sizes.text());
  }
  const int64_t out = sizes[out_in ? 0 : 1], features = sizes[out_in ? 1 : 0];
  const bool own = bias.has_value();
  if (!own) bias = bias_behind(in, node, out, 1);
  const Node& last = last_of(in, node, !own && bias);
  const ValueId y = in.add(node, std::make_shared<Linear>(out, bias.has_value()), {x}, node.inputs[1]);
  if (out_in && alpha == 1) {
    in.set(node, "weight", 1);
  } else {
    const std::vector<float> from = in.numbers(node, 1);
    std::vector<float> w(from.size());
    for (int64_t o = 0; o < out; ++o) {
      for (int64_t i = 0; i < features; ++i) {
        const double v =
            static_cast<double>(from[static_cast<size_t>(out_in ? o * features + i : i * out + o)]);
        w[static_cast<size_t>(o * features + i)] = static_cast<float>(alpha * v);
      }
    }
    in.set(node, "weight", std::move(w));
  }
  if (bias) in.set(node, "bias", *std::move(bias));
  in.bind(last, y);
}

void gemm(ImportGraph& in, const Node& node) {
  if (in.integer(node, "transA", 0) != 0) in.refuse(node, "a transposed input", "transA 0", "1");
  const bool out_in = in.integer(node, "transB", 0) != 0;
  std::optional<std::vector<float>> bias;
  if (in.has(node, 2)) {
    bias = in.numbers(node, 2);
    const Tensor& w = in.stored(node, 1);
    if (w.shape().rank() == 2 && bias->size() == 1)  // repeated
      bias->assign(static_cast<size_t>(w.shape()[out_in ? 0 : 1]), bias->front());
    const double beta = in.number(node, "beta", 1);
    if (beta != 1) {
      for (float& v : *bias) v = static_cast<float>(beta * static_cast<double>(v));
    }
  }
  linear(in, node, out_in, in.number(node, "alpha", 1), std::move(bias));
}

/// Adaptive average pooling as an export has it: a product along the rows of the images, and behind it one
/// along the columns.
bool adaptive(ImportGraph& in, const Node& node) {
  const Node* rows = in.only_reader(node);
  if (!rows || rows->op_type != "MatMul" || rows->inputs.size() != 2 || rows->inputs[1] != node.outputs[0])
    return false;
  const Tensor *right = in.constant(node, 1), *left = in.constant(*rows, 0);
  if (!right || !left || right->shape().rank() != 2 || left->shape().rank() != 2) return false;
  const Shape& image = in.shape(node, 0);
  const int64_t oh = left->shape()[0], ow = right->shape()[1];
  if (left->shape()[1] != image[1] || right->shape()[0] != image[2] || oh < 1 || ow < 1) return false;
  const Tensor across =
      Tensor::from<float>({ow, image[2]}, adaptive_bins(image[2], ow)).transposed(0, 1).clone();
  const auto columns = across.span<float>();
  if (!std::ranges::equal(in.numbers(node, 1), columns) ||
      !std::ranges::equal(in.numbers(*rows, 0), adaptive_bins(image[1], oh)))
    return false;
  in.take(*rows);
  in.bind(*rows, in.add(*rows, std::make_shared<AdaptiveAvgPool2d>(oh, ow), {in.value(node, 0)}));
  return true;
}

void mat_mul(ImportGraph& in, const Node& node) {
  if (in.shape(node, 0).rank() == 3 && adaptive(in, node)) return;
  linear(in, node, false, 1, std::nullopt);
}

void batch_norm(ImportGraph& in, const Node& node) {
  if (in.integer(node, "training_mode", 0) != 0)
    in.refuse(node, "a normalisation in training", "training_mode 0", "1");
  if (in.integer(node, "spatial", 1) != 1) in.refuse(node, "a normalisation by pixel", "spatial 1", "0");
  const double eps = in.number(node, "epsilon", 1e-5), stays = in.number(node, "momentum", 0.9);
  if (!(eps > 0) || !(stays >= 0 && stays <= 1))
    in.refuse(node, "settings that cannot be", "epsilon above 0, momentum 0 to 1");
  const double momentum = decimal(static_cast<float>(1 - stays));
  const ValueId y = in.add(node, std::make_shared<BatchNorm>(eps, momentum), {in.value(node, 0)},
                           node.inputs.size() > 1 ? node.inputs[1] : "");
  constexpr const char* kParameters[] = {"weight", "bias", "running_mean", "running_var"};
  for (size_t i = 0; i < std::size(kParameters); ++i) {
    in.set(node, kParameters[i], i + 1);
  }
  if (!std::ranges::all_of(in.numbers(node, 4), [](float v) { return v >= 0; }))
    in.refuse(node, "a variance below 0");
  in.bind(node, y);
}

void lrn(ImportGraph& in, const Node& node) {
  const int64_t size = in.integer(node, "size", 0);
  if (size < 1 || size > 1024 || size % 2 == 0)
    in.refuse(node, "a window of this size", "an odd number up to 1023", std::to_string(size));
  const double alpha = in.number(node, "alpha", 1e-4), beta = in.number(node, "beta", 0.75),
               k = in.number(node, "bias", 1);
  if (!(alpha >= 0) || !std::isfinite(alpha) || !std::isfinite(beta) || !(k > 0) || !std::isfinite(k))
    in.refuse(node, "settings that cannot be", "alpha 0 or more, bias above 0");
  in.bind(node, in.add(node, std::make_shared<LocalResponseNorm>(size, alpha, beta, k), {in.value(node, 0)}));
}

constexpr ImportRule kLayers[] = {{"Conv", conv},      {"ConvTranspose", conv_transpose},  {"Gemm", gemm},
                                  {"MatMul", mat_mul}, {"BatchNormalization", batch_norm}, {"LRN", lrn}};

}  // namespace

std::span<const ImportRule> import_layers() {
  return kLayers;
}

}  // namespace unfold::onnx
