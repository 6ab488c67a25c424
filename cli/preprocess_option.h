// The option --preprocess: how images become the input of a network whose file does not say so.
#pragma once

#include <string>

#include "cli/command.h"
#include "unfold/model.h"

namespace unfold::cli {

/// Adds the option to a command that asks a model about images.
void add_preprocess_option(CLI::App* command, std::string& how);

/// The model's preprocessing with `how` over it: "raw", numbers 0 to 255; "unit", 0 to 1; "imagenet",
/// torchvision's mean and deviation of three channels; or a JSON file (docs/formats.md). Throws usage for
/// another word, model for a file that does not fit the network.
Preprocessing preprocessing_named(const std::string& how, const Model& model);

/// The words preprocessing_named knows.
inline constexpr const char* kPreprocessNames[] = {"raw", "unit", "imagenet"};

}  // namespace unfold::cli
