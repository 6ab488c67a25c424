// What several rules of the import share: windows, and stored numbers by channel.
#pragma once

#include "unfold/formats/onnx/import_graph.h"

namespace unfold::onnx {

/// The window of a Conv or a pooling over an image around which `around` (top, left, bottom, right) zeros
/// stand: strides, dilations and pads as given, or as auto_pad makes them. kernel_shape must be the sizes
/// given, where it stands.
Window2d window_of(const ImportGraph& in, const Node& node, const Shape& image,
                   const std::array<int64_t, 4>& around, int64_t kernel_h, int64_t kernel_w);

/// Whether a stored tensor that a node adds to or multiplies with images (axes 3) or features (axes 1) has
/// one number for each of their channels, or just one.
bool per_channel(const ImportGraph& in, const Node& node, const Tensor& stored, int64_t channels, int axes);

}  // namespace unfold::onnx
