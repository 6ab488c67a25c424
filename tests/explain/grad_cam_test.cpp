// Grad-CAM by hand; PyTorch's is in tests/oracle/explain_test.cpp.
#include "unfold/explain/grad_cam.h"

#include <doctest/doctest.h>

#include "tests/explain/nets.h"
#include "unfold/error.h"

using namespace unfold;
using test::model_of;
using test::set;
using Floats = std::vector<float>;

TEST_CASE("Grad-CAM by hand") {
  Graph g;
  const ValueId a = g.conv2d("conv", g.input({1, 2, 2}), 2, {}, false);
  g.linear("fc", g.flatten("flatten", a), 2);
  Model model = model_of(std::move(g), 0);
  set(model, "conv.weight", {1, 2});
  set(model, "fc.weight", {1, 2, 3, 4, -1, -1, -1, -3, /**/ 0, 0, 0, 0, 0, 0, 0, 0});
  const Walk walk(model, {-2, 4, 6, -8});
  const GradCam cam = grad_cam(walk, a, 0);
  CHECK(cam.h == 2);
  CHECK(cam.w == 2);
  CHECK(cam.weights == Floats{2.5, -1.5});
  CHECK(cam.map == Floats{1, 0, 0, 4});  // 2.5 x - 1.5 * 2 x = -x / 2, cut off below 0
  CHECK(over_input(cam, walk) == cam.map);
  CHECK(grad_cam(walk, a, 1).map == Floats{0, 0, 0, 0});
  CHECK_THROWS_AS(grad_cam(walk, model.graph.output(), 0), Error);
  CHECK_THROWS_AS(grad_cam(walk, a, 2), Error);
}

TEST_CASE("a map is resized between half-pixel centres") {
  CHECK(resize_map(Floats{4, 8}, 1, 2, 1, 4) == Floats{4, 5, 7, 8});
  CHECK(resize_map(Floats{4, 8}, 2, 1, 4, 2) == Floats{4, 4, 5, 5, 7, 7, 8, 8});
  CHECK(resize_map(Floats{1, 3, 5, 7}, 1, 4, 1, 2) ==
        Floats{2, 6});  // smaller: between the two in the middle
  CHECK(resize_map(Floats{3}, 1, 1, 2, 2) == Floats{3, 3, 3, 3});
  CHECK_THROWS_AS(resize_map(Floats{3}, 1, 2, 2, 2), Error);
  CHECK_THROWS_AS(resize_map(Floats{3}, 1, 1, 0, 2), Error);
}
