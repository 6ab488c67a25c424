// Every operator through plans of the fast engine, in lanes and layer by layer, against the naive engine in
// double; and that neither threads nor batches change a bit of large networks.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "unfold/ops/conv2d.h"
#include "unfold/ops/pad.h"
#include "unfold/plan.h"
#include "unfold/random.h"

using namespace unfold;

namespace {

/// Every operator once, with a branch; images of side `size`.
Graph every_operator(int64_t size) {
  Graph g;
  const ValueId x = g.input({2, size + 1, size});
  const ValueId a = g.tanh(
      "tanh", g.conv2d("a", x, 4, {.kernel_h = 3, .kernel_w = 3, .pad_top = 1, .pad_left = 1}), 1.7159);
  const ValueId b = g.relu("relu", g.conv2d("b", a, 4, Window2d::square(3, 1, 1, 1, 2)));
  const ValueId c = g.dropout("dropout", g.sigmoid("sigmoid", g.add("join", a, b)), 0.25);
  const ValueId d =
      g.max_pool2d("max", g.avg_pool2d("avg", c, Window2d::square(2, 1)), Window2d::square(3, 2, 1));
  g.linear("fc2", g.dropout("drop", g.relu("relu2", g.linear("fc", g.flatten("flatten", d), 40))), 5);
  return g;
}

/// Branches that are joined in every way, with inputs repeated along each axis; and what small networks lack.
Graph joins(int64_t size) {
  Graph g;
  const ValueId x = g.input({3, size, size});
  const ValueId a = g.conv2d("a", x, 4, Window2d::square(3, 1, 1));
  const ValueId gate = g.sigmoid("gate", g.avg_pool2d("squeeze", a, Window2d::square(size)));
  const ValueId b = g.mul("excite", a, gate);
  const ValueId row = g.add("row", b, g.avg_pool2d("rows", g.tanh("tanh", b), {size, 1}));
  const ValueId c = g.concat("concat", {x, row, g.relu("relu", row)});
  const ValueId d =
      g.local_response_norm("norm", g.max_pool2d("max", c, Window2d::square(3, 2), true), 4, 0.5);
  const ValueId e =
      g.avg_pool2d("mean", g.pointwise("silu", d, {Pointwise::silu}), Window2d::square(2, 2, 1), true, true);
  g.linear("fc", g.flatten("flatten", g.adaptive_avg_pool2d("adaptive", g.relu6("relu6", e), 3, 2)), 5);
  return g;
}

/// Away from the image and back, and every operator that is at home in few networks.
Graph rare(int64_t size) {
  Graph g;
  ValueId x = g.prelu("prelu", g.conv2d("a", g.input({3, size, size}), 4, Window2d::square(4, 2, 1)), 4, 0.1);
  x = g.conv_transpose2d("up", x, 6, Window2d::square(3, 2, 1, 1, 2), 1);
  x = g.add("pad", std::make_shared<Pad>(1, 2, 0, 1, PadMode::reflect), {x});
  x = g.pointwise("selu", g.pad("zeros", x, 1), {Pointwise::selu, 1.67, 1.05});
  x = g.max_pool2d("max", x, Window2d::square(3, 3));
  x = g.transpose("turn", x, {1, 2, 0});
  const int64_t all = g.shape(x).elements();
  x = g.prelu("shared", g.pointwise("softsign", g.reshape("shape", x, {2, -1, 1}), {Pointwise::softsign}));
  g.linear("fc", g.prelu("rows", g.linear("mean", g.reshape("row", x, {all}), 8), 8), 5);
  return g;
}

/// A network with residual blocks and batch normalisations, one of them of rows.
Graph residual(int64_t size) {
  Graph g;
  ValueId x = g.relu("relu", g.batch_norm("bn1", g.conv2d("conv1", g.input({3, size, size}), 20,
                                                          Window2d::square(3, 1, 1), false)));
  const ValueId a =
      g.relu("relu2", g.batch_norm("bn2", g.conv2d("conv2", x, 20, Window2d::square(3, 1, 1), false)));
  const ValueId b = g.batch_norm("bn3", g.conv2d("conv3", a, 20, Window2d::square(3, 1, 1), false));
  x = g.relu("relu3", g.add("join", x, b));
  x = g.flatten("flatten", g.avg_pool2d("pool", x, Window2d::square(2, 2)));
  g.linear("fc2", g.tanh("tanh", g.batch_norm("bn4", g.linear("fc", x, 24, false))), 5);
  return g;
}

bool close(std::span<const float> got, std::span<const double> want, double tolerance) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    difference += (static_cast<double>(got[i]) - want[i]) * (static_cast<double>(got[i]) - want[i]);
    size += want[i] * want[i];
  }
  return size > 0 && std::sqrt(difference / size) <= tolerance;
}

