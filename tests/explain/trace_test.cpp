// What trace() keeps of a step, against the same step in double, central differences and Adam's formula; and
// the JSON that carries it to the page, bit for bit.
#include "unfold/explain/trace.h"

#include <doctest/doctest.h>

#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>

#include "tests/explain/nets.h"
#include "tests/support/base64.h"
#include "unfold/error.h"
#include "unfold/explain/page.h"
#include "unfold/train/optimizer.h"

using namespace unfold;
using namespace unfold::test;

namespace {

const std::vector<int32_t> kClasses = {4, 7};

/// 3x3, stride 2, padding 1, two groups; ReLU and max pooling behind it.
Model grouped() {
  Graph g;
  ValueId x = g.input({1, 20, 20});
  x = g.relu("relu1", g.conv2d("conv1", x, 4, Window2d::square(5, 1, 2)));
  x = g.relu("relu2", g.conv2d("grouped", x, 6, Window2d::square(3, 2, 1, 1, 2)));
  g.linear("fc", g.flatten("flatten", g.max_pool2d("pool", x, Window2d::square(2, 2))), 10);
  return model_of(g, 3);
}

std::vector<float> inputs_of(const Model& model) {
  return numbers(model.graph.shape(model.graph.input()).elements() * static_cast<int64_t>(kClasses.size()),
                 5);
}

Trace trace_of(const Model& model, Engine engine, bool times = false) {
  ThreadPool pool(1);
  return trace(model, inputs_of(model), kClasses, {.engine = engine, .times = times}, pool);
}

/// The same step in double by the reference kernels, without trace().
struct Exact {
  explicit Exact(const Model& model)
      : graph(model.graph),
        plan(graph, {.batch = static_cast<int64_t>(kClasses.size()),
                     .training = true,
                     .engine = Engine::naive,
                     .input_gradient = true,
                     .keep = true}),
        workspace(plan.memory(), 1),
        parameters(graph.parameter_table()),
        gradient(graph.parameter_table()) {
    std::copy(model.parameters.all().begin(), model.parameters.all().end(), parameters.all().begin());
    const std::vector<float> in = inputs_of(model);
    inputs.assign(in.begin(), in.end());
    loss();
  }

  /// The mean loss; leaves everything in the workspace.
  double loss() {
    const int64_t in = graph.shape(graph.input()).elements();
    std::vector<ImageResult> results(kClasses.size());
    plan.gradient(
        parameters,
        [&](int64_t first, int64_t n, double* x) { std::copy_n(inputs.data() + first * in, n * in, x); },
        kClasses.data(), gradient, results.data(), workspace, pool);
    double sum = 0;
    for (const ImageResult& r : results) sum += r.loss;
    return sum / static_cast<double>(results.size());
  }

  /// d loss / d `number`, by central differences.
  double slope(double& number) {
    const double old = number, step = 1e-4;
    number = old + step;
    const double above = loss();
    number = old - step;
    const double below = loss();
    number = old;
    return (above - below) / (2 * step);
  }

  std::vector<double> both(int v, bool gradients) {
    std::vector<double> all;
    for (int64_t i = 0; i < static_cast<int64_t>(kClasses.size()); ++i) {
      const auto one = gradients ? plan.value_gradient({v}, i, workspace) : plan.value({v}, i, workspace);
      all.insert(all.end(), one.begin(), one.end());
    }
    return all;
  }

  Graph graph;
  Plan<double> plan;
  Workspace<double> workspace;
  Parameters<double> parameters, gradient;
  std::vector<double> inputs;
  ThreadPool pool{1};
};

template <class T>
std::vector<T> slice_of(const Parameters<T>& parameters, int p) {
  return {parameters.slice(p), parameters.slice(p) + parameters.table()[p].shape.elements()};
}

/// Compares bits, so -0, denormals and NaN count.
bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

}  // namespace

