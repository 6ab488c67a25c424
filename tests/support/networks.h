// Small networks for tests.
#pragma once

#include "unfold/graph.h"

namespace unfold::test {

inline Graph one_layer(const Conv2dShape& s) {
  Graph g;
  g.flatten("flatten", g.conv2d("conv", g.input({s.ic, s.ih, s.iw}), s.oc, s.window));
  return g;
}

/// Every operator; with a large `size` the plan goes layer by layer.
inline Graph every_operator(int64_t size) {
  Graph g;
  const ValueId x = g.input({2, size + 1, size});
  const ValueId a = g.tanh(
      "tanh", g.conv2d("a", x, 4, {.kernel_h = 3, .kernel_w = 3, .pad_top = 1, .pad_left = 1}), 1.7159);
  const ValueId b = g.relu("relu", g.conv2d("b", a, 4, Window2d::square(3, 1, 1, 1, 2)));
  const ValueId c = g.sigmoid("sigmoid", g.add("join", a, b));
  const ValueId d =
      g.max_pool2d("max", g.avg_pool2d("avg", c, Window2d::square(2, 2)), Window2d::square(3, 2, 1));
  g.softmax("softmax", g.linear("fc2", g.relu("relu2", g.linear("fc", g.flatten("flatten", d), 40)), 5));
  return g;
}

}  // namespace unfold::test
