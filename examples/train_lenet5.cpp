// Builds, trains, tests and saves LeNet-5:  train_lenet5 [mnist | strokes | DIRECTORY_OF_IDX_FILES] [EPOCHS]
#include <cstdio>
#include <cstdlib>

#include "unfold/data/source.h"
#include "unfold/error.h"
#include "unfold/formats/model_file.h"
#include "unfold/train/trainer.h"
using namespace unfold;

int main(int argc, char** argv) try {
  const DatasetPair data = load_dataset(argc > 1 ? argv[1] : "strokes", {});
  const Window2d k5 = Window2d::square(5), half = Window2d::square(2, 2);

  Model model;
  Graph& g = model.graph;
  ValueId x = g.input({1, 32, 32});                          // image    1 x 32 x 32
  x = g.relu("relu1", g.conv2d("conv1", x, 6, k5));          //          6 x 28 x 28
  x = g.max_pool2d("pool1", x, half);                        //          6 x 14 x 14
  x = g.relu("relu2", g.conv2d("conv2", x, 16, k5));         //         16 x 10 x 10
  x = g.flatten("flatten", g.max_pool2d("pool2", x, half));  //        400
  x = g.relu("relu3", g.linear("fc1", x, 120));              //        120
  x = g.relu("relu4", g.linear("fc2", x, 84));               //         84
  g.linear("fc3", x, 10);                                    // logits  10
  model.name = "lenet5", model.trained_on = data.train.name;
  model.classes = data.train.classes;
  model.parameters = Parameters<float>(g.parameter_table());
  initialise(model.parameters, Init::pytorch, 0);

  Recipe recipe = default_recipe("lenet5");
  recipe.epochs = argc > 2 ? std::atoll(argv[2]) : 3;
  ThreadPool pool(default_threads());
  Trainer trainer(model, data.train, recipe, pool);
  for (int epoch = 1; epoch <= recipe.epochs; ++epoch) {
    while (!trainer.epoch_done()) trainer.step();
    std::printf("epoch %d: validation accuracy %.2f %%\n", epoch, 100 * trainer.finish_epoch().val_acc);
  }
  const Evaluation test = evaluate(model, data.test, 0, data.test.size(), recipe.engine, pool);
  save_model("lenet5.safetensors", model);
  std::printf("test accuracy %.2f %%; saved lenet5.safetensors\n", 100 * test.accuracy);
} catch (const Error& e) {
  std::fprintf(stderr, "error: %s\n", e.what());
  return 1;
}
