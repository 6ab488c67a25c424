// The report of a run, made from its folder alone: no data set, no network.
#pragma once

#include <filesystem>

#include "unfold/train/report.h"

namespace unfold {

/// What the files of a run's folder tell, as far as the run came: without test.safetensors there are no test
/// results, without norms.csv no norms, without replay.jsonl no replay. Throws data if the folder holds no
/// run (no config.json) or a table in it cannot be read, model if test.safetensors is damaged.
Report read_report(const std::filesystem::path& folder);

}  // namespace unfold
