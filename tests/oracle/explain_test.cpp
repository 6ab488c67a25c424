// Saliency, guided backprop, DeconvNet and Grad-CAM against PyTorch's, written from the papers (explain.py).
#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "tests/explain/nets.h"
#include "tests/oracle/oracle.h"
#include "unfold/explain/deconvnet.h"
#include "unfold/explain/grad_cam.h"
#include "unfold/explain/saliency.h"
#include "unfold/files.h"

using namespace unfold;

namespace {

/// Net of explain.py; `row` holds the sizes of its CASE.
Model net(std::span<const int64_t> row, int64_t key) {
  const auto window = [](int64_t k, int64_t s, int64_t p, int64_t groups) {
    return Window2d::square(k, s, p, 1, groups);
  };
  const Window2d half = Window2d::square(2, 2);
  Graph g;
  ValueId x = g.input({row[0], row[1], row[2]});
  x = g.relu("relu1", g.conv2d("conv1", x, row[3], window(row[4], row[5], row[6], 1)));
  x = g.max_pool2d("pool1", x, half);
  x = g.relu("relu2", g.conv2d("conv2", x, row[7], window(row[8], row[9], row[10], row[11])));
  x = g.flatten("flatten", g.max_pool2d("pool2", x, half));
  g.linear("fc", x, row[12]);
  Model model = test::model_of(std::move(g), 0);
  int64_t k = 0;
  for (const char* name :
       {"conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias", "fc.weight", "fc.bias"}) {
    const ParameterTable& table = model.parameters.table();
    const int64_t count = table[table.find(name)].shape.elements();
    test::set(model, name, oracle::as<float>(oracle::numbers(count, key + 1 + k++)));
  }
  return model;
}

}  // namespace

TEST_CASE("what a network learned is what PyTorch shows of it") {
  const oracle::Values values("explain");
  double worst = 0;
  for (int64_t k = 0; k < values.rows("explain"); ++k) {
    CAPTURE(k);
    const auto row = values.row("explain", k);
    const Model model = net(row, 7000 + 10 * k);
    const Graph& g = model.graph;
    const Walk walk(model, oracle::as<float>(oracle::numbers(row[0] * row[1] * row[2], 7000 + 10 * k)));
    // In units of the map's largest number; float32 against float64.
    const auto check = [&](const std::string& name, std::span<const float> got) {
      CAPTURE(name);
      const double off = test::largest_difference(got, values("explain." + std::to_string(k) + "." + name));
      CHECK(!(off > 1e-5));
      worst = std::max(worst, off);
    };
    check("logits", walk.value(g.output()));
    check("saliency", saliency(walk, 1));
    check("guided", guided_backprop(walk, 1));
    for (const auto& [layer, unit] :
         {std::pair<std::string, int64_t>{"relu1", 0}, {"relu2", 0}, {"relu2", row[7] - 1}, {"pool2", 0}}) {
      const ValueId value = layer_named(g, layer).output;
      const std::string name = layer + "." + std::to_string(unit);
      const auto cell = values.operator()<int64_t>("explain." + std::to_string(k) + ".cell." + name);
      CHECK(strongest(walk, value, unit) == Cell{cell[0], cell[1]});
      check("strongest." + name, deconvnet(walk, value, unit));
    }
    check("map.pool2.1", deconvnet_map(walk, layer_named(g, "pool2").output, 1));
    for (const std::string layer : {"relu2", "conv1"}) {
      for (int64_t c = 0; c < 2; ++c) {
        const GradCam cam = grad_cam(walk, layer_named(g, layer).output, c);
        const std::string name = layer + "." + std::to_string(c);
        check("cam." + name, cam.map);
        check("cam_weights." + name, cam.weights);
        check("cam_image." + name, over_input(cam, walk));
      }
    }
  }
  MESSAGE("largest difference: " << worst);
}

TEST_CASE(
    "DeconvNet of a ZFNet: overlapping pools, normalisations, five layers down to the pixels, as PyTorch's") {
  const oracle::Values values("explain");
  Model model = make_model("zfnet-small", 0);
  for (const ParameterSlice& slice : model.parameters.table().slices()) {  // as drawn() of torch_models.py
    const int64_t elements = slice.shape.elements();
    auto drawn = oracle::numbers(elements, crc32_of(std::as_bytes(std::span(slice.name))));
    const bool matrix = slice.shape.rank() > 1;
    const auto scale = static_cast<double>(
        static_cast<float>(matrix ? std::sqrt(6.0 / static_cast<double>(elements / slice.shape[0])) : 0.25));
    for (double& v : drawn) v *= scale;
    test::set(model, slice.name, oracle::as<float>(drawn));
  }
  const Walk walk(model, oracle::as<float>(oracle::numbers(3 * 32 * 32, 7100)));
  const ValueId relu5 = layer_named(model.graph, "relu5").output;
  for (const int64_t unit : {3, 200}) {
    const std::string name = "relu5." + std::to_string(unit);
    const auto cell = values.operator()<int64_t>("zfnet.cell." + name);
    CHECK(strongest(walk, relu5, unit) == Cell{cell[0], cell[1]});
    const double off =
        test::largest_difference(deconvnet(walk, relu5, unit), values("zfnet.strongest." + name));
    MESSAGE(name << ": largest difference " << off);
    CHECK(!(off > 2e-5));
  }
}
