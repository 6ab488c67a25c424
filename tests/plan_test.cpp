#include "unfold/plan.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <new>
#include <numeric>
#include <set>
#include <span>

#include "unfold/data/strokes.h"
#include "unfold/model.h"
#include "unfold/models/lenet5.h"
#include "unfold/random.h"
#include "unfold/train/trainer.h"

using namespace unfold;

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNFOLD_NO_COUNT  // the sanitizer brings its own operator new
#endif
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define UNFOLD_SANITIZED
#endif
#elif defined(__SANITIZE_THREAD__)
#define UNFOLD_NO_COUNT
#define UNFOLD_SANITIZED
#elif defined(__SANITIZE_ADDRESS__)
#define UNFOLD_SANITIZED
#endif

// Every allocation of this process is counted: a training step must not make any.
namespace {
std::atomic<long> allocations{0};
}
#ifndef UNFOLD_NO_COUNT
void* operator new(std::size_t size) {
  ++allocations;
  if (void* p = std::malloc(size ? size : 1)) return p;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, std::align_val_t align, const std::nothrow_t&) noexcept {
  ++allocations;
  const auto a = static_cast<std::size_t>(align);
  return std::aligned_alloc(a, (size + a - 1) / a * a);
}
void operator delete(void* p) noexcept {
  std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
  std::free(p);
}
void operator delete(void* p, std::align_val_t) noexcept {
  std::free(p);
}
#endif

namespace {

Graph branching() {
  Graph g;
  const ValueId x = g.input({1, 8, 8});
  const ValueId a = g.conv2d("a", x, 4, Window2d::square(3, 1, 1));
  const ValueId b = g.relu("relu", g.conv2d("b", a, 4, Window2d::square(3, 1, 1)));
  g.linear("fc", g.flatten("flatten", g.avg_pool2d("pool", g.add("join", a, b), Window2d::square(2, 2))), 3);
  return g;
}

/// Weights after `steps` steps of the default recipe on drawn digits.
std::vector<float> trained(int threads, int steps, Engine engine, Numerics numerics = Numerics::fast) {
  static const DatasetPair data = make_strokes(5, 700, 10);
  ThreadPool pool(threads);
  Model model = make_model("lenet5", 3);
  Recipe recipe = default_recipe("lenet5");
  recipe.batch_size = 100;
  recipe.numerics = numerics;
  recipe.engine = engine;
  Trainer trainer(model, data.train, recipe, pool);
  for (int i = 0; i < steps; ++i) {
    if (trainer.epoch_done()) trainer.finish_epoch();
    trainer.step();
  }
  const auto all = model.parameters.all();
  return {all.begin(), all.end()};
}

}  // namespace

TEST_CASE("a net that branches and joins with Add learns") {
  const Graph graph = branching();
  for (const Engine engine : {Engine::naive, Engine::im2col, Engine::fast}) {
    Parameters<float> parameters(graph.parameter_table()), gradient(graph.parameter_table());
    initialise(parameters, Init::pytorch, 1);
    const int64_t batch = 40;
    const Plan<float> plan(graph, {.batch = batch, .training = true, .engine = engine});
    ThreadPool pool(2);
    Workspace<float> workspace(plan.memory(), 2);
    Optimizer<float> optimizer(graph.parameter_table(), {.kind = OptimizerOptions::Kind::adam});
    std::vector<float> images(batch * 64);
    std::vector<uint8_t> labels(batch);
    Random random(1, "images");
    for (int64_t i = 0; i < batch; ++i) {  // class = which third of the rows is bright
      labels[static_cast<size_t>(i)] = static_cast<uint8_t>(i % 3);
      for (int64_t p = 0; p < 64; ++p) {
        images[static_cast<size_t>(i * 64 + p)] =
            static_cast<float>(random.uniform() + (p / 8 * 3 / 8 == i % 3 ? 1 : 0));
      }
    }
    const auto fill = [&](int64_t first, int64_t n, float* x) {
      std::copy_n(images.data() + first * 64, n * 64, x);
    };
    std::vector<ImageResult> results(batch);
    double first = 0, last = 0;
    for (int step = 0; step < 60; ++step) {
      plan.gradient(parameters, fill, labels.data(), gradient, results.data(), workspace, pool);
      optimizer.step(parameters, gradient, 0.01, pool);
      last = 0;
      for (const ImageResult& r : results) last += r.loss / batch;
      if (step == 0) first = last;
    }
    CHECK(first > 0.9);
    CHECK(last < 0.2);
  }
}

