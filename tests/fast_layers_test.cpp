// The layers of known networks as a plan of the fast engine runs them, against the naive engine, on every
// SIMD target. On small whole numbers every sum is exact, so every bit must agree; Winograd's error is
// bounded.
#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "tests/support/geometry.h"
#include "tests/support/layer_lists.h"
#include "tests/support/targets.h"
#include "unfold/plan.h"

using namespace unfold;

namespace {

struct Passes {
  std::vector<float> y, dx, dw, db;
  bool operator==(const Passes&) const = default;
};

struct Data {
  std::vector<float> x, dy;
};

/// A network of one convolution; `output` is its value.
struct Net {
  Graph graph;
  ValueId output;
};
Net net_of(const test::Layer& layer) {
  Net net;
  const ValueId x = net.graph.input({layer.ic, layer.size, layer.size + 1});
  net.output = net.graph.conv2d("conv", x, layer.oc, layer.window());
  net.graph.flatten("flatten", net.output);
  return net;
}

/// A copy whose image is so large that the plan goes layer by layer, in NHWC, or just small enough for lanes.
test::Layer resized(test::Layer layer, bool large) {
  const auto is_large = [&] {
    const Conv2dShape s = layer.shape(1);
    return std::max(s.x_image(), s.y_image()) > 1 << 15;
  };
  while (large && !is_large()) ++layer.size;
  while (!large && is_large()) --layer.size;
  return layer;
}

auto reader(const std::vector<float>& from, int64_t image) {
  return [&from, image](int64_t first, int64_t n, float* to) {
    std::copy_n(from.data() + first * image, n * image, to);
  };
}

/// The three passes of a training step; `kernel` is the convolution's.
Passes train(const Net& net, const Parameters<float>& parameters, const Data& data, int64_t batch,
             Engine engine, Numerics numerics, std::string* kernel = nullptr) {
  const Graph& g = net.graph;
  const Plan<float> plan(g, {.batch = batch,
                             .training = true,
                             .engine = engine,
                             .numerics = numerics,
                             .input_gradient = true,
                             .keep = true});
  if (kernel) {
    for (const auto& step : plan.steps()) {
      if (step.name == "conv") *kernel = step.kernel;
    }
  }
  ThreadPool pool(2);
  Workspace<float> workspace(plan.memory(), 2);
  Parameters<float> gradient(g.parameter_table());
  std::fill(gradient.all().begin(), gradient.all().end(), std::nanf(""));
  plan.gradient_from(parameters, reader(data.x, g.shape(g.input()).elements()),
                     reader(data.dy, g.shape(g.output()).elements()), gradient, workspace, pool);
  Passes p;
  for (int64_t image = 0; image < batch; ++image) {
    const auto y = plan.value(net.output, image, workspace);
    const auto dx = plan.value_gradient(g.input(), image, workspace);
    p.y.insert(p.y.end(), y.begin(), y.end());
    p.dx.insert(p.dx.end(), dx.begin(), dx.end());
  }
  const ParameterTable& table = gradient.table();
  const auto copy = [&](const char* name) {
    const int index = table.find(name);
    const float* from = gradient.slice(index);
    return std::vector<float>(from, from + table[index].shape.elements());
  };
  p.dw = copy("conv.weight");
  p.db = copy("conv.bias");
  return p;
}

std::vector<float> infer(const Net& net, const Parameters<float>& parameters, const Data& data, int64_t batch,
                         Numerics numerics) {
  const Graph& g = net.graph;
  const Plan<float> plan(g, {.batch = batch, .numerics = numerics});
  ThreadPool pool(2);
  Workspace<float> workspace(plan.memory(), 2);
  const int64_t out = g.shape(g.output()).elements();
  std::vector<float> y(static_cast<size_t>(batch * out), std::nanf(""));
  plan.forward(
      parameters, reader(data.x, g.shape(g.input()).elements()),
      [&](int64_t first, int64_t n, const float* from) {
        std::copy_n(from, n * out, y.data() + first * out);
      },
      workspace, pool);
  return y;
}

/// Relative L2.
double error(const std::vector<float>& got, const std::vector<float>& want) {
  REQUIRE(got.size() == want.size());
  double difference = 0, size = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    const double w = static_cast<double>(want[i]), d = static_cast<double>(got[i]) - w;
    difference += d * d;
    size += w * w;
  }
  return std::sqrt(difference / size);
}

/// Compares one layer; returns the kernels that ran with exact and with fast numerics.
std::set<std::string> compare(const test::Layer& layer, int64_t batch, Random& random, double& worst) {
  CAPTURE(std::string(layer.name));
  CAPTURE(layer.size);
  const Net net = net_of(layer);
  const Graph& g = net.graph;
  Parameters<float> parameters(g.parameter_table());
  const auto values = test::integers<float>(static_cast<int64_t>(parameters.all().size()), random);
  std::copy(values.begin(), values.end(), parameters.all().begin());
  const Data data{test::integers<float>(batch * g.shape(g.input()).elements(), random),
                  test::integers<float>(batch * g.shape(g.output()).elements(), random)};
  const Passes want = train(net, parameters, data, batch, Engine::naive, Numerics::exact);
  CHECK(test::filled(want.y) >= 0.5);
  CHECK(test::filled(want.dx) >= 0.25);  // a stride beyond the kernel leaves pixels out
  std::set<std::string> kernels;
  const auto ran = test::on_every_target([&](const std::string& target) {
    CAPTURE(target);
    std::string exact, fast;
    CHECK(train(net, parameters, data, batch, Engine::fast, Numerics::exact, &exact) == want);
    CHECK(infer(net, parameters, data, batch, Numerics::exact) == want.y);
    const Passes quick = train(net, parameters, data, batch, Engine::fast, Numerics::fast, &fast);
    kernels.insert({exact, fast});
    const auto inferred = infer(net, parameters, data, batch, Numerics::fast);
    if (exact == fast) {
      CHECK(quick == want);
      CHECK(inferred == want.y);
      return;
    }
    for (const double e : {error(inferred, want.y), error(quick.y, want.y), error(quick.dx, want.dx),
                           error(quick.dw, want.dw), error(quick.db, want.db)}) {
      CHECK(e <= 5e-6);
      if (!(e <= worst)) worst = e;
    }
  });
  CHECK(!ran.empty());
  return kernels;
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNFOLD_SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define UNFOLD_SANITIZED
#endif
#ifdef UNFOLD_SANITIZED
constexpr size_t kEvery = 5;  // ten times slower, and out of bounds is out of bounds in any of them
#else
constexpr size_t kEvery = 1;
#endif

void compare_all(bool large, int64_t batch, const std::string& exact, const std::string& winograd) {
  Random random(21, large ? "large" : "small");
  std::set<std::string> kernels;
  double worst = 0;
  for (size_t i = 0; i < test::kLayers.size(); i += kEvery) {
    kernels.merge(compare(resized(test::kLayers[i], large), batch, random, worst));
  }
  CHECK(kernels == std::set<std::string>{exact, winograd});
  MESSAGE("largest relative error of Winograd: " << worst);
}

}  // namespace

TEST_CASE("the layers of known networks, 16 images in the lanes, are the naive engine's") {
  compare_all(false, 3, "conv2d/lanes", "conv2d/lanes-winograd");
}

TEST_CASE("the layers of known networks, in NHWC, are the naive engine's") {
  compare_all(true, 1, "conv2d/nhwc", "conv2d/nhwc-winograd");
}
