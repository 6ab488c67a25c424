// A model: a network, its weights, what its input must look like and what its outputs mean. What a file
// holds.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "unfold/data/preprocess.h"
#include "unfold/fold.h"
#include "unfold/graph.h"
#include "unfold/parameters.h"
#include "unfold/plan.h"

namespace unfold {

struct Model {
  std::string name;        ///< "lenet5"
  std::string trained_on;  ///< name of the data set, or empty
  Graph graph;
  Parameters<float> parameters;
  Preprocessing preprocessing;
  std::vector<std::string> classes;  ///< name of each output

  /// Throws model unless the parts fit together: input and preprocessing, outputs and class names,
  /// parameters.
  void check() const;
  /// Layers with output shapes and parameters, and their totals, as a table.
  std::string summary() const;
};

/// A network that can be made for an image and a number of classes: one of the zoo (models/zoo.h), or one
/// of a file (formats/network_file.h).
struct Network {
  std::string name;
  std::function<Graph(const Shape& image, int64_t classes)> make;  ///< throws if the image does not fit
  Shape image;                                                     ///< (C, H, W) that it was made for
  int64_t classes = 10;
  Init init = Init::pytorch;
  bool digits = false;  ///< made for MNIST's digits, 28 x 28, in an input of 32 x 32
};
/// The one of this name. Throws usage for another name, listing all.
Network network_named(std::string_view name);

/// The names network_named, make_graph and make_model know (models/zoo.h).
std::span<const std::string_view> model_names();
/// What is not as the network was made for.
struct ModelOptions {
  std::optional<Shape> image = {};  ///< (C, H, W) of the input
  std::optional<int64_t> classes = {};
};
/// The named network. Throws usage for another name, listing these, or if the image is too small for it.
Graph make_graph(std::string_view name, const ModelOptions& options = {});
/// The named model with fresh weights, drawn as the zoo says. Throws usage as make_graph does.
Model make_model(std::string_view name, uint64_t seed, const ModelOptions& options = {});
Model make_model(const Network& network, uint64_t seed, const ModelOptions& options = {});
/// The named model for a data set: as many channels and classes as it has, and its images fitted to the
/// network's input. Throws usage as make_graph does.
Model make_model_for(const Dataset& data, std::string_view name, uint64_t seed,
                     std::optional<Shape> image = {});
Model make_model_for(const Dataset& data, const Network& network, uint64_t seed,
                     std::optional<Shape> image = {});

/// Runs a model forward, over and over: the plan, its memory and its threads; batch normalisations are
/// folded. Not to be shared between threads: each makes its own, over one const model.
class Predictor {
 public:
  /// `batch` images at most a call; `numerics`: whether Winograd's kernels may be used. The model must
  /// outlive this and not change.
  Predictor(const Model& model, Engine engine, int64_t batch, ThreadPool& pool,
            Numerics numerics = Numerics::fast);

  /// Logits (count, classes) of `count` <= batch treated-to-bytes images (count, C, H, W), e.g. dataset
  /// pixels. Images go through the model's preprocessing.
  std::span<const float> logits(std::span<const uint8_t> images, int64_t count);

 private:
  const Model& model_;
  ThreadPool& pool_;
  std::optional<Folded> folded_;
  const Graph& graph_;
  const Parameters<float>& parameters_;
  Plan<float> plan_;
  Workspace<float> workspace_;
  std::vector<float> logits_;
};

/// Softmax of one row of logits, in double.
std::vector<double> probabilities(std::span<const float> logits);

Engine engine_named(std::string_view name);  ///< "naive", "im2col", "fast"; throws usage for another name
std::string_view engine_name(Engine engine);
Numerics numerics_named(std::string_view name);  ///< "exact", "fast"; throws usage for another name
std::string_view numerics_name(Numerics numerics);

}  // namespace unfold
