// An ONNX graph as a network of ours: evaluated, explained, and trained further.
#pragma once

#include <string_view>

#include "unfold/formats/model_file.h"
#include "unfold/formats/onnx/model.h"

namespace unfold::onnx {

/// The model that a graph of opset 6 or later describes, if it is one from images (N, C, H, W) of a fixed
/// size to (N, classes) whose operators are those of a Graph; docs/formats.md has the list. Parameters keep
/// the names of the stored tensors where these end in ".weight". A Softmax at the end is left out: the
/// outputs are logits. Without the metadata of an export, classes are numbered and the preprocessing is
/// assumed to be bytes / 255 (LoadedModel::assumed, said in the note). Throws model, naming the operator and
/// its node, for what is not a network of ours.
LoadedModel import_model(const Model& model, std::string_view where);

}  // namespace unfold::onnx
