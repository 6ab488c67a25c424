#include "unfold/train/trainer.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <tuple>

#include "unfold/data/epoch_images.h"
#include "unfold/error.h"
#include "unfold/kernels/update.h"
#include "unfold/random.h"
#include "unfold/train/average.h"

namespace unfold {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

int64_t held_out(const Dataset& data, double split) {
  if (data.validation > 0) return data.validation;
  return static_cast<int64_t>(std::llround(static_cast<double>(data.size()) * split));
}

bool finite(const Parameters<float>& gradient, ThreadPool& pool) {
  constexpr int64_t kPiece = 1024 * 1024;  // small networks have one, and no barrier
  const std::span<const float> all = gradient.all();
  const auto elements = static_cast<int64_t>(all.size());
  std::atomic<bool> good = true;
  pool.run((elements + kPiece - 1) / kPiece, [&](int64_t piece, int) {
    const int64_t first = piece * kPiece;
    if (!all_finite(std::min(kPiece, elements - first), all.data() + first)) good = false;
  });
  return good;
}

}  // namespace

Recipe checked(Recipe recipe) {
  const auto require = [](bool good, const char* name, const char* wanted, double got) {
    if (good) return;
    char text[32];
    std::snprintf(text, sizeof text, "%.12g", got);
    throw Error(ErrorKind::usage, std::string(name) + " is out of range").wanted(wanted).got(text);
  };
  const auto number = [](int64_t value) { return static_cast<double>(value); };
  require(recipe.epochs >= 1 && recipe.epochs <= 1000000, "epochs", "1 to 1000000", number(recipe.epochs));
  require(recipe.batch_size >= 1 && recipe.batch_size <= 65536, "batch size", "1 to 65536",
          number(recipe.batch_size));
  require(recipe.val_split >= 0 && recipe.val_split < 1, "validation split", "0 to less than 1",
          recipe.val_split);
  recipe.schedule.check(recipe.epochs);
  require(recipe.label_smoothing >= 0 && recipe.label_smoothing < 1, "label smoothing", "0 to less than 1",
          recipe.label_smoothing);
  require(recipe.clip_norm >= 0 && std::isfinite(recipe.clip_norm), "clip norm",
          "a number above 0, or 0: none", recipe.clip_norm);
  require(recipe.ema >= 0 && recipe.ema < 1, "ema", "0 to less than 1", recipe.ema);
  require(recipe.augment.crop >= 0 && recipe.augment.crop <= 64, "shift", "0 to 64",
          number(recipe.augment.crop));
  return recipe;
}

Recipe default_recipe(std::string_view model) {
  Recipe recipe;
  if (std::find(model_names().begin(), model_names().end(), model) == model_names().end()) {
    recipe.batch_size = 64;
    recipe.schedule = {Schedule::Kind::one_cycle, 3e-3};
    return recipe;
  }
  if (model == "lenet5-article") {
    recipe.epochs = 1;
    recipe.schedule = {Schedule::Kind::constant, 1e-3};
  } else if (model != "lenet5") {  // colour photos
    recipe.epochs = 20;
    recipe.batch_size = 128;
    recipe.optimizer.kind = OptimizerOptions::Kind::sgd;
    recipe.optimizer.nesterov = true;
    recipe.optimizer.weight_decay = 5e-4;
    recipe.schedule = {Schedule::Kind::one_cycle, 0.1};
    recipe.augment.crop = 4;
    recipe.augment.flip = true;
  } else {
    recipe.schedule = {Schedule::Kind::one_cycle, 3e-3};
    recipe.batch_size = 64;
    recipe.augment.crop = 2;
  }
  return recipe;
}

void require_fits(const Model& model, const Dataset& data) {
  const Shape in = model.graph.shape(model.graph.input());
  const Shape wanted{in[0], model.preprocessing.image_h, model.preprocessing.image_w};
  if (data.image != wanted) {
    throw Error(ErrorKind::data, "the data's images are not what the model takes")
        .where(data.name)
        .wanted(wanted.text())
        .got(data.image.text())
        .hint("give other data, or a network by its name, whose input follows the data or --input");
  }
  const auto classes = static_cast<int64_t>(model.classes.size());
  const auto largest = data.labels.empty() ? 0 : *std::max_element(data.labels.begin(), data.labels.end());
  if (largest >= classes) {
    throw Error(ErrorKind::data, "the data has more classes than the model")
        .where(data.name)
        .wanted("labels below " + std::to_string(classes))
        .got(std::to_string(largest));
  }
}

