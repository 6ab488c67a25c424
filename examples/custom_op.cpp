// An operator of one's own, without touching the library: Swish with a slope that is learned, one for each
// channel,
//   y = x * sigmoid(beta * x)        Ramachandran, Zoph, Le 2017, Searching for Activation Functions
// It is checked against differences, trained within a network, saved with it, and read back.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "unfold/data/source.h"
#include "unfold/error.h"
#include "unfold/formats/model_file.h"
#include "unfold/train/gradcheck.h"
#include "unfold/train/trainer.h"
using namespace unfold;

namespace {

// The kernels: for c.n images (C, H, W), one after the other. A template, as gradients are checked in double.

/// Calls body(channel, place) for every element of the call's images.
template <class T, class F>
void each(const Call<T>& c, F body) {
  const int64_t channels = c.shapes[0][0], pixels = c.in / channels;
  for (int64_t i = 0; i < c.n * c.in; ++i) body(i / pixels % channels, i);
}
template <class T>
T sigmoid(T x) {
  return 1 / (1 + std::exp(-x));
}

/// Overwrites y.
template <class T>
void swish_forward(const Op&, const Call<T>& c) {
  each(c, [&](int64_t channel, int64_t i) { c.y[i] = c.x[0][i] * sigmoid(c.w[channel] * c.x[0][i]); });
}
/// Overwrites dx: with s = sigmoid(beta x), dy/dx = s + beta x s (1 - s).
template <class T>
void swish_backward_data(const Op&, const Call<T>& c) {
  each(c, [&](int64_t channel, int64_t i) {
    const T bx = c.w[channel] * c.x[0][i], s = sigmoid(bx);
    c.dx[i] = c.dy[i] * (s + bx * s * (1 - s));
  });
}
/// Adds to dw: dy/dbeta = x^2 s (1 - s).
template <class T>
void swish_backward_weights(const Op&, const Call<T>& c) {
  each(c, [&](int64_t channel, int64_t i) {
    const T x = c.x[0][i], s = sigmoid(c.w[channel] * x);
    c.dw[channel] += c.dy[i] * x * x * s * (1 - s);
  });
}

/// Naive kernels serve every engine; a faster one would stand before them.
template <class T>
constexpr Implementation<T> kSwish[] = {{.name = "swish/naive",
                                         .engine = Engine::naive,
                                         .numerics = "libm, dw=images,pixels",
                                         .forward = swish_forward<T>,
                                         .backward_data = swish_backward_data<T>,
                                         .backward_weights = swish_backward_weights<T>}};

class Swish final : public Op {
 public:
  explicit Swish(double start) : start_(start) {}
  std::string_view type() const override { return "example.Swish"; }
  Attributes attributes() const override { return {{"start", {start_}}}; }  // what a model file says of it
  Shape output_shape(std::span<const Shape> in, std::string_view where) const override {
    if (in[0].rank() != 3)
      throw Error(ErrorKind::usage, "the input does not fit")
          .where(where)
          .wanted("(C, H, W)")
          .got(in[0].text());
    return in[0];
  }
  std::vector<ParameterSpec> parameters(std::span<const Shape> in) const override {
    return {{.name = "weight", .shape = {in[0][0]}, .fan_in = 1, .start = start_}};
  }
  std::span<const Implementation<float>> implementations(float) const override { return kSwish<float>; }
  std::span<const Implementation<double>> implementations(double) const override { return kSwish<double>; }

 private:
  double start_;
};

/// How a file's operators are made: ours here, all others by the library.
std::shared_ptr<const Op> make_mine(std::string_view type, const Attributes& attributes) {
  if (type == "example.Swish") return std::make_shared<Swish>(attributes.at("start").at(0));
  return make_op(type, attributes);
}

Graph network(const Shape& image) {
  Graph g;
  ValueId x = g.input(image);
  x = g.conv2d("conv1", x, 8, Window2d::square(5));
  x = g.max_pool2d("pool1", g.add("swish1", std::make_shared<Swish>(1), {x}), Window2d::square(2, 2));
  x = g.conv2d("conv2", x, 16, Window2d::square(5));
  x = g.max_pool2d("pool2", g.add("swish2", std::make_shared<Swish>(1), {x}), Window2d::square(2, 2));
  g.linear("fc", g.flatten("flatten", x), 10);
  return g;
}

}  // namespace

int main() try {
  double worst = 0;
  for (const GradcheckRow& row : gradcheck(network({1, 16, 16}), {.samples = 50})) {
    if (row.tensor.starts_with("swish"))
      std::printf("gradient of %s: relative error %.1e\n", row.tensor.c_str(), row.worst);
    if (!(row.worst <= worst)) worst = row.worst;
  }
  if (!(worst <= 1e-6)) throw Error(ErrorKind::runtime, "a gradient is wrong").got(std::to_string(worst));

  const DatasetPair data = load_dataset("strokes", {});
  Model model;
  model.name = "swish";
  model.graph = network({1, 32, 32});
  model.classes = data.train.classes;
  model.parameters = Parameters<float>(model.graph.parameter_table());
  initialise(model.parameters, Init::pytorch, 0);
  Recipe recipe = default_recipe("lenet5");
  recipe.epochs = 1;
  ThreadPool pool(default_threads());
  Trainer trainer(model, data.train, recipe, pool);
  for (int step = 0; step < 60; ++step) trainer.step();
  const Tensor beta = model.parameters.tensor(model.parameters.table().find("swish1.weight"));
  std::printf("beta of swish1 after 60 steps: %.3f to %.3f\n",
              static_cast<double>(std::ranges::min(beta.span<float>())),
              static_cast<double>(std::ranges::max(beta.span<float>())));

  save_model("swish.safetensors", model);
  const Model again = load_model("swish.safetensors", make_mine).model;
  const Evaluation before = evaluate(model, data.test, 0, data.test.size(), recipe.engine, pool),
                   after = evaluate(again, data.test, 0, data.test.size(), recipe.engine, pool);
  std::printf("test accuracy %.2f %%, read back %.2f %%\n", 100 * before.accuracy, 100 * after.accuracy);
  return before.loss == after.loss ? 0 : 1;
} catch (const Error& e) {
  std::fprintf(stderr, "error: %s\n", e.what());
  return 1;
}
