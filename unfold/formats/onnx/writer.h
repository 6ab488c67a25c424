// Writes ONNX files: the same model gives the same bytes, without time, host or version of a program.
#pragma once

#include <filesystem>
#include <string>

#include "unfold/formats/onnx/model.h"

namespace unfold::onnx {

/// The bytes of a ModelProto. Tensors are raw, in one file with the graph; a size of -1 is a dimension called
/// "N" if it is the first, and one without a name elsewhere. Throws usage for what was not read (a tensor
/// with `refused` set, an attribute that is Unread), naming it, and for more than the 2 GiB that such a file
/// may have.
std::string serialize_model(const Model& model);

/// Replaces the file in one step (see write_file). Throws as serialize_model and write_file do.
void write_model(const std::filesystem::path& path, const Model& model);

}  // namespace unfold::onnx