Evaluation evaluate(const Model& model, const Dataset& data, int64_t first, int64_t count, Engine engine,
                    ThreadPool& pool, Numerics numerics) {
  require_fits(model, data);
  const auto start = Clock::now();
  constexpr int64_t kBatch = 512;
  const auto classes = static_cast<int64_t>(model.classes.size());
  const auto bytes = static_cast<size_t>(data.image.elements());
  Evaluation e;
  e.confusion = ConfusionMatrix(classes);
  if (count <= 0) return e;
  Predictor predictor(model, engine, std::min(kBatch, count), pool, numerics);
  for (int64_t at = first; at < first + count; at += kBatch) {
    const int64_t n = std::min(kBatch, first + count - at);
    const auto images =
        std::span(data.pixels).subspan(static_cast<size_t>(at) * bytes, static_cast<size_t>(n) * bytes);
    const std::span<const float> logits = predictor.logits(images, n);
    for (int64_t i = 0; i < n; ++i) {
      const auto row = logits.subspan(static_cast<size_t>(i * classes), static_cast<size_t>(classes));
      const std::vector<double> p = probabilities(row);
      const auto best = std::max_element(row.begin(), row.end()) - row.begin();
      const int32_t truth = data.labels[static_cast<size_t>(at + i)];
      e.loss += -std::log(std::max(p[static_cast<size_t>(truth)], 1e-300));
      e.confusion.add(truth, best);
      e.predicted.push_back(static_cast<int32_t>(best));
      e.confidence.push_back(static_cast<float>(p[static_cast<size_t>(best)]));
    }
  }
  e.loss /= static_cast<double>(count);
  e.accuracy = e.confusion.accuracy();
  e.seconds = since(start);
  return e;
}

Trainer::Trainer(Model& model, const Dataset& data, const Recipe& recipe, ThreadPool& pool)
    : model_(model),
      data_(data),
      recipe_(checked(recipe)),
      pool_(pool),
      train_images_(data.size() - held_out(data, recipe.val_split)),
      optimizer_(model.parameters.shared_table(), recipe.optimizer, recipe.freeze),
      gradient_(model.parameters.shared_table()) {
  if (recipe.ema > 0) averaged_ = model.parameters;
  require_fits(model, data);
  if (train_images_ < 1) {
    throw Error(ErrorKind::usage, "no images are left to train on")
        .where(data.name)
        .got(std::to_string(data.size()));
  }
  recipe_.batch_size = std::min(recipe_.batch_size, train_images_);
  if (recipe_.normalise) {
    std::tie(model.preprocessing.mean, model.preprocessing.std) =
        mean_std(data, 0, train_images_, model.preprocessing, &pool);
  }
  model.preprocessing.check(data.name, data.image[0]);
  model.check();
  sized(recipe_.batch_size);
  if (train_images_ % recipe_.batch_size) sized(train_images_ % recipe_.batch_size);
  order_.resize(static_cast<size_t>(train_images_));
  labels_.resize(static_cast<size_t>(recipe_.batch_size));
  if (recipe_.augment.mixup > 0) {
    other_labels_.resize(labels_.size());
    shares_.resize(labels_.size());
  }
  results_.resize(static_cast<size_t>(recipe_.batch_size));
}

Trainer::Sized& Trainer::sized(int64_t batch) {
  for (Sized& s : plans_) {
    if (s.batch == batch) return s;
  }
  auto plan = std::make_unique<Plan<float>>(
      model_.graph,
      PlanOptions{.batch = batch, .training = true, .engine = recipe_.engine, .numerics = recipe_.numerics});
  auto workspace = std::make_unique<Workspace<float>>(plan->memory(), pool_.threads());
  plans_.push_back({batch, std::move(plan), std::move(workspace)});
  return plans_.back();
}

void Trainer::shuffle() {
  if (order_epoch_ == position_.epoch) return;
  std::iota(order_.begin(), order_.end(), int64_t{0});
  Random random(recipe_.seed, "shuffle", static_cast<uint64_t>(position_.epoch));
  for (int64_t i = train_images_ - 1; i > 0; --i) {  // Fisher and Yates
    std::swap(order_[static_cast<size_t>(i)], order_[static_cast<size_t>(random.below(i + 1))]);
  }
  order_epoch_ = position_.epoch;
}

double Trainer::lr() const {
  const int64_t steps = steps_per_epoch();
  return recipe_.schedule.at(position_.epoch * steps + position_.step, steps, recipe_.epochs);
}

Targets Trainer::targets() const {
  Targets t(labels_.data(), recipe_.label_smoothing);
  if (!shares_.empty()) t.other = other_labels_.data(), t.share = shares_.data();
  return t;
}

