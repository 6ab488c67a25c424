// The convolutions over NHWC, layer by layer, against the peak of the processor and, where they are
// installed, versions of oneDNN. The rivals run in turns, so that what else the machine does meets all.
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include "bench/fma_peak.h"
#include "bench/layer_table.h"
#include "bench/onednn_layer.h"
#include "unfold/kernels/nhwc.h"
#include "unfold/tensor.h"
#include "unfold/threads.h"

using namespace unfold;
using bench::Pass;

namespace {

constexpr const char* kUsage =
    "bench_layers [--batch N] [--threads N] [--layers REGEX] [--pass REGEX] [--repeats N] [--means] "
    "[--json]\n"
    "  --layers  part of a name: \"VGG\", \"^(AlexNet|VGG|ResNet)\"; default: all\n"
    "  --pass    part of \"forward\", \"backward data\", \"backward weights\"\n"
    "  --means   geometric means only, as a Markdown table;  --json: everything, a line a layer and pass\n";

struct Options {
  int64_t batch = 1;
  int threads = 1, repeats = 7;
  std::string layers, pass;
  bool means = false, json = false;
};

Options parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const auto value = [&] {
      if (++i == argc) {
        std::fputs(kUsage, stderr);
        std::exit(2);
      }
      return std::string(argv[i]);
    };
    const auto count = [&] { return std::max(1, std::atoi(value().c_str())); };
    if (name == "--batch") {
      o.batch = count();
    } else if (name == "--threads") {
      o.threads = count();
    } else if (name == "--repeats") {
      o.repeats = count();
    } else if (name == "--layers") {
      o.layers = value();
    } else if (name == "--pass") {
      o.pass = value();
    } else if (name == "--means") {
      o.means = true;
    } else if (name == "--json") {
      o.json = true;
    } else {
      std::fputs(kUsage, stderr);
      std::exit(2);
    }
  }
  return o;
}

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

/// One layer of ours, with all it needs, cut into tasks as a plan cuts it: rows of all images together, or
/// tiles of channels where there are few rows; of dw, tiles.
class Ours {
 public:
  Ours(const Conv2dShape& shape, ThreadPool& pool)
      : s_(shape),
        pool_(pool),
        x_(s_.n * s_.x_image()),
        y_(s_.n * s_.y_image()),
        dx_(s_.n * s_.x_image()),
        packed_(nhwc_weight_floats(s_)),
        turned_(nhwc_turned_weight_floats(s_)),
        dw_(nhwc_weight_floats(s_)),
        b_(s_.oc),
        db_(s_.oc) {
    const int64_t most = std::max(
        {nhwc_forward_scratch(s_), nhwc_backward_data_scratch(s_), nhwc_backward_weights_scratch(s_)});
    for (int worker = 0; worker < pool.threads(); ++worker) scratch_.emplace_back(most);
  }

  const Conv2dShape& shape() const { return s_; }

  void run(Pass pass) {
    const int64_t out = nhwc_output_tiles(s_), in = nhwc_input_tiles(s_);
    if (pass == Pass::forward) {
      each(s_.n * s_.oh, out, [&](const NhwcRange& range, float* scratch) {
        nhwc_forward(s_, range, x_.data(), packed_.data(), b_.data(), NhwcEpilogue::none, y_.data(), scratch);
      });
    } else if (pass == Pass::backward_data) {
      each(s_.n * s_.ih, in, [&](const NhwcRange& range, float* scratch) {
        nhwc_backward_data(s_, range, turned_.data(), y_.data(), dx_.data(), scratch);
      });
    } else {
      each(0, out, [&](const NhwcRange& range, float* scratch) {
        if (range.tile0 == range.tile1) return;
        nhwc_backward_weights(s_, 0, s_.n, range.tile0, range.tile1, x_.data(), y_.data(), NhwcSum::overwrite,
                              dw_.data(), db_.data(), scratch);
      });
    }
  }

