// Networks as ONNX files, run as any ONNX file is: what they compute is what the network computes. For every
// operator, so what export and interpreter have in mind is the same, and the same as ours.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>
#include <string>

#include "unfold/formats/onnx/export.h"
#include "unfold/model.h"
#include "unfold/onnx/session.h"
#include "unfold/ops/conv_transpose2d.h"
#include "unfold/ops/op.h"
#include "unfold/ops/pad.h"
#include "unfold/ops/prelu.h"
#include "unfold/ops/rearrange.h"
#include "unfold/random.h"

using namespace unfold;

namespace {

constexpr int64_t kImages = 3;

using Layer = std::function<ValueId(Graph&, ValueId)>;
template <class O, class... A>
Layer op(A... arguments) {
  return [=](Graph& g, ValueId x) { return g.add("layer", std::make_shared<O>(arguments...), {x}); };
}

/// An operator of each type, some in several ways, on an image of 4 x 6 x 9.
std::vector<Layer> layers() {
  const Window2d odd{.kernel_h = 3,
                     .kernel_w = 2,
                     .stride_h = 2,
                     .stride_w = 1,
                     .pad_top = 1,
                     .pad_left = 0,
                     .pad_bottom = 0,
                     .pad_right = 1,
                     .dilation_h = 1,
                     .dilation_w = 2,
                     .groups = 2};
  Window2d plain = odd;
  plain.groups = 1;
  const auto function = [](Pointwise kind, double a = 0, double b = 0) {
    return Layer([=](Graph& g, ValueId x) { return g.pointwise("layer", x, {kind, a, b}); });
  };
  return {
      [=](Graph& g, ValueId x) { return g.conv2d("layer", x, 6, odd); },
      [=](Graph& g, ValueId x) { return g.conv2d("layer", x, 3, Window2d::square(3), false); },
      op<ConvTranspose2d>(6, odd, int64_t{1}, int64_t{0}, true),
      op<ConvTranspose2d>(5, plain, int64_t{0}, int64_t{1}, false),
      [=](Graph& g, ValueId x) { return g.max_pool2d("layer", x, Window2d::square(3, 2, 1), true); },
      [=](Graph& g, ValueId x) { return g.avg_pool2d("layer", x, Window2d::square(3, 2, 1), false, true); },
      [=](Graph& g, ValueId x) { return g.adaptive_avg_pool2d("layer", x, 4, 5); },
      [=](Graph& g, ValueId x) { return g.global_avg_pool("layer", x); },
      [=](Graph& g, ValueId x) { return g.linear("layer", g.flatten("flat", x), 7); },
      [=](Graph& g, ValueId x) { return g.tanh("layer", x, 1.7159); },
      [=](Graph& g, ValueId x) { return g.relu("layer", x); },
      [=](Graph& g, ValueId x) { return g.sigmoid("layer", x); },
      function(Pointwise::leaky_relu, 0.2),
      function(Pointwise::elu, 0.7),
      function(Pointwise::hard_sigmoid, 0.3, 0.4),
      function(Pointwise::hard_swish),
      function(Pointwise::silu),
      function(Pointwise::clip, -0.5, 0.25),
      function(Pointwise::softplus),
      function(Pointwise::selu, 1.67326319217681884765625, 1.05070102214813232421875),
      function(Pointwise::softsign),
      op<PRelu>(int64_t{1}, 0.3),
      op<PRelu>(int64_t{4}, -0.3),
      op<Pad>(int64_t{1}, int64_t{0}, int64_t{2}, int64_t{3}, PadMode::constant, 1.25),
      op<Pad>(int64_t{2}, int64_t{1}, int64_t{0}, int64_t{1}, PadMode::reflect, 0.0),
      op<Pad>(int64_t{0}, int64_t{2}, int64_t{1}, int64_t{0}, PadMode::edge, 0.0),
      op<Transpose>(std::vector<int64_t>{2, 0, 1}),
      op<Reshape>(std::vector<int64_t>{6, -1, 3}),
      [=](Graph& g, ValueId x) { return g.add("layer", x, g.relu("relu", x)); },
      [=](Graph& g, ValueId x) { return g.mul("layer", x, g.sigmoid("gate", g.global_avg_pool("pool", x))); },
      [=](Graph& g, ValueId x) { return g.concat("layer", {x, g.relu("relu", x)}, 1); },
      [=](Graph& g, ValueId x) { return g.local_response_norm("layer", x, 3, 0.1, 0.75, 2); },
      [=](Graph& g, ValueId x) { return g.local_response_norm("layer", x, 4, 0.1); },
      [=](Graph& g, ValueId x) { return g.batch_norm("layer", x, 1e-3); },
      [=](Graph& g, ValueId x) { return g.dropout("layer", x, 0.3); },
      [=](Graph& g, ValueId x) { return g.softmax("layer", g.linear("fc", g.flatten("flat", x), 5)); },
      [=](Graph& g, ValueId x) { return g.log_softmax("layer", g.linear("fc", g.flatten("flat", x), 5)); },
  };
}

}  // namespace

TEST_CASE("every operator, exported, computes what the network does") {
  const Shape image{4, 6, 9};
  Random random(7, "exported");
  std::vector<float> x(static_cast<size_t>(kImages * image.elements()));
  for (float& v : x) v = static_cast<float>(random.normal());
  std::set<std::string_view> seen;
  ThreadPool pool(1);
  double worst = 0;
  for (const Layer& layer : layers()) {
    Model model;
    model.name = "one";
    Graph& g = model.graph;
    ValueId y = layer(g, g.input(image));
    for (const Node& node : g.nodes()) seen.insert(node.op->type());
    const std::string type(g.nodes().back().op->type());
    CAPTURE(type);
    if (g.shape(y).rank() != 1) y = g.flatten("end", y);
    model.parameters = Parameters<float>(g.parameter_table());
    initialise(model.parameters, Init::pytorch, 3);
    for (int64_t i = 0; i < g.shape(y).elements(); ++i) model.classes.push_back(std::to_string(i));
    model.preprocessing = {.image_h = 6, .image_w = 9, .out_h = 6, .out_w = 9, .digit = false};

    std::vector<float> want;
    const Plan<float> plan(g, {.batch = kImages, .engine = Engine::naive});
    Workspace<float> workspace(plan.memory(), 1);
    plan.forward(
        model.parameters,
        [&](int64_t first, int64_t n, float* to) {
          std::copy_n(x.data() + first * image.elements(), n * image.elements(), to);
        },
        [&](int64_t, int64_t n, const float* from) {
          want.insert(want.end(), from, from + n * g.shape(y).elements());
        },
        workspace, pool);

    const onnx::Session session(onnx::export_model(model));
    const auto results =
        session.run({{session.inputs()[0].name, Tensor::borrow(image.batched(kImages), x.data())}});
    REQUIRE(results[0].elements() == std::ssize(want));
    const auto got = results[0].span<float>();
    for (size_t i = 0; i < want.size(); ++i) {
      const double error = std::abs(static_cast<double>(got[i]) - static_cast<double>(want[i]));
      if (!(error <= worst)) worst = error;
    }
  }
  MESSAGE("largest difference ", worst);
  CHECK(worst <= 5e-6);
  for (const std::string_view type : op_types()) {
    CAPTURE(std::string(type));
    CHECK(seen.contains(type));
  }
}
