// What `unfold data` and `unfold data stats` share.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "cli/command.h"
#include "unfold/data/dataset.h"

namespace unfold::cli {

/// A line a class: how many training and test images it has.
std::string class_count_table(const DatasetPair& data);

/// {"images": N, "per_class": {NAME: N, ...}}
nlohmann::ordered_json describe(const Dataset& part);

/// The subcommand `stats` of `unfold data`.
void add_data_stats(CLI::App& data, Global& global);

}  // namespace unfold::cli
