// Occlusion against one image at a time, hidden by plain loops.
#include "unfold/explain/occlusion.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/explain/nets.h"
#include "unfold/error.h"
#include "unfold/explain/walk.h"

using namespace unfold;

namespace {

double probability(const Model& model, std::vector<float> x, size_t c) {
  const Walk walk(model, std::move(x));
  return probabilities(walk.value(model.graph.output()))[c];
}

}  // namespace

TEST_CASE("a grey square over each cell, one image at a time, gives the same probabilities") {
  Graph g;
  ValueId x = g.relu("relu", g.conv2d("conv", g.input({2, 9, 12}), 3, Window2d::square(3)));
  g.linear("fc", g.flatten("flatten", x), 4);
  Model model = test::model_of(std::move(g), 7);
  model.preprocessing.mean = 0.2;
  model.preprocessing.std = 0.4;
  for (float& w : model.parameters.all()) w *= 3;
  const std::vector<float> image = test::numbers(2 * 9 * 12, 1);
  ThreadPool pool(2);
  for (const auto& [size, stride] : {std::pair<int64_t, int64_t>{4, 2}, {3, 1}, {1, 1}, {5, 4}, {30, 7}}) {
    CAPTURE(size);
    const Occlusion o = occlusion(model, image, 1, {size, stride, 0.6}, Engine::fast, pool);
    CHECK(o.rows == (9 + stride - 1) / stride);
    CHECK(o.columns == (12 + stride - 1) / stride);
    REQUIRE(static_cast<int64_t>(o.probability.size()) == o.rows * o.columns);
    CHECK(!(std::abs(o.whole - probability(model, image, 1)) > 1e-6));
    double moved = 0;
    for (int64_t r = 0; r < o.rows; ++r) {
      for (int64_t c = 0; c < o.columns; ++c) {
        std::vector<float> hidden = image;
        for (int64_t k = 0; k < 2; ++k) {
          for (int64_t y = 0; y < 9; ++y) {
            for (int64_t xx = 0; xx < 12; ++xx) {
              // (size - stride) / 2 pixels beyond the cell to each side.
              const int64_t from_y = r * stride - (size - stride) / 2,
                            from_x = c * stride - (size - stride) / 2;
              const bool inside = y >= from_y && y < from_y + size && xx >= from_x && xx < from_x + size;
              if (inside) hidden[static_cast<size_t>((k * 9 + y) * 12 + xx)] = (0.6f - 0.2f) / 0.4f;
            }
          }
        }
        const double want = probability(model, hidden, 1);
        const double got = o.probability[static_cast<size_t>(r * o.columns + c)];
        CHECK(!(std::abs(got - want) > 1e-5));
        moved = std::max(moved, std::abs(want - o.whole));
      }
    }
    CHECK(moved > 0.001);
  }
}

TEST_CASE("a softmax at the end is not taken twice") {
  Graph g;
  g.softmax("softmax", g.linear("fc", g.flatten("flatten", g.input({1, 2, 2})), 3));
  const Model model = test::model_of(std::move(g), 7);
  const std::vector<float> image{1, 2, 3, 4};
  ThreadPool pool(1);
  const Occlusion o = occlusion(model, image, 2, {1, 1, 0}, Engine::fast, pool);
  const Walk walk(model, image);
  CHECK(o.whole == doctest::Approx(walk.value(model.graph.output())[2]));
}

TEST_CASE("what cannot be hidden is refused") {
  const Model model = make_model("lenet5", 0);
  const std::vector<float> image(1024), wrong(5);
  ThreadPool pool(1);
  CHECK_THROWS_AS(occlusion(model, wrong, 0, {}, Engine::fast, pool), Error);
  CHECK_THROWS_AS(occlusion(model, image, 10, {}, Engine::fast, pool), Error);
  CHECK_THROWS_AS(occlusion(model, image, 0, {.size = 0}, Engine::fast, pool), Error);
  CHECK_THROWS_AS(occlusion(model, image, 0, {.stride = 0}, Engine::fast, pool), Error);
}
