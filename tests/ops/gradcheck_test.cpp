// Every operator with every attribute against central differences in float64, element by element.
#include "unfold/train/gradcheck.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <set>

#include "unfold/models/lenet5.h"
#include "unfold/ops/pad.h"

using namespace unfold;

namespace {

int64_t total_kinks = 0;

void check(const std::string& name, const Graph& graph, double tolerance, GradcheckOptions options = {}) {
  CAPTURE(name);
  const auto rows = gradcheck(graph, options);
  const auto table = graph.parameter_table();
  const auto weights = std::count_if(table->slices().begin(), table->slices().end(),
                                     [](const auto& slice) { return slice.kind == ParameterKind::weight; });
  CHECK(static_cast<int64_t>(rows.size()) == weights + 1);
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
    for (const bool include : {true, false}) {
      check("avg, ceil",
            one({2, 6, 8}, [&](Graph& g, ValueId x) { g.avg_pool2d("pool", x, w, include, true); }), 1e-7);
    }
    check("max, ceil", one({2, 6, 8}, [&](Graph& g, ValueId x) { g.max_pool2d("pool", x, w, true); }), 1e-7);
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

TEST_CASE("batch normalisation: of images and of rows, with more images than a shard") {
  check("norm", one({3, 4, 2}, [](Graph& g, ValueId x) { g.batch_norm("bn", x); }), 1e-7, {.batch = 3});
  check("rows", one({5}, [](Graph& g, ValueId x) { g.batch_norm("bn", x, 1e-3, 0.5); }), 1e-7, {.batch = 18});
  check("in a network",
        one({2, 5, 5},
            [](Graph& g, ValueId x) {
              const ValueId a =
                  g.tanh("t", g.batch_norm("bn", g.conv2d("a", x, 3, Window2d::square(3), false)));
              g.linear("fc", g.batch_norm("bn2", g.linear("b", g.flatten("f", a), 4, false)), 3);
            }),
        1e-6, {.batch = 5, .cross_entropy = true});
}

TEST_CASE("add, mul and concat, with inputs repeated along each axis") {
  for (const bool add : {true, false}) {
    const auto join = [&](Graph& g, ValueId a, ValueId b) {
      add ? g.add("join", a, b) : g.mul("join", a, b);
    };
    check("equal", one({2, 3, 4}, [&](Graph& g, ValueId x) { join(g, x, g.tanh("t", x)); }), 1e-7);
    // Windows as large as the axes that become 1.
    for (const Window2d& w : {Window2d{3, 4}, Window2d{3, 1}, Window2d{1, 4}}) {
      check("right", one({2, 3, 4}, [&](Graph& g, ValueId x) { join(g, x, g.conv2d("c", x, 2, w)); }), 1e-7);
      check("left", one({2, 3, 4}, [&](Graph& g, ValueId x) { join(g, g.conv2d("c", x, 1, w), x); }), 1e-7);
    }
    check(
        "both",
        one({2, 3, 4},
            [&](Graph& g, ValueId x) { join(g, g.conv2d("a", x, 2, {3, 1}), g.conv2d("b", x, 1, {1, 4})); }),
        1e-7);
    check("itself", one({2, 3, 4}, [&](Graph& g, ValueId x) { join(g, x, x); }), 1e-7);
  }
  for (const int axis : {0, 1, 2}) {
    check("concat", one({2, 3, 4}, [&](Graph& g, ValueId x) { g.concat("c", {x, g.tanh("t", x), x}, axis); }),
          1e-7);
  }
  check("concat of rows", one({6}, [&](Graph& g, ValueId x) { g.concat("c", {x, g.linear("l", x, 2)}); }),
        1e-7);
}

TEST_CASE("adaptive pooling, local response normalisation") {
  for (const int64_t out : {1, 2, 3, 5, 9}) {
    check("adaptive", one({2, 5, 7}, [&](Graph& g, ValueId x) { g.adaptive_avg_pool2d("pool", x, out, 4); }),
          1e-7);
  }
  for (const int64_t size : {1, 2, 3, 5, 12}) {
    check(
        "norm",
        one({6, 2, 3}, [&](Graph& g, ValueId x) { g.local_response_norm("norm", x, size, 0.5, 0.75, 1.5); }),
        1e-7);
  }
}

TEST_CASE("elementwise functions") {
  const PointwiseFunction functions[] = {
      {Pointwise::leaky_relu, 0.1}, {Pointwise::elu, 1.5},       {Pointwise::hard_sigmoid, 0.3, 0.4},
      {Pointwise::hard_swish},      {Pointwise::silu},           {Pointwise::clip, -0.5, 0.8},
      {Pointwise::softplus},        {Pointwise::selu, 1.6, 1.1}, {Pointwise::softsign}};
  for (const PointwiseFunction& f : functions) {
    CAPTURE(static_cast<int>(f.kind));
    check("function", one({2, 3, 4}, [&](Graph& g, ValueId x) { g.pointwise("f", x, f); }), 1e-6);
  }
}

TEST_CASE(
    "transposed convolution: stride, padding, output padding, dilation, groups, with and without bias") {
  const Window2d windows[] = {
      Window2d::square(3),          Window2d::square(2, 2),          Window2d::square(3, 2, 1),
      Window2d::square(2, 1, 0, 2), Window2d::square(3, 2, 1, 1, 2), {2, 3, 3, 2, 1, 0, 0, 2, 2, 1, 1}};
  for (const Window2d& w : windows) {
    const bool room = std::min(w.stride_h, w.stride_w) > 1;
    for (const int64_t more : {0, room ? 1 : 0}) {
      for (const bool bias : {true, false}) {
        check("up",
              one({4, 3, 4}, [&](Graph& g, ValueId x) { g.conv_transpose2d("up", x, 2, w, more, bias); }),
              1e-7);
      }
    }
  }
}

TEST_CASE("PReLU, pads, permutes, reshapes, log-softmax") {
  for (const int64_t slopes : {1, 3})
    check("prelu", one({3, 2, 4}, [&](Graph& g, ValueId x) { g.prelu("p", x, slopes); }), 1e-7);
  check("prelu of rows", one({5}, [&](Graph& g, ValueId x) { g.prelu("p", x, 5, -0.5); }), 1e-7,
        {.batch = 18});
  for (const PadMode mode : {PadMode::constant, PadMode::reflect, PadMode::edge}) {
    const auto pad = std::make_shared<Pad>(2, 1, 0, 3, mode, 0.5);
    check("pad", one({2, 3, 4}, [&](Graph& g, ValueId x) { g.add("pad", pad, {x}); }), 1e-7);
  }
  check("permute", one({2, 3, 4}, [](Graph& g, ValueId x) { g.transpose("t", x, {2, 0, 1}); }), 1e-7);
  check("reshape", one({2, 3, 4}, [](Graph& g, ValueId x) { g.reshape("r", x, {4, -1}); }), 1e-7);
  check("log-softmax", one({7}, [](Graph& g, ValueId x) { g.log_softmax("l", x); }), 1e-7);
  check("in a network",
        one({2, 5, 5},
            [](Graph& g, ValueId x) {
              const ValueId a = g.prelu("p", g.conv2d("a", g.pad("pad", x, 1), 4, Window2d::square(3, 2)), 4);
              const ValueId b = g.conv_transpose2d("up", a, 3, Window2d::square(2, 2));
              g.log_softmax("log", g.linear("fc", g.flatten("f", g.transpose("t", b, {1, 2, 0})), 4));
            }),
        1e-6, {.batch = 18, .cross_entropy = true});
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
