// What docs/coming-from.md shows: a LeNet defined, trained, saved, loaded, asked about an image, and its
// weights read.
#include <algorithm>
#include <cstdio>

#include "unfold/data/source.h"
#include "unfold/error.h"
#include "unfold/formats/model_file.h"
#include "unfold/train/trainer.h"
using namespace unfold;

namespace {

Model define(const Dataset& data) {
  const Window2d k5 = Window2d::square(5), half = Window2d::square(2, 2);  // kernel; kernel and stride
  Model model;
  Graph& g = model.graph;
  ValueId x = g.input({1, 32, 32});
  x = g.max_pool2d("pool1", g.relu("relu1", g.conv2d("conv1", x, 6, k5)), half);
  x = g.max_pool2d("pool2", g.relu("relu2", g.conv2d("conv2", x, 16, k5)), half);
  x = g.relu("relu3", g.linear("fc1", g.flatten("flatten", x), 120));
  g.linear("fc3", g.relu("relu4", g.linear("fc2", x, 84)), 10);  // logits; no softmax
  model.name = "lenet", model.classes = data.classes;
  model.parameters = Parameters<float>(g.parameter_table());
  initialise(model.parameters, Init::pytorch, 0);
  return model;
}

void train(Model& model, const Dataset& data, ThreadPool& pool) {
  Recipe recipe;
  recipe.epochs = 1, recipe.batch_size = 64;
  recipe.optimizer.kind = OptimizerOptions::Kind::adam;
  recipe.schedule.lr = 1e-3;
  Trainer trainer(model, data, recipe, pool);  // a sixth of the data is kept for validation
  while (!trainer.epoch_done()) trainer.step();
  std::printf("validation accuracy %.2f %%\n", 100 * trainer.finish_epoch().val_acc);
}

int predict(const Model& model, std::span<const uint8_t> pixels, ThreadPool& pool) {
  Predictor predictor(model, Engine::fast, 1, pool);                  // keep it for the next images
  const std::span<const float> logits = predictor.logits(pixels, 1);  // scaled as in training
  return static_cast<int>(std::ranges::max_element(logits) - logits.begin());
}

void weights(const Model& model) {
  for (const ParameterSlice& slice : model.parameters.table().slices())
    std::printf("%s %s\n", slice.name.c_str(), slice.shape.text().c_str());
  const Tensor conv1 = model.parameters.tensor(model.parameters.table().find("conv1.weight"));
  std::printf("first weight %g\n", static_cast<double>(conv1.data<float>()[0]));  // (6, 1, 5, 5)
}

}  // namespace

int main() try {
  const DatasetPair data = load_dataset("strokes", {});  // or "mnist", or a folder of IDX files
  ThreadPool pool(default_threads());
  Model model = define(data.train);
  train(model, data.train, pool);
  save_model("lenet.safetensors", model);
  const Model again = load_model("lenet.safetensors").model;  // graph, weights, preprocessing, class names
  weights(again);
  const int label = predict(again, data.test.at(0), pool);
  std::printf("%s, and it is %s\n", again.classes[static_cast<size_t>(label)].c_str(),
              again.classes[data.test.labels[0]].c_str());
} catch (const Error& e) {
  std::fprintf(stderr, "error: %s\n", e.what());
  return 1;
}
