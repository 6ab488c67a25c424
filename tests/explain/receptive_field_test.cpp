// Receptive fields against published ones, and against which pixels a gradient reaches.
#include "unfold/explain/receptive_field.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/explain/nets.h"
#include "unfold/error.h"
#include "unfold/explain/walk.h"

using namespace unfold;

namespace {

ReceptiveField of(const Graph& g, std::string_view layer) {
  return receptive_field(g, layer_named(g, layer).output);
}

}  // namespace

TEST_CASE("the receptive fields of known networks") {
  const Graph lenet = make_graph("lenet5");
  CHECK(of(lenet, "conv1").size_h == 5);
  CHECK(of(lenet, "pool1").size_h == 6);
  CHECK(of(lenet, "conv2").size_w == 14);
  CHECK(of(lenet, "pool2").size_w == 16);
  CHECK(of(lenet, "pool2").jump_w == 4);
  CHECK(of(lenet, "fc1").size_h == 32);
  // Araujo, Norris & Sim 2019, table 1: field, stride and padding behind the last pooling.
  const Graph vgg = make_graph("vgg16"), alexnet = make_graph("alexnet");
  const ReceptiveField v = receptive_field(vgg, last_of(vgg, "MaxPool2d")->output);
  CHECK(v.size_h == 212);
  CHECK(v.jump_h == 32);
  CHECK(v.top == -90);
  CHECK(v.left == -90);
  const ReceptiveField a = receptive_field(alexnet, last_of(alexnet, "MaxPool2d")->output);
  CHECK(a.size_w == 195);
  CHECK(a.jump_w == 32);
}

TEST_CASE("a cell's gradient reaches to the edges of its field and no further") {
  Graph g;
  ValueId x = g.input({1, 19, 23});
  x = g.conv2d("conv1", x, 1,
               {.kernel_h = 3, .kernel_w = 2, .stride_w = 2, .pad_top = 1, .pad_left = 1, .pad_bottom = 1});
  x = g.avg_pool2d("pool", x, Window2d::square(3, 2, 1));
  const ValueId a = g.conv2d("conv2", x, 1, Window2d::square(3, 1, 2, 2));
  x = g.add("join", a, x);
  const ValueId last = g.conv2d("conv3", x, 1, Window2d::square(2));
  Model model = test::model_of(std::move(g), 0);
  for (float& w : model.parameters.all()) w = 1;  // nothing cancels
  const Walk walk(model, std::vector<float>(19 * 23));
  const ReceptiveField field = receptive_field(model.graph, last);
  const Shape maps = model.graph.shape(last);
  for (int64_t y = 0; y < maps[1]; ++y) {
    for (int64_t xx = 0; xx < maps[2]; ++xx) {
      std::vector<float> one(static_cast<size_t>(maps.elements()));
      one[static_cast<size_t>(y * maps[2] + xx)] = 1;
      const std::vector<float> dx = walk.backward(last, one, model.graph.input(), ReluRule::gradient);
      int64_t top = 19, bottom = 0, left = 23, right = 0;
      for (int64_t p = 0; p < 19 * 23; ++p) {
        if (dx[static_cast<size_t>(p)] == 0) continue;
        top = std::min(top, p / 23), bottom = std::max(bottom, p / 23 + 1);
        left = std::min(left, p % 23), right = std::max(right, p % 23 + 1);
      }
      CHECK(field.clipped({y, xx}) == Field{top, left, bottom - top, right - left});
    }
  }
}

TEST_CASE("branches whose cells lie differently far apart have no common field") {
  Graph g;
  const ValueId x = g.input({1, 4, 1});
  const ValueId a = g.conv2d("a", x, 1, {.kernel_h = 1, .stride_h = 2, .pad_top = 4});
  const ValueId b = g.conv2d("b", x, 1, {.kernel_h = 1});
  g.add("join", a, b);
  CHECK_THROWS_WITH_AS(receptive_field(g, g.output()), doctest::Contains("join"), Error);
}

TEST_CASE("what a field covers is cut out, and beyond the edge there is nothing") {
  const std::vector<float> picture = {0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15};  // (2, 2, 3)
  const auto inside = cut_out(picture, {2, 2, 3}, {.top = 0, .left = 1, .h = 2, .w = 2});
  CHECK(inside == std::vector<float>{1, 2, 4, 5, 11, 12, 14, 15});
  const auto corner = cut_out(picture, {2, 2, 3}, {.top = 1, .left = -1, .h = 2, .w = 2});
  REQUIRE(corner.size() == 8);
  for (const size_t i : {size_t{0}, size_t{2}, size_t{3}, size_t{4}, size_t{6}, size_t{7}}) {
    CAPTURE(i);
    CHECK(std::isnan(corner[i]));
  }
  CHECK(corner[1] == 3);
  CHECK(corner[5] == 13);
}