TEST_CASE("every value and gradient of a trace is that of the same step in double, by every engine") {
  for (const Model& model : {make_model("lenet5-article", 1), grouped()}) {
    Exact exact(model);
    for (const Engine engine : {Engine::naive, Engine::im2col, Engine::fast}) {
      CAPTURE(model.name);
      CAPTURE(engine_name(engine));
      const Trace t = trace_of(model, engine);
      CHECK(t.images == 2);
      CHECK(t.engine == engine);
      CHECK(t.times.size() == model.graph.nodes().size());
      CHECK(std::abs((t.losses[0] + t.losses[1]) / 2 - exact.loss()) <= 1e-6 * exact.loss());
      REQUIRE(std::cmp_equal(t.values.size(), model.graph.values()));
      for (int v = 0; v < model.graph.values(); ++v) {
        CAPTURE(v);
        CHECK(largest_difference(t.values[static_cast<size_t>(v)], exact.both(v, false)) <= 5e-6);
        CHECK(largest_difference(t.gradients[static_cast<size_t>(v)], exact.both(v, true)) <= 1e-5);
      }
      const auto parameters = static_cast<int>(model.parameters.table().slices().size());
      for (int p = 0; p < parameters; ++p) {
        CAPTURE(model.parameters.table()[p].name);
        CHECK(largest_difference(slice_of(t.gradient, p), slice_of(exact.gradient, p)) <= 1e-5);
      }
    }
  }
}

TEST_CASE("the gradients of a trace are the slopes of the mean loss") {
  const Model model = make_model("lenet5-article", 1);
  const Trace t = trace_of(model, Engine::fast);
  Exact exact(model);
  const auto check = [&](const std::vector<float>& gradient, double* numbers, size_t at) {
    CAPTURE(at);
    double largest = 0;
    for (const float g : gradient) largest = std::max(largest, std::abs(static_cast<double>(g)));
    CHECK(largest > 0);
    CHECK(std::abs(static_cast<double>(gradient[at]) - exact.slope(numbers[at])) <= 1e-5 * largest);
  };
  for (const size_t pixel : {size_t{5 * 32 + 7}, size_t{16 * 32 + 16}, size_t{1024 + 20 * 32 + 11}}) {
    check(t.gradients[0], exact.inputs.data(), pixel);
  }
  const ParameterTable& table = model.parameters.table();
  for (int p = 0; p < static_cast<int>(table.slices().size()); ++p) {
    CAPTURE(table[p].name);
    const auto count = static_cast<size_t>(table[p].shape.elements());
    for (const size_t at : {size_t{0}, count / 2, count - 1}) {
      check(slice_of(t.gradient, p), exact.parameters.slice(p), at);
    }
  }
}

TEST_CASE("the step of a trace is Adam's first") {
  // Kingma & Ba 2015, algorithm 1 at t = 1, in double from the trace's own gradient.
  const Model model = make_model("lenet5-article", 1);
  const Trace t = trace_of(model, Engine::fast);
  const OptimizerOptions adam;
  CHECK(t.lr == 1e-3);
  for (int p = 0; p < static_cast<int>(model.parameters.table().slices().size()); ++p) {
    CAPTURE(model.parameters.table()[p].name);
    int wrong = 0, moved = 0;
    for (int64_t i = 0; i < model.parameters.table()[p].shape.elements(); ++i) {
      const double g = t.gradient.slice(p)[i], w = model.parameters.slice(p)[i];
      const double m = (1 - adam.beta1) * g, v = (1 - adam.beta2) * g * g;
      const double after =
          w - t.lr * (m / (1 - adam.beta1)) / (std::sqrt(v / (1 - adam.beta2)) + adam.epsilon);
      const auto near = [](float got, double want, double size) {
        return std::abs(static_cast<double>(got) - want) <= 1e-6 * size;
      };
      // A float cannot hold the square of a gradient below 1e-19 as it should be.
      wrong += !near(t.first_moment.slice(p)[i], m, std::abs(m)) ||
               !near(t.second_moment.slice(p)[i], v, v + 1e-38) ||
               !near(t.after.slice(p)[i], after, std::abs(w) + t.lr);
      moved += t.after.slice(p)[i] != model.parameters.slice(p)[i];
    }
    CHECK(wrong == 0);
    CHECK(moved > 0);
  }
}

