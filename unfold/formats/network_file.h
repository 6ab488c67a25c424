// A network written by hand: layers in JSON, with PyTorch's names. docs/models.md has the grammar.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "unfold/model.h"

namespace unfold {

/// Reads a network's file. Throws model, naming the file and the layer, for JSON that cannot be parsed, a
/// layer, setting or input that does not exist (with the nearest that does), one of the wrong type, and
/// shapes that do not fit together.
Network read_network(const std::filesystem::path& path);
Network parse_network(std::string_view json, std::string_view where);

/// The types of layers that a file may name.
std::vector<std::string> layer_types();

}  // namespace unfold