/// Values and gradients of a training step of the fast engine against those of the naive engine in double.
void compare_with_double(const Graph& g, int64_t batch, bool keep, double tolerance) {
  Parameters<double> wide(g.parameter_table()), wide_gradient(g.parameter_table());
  initialise(wide, Init::pytorch, 4);
  Parameters<float> parameters(g.parameter_table()), gradient(g.parameter_table());
  std::copy(wide.all().begin(), wide.all().end(), parameters.all().begin());
  std::copy(parameters.all().begin(), parameters.all().end(), wide.all().begin());  // the same, rounded
  const int64_t pixels = g.shape(g.input()).elements();
  std::vector<float> images(static_cast<size_t>(batch * pixels));
  Random random(8, "images");
  for (float& v : images) v = static_cast<float>(random.normal());
  std::vector<int32_t> labels(static_cast<size_t>(batch), 2);
  std::vector<ImageResult> results(labels.size());
  const PlanOptions options{.batch = batch, .training = true, .input_gradient = true, .keep = keep};
  PlanOptions kept = options;
  kept.keep = true;
  const Plan<float> fast(g, options);
  const Plan<double> naive(g, kept);
  ThreadPool pool(2);
  Workspace<float> workspace(fast.memory(), 2);
  Workspace<double> wide_workspace(naive.memory(), 2);
  const auto fill = [&](int64_t first, int64_t n, auto* to) {
    std::copy_n(images.data() + first * pixels, n * pixels, to);
  };
  std::fill(gradient.all().begin(), gradient.all().end(), std::nanf(""));
  fast.gradient(parameters, fill, labels.data(), gradient, results.data(), workspace, pool);
  naive.gradient(wide, fill, labels.data(), wide_gradient, results.data(), wide_workspace, pool);
  const auto table = g.parameter_table();
  for (const ParameterSlice& slice : table->slices()) {
    CAPTURE(slice.name);
    const int index = table->find(slice.name);
    const auto count = static_cast<size_t>(slice.shape.elements());
    CHECK(close({gradient.slice(index), count}, {wide_gradient.slice(index), count}, tolerance));
  }
  if (!keep) return;
  for (int64_t image = 0; image < batch; ++image) {
    for (int value = 0; value < g.values(); ++value) {
      CAPTURE(value);
      CHECK(close(fast.value({value}, image, workspace), naive.value({value}, image, wide_workspace),
                  tolerance));
      CHECK(close(fast.value_gradient({value}, image, workspace),
                  naive.value_gradient({value}, image, wide_workspace), tolerance));
    }
  }
}

}  // namespace

TEST_CASE("every operator in lanes: values and gradients are those of the naive engine in double") {
  const Graph g = every_operator(8);
  for (const std::string& name : Plan<float>(g, {.batch = 5, .training = true, .keep = true}).kernels()) {
    CHECK((name.ends_with("/lanes") || name == "rows to lanes" || name == "lanes to rows"));
  }
  for (const int64_t batch : {int64_t{1}, int64_t{5}, int64_t{16}, int64_t{39}}) {
    CAPTURE(batch);
    compare_with_double(g, batch, true, 2e-6);
  }
}

