// Operators against PyTorch: values and gradients in double, and in float on every engine.
#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/oracle/oracle.h"
#include "unfold/error.h"
#include "unfold/ops/conv_transpose2d.h"
#include "unfold/ops/pad.h"
#include "unfold/plan.h"

using namespace unfold;

namespace {

/// One recorded case: a network of one operator, and from which keys its numbers are drawn.
struct Case {
  Graph graph;
  std::string name;
  int64_t batch = 1, x = 0, dy = 0, w = 0, b = 0;  ///< keys; 0: there are none
  double times = 1;                                ///< the input is drawn numbers times this
};

Case one(const std::string& name, const Shape& batched, int64_t key,
         const std::function<void(Graph&, ValueId)>& add) {
  Case c;
  c.name = name;
  c.batch = batched[0];
  add(c.graph, c.graph.input(batched.sample()));
  c.x = key;
  c.dy = key + 1;
  return c;
}

template <class T>
void compare(const Case& c, const oracle::Values& values, Engine engine, double tolerance) {
  CAPTURE(c.name);
  CAPTURE(static_cast<int>(engine));
  const Graph& g = c.graph;
  const auto table = g.parameter_table();
  Parameters<T> parameters(table), gradient(table);
  for (const ParameterSlice& slice : table->slices()) {
    const auto drawn = oracle::numbers(slice.shape.elements(), slice.name.ends_with("bias") ? c.b : c.w);
    std::transform(drawn.begin(), drawn.end(), parameters.slice(table->find(slice.name)),
                   [](double v) { return static_cast<T>(v); });
  }
  const int64_t in = g.shape(g.input()).elements(), out = g.shape(g.output()).elements();
  auto x = oracle::numbers(c.batch * in, c.x);
  for (double& v : x) v *= c.times;
  const auto dy = oracle::numbers(c.batch * out, c.dy);
  // A row of scores is what a training plan ends with.
  Graph ended = g;
  ended.flatten("end", g.output());
  const Plan<T> plan(
      ended, {.batch = c.batch, .training = true, .engine = engine, .input_gradient = true, .keep = true});
  ThreadPool pool(2);
  Workspace<T> workspace(plan.memory(), 2);
  const auto copy = [](const std::vector<double>& from, int64_t size) {
    return [&from, size](int64_t first, int64_t n, T* to) {
      std::transform(from.begin() + first * size, from.begin() + (first + n) * size, to,
                     [](double v) { return static_cast<T>(v); });
    };
  };
  plan.gradient_from(parameters, copy(x, in), copy(dy, out), gradient, workspace, pool);
  std::vector<T> y, dx;
  for (int64_t i = 0; i < c.batch; ++i) {
    const auto one_y = plan.value(g.output(), i, workspace), one_dx = plan.value_gradient({0}, i, workspace);
    y.insert(y.end(), one_y.begin(), one_y.end());
    dx.insert(dx.end(), one_dx.begin(), one_dx.end());
  }
  CHECK(oracle::relative_error(y, values(c.name + ".y")) < tolerance);
  for (T& v : dx) v *= static_cast<T>(c.times);
  CHECK(oracle::relative_error(dx, values(c.name + ".dx")) < tolerance);
  for (const ParameterSlice& slice : table->slices()) {
    CAPTURE(slice.name);
    const std::span<const T> got(gradient.slice(table->find(slice.name)),
                                 static_cast<size_t>(slice.shape.elements()));
    CHECK(oracle::relative_error(got, values(c.name + (slice.name.ends_with("bias") ? ".db" : ".dw"))) <
          tolerance);
  }
}

void compare(const Case& c, const oracle::Values& values) {
  compare<double>(c, values, Engine::naive, 1e-10);
  // The measure's floor makes a unit in the last place of the largest number 1.2e-4.
  for (const Engine engine : {Engine::naive, Engine::im2col, Engine::fast})
    compare<float>(c, values, engine, 5e-4);
}

}  // namespace

TEST_CASE("transposed convolution: stride, padding, output padding, dilation, groups") {
  const oracle::Values values("operators");
  for (int64_t k = 0; k < values.rows("transposed"); ++k) {
    const auto r = values.row("transposed", k);
    const Window2d window{r[5], r[6], r[7], r[8], r[9], r[10], r[9], r[10], r[11], r[12], r[13]};
    Case c = one(
        "transposed." + std::to_string(k), {r[0], r[1], r[2], r[3]}, 9000 + 4 * k, [&](Graph& g, ValueId x) {
          g.add("up", std::make_shared<ConvTranspose2d>(r[4], window, r[14], r[15], r[16] != 0), {x});
        });
    c.w = c.x + 1, c.b = c.x + 2, c.dy = c.x + 3;
    compare(c, values);
  }
}

