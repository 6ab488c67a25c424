// The convolutions over NHWC, layer by layer, against the peak of the processor and, where it is installed,
// oneDNN. One thread, one image. The rivals run in turns, so that what else the machine does meets both.
//
//   bench_layers [part of a layer's name [repeats [part of a pass's name]]]
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include <unistd.h>

#include "bench/fma_peak.h"
#include "bench/onednn_layer.h"
#include "unfold/kernels/nhwc.h"
#include "unfold/tensor.h"
#include "unfold/threads.h"

using namespace unfold;
using bench::Pass;

namespace {

struct Layer {
  const char* name;
  int64_t ic, size, oc, kernel, stride, pad;
  int64_t groups = 1;
};

/// Every shape once, in the network that has it first.
constexpr auto kLayers = std::to_array<Layer>({
    {"AlexNet conv1", 3, 224, 64, 11, 4, 2},
    {"AlexNet conv2", 64, 27, 192, 5, 1, 2},
    {"AlexNet conv3", 192, 13, 384, 3, 1, 1},
    {"AlexNet conv4", 384, 13, 256, 3, 1, 1},
    {"AlexNet conv5", 256, 13, 256, 3, 1, 1},
    {"VGG-16 conv1_1", 3, 224, 64, 3, 1, 1},
    {"VGG-16 conv1_2", 64, 224, 64, 3, 1, 1},
    {"VGG-16 conv2_1", 64, 112, 128, 3, 1, 1},
    {"VGG-16 conv2_2", 128, 112, 128, 3, 1, 1},
    {"VGG-16 conv3_1", 128, 56, 256, 3, 1, 1},
    {"VGG-16 conv3_2", 256, 56, 256, 3, 1, 1},
    {"VGG-16 conv4_1", 256, 28, 512, 3, 1, 1},
    {"VGG-16 conv4_2", 512, 28, 512, 3, 1, 1},
    {"VGG-16 conv5", 512, 14, 512, 3, 1, 1},
    {"ResNet-18 conv1", 3, 224, 64, 7, 2, 3},
    {"ResNet-18 layer1", 64, 56, 64, 3, 1, 1},
    {"ResNet-18 layer2.0.conv1", 64, 56, 128, 3, 2, 1},
    {"ResNet-18 layer2", 128, 28, 128, 3, 1, 1},
    {"ResNet-18 layer2.downsample", 64, 56, 128, 1, 2, 0},
    {"ResNet-18 layer3.0.conv1", 128, 28, 256, 3, 2, 1},
    {"ResNet-18 layer3", 256, 14, 256, 3, 1, 1},
    {"ResNet-18 layer3.downsample", 128, 28, 256, 1, 2, 0},
    {"ResNet-18 layer4.0.conv1", 256, 14, 512, 3, 2, 1},
    {"ResNet-18 layer4", 512, 7, 512, 3, 1, 1},
    {"ResNet-18 layer4.downsample", 256, 14, 512, 1, 2, 0},
    {"ResNet-50 layer1.0.conv1", 64, 56, 64, 1, 1, 0},
    {"ResNet-50 layer1.conv3", 64, 56, 256, 1, 1, 0},
    {"ResNet-50 layer1.conv1", 256, 56, 64, 1, 1, 0},
    {"ResNet-50 layer2.0.conv1", 256, 56, 128, 1, 1, 0},
    {"ResNet-50 layer2.0.conv2", 128, 56, 128, 3, 2, 1},
    {"ResNet-50 layer2.downsample", 256, 56, 512, 1, 2, 0},
    {"ResNet-50 layer2.conv1", 512, 28, 128, 1, 1, 0},
    {"ResNet-50 layer2.conv3", 128, 28, 512, 1, 1, 0},
    {"ResNet-50 layer3.0.conv1", 512, 28, 256, 1, 1, 0},
    {"ResNet-50 layer3.0.conv2", 256, 28, 256, 3, 2, 1},
    {"ResNet-50 layer3.downsample", 512, 28, 1024, 1, 2, 0},
    {"ResNet-50 layer3.conv1", 1024, 14, 256, 1, 1, 0},
    {"ResNet-50 layer3.conv3", 256, 14, 1024, 1, 1, 0},
    {"ResNet-50 layer4.0.conv1", 1024, 14, 512, 1, 1, 0},
    {"ResNet-50 layer4.0.conv2", 512, 14, 512, 3, 2, 1},
    {"ResNet-50 layer4.downsample", 1024, 14, 2048, 1, 2, 0},
    {"ResNet-50 layer4.conv1", 2048, 7, 512, 1, 1, 0},
    {"ResNet-50 layer4.conv3", 512, 7, 2048, 1, 1, 0},
    {"MobileNetV1 depthwise 1", 32, 112, 32, 3, 1, 1, 32},
    {"MobileNetV1 depthwise 2", 64, 112, 64, 3, 2, 1, 64},
    {"MobileNetV1 depthwise 3", 128, 56, 128, 3, 1, 1, 128},
    {"MobileNetV1 depthwise 5", 256, 28, 256, 3, 1, 1, 256},
    {"MobileNetV1 depthwise 7", 512, 14, 512, 3, 1, 1, 512},
    {"MobileNetV1 depthwise 13", 1024, 7, 1024, 3, 1, 1, 1024},
});

/// Memory of the kernels, filled with small numbers.
class Floats {
 public:
  explicit Floats(int64_t count) : buffer_(static_cast<size_t>(count) * sizeof(float)) {
    for (int64_t i = 0; i < count; ++i) data()[i] = static_cast<float>(static_cast<int>(i * 7 % 13) - 6) / 8;
  }
  float* data() { return reinterpret_cast<float*>(buffer_.data()); }