TEST_CASE("every operator layer by layer in NHWC: the same, with kernels fused and not") {
  const Graph g = every_operator(128);
  const Plan<float> plan(g, {.batch = 2, .training = true});
  const auto names = plan.kernels();
  for (const char* name : {"nchw to nhwc", "conv2d/nhwc", "conv2d+relu/nhwc", "avg_pool2d/nhwc",
                           "max_pool2d/nhwc", "nhwc to nchw", "linear/parts"}) {
    CAPTURE(name);
    CHECK(std::count(names.begin(), names.end(), name) >= 1);
  }
  CHECK(plan.shards() == 1);
  for (const int64_t batch : {int64_t{1}, int64_t{3}}) {
    CAPTURE(batch);
    compare_with_double(g, batch, true, 1e-5);
    compare_with_double(g, batch, false, 1e-5);
  }
}

TEST_CASE("joins: in lanes and layer by layer") {
  for (const int64_t batch : {1, 5, 39}) compare_with_double(joins(8), batch, true, 2e-6);
  compare_with_double(joins(128), 3, true, 2e-5);
}

TEST_CASE("transposed convolution, PReLU, pads, permutes, reshapes: in lanes and layer by layer") {
  for (const int64_t batch : {1, 5, 39}) compare_with_double(rare(8), batch, true, 5e-6);
  compare_with_double(rare(108), 3, true, 2e-5);
  compare_with_double(rare(108), 2, false, 2e-5);
}

TEST_CASE(
    "batch normalisation makes a training plan go layer by layer, in every engine, with the right "
    "gradients") {
  const Graph g = residual(10);
  const auto names = Plan<float>(g, {.batch = 20, .training = true}).kernels();
  CHECK(std::count(names.begin(), names.end(), "batch_norm+relu/nhwc") == 3);
  for (const int64_t batch : {2, 20, 33}) {
    CAPTURE(batch);
    compare_with_double(g, batch, true, 2e-5);
    compare_with_double(g, batch, false, 2e-5);
  }
  CHECK_THROWS_AS(Plan<float>(g, {.batch = 1, .training = true}), Error);  // the rows have no variance
  CHECK_NOTHROW(Plan<float>(g, {.batch = 1}));
}

TEST_CASE("layer by layer with Winograd: the same, and none of it with exact numerics") {
  Graph g;
  ValueId x = g.relu("relu1", g.conv2d("conv1", g.input({32, 35, 35}), 64, Window2d::square(3, 1, 1)));
  x = g.max_pool2d("pool", g.conv2d("conv2", x, 48, Window2d::square(3, 1, 1)), Window2d::square(3, 3));
  g.linear("fc", g.flatten("flatten", x), 5);
  const auto winograds = [&](const PlanOptions& options) {
    const auto names = Plan<float>(g, options).kernels();
    return std::count_if(names.begin(), names.end(),
                         [](const std::string& n) { return n.ends_with("winograd"); });
  };
  CHECK(winograds({.batch = 2, .training = true}) == 2);
  CHECK(winograds({.batch = 2}) == 2);
  CHECK(winograds({.batch = 2, .numerics = Numerics::exact}) == 0);
  CHECK(winograds({.batch = 2, .training = true, .numerics = Numerics::exact}) == 0);
  compare_with_double(g, 3, true, 1e-5);
  compare_with_double(g, 3, false, 1e-5);
}