TEST_CASE("pads: a value, mirrored, the edge repeated") {
  const oracle::Values values("operators");
  const Tensor& pads = values.tensor("pads");
  const char* names[] = {"constant", "reflect", "edge"};
  for (int64_t k = 0; k < pads.shape()[0]; ++k) {
    const int64_t* p = pads.data<int64_t>() + 4 * k;  // left, right, top, bottom
    for (int mode = 0; mode < 3; ++mode) {
      const auto op = std::make_shared<Pad>(p[2], p[0], p[3], p[1], static_cast<PadMode>(mode), 1.25);
      compare(one(std::string("pad.") + names[mode] + "." + std::to_string(k), {2, 3, 4, 5},
                  9200 + 20 * mode + 2 * k, [&](Graph& g, ValueId x) { g.add("pad", op, {x}); }),
              values);
    }
  }
}

TEST_CASE("PReLU: a slope a channel and one for all, of images and rows") {
  const oracle::Values values("operators");
  for (int64_t k = 0; k < 5; ++k) {
    const std::string name = "prelu." + std::to_string(k);
    const auto sizes = values.operator()<int64_t>(name + ".shape");
    Case c = one(name, Shape(sizes.first(sizes.size() - 1)), 9300 + 3 * k,
                 [&](Graph& g, ValueId x) { g.prelu("prelu", x, sizes.back()); });
    c.w = c.x + 2;
    compare(c, values);
  }
}

TEST_CASE("permute, reshape, log-softmax, SELU, softsign") {
  const oracle::Values values("operators");
  const Tensor& permutes = values.tensor("permutes");
  for (int64_t k = 0; k < permutes.shape()[0]; ++k) {
    const int64_t* dims = permutes.data<int64_t>() + 4 * k;
    compare(
        one("permute." + std::to_string(k), {3, 3, 4, 5}, 9400 + 2 * k,
            [&](Graph& g, ValueId x) { g.transpose("turn", x, {dims[1] - 1, dims[2] - 1, dims[3] - 1}); }),
        values);
  }
  compare(one("reshape", {3, 3, 4, 5}, 9420, [](Graph& g, ValueId x) { g.reshape("shape", x, {2, -1, 10}); }),
          values);
  Case log = one("log_softmax", {19, 7}, 9430, [](Graph& g, ValueId x) { g.log_softmax("log", x); });
  log.times = 20;
  compare(log, values);
  Case selu = one("selu", {2, 3, 4, 5}, 9440, [](Graph& g, ValueId x) {
    g.pointwise("f", x, {Pointwise::selu, 1.6732632423543772, 1.0507009873554805});
  });
  Case softsign = one("softsign", {2, 3, 4, 5}, 9450,
                      [](Graph& g, ValueId x) { g.pointwise("f", x, {Pointwise::softsign}); });
  selu.times = softsign.times = 4;
  compare(selu, values);
  compare(softsign, values);
}

TEST_CASE("what does not fit is refused, and named") {
  const auto refused = [](const std::function<void(Graph&, ValueId)>& add, const char* said) {
    Graph g;
    const ValueId x = g.input({4, 5, 6});
    try {
      add(g, x);
      FAIL("not refused");
    } catch (const Error& e) {
      CAPTURE(e.what());
      CHECK(std::string(e.what()).find(said) != std::string::npos);
    }
  };
  const auto up = [](int64_t oc, const Window2d& w, int64_t more = 0) {
    return [=](Graph& g, ValueId x) { g.conv_transpose2d("up", x, oc, w, more); };
  };
  refused(up(3, Window2d::square(2, 2), 2), "output padding");
  refused(up(3, Window2d::square(3, 1, 1, 1, 2)), "up: groups");
  refused(up(0, Window2d::square(3)), "up: groups");
  refused(up(3, Window2d::square(1, 1, 9)), "up: the padding leaves nothing");
  refused([](Graph& g, ValueId x) { g.prelu("p", x, 3); }, "p: the input does not fit (wanted 3 channels");
  refused([](Graph& g, ValueId x) { g.prelu("p", x, 0); }, "PRelu");
  refused([](Graph& g, ValueId x) { g.pad("pad", x, -1); }, "Pad");
  refused([](Graph& g, ValueId x) { g.add("pad", std::make_shared<Pad>(5, 0, 0, 0, PadMode::reflect), {x}); },
          "pad: an image can be mirrored");
  refused([](Graph& g, ValueId x) { g.transpose("t", x, {0, 1}); },
          "t: the input does not fit (wanted 2 axes");
  refused([](Graph& g, ValueId x) { g.transpose("t", x, {0, 1, 1}); }, "(0, 1, 1)");
  refused([](Graph& g, ValueId x) { g.reshape("r", x, {7, -1}); }, "r: the elements do not fit");
  refused([](Graph& g, ValueId x) { g.reshape("r", x, {4, 5}); }, "r: the elements do not fit");
  refused([](Graph& g, ValueId x) { g.reshape("r", x, {-1, -1}); }, "Reshape");
  refused([](Graph& g, ValueId x) { g.log_softmax("l", x); }, "l: the input does not fit");
}
