// Reads ONNX files (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto), whoever wrote them.
//
// Nothing is believed: sizes are compared with the bytes there are before memory is asked for, what is built
// is at most 48 MiB + 3 times the bytes read, and no message is followed deeper than a node's attribute.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

#include "unfold/formats/onnx/model.h"

namespace unfold::onnx {

/// Reads a ModelProto held in memory; `where` names it in messages. Tensors whose values lie in other files
/// are refused. Throws model if anything is wrong.
Model parse_model(std::span<const std::byte> bytes, std::string_view where);

/// Reads a model from disk, and the values that lie in other files: regular files in the model's folder or
/// below it, named by a relative path without "..", neither symbolic nor hard links. Throws model if anything
/// is wrong.
Model read_model(const std::filesystem::path& path);

/// Reads one TensorProto, as ONNX's tests keep inputs and outputs (input_0.pb). Throws data if anything is
/// wrong or its elements are of a type that is not read here.
Tensor parse_tensor(std::span<const std::byte> bytes, std::string_view where);

}  // namespace unfold::onnx