TEST_CASE("layer by layer: the same bits for 1, 2, 3, 4, 7 and 16 threads, and for an image in any batch") {
  Graph g;
  SUBCASE("large values") {
    g = every_operator(128);
  }
  SUBCASE("batch normalisation") {
    g = residual(12);
  }
  SUBCASE("joins") {
    g = joins(110);
  }
  SUBCASE("rare operators") {
    g = rare(108);
  }
  Parameters<float> parameters(g.parameter_table());
  initialise(parameters, Init::pytorch, 4);
  const int64_t pixels = g.shape(g.input()).elements(), images = 20;
  std::vector<float> x(static_cast<size_t>(images * pixels));
  Random random(8, "images");
  for (float& v : x) v = static_cast<float>(random.normal());
  std::vector<std::vector<float>> gradients, outputs;
  for (const int threads : {1, 2, 3, 4, 7, 16}) {
    const Plan<float> plan(g, {.batch = 5, .training = true});
    ThreadPool pool(threads);
    Workspace<float> workspace(plan.memory(), threads);
    Parameters<float> gradient(g.parameter_table());
    const std::vector<int32_t> labels{0, 1, 2, 3, 4};
    std::vector<ImageResult> results(5);
    const auto fill = [&](int64_t first, int64_t n, float* to) {
      std::copy_n(x.data() + first * pixels, n * pixels, to);
    };
    plan.gradient(parameters, fill, labels.data(), gradient, results.data(), workspace, pool, {.seed = 3});
    gradients.emplace_back(gradient.all().begin(), gradient.all().end());
  }
  for (const auto& gradient : gradients) CHECK(gradient == gradients.front());
  for (const int64_t batch : {1, 7, 16, 20}) {
    const Plan<float> plan(g, {.batch = batch});
    ThreadPool pool(static_cast<int>(batch % 4) + 1);
    Workspace<float> workspace(plan.memory(), pool.threads());
    std::vector<float> y(static_cast<size_t>(images * 5));
    for (int64_t at = 0; at < images; at += batch) {
      const auto fill = [&](int64_t first, int64_t n, float* to) {
        for (int64_t i = 0; i < n; ++i)
          std::copy_n(x.data() + (at + first + i) % images * pixels, pixels, to + i * pixels);
      };
      const auto take = [&](int64_t first, int64_t n, const float* out) {
        for (int64_t i = 0; i < n; ++i) std::copy_n(out + i * 5, 5, y.data() + (at + first + i) % images * 5);
      };
      plan.forward(parameters, fill, take, workspace, pool);
    }
    outputs.push_back(y);
  }
  for (const auto& y : outputs) CHECK(y == outputs.front());
}

