// unfold summary of an ONNX file: what it holds.
#pragma once

#include <filesystem>
#include <string>

namespace unfold::cli {

/// A name of a file as a terminal may show it.
std::string shown(std::string name);

/// Prints opsets, inputs, outputs, operators and weights, as text or JSON. Throws as onnx::read_model does.
void print_onnx_summary(const std::filesystem::path& path, bool json);

}  // namespace unfold::cli
