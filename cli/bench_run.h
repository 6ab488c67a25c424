// What `unfold bench` times: a network fed with noise, and what came of it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "unfold/model.h"
#include "unfold/train/optimizer.h"

namespace unfold::cli {

struct BenchSettings {
  int64_t batch = 100;
  int64_t images = 0;  ///< that steps of training draw from, shuffled; 0: some 64 MB of them
  int64_t repeats = 5;
  double seconds = 1;
  bool inference = false;
  Engine engine = Engine::fast;
  Numerics numerics = Numerics::fast;
  OptimizerOptions optimizer;
};

/// What was measured of one engine; times are seconds.
struct BenchResult {
  std::string engine;
  double fastest = 0, median = 0, peak = 0;  // peak: flop/s of one core, measured among the steps
  double watched = 0, optimizer = 0;         // mean of the steps with a watch on them; wall clock
  int64_t runs = 0, flops = 0, bytes = 0;
  struct Row {
    std::string name, kernel;
    double forward = 0, backward = 0;  // of all workers, a step
    int64_t flops = 0;
  };
  std::vector<Row> rows;

  /// Parts of the watched steps' time of all workers, adding up to 1.
  struct Shares {
    double products = 0;     // convolutions and linear layers, with what is fused to them
    double elementwise = 0;  // activations, pooling, dropout, sums of two values
    double layout = 0;       // from one layout to another, where that is a step
    double optimizer = 0;
    double other = 0;  // input, packing of weights, loss, sums of gradients, waiting
  };
  Shares shares(int threads) const;
};

/// A network with its memory. The work of a step does not depend on what the pixels show, so they are noise:
/// training draws its batches from a shuffled set, inference has one batch that stays where it is.
class BenchRun {
 public:
  BenchRun(const Model& model, const BenchSettings& settings, ThreadPool& pool);

  const Plan<float>& plan() const { return plan_; }
  void step();
  /// Warms up, then runs steps for the time that is set, then some more with a watch on each layer.
  BenchResult measure();
  /// Writes what a step without dropout computes as safetensors: input, labels, logits (of inference), the
  /// parameters, and when training the loss and the gradients, "gradient.NAME".
  void dump(const std::filesystem::path& path);

 private:
  void choose_images();
  /// Writes images first .. first+count-1 of the batch.
  void give(int64_t first, int64_t count, float* x) const;
  void compute();  ///< forward, or gradients

  const BenchSettings& settings_;
  const Model& model_;
  ThreadPool& pool_;
  std::optional<Folded> folded_;  // inference: as a Predictor runs it
  Plan<float> plan_;
  Workspace<float> workspace_;
  Parameters<float> parameters_, gradient_;
  Optimizer<float> optimizer_;
  double optimizer_seconds_ = 0;
  int64_t pixels_, next_ = 0, epoch_ = 0;
  Buffer images_;
  std::vector<int64_t> order_;
  std::vector<int32_t> labels_, chosen_;
  std::vector<ImageResult> results_;
};

}  // namespace unfold::cli