TEST_CASE("dropout: what falls out depends on seed, epoch and sample alone; what stays keeps the mean") {
  Graph g;
  g.dropout("dropout", g.input({1000}), 0.25);
  const Parameters<float> none(g.parameter_table());
  const auto outputs = [&](int64_t batch, bool training, const Draws& draws, Engine engine) {
    const Plan<float> plan(g, {.batch = batch, .training = training, .engine = engine, .keep = training});
    ThreadPool pool(2);
    Workspace<float> workspace(plan.memory(), 2);
    std::vector<float> all;
    const auto fill = [](int64_t, int64_t n, float* x) { std::fill_n(x, n * 1000, 3.0f); };
    if (!training) {
      all.resize(static_cast<size_t>(batch * 1000));
      plan.forward(
          none, fill,
          [&](int64_t first, int64_t n, const float* y) {
            std::copy_n(y, n * 1000, all.data() + first * 1000);
          },
          workspace, pool);
      return all;
    }
    Parameters<float> gradient(g.parameter_table());
    plan.gradient_from(
        none, fill, [](int64_t, int64_t n, float* dy) { std::fill_n(dy, n * 1000, 1.0f); }, gradient,
        workspace, pool, draws);
    for (int64_t i = 0; i < batch; ++i) {
      const auto y = plan.value(g.output(), i, workspace);
      all.insert(all.end(), y.begin(), y.end());
    }
    return all;
  };
  const std::vector<int64_t> order{4, 0, 3, 1, 2}, sorted{0, 1, 2, 3, 4};
  const Draws draws{.seed = 7, .epoch = 2, .samples = sorted.data()};
  const auto base = outputs(5, true, draws, Engine::fast);
  const auto mean = std::accumulate(base.begin(), base.end(), 0.0) / 5000;
  CHECK(std::abs(mean - 3) < 0.1);  // five standard deviations
  for (const float v : base) CHECK((v == 0.0f || v == 4.0f));
  CHECK(std::count(base.begin(), base.end(), 0.0f) > 1000);
  CHECK(base == outputs(5, true, draws, Engine::naive));
  CHECK(base != outputs(5, true, {.seed = 8, .epoch = 2, .samples = sorted.data()}, Engine::fast));
  CHECK(base != outputs(5, true, {.seed = 7, .epoch = 3, .samples = sorted.data()}, Engine::fast));
  const auto turned = outputs(5, true, {.seed = 7, .epoch = 2, .samples = order.data()}, Engine::fast);
  for (int64_t i = 0; i < 5; ++i) {
    const auto from = base.begin() + order[static_cast<size_t>(i)] * 1000;
    CHECK(std::equal(from, from + 1000, turned.begin() + i * 1000));
  }
  const auto asked = outputs(5, false, draws, Engine::fast);
  CHECK(std::all_of(asked.begin(), asked.end(), [](float v) { return v == 3.0f; }));
  CHECK_THROWS_AS(g.dropout("all", g.output(), 1.0), Error);
}
TEST_CASE("parts of packed weights: together the whole, and no two write the same place") {
  for (const Window2d& window :
       {Window2d::square(3, 1, 1), Window2d::square(5, 2, 1), Window2d::square(3, 1, 1, 1, 2)}) {
    const Conv2d conv2d(48, window);
    const Shape in{32, 12, 12};
    Call<float> c;
    c.n = 1;
    c.window = conv2d.window_shape(std::span(&in, 1));
    c.training = true;
    std::vector<float> w(static_cast<size_t>(c.window.w_shape().elements()));
    Random random(5, "pack");
    for (float& v : w) v = static_cast<float>(random.normal());
    c.w = w.data();
    for (const Implementation<float>& kernel : conv2d.implementations(0.0f)) {
      if (!kernel.parts || (kernel.suits && !kernel.suits(conv2d, c))) continue;
      CAPTURE(std::string(kernel.name));
      const int64_t floats = kernel.packed(conv2d, c);
      const auto packed = [&](int64_t part, int64_t parts, Buffer& to) {
        c.part = part;
        c.parts = parts;
        c.packed = reinterpret_cast<float*>(to.data());
        kernel.pack(conv2d, c);
      };
      const auto bytes = static_cast<size_t>(floats) * sizeof(float);
      Buffer whole(bytes), together(bytes);
      std::fill_n(reinterpret_cast<float*>(whole.data()), floats, std::nanf(""));
      packed(0, 1, whole);
      std::vector<int> writers(static_cast<size_t>(floats));
      for (int64_t part = 0; part < 8; ++part) {
        Buffer alone(bytes);
        const auto* values = reinterpret_cast<const float*>(alone.data());
        std::fill_n(reinterpret_cast<float*>(alone.data()), floats, std::nanf(""));
        packed(part, 8, alone);
        for (int64_t i = 0; i < floats; ++i) {
          if (std::isnan(values[i])) continue;
          ++writers[static_cast<size_t>(i)];
          reinterpret_cast<float*>(together.data())[i] = values[i];
        }
      }
      CHECK(*std::max_element(writers.begin(), writers.end()) == 1);
      const auto* want = reinterpret_cast<const float*>(whole.data());
      const auto* got = reinterpret_cast<const float*>(together.data());
      int64_t differ = 0;
      for (int64_t i = 0; i < floats; ++i) {
        const bool written = writers[static_cast<size_t>(i)] == 1;
        differ += std::isnan(want[i]) ? written : !written || got[i] != want[i];
      }
      CHECK(differ == 0);
    }
  }
}
