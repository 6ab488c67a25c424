#include "unfold/formats/onnx/import_window.h"

#include "unfold/text.h"

#include <algorithm>

namespace unfold::onnx {
namespace {

constexpr int64_t kMost = int64_t{1} << 20;

/// Numbers of an attribute, `count` of them from `least` to 2^20.
ImportGraph::Integers checked(const ImportGraph& in, const Node& node, const char* name, size_t count,
                              int64_t least) {
  auto values = in.integers(node, name);
  if (!values) return ImportGraph::Integers(count, least);
  const bool good = values->size() == count &&
                    std::ranges::all_of(*values, [&](int64_t v) { return v >= least && v <= kMost; });
  if (!good) {
    in.refuse(node, "an attribute that cannot be",
              std::to_string(count) + " numbers from " + std::to_string(least) + " on", name);
  }
  return *values;
}

}  // namespace

Window2d window_of(const ImportGraph& in, const Node& node, const Shape& image,
                   const std::array<int64_t, 4>& around, int64_t kernel_h, int64_t kernel_w) {
  if (image.rank() != 3) in.refuse(node, "a window over what is no image", "(C, H, W)", image.text());
  if (kernel_h < 1 || kernel_h > kMost || kernel_w < 1 || kernel_w > kMost)
    in.refuse(node, "a kernel that cannot be", "1 to " + std::to_string(kMost) + " pixels a side",
              std::to_string(kernel_h) + " x " + std::to_string(kernel_w));
  const auto kernel = in.integers(node, "kernel_shape");
  if (kernel && *kernel != ImportGraph::Integers{kernel_h, kernel_w})
    in.refuse(node, "kernel_shape and the weights differ");
  const auto strides = checked(in, node, "strides", 2, 1), dilations = checked(in, node, "dilations", 2, 1);
  auto pads = checked(in, node, "pads", 4, 0);
  const std::string mode = in.text(node, "auto_pad", "NOTSET");
  if (mode == "SAME_UPPER" || mode == "SAME_LOWER") {
    const int64_t sizes[] = {kernel_h, kernel_w};
    for (size_t axis = 0; axis < 2; ++axis) {
      const int64_t size = image[static_cast<int>(axis) + 1] + around[axis] + around[axis + 2];
      const int64_t places = (size + strides[axis] - 1) / strides[axis];
      const int64_t total =
          std::max<int64_t>(0, (places - 1) * strides[axis] + (sizes[axis] - 1) * dilations[axis] + 1 - size);
      pads[axis] = mode == "SAME_UPPER" ? total / 2 : total - total / 2;
      pads[axis + 2] = total - pads[axis];
    }
  } else if (mode == "VALID") {
    pads.assign(4, 0);
  } else if (mode != "NOTSET" && !mode.empty()) {
    in.refuse(node, "an unknown auto_pad", "NOTSET, VALID, SAME_UPPER or SAME_LOWER", printable(mode));
  }
  for (size_t side = 0; side < 4; ++side) pads[side] += around[side];
  return {.kernel_h = kernel_h,
          .kernel_w = kernel_w,
          .stride_h = strides[0],
          .stride_w = strides[1],
          .pad_top = pads[0],
          .pad_left = pads[1],
          .pad_bottom = pads[2],
          .pad_right = pads[3],
          .dilation_h = dilations[0],
          .dilation_w = dilations[1]};
}

bool per_channel(const ImportGraph& in, const Node& node, const Tensor& stored, int64_t channels, int axes) {
  const Shape& shape = stored.shape();
  if (stored.elements() == 1) return true;
  // From the right: (C, 1, 1) and (1, C, 1, 1) beside images. Before opset 7 an attribute named the axis.
  int at = shape.rank() - axes;
  if (in.opset() < 7 && in.integer(node, "broadcast", 0) != 0) {
    const int64_t axis = in.integer(node, "axis", axes + 1 - shape.rank());
    at = axis == 1 ? 0 : axis == 0 ? 1 : -1;
  }
  if (at < 0 || at >= shape.rank() || shape[at] != channels) return false;
  return stored.elements() == channels;
}

}  // namespace unfold::onnx
