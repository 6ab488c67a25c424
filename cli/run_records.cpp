#include "cli/run_records.h"

namespace unfold::cli {

void RunRecords::begin(bool replay, bool tensorboard) {
  const bool held_out = trainer_.val_images() > 0;
  if (replay && replay_suits(trainer_.model())) {
    replay_.emplace(folder_.replay(), trainer_.model(), data_, held_out ? trainer_.train_images() : 0,
                    held_out ? "a validation image" : "a training image", trainer_.recipe().engine, pool_);
  }
  if (tensorboard) events_.emplace(folder_.tensorboard());
}

std::string RunRecords::go_on(int64_t epochs) {
  if (std::filesystem::exists(folder_.tensorboard())) events_.emplace(folder_.tensorboard(), epochs);
  if (!std::filesystem::exists(folder_.replay())) return "";
  const int64_t image = trainer_.val_images() > 0 ? trainer_.train_images() : 0;
  try {
    replay_.emplace(folder_.replay(), trainer_.model(), data_, image, trainer_.recipe().engine, pool_,
                    epochs);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::data) throw;
    return std::string("the replay is not continued: ") + e.what();
  }
  return "";
}

void RunRecords::epoch(const RunState& state) {
  const EpochRow& row = state.rows.back();
  folder_.write_metrics(state);
  folder_.log("epoch", {{"epoch", std::to_string(row.epoch)},
                        {"train_loss", std::to_string(row.train_loss)},
                        {"train_acc", std::to_string(row.train_acc)},
                        {"val_loss", std::to_string(row.val_loss)},
                        {"val_acc", std::to_string(row.val_acc)},
                        {"seconds", std::to_string(row.seconds)}});
  if (replay_) replay_->record(row, trainer_.recipe().epochs, trainer_.val_confusion());
  if (!events_) return;
  std::vector<Scalar> scalars = {{"loss/train", row.train_loss},
                                 {"loss/validation", row.val_loss},
                                 {"accuracy/train", row.train_acc},
                                 {"accuracy/validation", row.val_acc},
                                 {"lr", row.lr}};
  for (const NormRow& norm : state.norms) {
    if (norm.epoch != row.epoch) continue;
    scalars.push_back({"gradient_norm/" + norm.layer, norm.gradient});
    scalars.push_back({"weight_norm/" + norm.layer, norm.weight});
  }
  events_->write(row.epoch, scalars);
}

}  // namespace unfold::cli
