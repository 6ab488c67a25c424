#include "unfold/plan.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <new>
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
    std::vector<int32_t> labels(batch);
    Random random(1, "images");
    for (int64_t i = 0; i < batch; ++i) {  // class = which third of the rows is bright
      labels[static_cast<size_t>(i)] = static_cast<int32_t>(i % 3);
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

namespace {

/// Its first convolution could go through Winograd's kernels or be joined with what follows it.
Graph colours() {
  Graph g;
  ValueId x = g.input({3, 32, 32});
  x = g.max_pool2d("pool1", g.relu("relu1", g.conv2d("conv1", x, 8, Window2d::square(5))),
                   Window2d::square(2, 2));
  x = g.avg_pool2d("pool2", g.tanh("tanh2", g.conv2d("conv2", x, 12, Window2d::square(3, 1, 1))),
                   Window2d::square(2, 2));
  g.linear("fc", g.flatten("flatten", x), 10);
  return g;
}

void same_bits_in_any_batch(const Graph& graph, Numerics numerics) {
  const int64_t pixels = graph.shape(graph.input()).elements();
  Parameters<float> parameters(graph.parameter_table());
  initialise(parameters, Init::pytorch, 1);
  std::vector<float> images(static_cast<size_t>(64 * pixels));
  Random random(1, "x");
  for (float& v : images) v = static_cast<float>(random.normal());
  std::set<std::string> convolutions;  // by which kernels the fast engine ran
  for (const Engine engine : {Engine::naive, Engine::im2col, Engine::fast}) {
    std::vector<std::vector<float>> all;
    const int64_t most = engine == Engine::naive ? 20 : 64;
    for (const int64_t batch : {int64_t{1}, int64_t{7}, int64_t{16}, most}) {
      const Plan<float> plan(graph,
                             {.batch = batch, .training = false, .engine = engine, .numerics = numerics});
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
            std::copy_n(images.data() + (at + first + i) % most * pixels, pixels, x + i * pixels);
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

}  // namespace

TEST_CASE("inference: an image gives the same bits in any batch, at any place in it") {
  for (const Graph& graph : {lenet5_article(), colours()}) {
    for (const Numerics numerics : {Numerics::fast, Numerics::exact}) {
      CAPTURE(std::string(numerics_name(numerics)));
      same_bits_in_any_batch(graph, numerics);
    }
  }
}

TEST_CASE("operators joined in one give the gradients of each by itself, in every bit") {
  std::vector<float> images(37 * 1024);
  Random random(11, "joined");
  for (float& v : images) v = static_cast<float>(random.normal());
  const std::vector<int32_t> labels(37, 4);
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
  CHECK(fast[1] == "conv2d+tanh+avg_pool2d/lanes-winograd-few");
  CHECK(fast.back() == "lanes to rows");
  CHECK(std::count(fast.begin(), fast.end(), "tanh+avg_pool2d/lanes") == 1);
  const auto relu = Plan<float>(lenet5(), {.batch = 2, .training = true}).kernels();
  CHECK(std::count(relu.begin(), relu.end(), "relu+max_pool2d/lanes") == 1);
  CHECK(relu[1] == "conv2d+relu+max_pool2d/lanes-winograd-few");
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
        "join: the two inputs differ in shape (wanted (1, 8, 8), or 1 along some axes, got (2, 6, 6))");
  CHECK(message([&] { g.relu("conv", c); }) == "conv: a layer needs a name of its own (got \"conv\")");
}
