// The training loop: shuffled batches through a plan, the optimizer, an evaluation after each epoch.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "unfold/data/augment.h"
#include "unfold/data/dataset.h"
#include "unfold/model.h"
#include "unfold/train/metrics.h"
#include "unfold/train/norms.h"
#include "unfold/train/optimizer.h"
#include "unfold/train/schedule.h"

namespace unfold {

/// Everything that decides what a training run computes.
struct Recipe {
  int64_t epochs = 10;
  int64_t batch_size = 100;
  OptimizerOptions optimizer;
  Schedule schedule;
  Augmentation augment;                  ///< what chance does to each training image, drawn anew each epoch
  std::vector<std::string> freeze = {};  ///< patterns of parameters that stay as they are, see Optimizer
  /// Part of the training data held out: its last images, never trained on. Data published with a validation
  /// part keeps that instead.
  double val_split = 1.0 / 6;
  /// torch.nn.CrossEntropyLoss's: part of each label that is spread over all classes. In training alone: what
  /// is validated and tested is the plain cross-entropy.
  double label_smoothing = 0;
  double clip_norm = 0;  ///< the largest L2 norm of a step's whole gradient (Optimizer::clip); 0: no limit
  /// Decay of the moving average of the weights (train/average.h), which is what is validated and saved; 0:
  /// none.
  double ema = 0;
  uint64_t seed = 0;
  Engine engine = Engine::fast;
  Numerics numerics = Numerics::fast;
  bool normalise = true;  ///< the model's mean and deviation become those of the training images
  bool operator==(const Recipe&) const = default;
};

/// The recipe itself. Throws usage if it cannot be trained by: a number out of its range.
Recipe checked(Recipe recipe);

/// The default recipe of a named model (chosen on validation data): see docs/guide/8-errata.md. For a network
/// of one's own, whose name is no model's, Adam and one cycle, and images as they are.
Recipe default_recipe(std::string_view model);

/// Where a run stands; with the parameters and the optimizer's state, all a checkpoint needs.
struct Position {
  int64_t epoch = 0;    ///< finished epochs
  int64_t step = 0;     ///< finished steps of the running epoch
  double loss_sum = 0;  ///< over the images of the running epoch so far
  int64_t correct = 0;
  double seconds = 0;  ///< training time of the running epoch so far
  /// By slice of the parameters: squares of the gradient, summed over the steps 0, kNormSteps, 2 kNormSteps,
  /// ...
  std::vector<double> gradient_squares = {};
};

/// Steps from one whose gradient's norm is taken to the next: a sample that costs next to nothing.
inline constexpr int64_t kNormSteps = 16;

struct Evaluation {
  double loss = 0, accuracy = 0;
  ConfusionMatrix confusion{1};
  std::vector<int32_t> predicted;
  std::vector<float> confidence;  ///< probability of the predicted class
  double seconds = 0;
};

/// Forward over images first .. first+count-1 of a data set, with Winograd's kernels where `numerics` lets
/// them.
Evaluation evaluate(const Model& model, const Dataset& data, int64_t first, int64_t count, Engine engine,
                    ThreadPool& pool, Numerics numerics = Numerics::fast);

/// Throws data unless the data set's images and labels are what the model takes.
void require_fits(const Model& model, const Dataset& data);

class Trainer {
 public:
  /// Holds on to model and data, which must outlive it. Sets the model's mean and deviation from the training
  /// part of the data (Recipe::normalise). Throws usage for a recipe that cannot run.
  Trainer(Model& model, const Dataset& data, const Recipe& recipe, ThreadPool& pool);

  int64_t train_images() const { return train_images_; }
  int64_t val_images() const { return data_.size() - train_images_; }
  int64_t steps_per_epoch() const { return (train_images_ + recipe_.batch_size - 1) / recipe_.batch_size; }
  const Recipe& recipe() const { return recipe_; }
  Position& position() { return position_; }
  Optimizer<float>& optimizer() { return optimizer_; }
  /// The moving average of the weights, or null where the recipe has none.
  Parameters<float>* averaged() { return averaged_ ? &*averaged_ : nullptr; }
  const Model& model() const { return model_; }
  std::string numerics_key() const { return plans_.front().plan->numerics_key(); }
  double lr() const;  ///< of the next step

  /// Runs the running epoch's next step. Throws diverged, naming layer, tensor and step, when the loss or a
  /// gradient is NaN or infinite; the parameters are then still those before the step.
  void step();
  /// Throws diverged, naming the tensor and the step, if a parameter or the optimizer's state is NaN or
  /// infinite: the last update was too large.
  void require_finite();
  bool epoch_done() const { return position_.step == steps_per_epoch(); }
  /// While it lives, the model has the average of its weights in their place, if the recipe keeps one: to
  /// evaluate or save it. No step may be taken meanwhile.
  class Averaged {
   public:
    explicit Averaged(Trainer& trainer) : trainer_(trainer) { exchange(); }
    ~Averaged() { exchange(); }
    Averaged(const Averaged&) = delete;
    Averaged& operator=(const Averaged&) = delete;

   private:
    void exchange() {
      if (trainer_.averaged_) std::swap(*trainer_.averaged_, trainer_.model_.parameters);
    }
    Trainer& trainer_;
  };
  /// Norms of the weights as they are, and of the running epoch's gradients so far, layer by layer.
  std::vector<NormRow> norms() const;
  /// Closes the finished epoch: evaluates the validation images (with the average of the weights, if there is
  /// one), moves on to the next epoch, returns its row.
  EpochRow finish_epoch();
  /// What the last finish_epoch found in the validation images; of no classes before, and without such
  /// images.
  const ConfusionMatrix& val_confusion() const { return val_confusion_; }

 private:
  struct Sized {
    int64_t batch;
    std::unique_ptr<Plan<float>> plan;
    std::unique_ptr<Workspace<float>> workspace;
  };
  Sized& sized(int64_t batch);
  void shuffle();
  Targets targets() const;  // of the step at hand
  [[noreturn]] void diverged(int64_t batch, Fill<float> fill, const Draws& draws);

  Model& model_;
  const Dataset& data_;
  Recipe recipe_;
  ThreadPool& pool_;
  int64_t train_images_;
  Optimizer<float> optimizer_;
  Parameters<float> gradient_;
  std::optional<Parameters<float>> averaged_;
  std::vector<Sized> plans_;    // the full batch, and the last one of an epoch if it is smaller
  std::vector<int64_t> order_;  // the epoch's images
  int64_t order_epoch_ = -1;
  std::vector<int32_t> labels_;
  std::vector<int32_t> other_labels_;  // where mixup draws other images
  std::vector<float> shares_;
  std::vector<ImageResult> results_;
  Position position_;
  ConfusionMatrix val_confusion_{0};
};

}  // namespace unfold