void Trainer::step() {
  const auto start = Clock::now();
  const FlushDenormals flush;
  shuffle();
  const int64_t at = position_.step * recipe_.batch_size;
  const int64_t batch = std::min(recipe_.batch_size, train_images_ - at);
  const int64_t* images = order_.data() + at;
  const EpochImages epoch{recipe_.augment, model_.preprocessing, data_,
                          train_images_,   recipe_.seed,         static_cast<uint64_t>(position_.epoch)};
  for (size_t i = 0; i < static_cast<size_t>(batch); ++i) {
    labels_[i] = data_.labels[static_cast<size_t>(images[i])];
    if (shares_.empty()) continue;
    const draw::Mix mix = epoch.mix(images[i]);
    other_labels_[i] = data_.labels[static_cast<size_t>(mix.other)];
    shares_[i] = mix.share;
  }
  const int64_t elements = model_.graph.shape(model_.graph.input()).elements();
  const auto fill = [&](int64_t first, int64_t count, float* x) {
    for (int64_t i = 0; i < count; ++i) epoch.input(images[first + i], x + i * elements);
  };
  Sized& s = sized(batch);
  const Draws draws{recipe_.seed, static_cast<uint64_t>(position_.epoch), images};
  s.plan->gradient(model_.parameters, fill, targets(), gradient_, results_.data(), *s.workspace, pool_,
                   draws);

  double loss = 0;
  int64_t correct = 0;
  for (int64_t i = 0; i < batch; ++i) {
    loss += results_[static_cast<size_t>(i)].loss;
    correct += results_[static_cast<size_t>(i)].predicted == labels_[static_cast<size_t>(i)];
  }
  if (!std::isfinite(loss) || !finite(gradient_, pool_)) diverged(batch, fill, draws);

  if (position_.step % kNormSteps == 0) {
    if (position_.step == 0) position_.gradient_squares.assign(model_.parameters.table().slices().size(), 0);
    add_squares(gradient_, position_.gradient_squares);
  }
  if (recipe_.clip_norm > 0) optimizer_.clip(gradient_, recipe_.clip_norm, pool_);
  optimizer_.step(model_.parameters, gradient_, lr(), pool_);
  take_buffers(gradient_, model_.parameters);
  if (averaged_) average(model_.parameters, recipe_.ema, optimizer_.steps() == 1, *averaged_, pool_);
  position_.loss_sum += loss;
  position_.correct += correct;
  ++position_.step;
  position_.seconds += since(start);
}

void Trainer::diverged(int64_t batch, Fill<float> fill, const Draws& draws) {
  const int64_t global = position_.epoch * steps_per_epoch() + position_.step;
  std::string where = first_not_finite(model_.parameters);
  if (where.empty()) {  // the step once more, keeping every value, to find the first that is not finite
    const Plan<float> plan(model_.graph, {.batch = batch,
                                          .training = true,
                                          .engine = recipe_.engine,
                                          .numerics = recipe_.numerics,
                                          .keep = true});
    Workspace<float> workspace(plan.memory(), pool_.threads());
    plan.gradient(model_.parameters, fill, targets(), gradient_, results_.data(), workspace, pool_, draws);
    for (const Node& node : model_.graph.nodes()) {
      for (int64_t i = 0; i < batch && where.empty(); ++i) {
        const std::vector<float> y = plan.value(node.output, i, workspace);
        const auto bad = std::find_if(y.begin(), y.end(), [](float v) { return !std::isfinite(v); });
        if (bad != y.end())
          where = "the output of " + node.name + "[" + std::to_string(bad - y.begin()) + "]";
      }
    }
  }
  if (where.empty()) {
    where = first_not_finite(gradient_);
    where = where.empty() ? "the loss" : "the gradient of " + where;
  }
  throw Error(ErrorKind::diverged, "NaN or infinity in " + where)
      .where("step " + std::to_string(global))
      .hint("use a smaller --lr; the last checkpoint still holds good weights");
}

void Trainer::require_finite() {
  const auto check = [&](const Parameters<float>& values, const char* what) {
    const std::string tensor = first_not_finite(values);
    if (tensor.empty()) return;
    throw Error(ErrorKind::diverged, std::string("NaN or infinity in ") + what + tensor)
        .where("step " + std::to_string(position_.epoch * steps_per_epoch() + position_.step - 1))
        .hint("use a smaller --lr; the last checkpoint still holds good weights");
  };
  check(model_.parameters, "");
  check(optimizer_.first_moment(), "the first moment of ");
  if (recipe_.optimizer.kind != OptimizerOptions::Kind::sgd) {
    check(optimizer_.second_moment(), "the second moment of ");
  }
  if (averaged_) check(*averaged_, "the average of ");
}

std::vector<NormRow> Trainer::norms() const {
  return layer_norms(position_.epoch + 1, model_.parameters, position_.gradient_squares,
                     (position_.step + kNormSteps - 1) / kNormSteps);
}

EpochRow Trainer::finish_epoch() {
  EpochRow row;
  row.epoch = position_.epoch + 1;
  row.train_loss = position_.loss_sum / static_cast<double>(train_images_);
  row.train_acc = static_cast<double>(position_.correct) / static_cast<double>(train_images_);
  row.seconds = position_.seconds;
  row.images_per_s = static_cast<double>(train_images_) / std::max(position_.seconds, 1e-9);
  row.lr =
      recipe_.schedule.at((position_.epoch + 1) * steps_per_epoch() - 1, steps_per_epoch(), recipe_.epochs);
  if (val_images() > 0) {
    const Averaged averaged(*this);
    const Evaluation e =
        evaluate(model_, data_, train_images_, val_images(), recipe_.engine, pool_, recipe_.numerics);
    row.val_loss = e.loss;
    row.val_acc = e.accuracy;
    row.val_seconds = e.seconds;
    val_confusion_ = e.confusion;
  } else {
    row.val_loss = row.val_acc = std::nan("");
  }
  position_ = {position_.epoch + 1, 0, 0, 0, 0, std::move(position_.gradient_squares)};
  return row;
}

}  // namespace unfold
