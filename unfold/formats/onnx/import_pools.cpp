// Import of poolings, and of Pad.
#include <algorithm>

#include "unfold/formats/onnx/import_window.h"
#include "unfold/ops/adaptive_pool2d.h"
#include "unfold/ops/pad.h"
#include "unfold/ops/pool2d.h"
#include "unfold/ops/shape_ops.h"
#include "unfold/text.h"

namespace unfold::onnx {
namespace {

struct Pooling {
  Window2d window;
  bool ceil_mode;
};

Pooling pooling(const ImportGraph& in, const Node& node, const std::array<int64_t, 4>& around) {
  const auto kernel = in.integers(node, "kernel_shape");
  if (!kernel || kernel->size() != 2) in.refuse(node, "a pooling that is not over height and width");
  const Window2d window = window_of(in, node, in.shape(node, 0), around, (*kernel)[0], (*kernel)[1]);
  return {window, in.integer(node, "ceil_mode", 0) != 0};
}

void max_pool(ImportGraph& in, const Node& node) {
  const ValueId x = in.value(node, 0);
  const Pooling p = pooling(in, node, {});
  in.bind(node, in.add(node, std::make_shared<MaxPool2d>(p.window, p.ceil_mode), {x}));
}

void average_pool(ImportGraph& in, const Node& node) {
  const ImportGraph::Value x = in.padded(node, 0);
  const Pooling p = pooling(in, node, x.pads);
  bool include = in.integer(node, "count_include_pad", 0) != 0;
  if (x.pads != std::array<int64_t, 4>{}) {  // which count, so the pooling's own would
    const Window2d& w = p.window;
    if (!include && std::array{w.pad_top, w.pad_left, w.pad_bottom, w.pad_right} != x.pads)
      in.refuse(node, "a Pad before a pooling that leaves out its own padding");
    include = true;
  }
  in.bind(node, in.add(node, std::make_shared<AvgPool2d>(p.window, include, p.ceil_mode), {x.id}));
}

void images_only(const ImportGraph& in, const Node& node) {
  if (in.shape(node, 0).rank() != 3)
    in.refuse(node, "a pooling of what is no image", "(N, C, H, W)", of_images(in.shape(node, 0)));
}

void global_average_pool(ImportGraph& in, const Node& node) {
  images_only(in, node);
  in.bind(node, in.add(node, std::make_shared<AdaptiveAvgPool2d>(1, 1), {in.value(node, 0)}));
}

void global_max_pool(ImportGraph& in, const Node& node) {
  images_only(in, node);
  const Shape& x = in.shape(node, 0);
  const Window2d whole = {.kernel_h = x[1], .kernel_w = x[2]};
  in.bind(node, in.add(node, std::make_shared<MaxPool2d>(whole), {in.value(node, 0)}));
}

/// The mean over height and width.
void reduce_mean(ImportGraph& in, const Node& node) {
  images_only(in, node);
  auto axes = in.integers(node, 1, "axes");
  if (axes) {
    for (int64_t& axis : *axes) axis += axis < 0 ? 4 : 0;
    std::ranges::sort(*axes);
  }
  if (axes != ImportGraph::Integers{2, 3})
    in.refuse(node, "a mean over other axes", "2 and 3: height and width");
  const ValueId y = in.add(node, std::make_shared<AdaptiveAvgPool2d>(1, 1), {in.value(node, 0)});
  in.bind(node, in.integer(node, "keepdims", 1) != 0 ? y : in.add(node, std::make_shared<Flatten>(), {y}));
}

/// Whether zeros around an image can be left to all that reads it: convolutions and average poolings pad
/// themselves.
bool others_pad(const ImportGraph& in, const Node& node) {
  const auto readers = in.readers(node);
  return !readers.empty() && std::ranges::all_of(readers, [](const Node* reader) {
    return reader->domain.empty() && (reader->op_type == "Conv" || reader->op_type == "AveragePool");
  });
}

void pad(ImportGraph& in, const Node& node) {
  images_only(in, node);
  constexpr std::string_view kModes[] = {"constant", "reflect", "edge"};
  const std::string mode = in.text(node, "mode", "constant");
  const auto which = std::ranges::find(kModes, mode) - std::begin(kModes);
  if (which == std::ssize(kModes))
    in.refuse(node, "an unknown mode", "constant, reflect or edge", printable(mode));
  const double value = in.number(node, "value", 2, 0.0);
  const auto given = in.integers(node, 1, "pads");
  const auto axes = in.has(node, 3) ? in.integers(node, 3) : ImportGraph::Integers{0, 1, 2, 3};
  if (!given || !axes || given->size() != 2 * axes->size())
    in.refuse(node, "a padding that is not fixed, or not of two numbers an axis");
  std::array<int64_t, 4> pads{};
  for (size_t i = 0; i < axes->size(); ++i) {
    const int64_t axis = (*axes)[i] + ((*axes)[i] < 0 ? 4 : 0);
    for (const bool end : {false, true}) {
      const int64_t size = (*given)[i + (end ? axes->size() : 0)];
      if (size == 0) continue;
      constexpr int64_t kMost = int64_t{1} << 20;
      if ((axis != 2 && axis != 3) || size < 0 || size > kMost)
        in.refuse(node, "a padding of other axes, or one that crops", "pixels around height and width");
      pads[static_cast<size_t>(axis - 2) + (end ? 2 : 0)] += size;
    }
  }
  const ValueId x = in.value(node, 0);
  if (which == 0 && value == 0 && others_pad(in, node)) return in.bind(node, ImportGraph::Value{x, pads});
  in.bind(node, in.add(node, make_pad({pads.begin(), pads.end()}, which, value), {x}));
}

constexpr ImportRule kPools[] = {{"MaxPool", max_pool},
                                 {"AveragePool", average_pool},
                                 {"GlobalAveragePool", global_average_pool},
                                 {"GlobalMaxPool", global_max_pool},
                                 {"ReduceMean", reduce_mean},
                                 {"Pad", pad}};

}  // namespace

std::span<const ImportRule> import_pools() {
  return kPools;
}

}  // namespace unfold::onnx
