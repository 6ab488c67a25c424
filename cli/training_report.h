// What the report of a training run shows, gathered from the run.
#pragma once

#include <string>

#include "unfold/train/checkpoint.h"
#include "unfold/train/report.h"
#include "unfold/train/trainer.h"

namespace unfold::cli {

/// The page's contents: settings, the epochs of `state`, and what `e` found in the test images, with the
/// first right and wrong ones as pictures.
Report training_report(const std::string& title, const Trainer& trainer, const RunState& state,
                       const Dataset& test, const Evaluation& e, int threads);

}  // namespace unfold::cli