TEST_CASE(
    "threads 1, 2, 3, 4, 7, 16 give the same weights bit for bit after 100 steps, and two runs the same") {
  for (const Engine engine : {Engine::fast, Engine::im2col, Engine::naive}) {
#ifdef UNFOLD_SANITIZED  // ten times slower, and a race needs no hundred steps to be seen
    const int steps = engine == Engine::naive ? 2 : 12;
#else
    const int steps = engine == Engine::naive ? 6 : 100;
#endif
    const auto one = trained(1, steps, engine);
    CHECK(one == trained(1, steps, engine));
    for (const int threads : {2, 3, 4, 7, 16}) {
      CAPTURE(threads);
      CHECK(one == trained(threads, steps, engine));
    }
  }
}

TEST_CASE("the engines follow the same course within rounding") {
  const auto naive = trained(2, 6, Engine::naive);
  const auto fresh = make_model("lenet5", 3);
  for (const auto& [engine, numerics] : {std::pair{Engine::im2col, Numerics::exact},
                                         {Engine::fast, Numerics::exact},
                                         {Engine::fast, Numerics::fast}}) {
    const auto other = trained(2, 6, engine, numerics);
    double worst = 0, moved = 0;
    for (size_t i = 0; i < naive.size(); ++i) {
      worst = std::max(worst, std::abs(static_cast<double>(naive[i]) - static_cast<double>(other[i])));
      moved = std::max(
          moved, std::abs(static_cast<double>(naive[i]) - static_cast<double>(fresh.parameters.all()[i])));
    }
    CHECK(moved > 1e-3);
    CHECK(worst <= (numerics == Numerics::exact ? 1e-3 : 1e-2) * moved);
  }
}

TEST_CASE("inference: an image gives the same bits in any batch, at any place in it") {
  const Graph graph = lenet5_article();
  Parameters<float> parameters(graph.parameter_table());
  initialise(parameters, Init::article, 1);
  std::vector<float> images(64 * 1024);
  Random random(1, "x");
  for (float& v : images) v = static_cast<float>(random.normal());
  std::set<std::string> convolutions;  // by which kernels the fast engine ran
  for (const Engine engine : {Engine::naive, Engine::im2col, Engine::fast}) {
    std::vector<std::vector<float>> all;
    const int64_t most = engine == Engine::naive ? 20 : 64;
    for (const int64_t batch : {int64_t{1}, int64_t{7}, int64_t{16}, most}) {
      const Plan<float> plan(graph, {.batch = batch, .training = false, .engine = engine});
      for (const std::string& name : plan.kernels()) {
        if (engine == Engine::fast && name.starts_with("conv2d")) convolutions.insert(name);
      }
      ThreadPool pool(3);
      Workspace<float> workspace(plan.memory(), 3);
      std::vector<float> y(static_cast<size_t>(most) * 10);
      for (int64_t at = 0; at < most; at += batch) {
        // The last batch is filled up with other images.
        const auto fill = [&](int64_t first, int64_t n, float* x) {
          for (int64_t i = 0; i < n; ++i)
            std::copy_n(images.data() + (at + first + i) % most * 1024, 1024, x + i * 1024);
        };
        const auto take = [&](int64_t first, int64_t n, const float* out) {
          for (int64_t i = 0; i < n; ++i) {
            if (at + first + i < most) std::copy_n(out + i * 10, 10, y.data() + (at + first + i) * 10);
          }
        };
        plan.forward(parameters, fill, take, workspace, pool);
      }
      all.push_back(y);
    }
    for (const auto& y : all) CHECK(y == all.front());
  }
  CHECK(convolutions.size() >= 2);  // in two layouts, and still the same bits
}

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
  std::vector<uint8_t> labels(static_cast<size_t>(batch), 2);
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

