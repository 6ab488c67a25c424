#include "cli/training_report.h"

#include "cli/build_info.h"
#include "unfold/kernels/gemm.h"

namespace unfold::cli {
namespace {

constexpr int64_t kRightSamples = 30, kWrongSamples = 40;  // pictures

}  // namespace

Report training_report(const std::string& title, const Trainer& trainer, const RunState& state,
                       const Dataset& test, const Evaluation& e, int threads) {
  const Recipe& r = trainer.recipe();
  const Model& model = trainer.model();
  Report report;
  report.title = title;
  report.model = model.name;
  report.dataset = model.trained_on;
  if (model.trained_on == "strokes") {
    report.note = "Trained and tested on strokes: digits drawn by the program itself, not MNIST.";
  }
  report.facts = {
      {"Parameters", std::to_string(model.parameters.table().count())},
      {"Training images", std::to_string(trainer.train_images())},
      {"Validation images", std::to_string(trainer.val_images())},
      {"Batch size", std::to_string(r.batch_size)},
      {"Optimizer", std::string(optimizer_name(r.optimizer.kind))},
      {"Learning rate", std::to_string(r.schedule.lr) + ", " + std::string(schedule_name(r.schedule.kind))},
      {"Random shifts", "up to " + std::to_string(r.shift) + " pixels"},
      {"Seed", std::to_string(r.seed)},
      {"Engine", std::string(engine_name(r.engine)) + " on " + gemm_target()},
      {"Threads", std::to_string(threads)},
      {"Program", version_text().substr(0, version_text().find('\n'))}};
  report.epochs = state.rows;
  report.confusion = e.confusion;
  report.classes = model.classes;
  report.test_loss = e.loss;
  report.test_accuracy = e.accuracy;
  report.best_epoch = state.best_epoch;
  for (int64_t i = 0; i < test.size(); ++i) {
    const auto at = static_cast<size_t>(i);
    const bool right = e.predicted[at] == test.labels[at];
    auto& grid = right ? report.right : report.wrong;
    if (static_cast<int64_t>(grid.size()) >= (right ? kRightSamples : kWrongSamples)) continue;
    const auto pixels = test.at(i);
    grid.push_back(
        {test.image, {pixels.begin(), pixels.end()}, test.labels[at], e.predicted[at], e.confidence[at], i});
  }
  return report;
}

}  // namespace unfold::cli
