// The patches that excite a unit most against every image, one at a time.
#include "unfold/explain/top_patches.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "tests/explain/nets.h"
#include "unfold/data/strokes.h"
#include "unfold/error.h"
#include "unfold/explain/walk.h"

using namespace unfold;

TEST_CASE("the strongest cells of a data set are found, in order, for maps and for features") {
  const Dataset data = make_strokes(5, 300, 1).train;  // a batch and a part of one
  const Model model = make_model("lenet5", 3);
  for (const char* name : {"relu2", "fc1", "conv1"}) {
    CAPTURE(name);
    const ValueId layer = layer_named(model.graph, name).output;
    const Shape maps = maps_of(model.graph, layer);
    const int64_t cells = maps[1] * maps[2];
    std::vector<std::vector<float>> all(static_cast<size_t>(maps[0]));  // by unit: each image's largest
    std::vector<std::vector<float>> values;
    for (int64_t i = 0; i < data.size(); ++i) {
      const Walk walk(model, network_input(model, data.at(i)));
      values.emplace_back(walk.value(layer).begin(), walk.value(layer).end());
      for (size_t unit = 0; unit < all.size(); ++unit) {
        const auto from = values.back().begin() + static_cast<int64_t>(unit) * cells;
        all[unit].push_back(*std::max_element(from, from + cells));
      }
    }
    ThreadPool one(1), three(3);
    const auto best = top_patches(model, data, layer, 5, Engine::fast, three);
    const auto again = top_patches(model, data, layer, 5, Engine::fast, one);
    REQUIRE(best.size() == all.size());
    for (size_t unit = 0; unit < all.size(); ++unit) {
      CAPTURE(unit);
      std::sort(all[unit].begin(), all[unit].end(), std::greater<>());
      REQUIRE(best[unit].size() == 5);
      std::vector<int64_t> images;
      for (size_t k = 0; k < 5; ++k) {
        const Patch& p = best[unit][k];
        CHECK(!(std::abs(p.activation - all[unit][k]) > 1e-5));
        const size_t cell =
            static_cast<size_t>(static_cast<int64_t>(unit) * cells + p.cell.y * maps[2] + p.cell.x);
        CHECK(!(std::abs(p.activation - values[static_cast<size_t>(p.image)][cell]) > 1e-5));
        CHECK(again[unit][k].image == p.image);
        CHECK(again[unit][k].cell == p.cell);
        images.push_back(p.image);
      }
      std::sort(images.begin(), images.end());
      CHECK(std::unique(images.begin(), images.end()) == images.end());
    }
  }
}

TEST_CASE("a network of large values, which goes layer by layer, is looked into as well") {
  Graph g;
  const ValueId layer = g.conv2d("conv", g.input({1, 130, 120}), 3, Window2d::square(3, 1, 1));
  const ValueId x = g.max_pool2d("pool", g.relu("relu", layer), Window2d::square(10, 10));
  g.linear("fc", g.flatten("flatten", x), 2);
  const Model model = test::model_of(std::move(g), 4);
  Dataset data;
  data.image = {1, 130, 120};
  data.labels = {0, 1, 0};
  data.classes = {"a", "b"};
  for (const float v : test::numbers(3 * 130 * 120, 9)) {
    data.pixels.push_back(static_cast<uint8_t>(127.5f * (1 + v)));
  }
  ThreadPool pool(1);
  const auto best = top_patches(model, data, layer, 1, Engine::fast, pool);
  REQUIRE(best.size() == 3);
  for (size_t unit = 0; unit < 3; ++unit) {
    float largest = -1e9f;
    Patch want;
    for (int64_t i = 0; i < 3; ++i) {
      const Walk walk(model, network_input(model, data.at(i)));
      for (int64_t p = 0; p < 130 * 120; ++p) {
        const float v = walk.value(layer)[unit * 130 * 120 + static_cast<size_t>(p)];
        if (v > largest) largest = v, want = {i, {p / 120, p % 120}, v};
      }
    }
    CHECK(best[unit][0].image == want.image);
    CHECK(best[unit][0].cell == want.cell);
    CHECK(!(std::abs(best[unit][0].activation - largest) > 1e-5));
  }
}

TEST_CASE("a data set with fewer images than patches gives what it has, and equal ones in its order") {
  Dataset data = make_strokes(5, 2, 1).train;
  std::copy_n(data.pixels.begin(), 784, data.pixels.begin() + 784);
  const Model model = make_model("lenet5", 3);
  ThreadPool pool(1);
  const auto best = top_patches(model, data, layer_named(model.graph, "relu1").output, 9, Engine::fast, pool);
  for (const auto& unit : best) {
    REQUIRE(unit.size() == 2);
    CHECK(unit[0].image == 0);
    CHECK(unit[1].image == 1);
    CHECK(unit[0].activation == unit[1].activation);
  }
}

TEST_CASE("other images, the input and no patch at all are refused") {
  const Dataset data = make_strokes(5, 2, 1).train;
  const Model model = make_model("lenet5", 3);
  ThreadPool pool(1);
  const ValueId layer = layer_named(model.graph, "relu1").output;
  CHECK_THROWS_AS(top_patches(model, data, model.graph.input(), 1, Engine::fast, pool), Error);
  CHECK_THROWS_AS(top_patches(model, data, layer, 0, Engine::fast, pool), Error);
  Dataset other = data;
  other.image = {1, 14, 56};
  CHECK_THROWS_AS(top_patches(model, other, layer, 1, Engine::fast, pool), Error);
}