TEST_CASE("a trace measures each convolution by each engine, if it is asked to") {
  const Model model = make_model("lenet5-article", 1);
  for (const LayerTimes& time : trace_of(model, Engine::fast).times) {
    CHECK_FALSE(time.naive);
    CHECK_FALSE(time.im2col);
    CHECK_FALSE(time.fast);
  }
  const Trace t = trace_of(model, Engine::fast, true);
  for (size_t i = 0; i < t.times.size(); ++i) {
    if (model.graph.nodes()[i].op->type() != "Conv2d") continue;
    CAPTURE(model.graph.nodes()[i].name);
    CHECK((t.times[i].naive.value_or(0) > 0 && t.times[i].naive.value_or(2) < 1));
    CHECK((t.times[i].im2col.value_or(0) > 0 && t.times[i].im2col.value_or(2) < 1));
    CHECK((t.times[i].fast.value_or(0) > 0 && t.times[i].fast.value_or(2) < 1));
  }
}

TEST_CASE("a trace of no images, images of another size or a class that is not there is refused") {
  const Model model = make_model("lenet5-article", 1);
  ThreadPool pool(1);
  const auto refused = [&](const std::vector<float>& inputs, const std::vector<int32_t>& classes,
                           const std::string& says) {
    try {
      trace(model, inputs, classes, {.times = false}, pool);
      FAIL("not refused");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::usage);
      CHECK(std::string(error.what()).find(says) != std::string::npos);
    }
  };
  const std::vector<float> inputs = inputs_of(model);
  refused({}, {}, "do not fit");
  refused(inputs, {}, "do not fit");
  refused(inputs, {1}, "do not fit");
  refused(std::vector<float>(inputs.begin(), inputs.end() - 1), {1, 2}, "do not fit");
  refused(inputs, {1, 10}, "no such class");
  refused(inputs, {255, 1}, "no such class");
}

TEST_CASE("the page's JSON holds every float of a trace, bit for bit") {
  const Model model = make_model("lenet5-article", 1);
  Trace t = trace_of(model, Engine::fast);
  const float odd[] = {-0.0f, std::numeric_limits<float>::denorm_min(),
                       std::numeric_limits<float>::infinity(), std::bit_cast<float>(0x7fc12345u),
                       std::nextafter(1.0f, 2.0f)};
  std::copy(std::begin(odd), std::end(odd), t.values[1].end() - 5);
  std::copy(std::begin(odd), std::end(odd), t.gradient.slice(0));
  const std::vector<ExplainedImage> images = {{"a.png", "", {}},
                                              {"b\xff.png", "data:,", {}}};  // the second is no UTF-8
  const auto page =
      nlohmann::json::parse(trace_json(model, t, {.images = images, .patches = {}, .first = {}}));

  CHECK(page.at("images").at(0).at("name") == "a.png");
  CHECK(page.at("images").at(1).at("class") == 7);
  CHECK(page.at("images").at(1).at("loss") == t.losses[1]);
  CHECK(page.at("values").size() == t.values.size());
  for (size_t v = 0; v < t.values.size(); ++v) {
    CAPTURE(v);
    for (const auto& [key, all] : {std::pair("data", &t.values[v]), std::pair("gradient", &t.gradients[v])}) {
      std::vector<float> got;
      for (const auto& text : page.at("values").at(v).at(key)) {
        const std::vector<float> one = floats_of(text);
        CHECK(one.size() == all->size() / 2);
        got.insert(got.end(), one.begin(), one.end());
      }
      CHECK(same_bits(got, *all));
    }
  }
  CHECK(page.at("parameters").size() == model.parameters.table().slices().size());
  for (int p = 0; p < static_cast<int>(model.parameters.table().slices().size()); ++p) {
    const auto& one = page.at("parameters").at(static_cast<size_t>(p));
    CAPTURE(one.at("name").get<std::string>());
    CHECK(one.at("name") == model.parameters.table()[p].name);
    CHECK(same_bits(floats_of(one.at("data")), slice_of(model.parameters, p)));
    CHECK(same_bits(floats_of(one.at("gradient")), slice_of(t.gradient, p)));
    CHECK(same_bits(floats_of(one.at("m")), slice_of(t.first_moment, p)));
    CHECK(same_bits(floats_of(one.at("v")), slice_of(t.second_moment, p)));
    CHECK(same_bits(floats_of(one.at("after")), slice_of(t.after, p)));
  }
}
