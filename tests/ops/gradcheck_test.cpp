// Every operator with every attribute against central differences in float64, element by element.
#include "unfold/train/gradcheck.h"

#include <doctest/doctest.h>

#include <functional>
#include <set>

#include "unfold/models/lenet5.h"

using namespace unfold;

namespace {

int64_t total_kinks = 0;

void check(const std::string& name, const Graph& graph, double tolerance, GradcheckOptions options = {}) {
  CAPTURE(name);
  const auto rows = gradcheck(graph, options);
  CHECK(rows.size() == graph.parameter_table()->slices().size() + 1);
  for (const GradcheckRow& row : rows) {
    CAPTURE(row.tensor);
    CAPTURE(row.worst_at);
    CAPTURE(row.numeric);
    CAPTURE(row.analytic);
    CHECK(row.checked > 0);
    CHECK(row.checked >= 4 * row.kinks);  // kinks are rare, or the check says nothing
    CHECK(row.worst <= tolerance);
    total_kinks += row.kinks;
  }
}

/// A graph of one operator on an input of the given shape.
Graph one(const Shape& image, const std::function<void(Graph&, ValueId)>& add) {
  Graph g;
  add(g, g.input(image));
  // gradcheck wants a row of numbers at the end.
  if (g.shape(g.output()).rank() != 1) g.flatten("flatten", g.output());
  return g;
}

}  // namespace

TEST_CASE("convolution: stride, padding on four sides, dilation, groups, bias") {
  const Window2d windows[] = {
      Window2d::square(3),
      Window2d::square(3, 2),
      Window2d::square(3, 1, 1),
      Window2d::square(2, 3),           // stride beyond the kernel
      Window2d::square(3, 1, 2, 2),     // dilation
      Window2d::square(3, 2, 1, 1, 2),  // groups
      Window2d::square(3, 1, 1, 1, 4),  // depthwise
      Window2d::square(1),
      {2, 3, 1, 2, 0, 1, 2, 3, 2, 1, 1},  // everything unequal
      {5, 6, 1, 1, 0, 0, 0, 0, 1, 1, 1},  // kernel = image
  };
  for (const Window2d& w : windows) {
    for (const bool bias : {true, false}) {
      check("conv", one({4, 5, 6}, [&](Graph& g, ValueId x) { g.conv2d("conv", x, 4, w, bias); }), 1e-7);
    }
  }
}

TEST_CASE("pooling: overlap, padding counted or not, dilation") {
  const Window2d windows[] = {Window2d::square(2, 2),
                              Window2d::square(3, 1),
                              Window2d::square(3, 2, 1),
                              Window2d::square(2, 3),
                              {2, 3, 2, 1, 1, 0, 0, 2, 1, 2, 1}};
  for (const Window2d& w : windows) {
    for (const bool include : {true, false}) {
      check("avg", one({2, 6, 7}, [&](Graph& g, ValueId x) { g.avg_pool2d("pool", x, w, include); }), 1e-7);
    }
    check("max", one({2, 6, 7}, [&](Graph& g, ValueId x) { g.max_pool2d("pool", x, w); }), 1e-7);
  }
}

TEST_CASE("linear, activations, softmax, add, flatten") {
  check("linear", one({6, 1, 1}, [](Graph& g, ValueId x) { g.linear("fc", g.flatten("f", x), 5); }), 1e-7);
  check("linear without bias",
        one({6, 1, 1}, [](Graph& g, ValueId x) { g.linear("fc", g.flatten("f", x), 5, false); }), 1e-7);
  check("tanh", one({2, 3, 4}, [](Graph& g, ValueId x) { g.tanh("t", x); }), 1e-7);
  check("scaled tanh", one({2, 3, 4}, [](Graph& g, ValueId x) { g.tanh("t", x, 1.7159); }), 1e-7);
  check("relu", one({2, 3, 4}, [](Graph& g, ValueId x) { g.relu("r", x); }), 1e-7);
  check("sigmoid", one({2, 3, 4}, [](Graph& g, ValueId x) { g.sigmoid("s", x); }), 1e-7);
  check("softmax", one({7, 1, 1}, [](Graph& g, ValueId x) { g.softmax("s", g.flatten("f", x)); }), 1e-7);
  check("add", one({2, 3, 4}, [](Graph& g, ValueId x) { g.add("sum", g.tanh("t", x), x); }), 1e-7);
}

TEST_CASE("cross-entropy from logits") {
  check("loss", one({9, 1, 1}, [](Graph& g, ValueId x) { g.linear("fc", g.flatten("f", x), 10); }), 1e-6,
        {.batch = 4, .cross_entropy = true});
}

TEST_CASE("networks that branch and join, and LeNet-5 whole") {
  Graph g;
  const ValueId x = g.input({2, 6, 6});
  const ValueId a = g.conv2d("a", x, 3, Window2d::square(3, 1, 1));
  const ValueId b = g.conv2d("b", g.relu("relu", a), 3, Window2d::square(3, 1, 1));
  const ValueId joined = g.add("join", a, b);  // a is read three times: two gradients are added to the first
  const ValueId again = g.add("again", joined, g.sigmoid("gate", a));
  g.linear("fc", g.flatten("flatten", g.max_pool2d("pool", again, Window2d::square(2, 2))), 5);
  check("branches", g, 1e-7, {.batch = 3});
  check("branches, more than a shard", g, 1e-6, {.batch = 18, .samples = 25, .cross_entropy = true});
  check("lenet5", lenet5(), 1e-6, {.batch = 2, .samples = 30, .cross_entropy = true});
  check("lenet5-article", lenet5_article(), 1e-6, {.batch = 2, .samples = 30, .cross_entropy = true});
}

TEST_CASE("kinks were skipped by name, and few") {
  MESSAGE("kinks skipped in all: " << total_kinks);
}
