// digest: a checksum of what the kernels compute on fixed numbers, a line for each SIMD target and family.
// Targets with fused multiply-add have to agree in every bit, here and on other processors
// (scripts/full/neon.sh).
#include <cstdio>
#include <cstring>
#include <map>
#include <set>
#include <string>

#include "tests/support/geometry.h"
#include "tests/support/networks.h"
#include "tests/support/targets.h"
#include "unfold/models/lenet5.h"
#include "unfold/plan.h"
#include "unfold/train/optimizer.h"

using namespace unfold;

namespace {

/// FNV-1a over the bits of floats.
class Digest {
 public:
  void add(const float* values, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      uint32_t bits;
      std::memcpy(&bits, values + i, sizeof bits);
      for (int byte = 0; byte < 4; ++byte) hash_ = (hash_ ^ (bits >> 8 * byte & 255)) * 1099511628211u;
    }
  }
  void add(const std::vector<float>& values) { add(values.data(), static_cast<int64_t>(values.size())); }
  uint64_t value() const { return hash_; }

 private:
  uint64_t hash_ = 14695981039346656037u;
};

/// Between -1 and 1, by arithmetic alone: no library function decides a bit.
std::vector<float> uniform(int64_t count, Random& random) {
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = static_cast<float>(2 * random.uniform() - 1);
  return values;
}

auto reader(const std::vector<float>& from, int64_t image) {
  return [&from, image](int64_t first, int64_t n, float* to) {
    std::copy_n(from.data() + first * image, n * image, to);
  };
}

/// Inference and a training step of a network: outputs, gradients, and the weights after `steps` updates.
void run(const Graph& g, int64_t batch, Engine engine, Numerics numerics, uint64_t seed, Digest& digest,
         std::set<std::string>& kernels, int steps = 1) {
  Random random(seed, "digest");
  Parameters<float> parameters(g.parameter_table()), gradient(g.parameter_table());
  for (const ParameterSlice& slice : parameters.table().slices()) {
    const auto values = uniform(slice.shape.elements(), random);
    float* const to = parameters.slice(parameters.table().find(slice.name));
    for (size_t i = 0; i < values.size(); ++i) to[i] = values[i] * 0.3f;
  }
  const int64_t in = g.shape(g.input()).elements(), out = g.shape(g.output()).elements();
  const auto x = uniform(batch * in, random), dy = uniform(batch * out, random);
  ThreadPool pool(1);
  {
    const Plan<float> plan(g, {.batch = batch, .engine = engine});
    for (const std::string& kernel : plan.kernels()) kernels.insert(kernel);
    Workspace<float> workspace(plan.memory(), 1);
    plan.forward(
        parameters, reader(x, in), [&](int64_t, int64_t n, const float* y) { digest.add(y, n * out); },
        workspace, pool);
  }
  const Plan<float> plan(
      g, {.batch = batch, .training = true, .engine = engine, .numerics = numerics, .input_gradient = true});
  for (const std::string& kernel : plan.kernels()) kernels.insert(kernel);
  Workspace<float> workspace(plan.memory(), 1);
  for (const auto kind : {OptimizerOptions::Kind::adam, OptimizerOptions::Kind::sgd}) {
    Optimizer<float> optimizer(g.parameter_table(), {.kind = kind, .weight_decay = 1e-4});
    for (int i = 0; i < steps; ++i) {
      plan.gradient_from(parameters, reader(x, in), reader(dy, out), gradient, workspace, pool);
      digest.add(gradient.all().data(), static_cast<int64_t>(gradient.all().size()));
      optimizer.step(parameters, gradient, 1e-3, pool);
      digest.add(parameters.all().data(), static_cast<int64_t>(parameters.all().size()));
    }
  }
}

/// Name of a family and its digest.
std::map<std::string, uint64_t> digests(std::set<std::string>& kernels) {
  std::map<std::string, uint64_t> all;
  const auto family = [&](const char* name, auto body) {
    Digest digest;
    body(digest);
    all[name] = digest.value();
  };
  struct Way {
    std::string name;
    Engine engine;
    Numerics numerics;
  };
  for (const Way& way :
       {Way{"im2col", Engine::im2col, Numerics::exact}, Way{"fast exact", Engine::fast, Numerics::exact},
        Way{"fast", Engine::fast, Numerics::fast}}) {
    const Engine engine = way.engine;
    const Numerics numerics = way.numerics;
    family((way.name + ": random convolutions").c_str(), [&](Digest& digest) {
      Random random(1, "geometries");
      std::map<std::string, int> kinds;
      for (uint64_t i = 0; i < 60; ++i)
        run(test::one_layer(test::random_geometry(random, kinds)), 3, engine, numerics, i, digest, kernels);
    });
    // Beyond 32,768 elements an image: NHWC for the fast engine.
    family((way.name + ": wide convolutions").c_str(), [&](Digest& digest) {
      const auto wide = [&](int64_t ic, int64_t size, int64_t oc, const Window2d& window) {
        run(test::one_layer(Conv2dShape::infer({1, ic, size, size + 3}, oc, window, "wide")), 2, engine,
            numerics, 5, digest, kernels);
      };
      wide(40, 28, 21, Window2d::square(3, 1, 1));
      wide(64, 22, 32, Window2d::square(3, 1, 1));
      wide(200, 12, 37, Window2d::square(1));
      wide(48, 26, 48, Window2d::square(3, 2, 1, 1, 48));
      wide(33, 32, 66, Window2d::square(3, 2, 0, 2, 3));
      wide(3, 105, 20, Window2d::square(11, 4, 2));
    });
    family((way.name + ": every operator").c_str(), [&](Digest& digest) {
      for (const int64_t size : {8, 13})
        run(test::every_operator(size), 19, engine, numerics, 6, digest, kernels);
      run(test::every_operator(100), 2, engine, numerics, 7, digest, kernels);
    });
    family((way.name + ": LeNet-5").c_str(), [&](Digest& digest) {
      run(lenet5(), 33, engine, numerics, 8, digest, kernels, 2);
      run(lenet5_article(), 33, engine, numerics, 9, digest, kernels, 2);
    });
  }
  return all;
}

}  // namespace

int main() {
  std::map<std::string, uint64_t> fused;
  std::set<std::string> kernels;
  bool equal = true;
  const auto ran = test::on_every_target([&](const std::string& target) {
    const auto all = digests(kernels);
    for (const auto& [name, digest] : all)
      std::printf("%s: %s: %016llx\n", target.c_str(), name.c_str(), static_cast<unsigned long long>(digest));
    std::fflush(stdout);
    if (!target.starts_with("AVX") && target != "NEON") return;
    if (fused.empty()) fused = all;
    equal = equal && all == fused;
  });
  for (const std::string& kernel : kernels) std::fprintf(stderr, "ran: %s\n", kernel.c_str());
  if (ran.empty() || !equal) {
    std::fprintf(stderr, "error: targets with fused multiply-add differ\n");
    return 1;
  }
}
