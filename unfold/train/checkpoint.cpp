#include "unfold/train/checkpoint.h"

#include <nlohmann/json.hpp>

#include "unfold/formats/model_file.h"

namespace unfold {
namespace {

using Json = nlohmann::json;

constexpr const char* kKey = "unfold.checkpoint";
constexpr const char* kModelKey = "unfold.model";

Json to_json(const Recipe& r) {
  return {{"epochs", r.epochs},
          {"batch_size", r.batch_size},
          {"optimizer", optimizer_name(r.optimizer.kind)},
          {"momentum", r.optimizer.momentum},
          {"betas", {r.optimizer.beta1, r.optimizer.beta2}},
          {"epsilon", r.optimizer.epsilon},
          {"weight_decay", r.optimizer.weight_decay},
          {"nesterov", r.optimizer.nesterov},
          {"schedule", schedule_name(r.schedule.kind)},
          {"lr", r.schedule.lr},
          {"augment", augmentation_text(r.augment)},
          {"freeze", r.freeze},
          {"val_split", r.val_split},
          {"seed", r.seed},
          {"engine", engine_name(r.engine)},
          {"numerics", numerics_name(r.numerics)},
          {"normalise", r.normalise}};
}

Recipe recipe_from(const Json& j) {
  Recipe r;
  r.epochs = j.at("epochs").get<int64_t>();
  r.batch_size = j.at("batch_size").get<int64_t>();
  const auto betas = j.at("betas").get<std::array<double, 2>>();
  r.optimizer = {optimizer_named(j.at("optimizer").get<std::string>()),
                 j.at("momentum").get<double>(),
                 betas[0],
                 betas[1],
                 j.at("epsilon").get<double>(),
                 j.at("weight_decay").get<double>(),
                 j.value("nesterov", false)};  // earlier checkpoints do not say
  r.schedule = {schedule_named(j.at("schedule").get<std::string>()), j.at("lr").get<double>()};
  r.augment = augmentation_from(j.value("augment", "none"));
  if (j.contains("shift")) r.augment.crop = j.at("shift").get<int64_t>();  // of earlier checkpoints
  r.freeze = j.value("freeze", std::vector<std::string>());
  r.normalise = j.value("normalise", true);
  r.val_split = j.at("val_split").get<double>();
  r.seed = j.at("seed").get<uint64_t>();
  r.engine = engine_named(j.at("engine").get<std::string>());
  // Earlier checkpoints do not say: there was nothing but plain chains.
  r.numerics = numerics_named(j.contains("numerics") ? j.at("numerics").get<std::string>() : "exact");
  return r;
}

}  // namespace

std::string recipe_json(const Recipe& recipe, int indent) {
  return to_json(recipe).dump(indent);
}

void save_checkpoint(const std::filesystem::path& path, Trainer& trainer, const RunState& state) {
  trainer.require_finite();
  const Position& at = trainer.position();
  const Json json = {{"recipe", to_json(trainer.recipe())},
                     {"position",
                      {{"epoch", at.epoch},
                       {"step", at.step},
                       {"loss_sum", at.loss_sum},
                       {"correct", at.correct},
                       {"seconds", at.seconds},
                       {"gradient_squares", at.gradient_squares}}},
                     {"numerics", trainer.numerics_key()},
                     {"optimizer_steps", trainer.optimizer().steps()},
                     {"data", state.data},
                     {"patience", state.patience},
                     {"save_every", state.save_every},
                     {"best_epoch", state.best_epoch},
                     {"metrics", metrics_csv(state.rows)},
                     {"norms", norms_csv(state.norms)}};
  SafetensorsFile file;
  file.metadata = {{kKey, json.dump()}, {kModelKey, describe_model(trainer.model())}};
  add_tensors(file, trainer.model().parameters, "model.");
  add_tensors(file, trainer.optimizer().first_moment(), "optimizer.first.");
  if (trainer.recipe().optimizer.kind != OptimizerOptions::Kind::sgd) {
    add_tensors(file, trainer.optimizer().second_moment(), "optimizer.second.");
  }
  seal(file);
  write_safetensors(path, file);
}

Checkpoint load_checkpoint(const std::filesystem::path& path) {
  const std::string where = path.string();
  const SafetensorsFile file = read_safetensors(path);
  check_seal(file, where);
  const auto text = file.metadata.find(kKey), model = file.metadata.find(kModelKey);
  if (text == file.metadata.end() || model == file.metadata.end()) {
    throw Error(ErrorKind::model, "this is no checkpoint")
        .where(where)
        .hint("give the folder of a run to --resume");
  }
  Checkpoint c;
  c.model = model_from_description(model->second, where, file.elements());
  try {
    const Json json = Json::parse(text->second);
    c.recipe = recipe_from(json.at("recipe"));
    const Json& at = json.at("position");
    c.position = {at.at("epoch").get<int64_t>(),   at.at("step").get<int64_t>(),
                  at.at("loss_sum").get<double>(), at.at("correct").get<int64_t>(),
                  at.at("seconds").get<double>(),  at.at("gradient_squares").get<std::vector<double>>()};
    c.numerics_key = json.at("numerics").get<std::string>();
    c.optimizer_steps = json.at("optimizer_steps").get<int64_t>();
    c.state = {
        json.at("data").get<std::string>(),   json.at("patience").get<int64_t>(),
        json.at("save_every").get<int64_t>(), parse_metrics_csv(json.at("metrics").get<std::string>(), where),
        json.at("best_epoch").get<int64_t>(), parse_norms_csv(json.at("norms").get<std::string>(), where)};
  } catch (const std::exception& e) {
    throw Error(ErrorKind::model, "the checkpoint's state cannot be understood").where(where).got(e.what());
  }
  const auto table = c.model.parameters.shared_table();
  c.first_moment = Parameters<float>(table);
  read_tensors(file, c.model.parameters, "model.", where);
  read_tensors(file, c.first_moment, "optimizer.first.", where);
  if (c.recipe.optimizer.kind != OptimizerOptions::Kind::sgd) {
    c.second_moment = Parameters<float>(table);
    read_tensors(file, c.second_moment, "optimizer.second.", where);
  }
  return c;
}

void restore(const Checkpoint& checkpoint, Trainer& trainer) {
  if (checkpoint.numerics_key != trainer.numerics_key()) {
    throw Error(ErrorKind::model,
                "this build or machine would continue with other bits than the run began with")
        .where("checkpoint")
        .wanted(checkpoint.numerics_key)
        .got(trainer.numerics_key())
        .hint("go on with the program and on the kind of machine that began it, or start a new run");
  }
  if (checkpoint.position.step < 0 || checkpoint.position.step > trainer.steps_per_epoch() ||
      checkpoint.position.epoch < 0) {
    throw Error(ErrorKind::model, "the checkpoint's position does not exist in this data set")
        .where("checkpoint")
        .wanted("at most step " + std::to_string(trainer.steps_per_epoch()))
        .got(std::to_string(checkpoint.position.step));
  }
  const size_t squares = checkpoint.position.gradient_squares.size();
  if (checkpoint.position.step > 0 && squares != trainer.model().parameters.table().slices().size()) {
    throw Error(ErrorKind::model, "the checkpoint's sums of squares are not those of its network")
        .where("checkpoint")
        .wanted(std::to_string(trainer.model().parameters.table().slices().size()))
        .got(std::to_string(squares));
  }
  trainer.position() = checkpoint.position;
  Optimizer<float>& optimizer = trainer.optimizer();
  optimizer.set_steps(checkpoint.optimizer_steps);
  optimizer.first_moment() = checkpoint.first_moment;
  if (checkpoint.recipe.optimizer.kind != OptimizerOptions::Kind::sgd) {
    optimizer.second_moment() = checkpoint.second_moment;
  }
}

}  // namespace unfold
