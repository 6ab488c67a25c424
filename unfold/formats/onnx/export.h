// A model as an ONNX graph, as ONNX Runtime and every other reader of the format take it.
#pragma once

#include "unfold/formats/onnx/model.h"
#include "unfold/model.h"

namespace unfold::onnx {

struct ExportOptions {
  /// The graph takes bytes, "pixels" (N, C, image_h, image_w) of UINT8, and begins with the model's
  /// preprocessing; otherwise it takes what preprocess() makes of them, "input" (N, C, H, W).
  bool preprocess = false;
  /// It ends with a Softmax, and the output is called "probabilities" in place of "logits".
  bool softmax = false;
};

/// Keys of the metadata: JSON texts, but for the names. An import reads them again.
inline constexpr const char* kNameKey = "unfold.name";
inline constexpr const char* kTrainedOnKey = "unfold.trained_on";
inline constexpr const char* kClassesKey = "unfold.classes";              ///< ["cat", ...]
inline constexpr const char* kPreprocessingKey = "unfold.preprocessing";  ///< formats/preprocessing.h
/// What the nodes of the preprocessing are named with, in a graph that begins with it.
inline constexpr const char* kPreprocessPrefix = "preprocess/";

/// The graph of inference, for any batch size: opset 17, or a later one that an operator needs; parameters
/// under their own names, borrowed from the model, which must outlive what is returned. docs/formats.md has
/// the operators. Throws usage for a Softmax over anything but (N, classes).
Model export_model(const unfold::Model& model, const ExportOptions& options = {});

}  // namespace unfold::onnx
