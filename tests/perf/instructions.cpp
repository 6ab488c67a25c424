// Work whose instructions callgrind counts: a training step of LeNet-5 and single layers, forward and
// backward, by the AVX2 target, on one thread. Set up and run once outside what is counted. See
// scripts/instructions.sh.
#include <hwy/highway.h>
#include <valgrind/callgrind.h>

#include <cstdio>
#include <exception>
#include <vector>

#include "unfold/kernels/gemm.h"
#include "unfold/model.h"
#include "unfold/random.h"
#include "unfold/train/optimizer.h"

using namespace unfold;

namespace {

/// Counts body(), by the name that callgrind writes on its dump.
template <class Body>
void count(const char* name, Body body) {
  body();
  CALLGRIND_ZERO_STATS;
  CALLGRIND_TOGGLE_COLLECT;
  body();
  CALLGRIND_TOGGLE_COLLECT;
  CALLGRIND_DUMP_STATS_AT(name);
}

std::vector<float> values(int64_t count) {
  std::vector<float> all(static_cast<size_t>(count));
  Random random(1, "values");
  for (float& v : all) v = static_cast<float>(random.normal());
  return all;
}

auto reader(const std::vector<float>& from, int64_t image) {
  return [&from, image](int64_t first, int64_t n, float* to) {
    std::copy_n(from.data() + first * image, n * image, to);
  };
}

/// The article's net: forward, loss, backward, Adam.
void lenet5_step(int64_t batch) {
  Model model = make_model("lenet5-article", 0);
  const auto table = model.parameters.shared_table();
  Parameters<float> gradient(table);
  Optimizer<float> adam(table, {});
  const Plan<float> plan(model.graph, {.batch = batch, .training = true});
  ThreadPool pool(1);
  Workspace<float> workspace(plan.memory(), 1);
  const int64_t pixels = model.graph.shape(model.graph.input()).elements();
  const auto x = values(batch * pixels);
  std::vector<int32_t> labels(static_cast<size_t>(batch));
  for (size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<int32_t>(i % 10);
  std::vector<ImageResult> results(labels.size());
  count("lenet5-step", [&] {
    plan.gradient(model.parameters, reader(x, pixels), labels.data(), gradient, results.data(), workspace,
                  pool);
    adam.step(model.parameters, gradient, 1e-3, pool);
  });
}

struct Layer {
  const char* name;
  const char* kernel;  ///< that has to run
  Shape image;
  int64_t out;
  Window2d window;  ///< no taps: a linear layer
  int64_t batch;
  Numerics numerics = Numerics::exact;
};

/// All passes of one layer; its plan must pick the kernel that the count is of.
void layer(const Layer& l) {
  Graph g;
  ValueId x = g.input(l.image);
  if (l.image.rank() == 1) {
    g.linear("layer", x, l.out);
  } else {
    g.flatten("flatten", g.conv2d("layer", x, l.out, l.window));
  }
  const Plan<float> plan(
      g, {.batch = l.batch, .training = true, .numerics = l.numerics, .input_gradient = true});
  bool runs = false;
  for (const std::string& kernel : plan.kernels()) runs = runs || kernel == l.kernel;
  if (!runs) {
    throw Error(ErrorKind::runtime, "another kernel runs than the one to be counted")
        .where(l.name)
        .wanted(l.kernel)
        .got(plan.text());
  }
  Parameters<float> parameters(g.parameter_table()), gradient(g.parameter_table());
  initialise(parameters, Init::pytorch, 1);
  ThreadPool pool(1);
  Workspace<float> workspace(plan.memory(), 1);
  const int64_t in = l.image.elements(), out = g.shape(g.output()).elements();
  const auto images = values(l.batch * in), dy = values(l.batch * out);
  count(l.name, [&] {
    plan.gradient_from(parameters, reader(images, in), reader(dy, out), gradient, workspace, pool);
  });
}

void all() {
  hwy::SetSupportedTargetsForTest(HWY_AVX2);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  if (gemm_target() != "AVX2") {
    throw Error(ErrorKind::runtime, "the counts are those of AVX2").got(std::string(gemm_target()));
  }
  lenet5_step(32);
  const auto three = Window2d::square(3, 1, 1);
  layer({"conv-lanes-5x5", "conv2d/lanes", {6, 14, 14}, 16, Window2d::square(5), 16});
  layer({"conv-nhwc-3x3", "conv2d/nhwc", {64, 24, 24}, 64, three, 1});
  layer({"conv-nhwc-3x3-winograd", "conv2d/nhwc-winograd", {64, 24, 24}, 64, three, 1, Numerics::fast});
  layer({"conv-nhwc-1x1", "conv2d/nhwc", {128, 17, 17}, 64, Window2d::square(1), 1});
  layer({"conv-nhwc-depthwise", "conv2d/nhwc", {64, 24, 24}, 64, Window2d::square(3, 1, 1, 1, 64), 1});
  layer({"linear", "linear/lanes", {400}, 120, {}, 16});
}

}  // namespace

int main() {
  try {
    all();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 1;
  }
}