 private:
  /// The parts of `rows` (0: never cut) by `tiles`, one a task.
  template <class Task>
  void each(int64_t rows, int64_t tiles, const Task& task) {
    constexpr int64_t kPartsPerThread = 4, kLeastTiles = 4;
    int64_t parts = pool_.threads() == 1 ? 1 : kPartsPerThread * pool_.threads();
    if (rows == 0) parts = std::clamp<int64_t>(tiles / kLeastTiles, pool_.threads(), parts);
    pool_.run(parts, [&](int64_t part, int worker) {
      NhwcRange range{0, 0, tiles * part / parts, tiles * (part + 1) / parts};
      if (rows > 0) range = nhwc_part(rows, tiles, part, parts);
      task(range, scratch_[static_cast<size_t>(worker)].data());
    });
  }

  Conv2dShape s_;
  ThreadPool& pool_;
  Floats x_, y_, dx_, packed_, turned_, dw_, b_, db_;
  std::vector<Floats> scratch_;
};

constexpr std::array<const char*, 3> kPassNames{"forward", "backward data", "backward weights"};

/// Seconds of one of several runs. Sleeps first: GOMP's threads spin for a while behind their last turn
/// (300,000 pauses, some 14 ms where one takes 140 cycles), and would take the processors from this one's.
template <class Run>
double seconds(int64_t times, const Run& run) {
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  if (times > 1) run();
  const auto begin = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < times; ++i) run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() /
         static_cast<double>(times);
}

double fastest(const std::vector<double>& v) {
  return *std::min_element(v.begin(), v.end());
}
double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

/// Geometric means of one pass, ratios against each rival.
struct Mean {
  struct Rival {
    double fastest = 0, median = 0, slowest = 1e30;  // sums of logarithms; least ratio
    int layers = 0;
  };
  double peak = 0;
  int layers = 0;
  std::map<std::string, Rival> rivals;
};

/// One that takes turns with ours.
struct Rival {
  std::string version, kind;
  std::function<void()> run;
  std::vector<double> times;
};

void measure(const Options& o, const bench::Layer& layer, Pass pass, Ours& ours,
             const std::vector<bench::OneDnn>& onednn, Mean& mean) {
  const double flops = 2.0 * static_cast<double>(ours.shape().macs());
  const auto run = [&] { ours.run(pass); };
  run();
  const auto times = std::max<int64_t>(1, static_cast<int64_t>(0.01 / seconds(1, run)));
  std::vector<Rival> rivals;
  for (const bench::OneDnn& module : onednn) {
    Rival rival{module.version, {}, {}, {}};
    try {
      rival.run = module.prepare(ours.shape(), pass, rival.kind);
      rival.run();
      rivals.push_back(std::move(rival));
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s, %s: oneDNN %s: %s\n", layer.name, kPassNames[static_cast<size_t>(pass)],
                   module.version.c_str(), error.what());
    }
  }
  std::vector<double> mine;
  double peak = 0;
  for (int r = 0; r < o.repeats; ++r) {
    peak = std::max(peak, bench::fma_peak_flops());
    mine.push_back(seconds(times, run));
    for (Rival& rival : rivals) rival.times.push_back(seconds(times, rival.run));
  }
  const double best = fastest(mine), share = flops / best / (peak * o.threads);
  mean.peak += std::log(share);
  ++mean.layers;
  const char* name = kPassNames[static_cast<size_t>(pass)];
  if (o.json) {
    std::printf(
        "{\"layer\": \"%s\", \"pass\": \"%s\", \"batch\": %lld, \"threads\": %d, \"fastest_s\": %.4g, "
        "\"median_s\": %.4g, \"of_peak\": %.4f",
        layer.name, name, static_cast<long long>(o.batch), o.threads, best, median(mine), share);
  } else if (!o.means) {
    std::printf("%-28s %-17s %8.2f ms %7.1f GFLOP/s %5.1f %% of peak", layer.name, name, 1e3 * best,
                flops / best / 1e9, 100 * share);
  }
  for (const Rival& rival : rivals) {
    const double by_fastest = fastest(rival.times) / best, by_median = median(rival.times) / median(mine);
    Mean::Rival& m = mean.rivals[rival.version];
    m.fastest += std::log(by_fastest);
    m.median += std::log(by_median);
    m.slowest = std::min(m.slowest, by_fastest);
    ++m.layers;
    if (o.json) {
      std::printf(", \"onednn %s\": {\"fastest\": %.4f, \"median\": %.4f, \"kind\": \"%s\"}",
                  rival.version.c_str(), by_fastest, by_median, rival.kind.c_str());
    } else if (!o.means) {
      std::printf("   oneDNN %s's time / ours %5.2f fastest %5.2f median (%s)", rival.version.c_str(),
                  by_fastest, by_median, rival.kind.c_str());
    }
  }
  if (o.json) std::printf("}");
  if (!o.means) std::printf("\n");
  std::fflush(stdout);
}