 private:
  Buffer buffer_;
};

/// One layer of ours, with all it needs.
struct Ours {
  Conv2dShape s;
  Floats x, y, dx, packed, turned, dw, b, db, forward, data, weights;

  explicit Ours(const Conv2dShape& shape)
      : s(shape),
        x(s.x_image()),
        y(s.y_image()),
        dx(s.x_image()),
        packed(nhwc_weight_floats(s)),
        turned(nhwc_turned_weight_floats(s)),
        dw(nhwc_weight_floats(s)),
        b(s.oc),
        db(s.oc),
        forward(nhwc_forward_scratch(s)),
        data(nhwc_backward_data_scratch(s)),
        weights(nhwc_backward_weights_scratch(s)) {}

  void run(Pass pass) {
    if (pass == Pass::forward) {
      nhwc_forward(s, {0, s.oh, 0, nhwc_output_tiles(s)}, x.data(), packed.data(), b.data(),
                   NhwcEpilogue::none, y.data(), forward.data());
    } else if (pass == Pass::backward_data) {
      nhwc_backward_data(s, {0, s.ih, 0, nhwc_input_tiles(s)}, turned.data(), y.data(), dx.data(),
                         data.data());
    } else {
      nhwc_backward_weights(s, 0, 1, 0, nhwc_output_tiles(s), x.data(), y.data(), NhwcSum::overwrite,
                            dw.data(), db.data(), weights.data());
    }
  }
};

constexpr std::array<const char*, 3> kPassNames{"forward", "backward data", "backward weights"};

template <class Run>
double seconds(int64_t times, const Run& run) {
  const auto begin = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < times; ++i) run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() /
         static_cast<double>(times);
}

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

/// Geometric means of one pass.
struct Mean {
  double peak = 0, fastest = 0, median = 0;  // sums of logarithms
  int layers = 0, rivals = 0;
};

void measure(const Layer& layer, Pass pass, Ours& ours, int repeats, Mean& mean) {
  const double flops = 2.0 * static_cast<double>(ours.s.macs());
  const auto run = [&] { ours.run(pass); };
  run();
  const auto times = std::max<int64_t>(1, static_cast<int64_t>(0.01 / seconds(1, run)));
  std::string kind;
  std::function<void()> rival;
#ifdef UNFOLD_BENCH_ONEDNN
  rival = bench::onednn_pass(ours.s, pass, kind);
  rival();
#endif
  std::vector<double> mine, theirs;
  double peak = 0;
  for (int r = 0; r < repeats; ++r) {
    peak = std::max(peak, bench::fma_peak_flops());
    mine.push_back(seconds(times, run));
    if (rival) theirs.push_back(seconds(times, rival));
  }
  const double fastest = *std::min_element(mine.begin(), mine.end()), share = flops / fastest / peak;
  std::printf("%-28s %-17s %7.1f GFLOP/s %5.1f %% of peak", layer.name, kPassNames[static_cast<size_t>(pass)],
              flops / fastest / 1e9, 100 * share);
  mean.peak += std::log(share);
  ++mean.layers;
  if (rival) {
    const double by_fastest = *std::min_element(theirs.begin(), theirs.end()) / fastest;
    const double by_median = median(theirs) / median(mine);
    std::printf("   oneDNN's time / ours %5.2f fastest %5.2f median  (%s)", by_fastest, by_median,
                kind.c_str());
    mean.fastest += std::log(by_fastest);
    mean.median += std::log(by_median);
    ++mean.rivals;
  }
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  // OpenMP reads this before main.
  if (!std::getenv("OMP_NUM_THREADS")) {
    ::setenv("OMP_NUM_THREADS", "1", 1);
    ::execv("/proc/self/exe", argv);
  }
  const std::string part = argc > 1 ? argv[1] : "";
  const int repeats = argc > 2 ? std::atoi(argv[2]) : 7;
  const std::string pass_part = argc > 3 ? argv[3] : "";
  const FlushDenormals flush;
  std::printf("target %s, %.1f GFLOP/s peak\n", nhwc_target(), bench::fma_peak_flops() / 1e9);
  std::map<std::pair<bool, Pass>, Mean> means;  // depthwise layers apart
  for (const Layer& layer : kLayers) {
    if (std::string(layer.name).find(part) == std::string::npos) continue;
    const Conv2dShape s = Conv2dShape::infer(
        {1, layer.ic, layer.size, layer.size}, layer.oc,
        Window2d::square(layer.kernel, layer.stride, layer.pad, 1, layer.groups), layer.name);
    Ours ours(s);
    for (const Pass pass : {Pass::forward, Pass::backward_data, Pass::backward_weights}) {
      // Nobody wants the gradient of the pictures.
      if (pass == Pass::backward_data && layer.ic == 3) continue;
      if (std::string(kPassNames[static_cast<size_t>(pass)]).find(pass_part) == std::string::npos) continue;
      measure(layer, pass, ours, repeats, means[{s.window.groups > 1, pass}]);
    }
  }
  std::printf("\ngeometric means\n");
  for (const auto& [key, mean] : means) {
    std::printf("%-10s%-17s %5.1f %% of peak", key.first ? "depthwise" : "wide",
                kPassNames[static_cast<size_t>(key.second)], 100 * std::exp(mean.peak / mean.layers));
    if (mean.rivals) {
      std::printf("   oneDNN's time / ours %5.3f fastest %5.3f median", std::exp(mean.fastest / mean.rivals),
                  std::exp(mean.median / mean.rivals));
    }
    std::printf("\n");
  }
}
