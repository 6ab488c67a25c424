// A model in one safetensors file: weights under torchvision's names; architecture, preprocessing and class
// names in the metadata; a checksum over all of it. The bytes hold no time, host or thread count.
// docs/formats.md has the grammar.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "unfold/formats/safetensors.h"
#include "unfold/model.h"

namespace unfold {

/// A model from a file, and what a user should know about how it was read ("" for nothing).
struct LoadedModel {
  Model model;
  std::string note;
  bool assumed =
      false;  ///< the file does not say how images become the network's input: a guess stands there
};

/// How a file's operators are made, by type and attributes. A program with operators of its own gives a
/// function that makes those and hands every other type to make_op; it throws as make_op does
/// (examples/custom_op.cpp).
using MakeOp = std::function<std::shared_ptr<const Op>(std::string_view type, const Attributes& attributes)>;

/// Replaces the file in one step.
void save_model(const std::filesystem::path& path, const Model& model);
/// The bytes of that file. Throws model unless the model's parts fit together (Model::check).
std::vector<std::byte> serialize_model(const Model& model);

/// Reads a file of ours, or any safetensors file whose tensors are those of a known network (a PyTorch
/// state_dict): the note then says what was assumed. A file called *.onnx is imported
/// (formats/onnx/import.h). Throws model for a file that is damaged, incomplete or describes a network that
/// cannot be.
LoadedModel load_model(const std::filesystem::path& path, const MakeOp& make = make_op);
LoadedModel parse_model(const SafetensorsFile& file, std::string_view where, const MakeOp& make = make_op);
/// The same from the bytes of a file. `where` names them in messages.
LoadedModel parse_model(std::span<const std::byte> bytes, std::string_view where,
                        const MakeOp& make = make_op);

/// Adds the parameters as tensors PREFIX + name (borrowed: they must outlive the file).
void add_tensors(SafetensorsFile& file, const Parameters<float>& parameters, const std::string& prefix);
/// Copies the tensors PREFIX + name into the parameters. Throws model if one is missing, has another dtype or
/// shape, or holds NaN or infinity.
void read_tensors(const SafetensorsFile& file, Parameters<float>& parameters, const std::string& prefix,
                  std::string_view where);

/// Everything of a model but its weights, as JSON text, and back (with zero weights). Throws model for a
/// description that cannot be, or of more than `parameters` parameters (said before they are allocated).
std::string describe_model(const Model& model);
Model model_from_description(std::string_view json, std::string_view where, int64_t parameters,
                             const MakeOp& make = make_op);

}  // namespace unfold
