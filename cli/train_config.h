// Settings of `unfold train` from a JSON file, and as one.
#pragma once

#include <string>

#include "cli/train_options.h"

namespace unfold::cli {

/// Gives every option of `command` that the command line left out the value under its name in the file: an
/// object whose members are the flags' long names, with - or _; comments are allowed, null is not given, and
/// what a run's config.json has beside them is left alone. Where the command line chooses another optimizer
/// or schedule, the file's settings of its own are not taken. Throws usage, naming the file and the setting,
/// for one that does not exist or has the wrong type.
void read_config(CLI::App& command, const std::string& file);

/// Every flag of `command` as such a file: what a run with these flags and the recipe they lead to uses; null
/// for what is not set.
std::string config_text(const CLI::App& command, const TrainFlags& flags, const Recipe& recipe);

}  // namespace unfold::cli
