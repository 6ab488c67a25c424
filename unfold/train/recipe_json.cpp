#include "unfold/train/recipe_json.h"

#include <array>
#include <nlohmann/json.hpp>

#include "unfold/formats/json_number.h"

namespace unfold {
namespace {

using Json = nlohmann::ordered_json;

Json optimizer_json(const OptimizerOptions& o) {
  Json j = {{"optimizer", optimizer_name(o.kind)}, {"weight_decay", o.weight_decay}};
  if (o.kind == OptimizerOptions::Kind::sgd) {
    j["momentum"] = o.momentum;
    j["nesterov"] = o.nesterov;
  } else {
    j["betas"] = {o.beta1, o.beta2};
    j["epsilon"] = o.epsilon;
  }
  return j;
}

Json schedule_json(const Schedule& s) {
  Json j = {{"schedule", schedule_name(s.kind)}, {"lr", s.lr}, {"warmup", s.warmup}};
  if (s.kind != Schedule::Kind::step) return j;
  j["gamma"] = s.gamma;
  if (s.milestones.empty()) {
    j["step_size"] = s.step_size;
  } else {
    j["milestones"] = s.milestones;
  }
  return j;
}

}  // namespace

std::string recipe_json(const Recipe& r, int indent) {
  Json j = {{"epochs", r.epochs}, {"batch_size", r.batch_size}};
  j.update(optimizer_json(r.optimizer));
  j.update(schedule_json(r.schedule));
  j["label_smoothing"] = r.label_smoothing;
  j["clip_norm"] = r.clip_norm;
  j["ema"] = r.ema;
  j["augment"] = augmentation_text(r.augment);
  j["freeze"] = r.freeze;
  j["val_split"] = r.val_split;
  j["seed"] = r.seed;
  j["engine"] = engine_name(r.engine);
  j["numerics"] = numerics_name(r.numerics);
  j["normalise"] = r.normalise;
  return j.dump(indent);
}

Recipe recipe_from_json(std::string_view text) {
  const Json j = Json::parse(text);
  Recipe r;
  r.epochs = whole_number<int64_t>(j.at("epochs"));
  r.batch_size = whole_number<int64_t>(j.at("batch_size"));
  OptimizerOptions& o = r.optimizer;
  o.kind = optimizer_named(j.at("optimizer").get<std::string>());
  o.momentum = j.value("momentum", o.momentum);
  o.nesterov = j.value("nesterov", false);
  const auto betas = j.value("betas", std::array<double, 2>{o.beta1, o.beta2});
  o.beta1 = betas[0];
  o.beta2 = betas[1];
  o.epsilon = j.value("epsilon", o.epsilon);
  o.weight_decay = j.at("weight_decay").get<double>();
  Schedule& s = r.schedule;
  s.kind = schedule_named(j.at("schedule").get<std::string>());
  s.lr = j.at("lr").get<double>();
  s.warmup = j.value("warmup", 0.0);
  s.gamma = j.value("gamma", s.gamma);
  if (j.contains("step_size")) s.step_size = whole_number<int64_t>(j.at("step_size"));
  if (j.contains("milestones")) s.milestones = whole_numbers(j.at("milestones"));
  r.label_smoothing = j.value("label_smoothing", 0.0);
  r.clip_norm = j.value("clip_norm", 0.0);
  r.ema = j.value("ema", 0.0);
  r.augment = augmentation_from(j.value("augment", "none"));
  if (j.contains("shift")) r.augment.crop = whole_number<int64_t>(j.at("shift"));  // of earlier checkpoints
  r.freeze = j.value("freeze", std::vector<std::string>());
  r.val_split = j.at("val_split").get<double>();
  r.seed = whole_number<uint64_t>(j.at("seed"));
  r.engine = engine_named(j.at("engine").get<std::string>());
  r.numerics = numerics_named(j.value("numerics", "exact"));  // before it was written: plain chains alone
  r.normalise = j.value("normalise", true);
  return r;
}

}  // namespace unfold
