// make_models FOLDER: the models whose pages are tested, with fresh weights.
#include <filesystem>

#include "unfold/formats/model_file.h"

using namespace unfold;

/// A 3 x 3 layer of stride 2, padding 1 and two groups behind a plain one.
static Model grouped() {
  Model model = make_model("lenet5", 3);
  Graph g;
  ValueId x = g.input({1, 32, 32});
  x = g.relu("relu1", g.conv2d("conv1", x, 4, Window2d::square(5, 2)));
  Window2d window = Window2d::square(3, 2, 1);
  window.groups = 2;
  x = g.max_pool2d("pool", g.relu("relu2", g.conv2d("grouped", x, 6, window)), Window2d::square(2, 2));
  g.linear("fc", g.flatten("flatten", x), 10);
  model.name = "grouped";
  model.graph = g;
  model.parameters = Parameters<float>(g.parameter_table());
  initialise(model.parameters, Init::pytorch, 3);
  return model;
}

int main(int, char** arguments) {
  const std::filesystem::path folder = arguments[1];
  save_model(folder / "lenet5-article.safetensors", make_model("lenet5-article", 1));
  save_model(folder / "grouped.safetensors", grouped());
}
