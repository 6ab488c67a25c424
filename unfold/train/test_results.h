// What the test images showed, kept in a run's folder for its report: test.safetensors.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "unfold/train/report.h"
#include "unfold/train/trainer.h"

namespace unfold {

struct TestResults {
  double loss = kMissing, accuracy = kMissing;
  ConfusionMatrix confusion{0};
  std::vector<std::string> classes;
  std::vector<Report::Sample> right, wrong;  ///< some; the wrong ones surest first
};

/// Of an evaluation of the whole test set: the first images that were right, and the mistakes the model was
/// surest of.
TestResults test_results(const Model& model, const Dataset& test, const Evaluation& evaluation);

/// Replaces the file in one step.
void save_test_results(const std::filesystem::path& path, const TestResults& results);

/// Throws model for a file that is damaged, or whose parts do not fit together.
TestResults load_test_results(const std::filesystem::path& path);

}  // namespace unfold
