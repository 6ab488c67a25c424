// unfold summary of an ONNX file: what it holds.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace unfold::cli {

/// A name of a file as a terminal may show it.
std::string shown(std::string name);

/// A file's inputs that are no weights, and its outputs, as `unfold run` takes and writes them: printed, or
/// added to `json` as "inputs" and "outputs". Throw as onnx::read_model does.
void print_onnx_values(const std::filesystem::path& path);
void add_onnx_values(const std::filesystem::path& path, nlohmann::ordered_json& json);

/// Prints opsets, inputs, outputs, operators and weights, as text or JSON. Throws as onnx::read_model does.
void print_onnx_summary(const std::filesystem::path& path, bool json);

}  // namespace unfold::cli