TEST_CASE("layer by layer with Winograd: the same, and none of it in inference or with exact numerics") {
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
  CHECK(winograds({.batch = 2}) == 0);
  CHECK(winograds({.batch = 2, .training = true, .numerics = Numerics::exact}) == 0);
  compare_with_double(g, 3, true, 1e-5);
  compare_with_double(g, 3, false, 1e-5);
}

TEST_CASE("layer by layer: the same bits for 1, 2, 3, 4, 7 and 16 threads, and for an image in any batch") {
  const Graph g = every_operator(128);
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
    const std::vector<uint8_t> labels{0, 1, 2, 3, 4};
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

TEST_CASE("operators joined in one give the gradients of each by itself, in every bit") {
  std::vector<float> images(37 * 1024);
  Random random(11, "joined");
  for (float& v : images) v = static_cast<float>(random.normal());
  const std::vector<uint8_t> labels(37, 4);
  for (const Graph& graph : {lenet5_article(), lenet5()}) {
    for (const Numerics numerics : {Numerics::fast, Numerics::exact}) {
      const int64_t pixels = graph.shape(graph.input()).elements();
      Parameters<float> parameters(graph.parameter_table());
      initialise(parameters, Init::pytorch, 4);
      std::vector<Parameters<float>> gradients;
      for (const bool keep : {false, true}) {  // what is kept is not joined
        const Plan<float> plan(graph, {.batch = 37, .training = true, .numerics = numerics, .keep = keep});
        const auto names = plan.kernels();
        const auto joined = [](const std::string& name) { return name.starts_with("conv2d+"); };
        CHECK(std::count_if(names.begin(), names.end(), joined) == (keep ? 0 : 1));
        ThreadPool pool(2);
        Workspace<float> workspace(plan.memory(), 2);
        std::vector<ImageResult> results(37);
        const auto fill = [&](int64_t first, int64_t n, float* x) {
          std::copy_n(images.data() + first * pixels, n * pixels, x);
        };
        gradients.emplace_back(graph.parameter_table());
        plan.gradient(parameters, fill, labels.data(), gradients.back(), results.data(), workspace, pool);
      }
      CHECK(std::equal(gradients[0].all().begin(), gradients[0].all().end(), gradients[1].all().begin()));
    }
  }
}

TEST_CASE("each engine runs its own kernels, and UNFOLD_KERNEL forces one") {
  const Graph graph = lenet5_article();
  const auto kernels = [&](Engine engine) {
    return Plan<float>(graph, {.batch = 2, .training = true, .engine = engine}).kernels();
  };
  const auto im2col = kernels(Engine::im2col), naive = kernels(Engine::naive), fast = kernels(Engine::fast);
  CHECK(fast[0] == "rows to lanes");
  CHECK(fast[1] == "conv2d+tanh+avg_pool2d/lanes-winograd-dw");
  CHECK(fast.back() == "lanes to rows");
  CHECK(std::count(fast.begin(), fast.end(), "tanh+avg_pool2d/lanes") == 1);
  const auto relu = Plan<float>(lenet5(), {.batch = 2, .training = true}).kernels();
  CHECK(std::count(relu.begin(), relu.end(), "relu+max_pool2d/lanes") == 1);
  CHECK(relu[1] == "conv2d+relu+max_pool2d/lanes-winograd-dw");
  CHECK(im2col[0] == "conv2d/im2col");
  CHECK(im2col[1] == "tanh/vector");
  CHECK(im2col[2] == "avg_pool2d/im2col");
  CHECK(im2col[7] == "linear/gemm");
  const auto exact =
      Plan<float>(graph, {.batch = 2, .training = true, .numerics = Numerics::exact}).kernels();
  CHECK(std::count(fast.begin(), fast.end(), "conv2d/lanes-winograd") == 1);
  CHECK(std::count(exact.begin(), exact.end(), "conv2d/lanes-winograd") == 0);
  CHECK(exact[1] == "conv2d+tanh+avg_pool2d/lanes");
  for (const std::string& name : naive) CHECK(name.ends_with("/reference"));
  ::setenv("UNFOLD_KERNEL", "conv2d/reference", 1);
  const auto forced = kernels(Engine::im2col);
  ::setenv("UNFOLD_KERNEL", "conv2d/nonsense", 1);
  CHECK_THROWS_AS(kernels(Engine::im2col), Error);
  ::unsetenv("UNFOLD_KERNEL");
  CHECK(forced[0] == "conv2d/reference");
  CHECK(forced[7] == "linear/gemm");
  CHECK(Plan<double>(graph, {.batch = 2}).kernels()[0] == "conv2d/reference");
}

TEST_CASE("a step allocates nothing once it has run, and memory is what the plan said") {
  static const DatasetPair data = make_strokes(5, 700, 10);
  ThreadPool pool(2);
  Model model = make_model("lenet5", 3);
  Trainer trainer(model, data.train, default_recipe("lenet5"), pool);
  trainer.step();
  const long before = allocations;
  for (int i = 0; i < 5; ++i) trainer.step();
  CHECK(allocations - before == 0);
  const Plan<float> plan(model.graph, {.batch = 100, .training = true});
  CHECK(plan.memory().slabs == 7);
  // The columns of one image are the largest scratch of the im2col engine: conv1's 25 x 784 floats, and
  // little beside.
  const Plan<float> columns(model.graph, {.batch = 100, .training = true, .engine = Engine::im2col});
  CHECK(columns.memory().scratch_bytes < 400000);
}

TEST_CASE("bad plans are refused, and a workspace of another plan") {
  const Graph graph = lenet5();
  CHECK_THROWS_AS(Plan<float>(graph, {.batch = 0}), Error);
  Graph image;
  image.conv2d("conv", image.input({1, 4, 4}), 2, Window2d::square(2));
  CHECK_THROWS_AS(Plan<float>(image, {.batch = 1, .training = true}), Error);
  const Plan<float> small(graph, {.batch = 1}), training(graph, {.batch = 40, .training = true});
  Parameters<float> parameters(graph.parameter_table());
  Workspace<float> workspace(training.memory(), 1);
  ThreadPool pool(1);
  CHECK_THROWS_AS(small.forward(
                      parameters, [](int64_t, int64_t, float*) {}, [](int64_t, int64_t, const float*) {},
                      workspace, pool),
                  Error);
}

TEST_CASE("layers that do not fit are named, with what was wanted and got") {
  Graph g;
  const ValueId x = g.input({1, 8, 8});
  const auto message = [&](auto build) {
    try {
      build();
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("not refused");
  };
  CHECK(message([&] { g.linear("fc1", x, 10); }) ==
        "fc1: the input does not fit (wanted one axis (features), got (1, 8, 8))");
  CHECK(message([&] { g.conv2d("big", x, 2, Window2d::square(9)); }) ==
        "big: the kernel is larger than the padded input (wanted at least 9x9, got 8x8)");
  const ValueId c = g.conv2d("conv", x, 2, Window2d::square(3));
  CHECK(message([&] { g.add("join", x, c); }) ==
        "join: the two inputs differ in shape (wanted (1, 8, 8), got (2, 6, 6))");
  CHECK(message([&] { g.relu("conv", c); }) == "conv: a layer needs a name of its own (got \"conv\")");
}
