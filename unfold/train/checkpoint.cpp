#include "unfold/train/checkpoint.h"

#include <nlohmann/json.hpp>

#include "unfold/formats/json_message.h"
#include "unfold/formats/json_number.h"
#include "unfold/train/recipe_json.h"

namespace unfold {
namespace {

using Json = nlohmann::json;

constexpr const char* kKey = "unfold.checkpoint";
constexpr const char* kModelKey = "unfold.model";

}  // namespace

void save_checkpoint(const std::filesystem::path& path, Trainer& trainer, const RunState& state) {
  trainer.require_finite();
  const Position& at = trainer.position();
  const Json json = {{"recipe", Json::parse(recipe_json(trainer.recipe(), -1))},
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
                     {"model", state.model},
                     {"input", state.input},
                     {"init_from", state.init_from},
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
  if (trainer.averaged()) add_tensors(file, *trainer.averaged(), "ema.");
  seal(file);
  write_safetensors(path, file);
}

Checkpoint load_checkpoint(const std::filesystem::path& path, const MakeOp& make) {
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
  c.model = model_from_description(model->second, where, file.elements(), make);
  try {
    const Json json = Json::parse(text->second);
    c.recipe = recipe_from_json(json.at("recipe").dump());
    const Json& at = json.at("position");
    c.position = {
        whole_number<int64_t>(at.at("epoch")), whole_number<int64_t>(at.at("step")),
        at.at("loss_sum").get<double>(),       whole_number<int64_t>(at.at("correct")),
        at.at("seconds").get<double>(),        at.at("gradient_squares").get<std::vector<double>>()};
    c.numerics_key = json.at("numerics").get<std::string>();
    c.optimizer_steps = whole_number<int64_t>(json.at("optimizer_steps"));
    c.state = {json.at("data").get<std::string>(),
               whole_number<int64_t>(json.at("patience")),
               whole_number<int64_t>(json.at("save_every")),
               parse_metrics_csv(json.at("metrics").get<std::string>(), where),
               whole_number<int64_t>(json.at("best_epoch")),
               parse_norms_csv(json.at("norms").get<std::string>(), where)};
    c.state.model = json.value("model", c.model.name);  // earlier ones do not say
    c.state.input = json.value("input", "");
    c.state.init_from = json.value("init_from", "");
  } catch (const std::exception& e) {
    throw Error(ErrorKind::model, "the checkpoint's state cannot be understood")
        .where(where)
        .got(json_message(e));
  }
  const auto table = c.model.parameters.shared_table();
  c.first_moment = Parameters<float>(table);
  read_tensors(file, c.model.parameters, "model.", where);
  read_tensors(file, c.first_moment, "optimizer.first.", where);
  if (c.recipe.optimizer.kind != OptimizerOptions::Kind::sgd) {
    c.second_moment = Parameters<float>(table);
    read_tensors(file, c.second_moment, "optimizer.second.", where);
  }
  if (c.recipe.ema > 0) {
    c.averaged = Parameters<float>(table);
    read_tensors(file, c.averaged, "ema.", where);
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
  if (trainer.averaged()) *trainer.averaged() = checkpoint.averaged;
}

}  // namespace unfold