void print_means(const Options& o, const std::map<std::pair<bool, Pass>, Mean>& means,
                 const std::vector<bench::OneDnn>& onednn) {
  std::printf("\n| batch %lld, %d thread%s | layers | of peak |", static_cast<long long>(o.batch), o.threads,
              o.threads > 1 ? "s" : "");
  for (const bench::OneDnn& module : onednn)
    std::printf(" oneDNN %s's time / ours: fastest (median) | least |", module.version.c_str());
  std::printf("\n|---|---|---|");
  for (size_t i = 0; i < onednn.size(); ++i) std::printf("---|---|");
  for (const auto& [key, mean] : means) {
    std::printf("\n| %s%s | %d | %.1f %% |", key.first ? "depthwise " : "",
                kPassNames[static_cast<size_t>(key.second)], mean.layers,
                100 * std::exp(mean.peak / mean.layers));
    for (const bench::OneDnn& module : onednn) {
      const auto found = mean.rivals.find(module.version);
      if (found == mean.rivals.end()) {
        std::printf(" - | - |");
        continue;
      }
      const Mean::Rival& m = found->second;
      std::printf(" **%.2f** (%.2f) | %.2f |", std::exp(m.fastest / m.layers), std::exp(m.median / m.layers),
                  m.slowest);
    }
  }
  std::printf("\n");
}

/// The threads of all: OpenMP reads its variable before main, and TBB has as many as the process has
/// processors.
void set_threads(int threads, char** argv) {
  const std::string wanted = std::to_string(threads);
  const char* set = std::getenv("OMP_NUM_THREADS");
  if (!set || wanted != set) {
    ::setenv("OMP_NUM_THREADS", wanted.c_str(), 1);
    ::execv("/proc/self/exe", argv);
  }
  cpu_set_t processors, some;
  CPU_ZERO(&some);
  ::sched_getaffinity(0, sizeof processors, &processors);
  for (int cpu = 0, left = threads; cpu < CPU_SETSIZE && left > 0; ++cpu) {
    if (!CPU_ISSET(cpu, &processors)) continue;
    CPU_SET(cpu, &some);
    --left;
  }
  ::sched_setaffinity(0, sizeof some, &some);
}

}  // namespace

int main(int argc, char** argv) {
  const Options o = parse(argc, argv);
  set_threads(o.threads, argv);
  const std::vector<bench::OneDnn> onednn = bench::load_onednn();
  const FlushDenormals flush;
  ThreadPool pool(o.threads);
  if (!o.json && !o.means)
    std::printf("target %s, %.1f GFLOP/s peak of a core\n", nhwc_target(), bench::fma_peak_flops() / 1e9);
  const std::regex wanted(o.layers), wanted_pass(o.pass);
  std::map<std::pair<bool, Pass>, Mean> means;  // depthwise layers apart
  for (const bench::Layer& layer : bench::layers()) {
    if (!std::regex_search(layer.name, wanted)) continue;
    Ours ours(layer.shape(o.batch), pool);
    for (const Pass pass : {Pass::forward, Pass::backward_data, Pass::backward_weights}) {
      // Nobody wants the gradient of the pictures.
      if (pass == Pass::backward_data && layer.ic == 3) continue;
      if (!std::regex_search(kPassNames[static_cast<size_t>(pass)], wanted_pass)) continue;
      measure(o, layer, pass, ours, onednn, means[{layer.groups > 1, pass}]);
    }
  }
  if (!o.json) print_means(o, means, onednn);
}
