#include "cli/bench_layers.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <map>
#include <sstream>

#include "bench/fma_peak.h"
#include "unfold/random.h"

namespace unfold::cli {
namespace {

constexpr std::string_view kLayerHint =
    "a layer reads like \"ic64 ih56 oc128 kh3 sh2 ph1\": see unfold bench --help";

Error bad_layer(const std::string& layer, const std::string& what) {
  return Error(ErrorKind::usage, what).where("layer \"" + layer + "\"").hint(kLayerHint);
}

/// Letters and the number behind them, and the name.
struct Fields {
  std::map<std::string, int64_t> numbers;
  std::string name;
};

Fields fields_of(const std::string& layer) {
  static constexpr std::string_view kKnown[] = {"mb", "g",  "ic", "oc", "ih", "iw", "oh", "ow",
                                                "kh", "kw", "sh", "sw", "ph", "pw", "dh", "dw"};
  Fields fields;
  for (size_t i = 0; i < layer.size();) {
    if (layer[i] == ' ' || layer[i] == '_' || layer[i] == '\t' || layer[i] == '\r') {
      ++i;
      continue;
    }
    if (layer.compare(i, 2, "n\"") == 0) {
      const size_t end = layer.find('"', i + 2);
      if (end == std::string::npos) throw bad_layer(layer, "a name without its second quotation mark");
      fields.name = layer.substr(i + 2, end - i - 2);
      i = end + 1;
      continue;
    }
    const size_t begin = i;
    while (i < layer.size() && layer[i] >= 'a' && layer[i] <= 'z') ++i;
    const std::string key = layer.substr(begin, i - begin);
    if (std::find(std::begin(kKnown), std::end(kKnown), key) == std::end(kKnown)) {
      const std::string got = key.empty() ? layer.substr(begin, 1) : key;
      if (layer.find_first_of("./") != std::string::npos) {
        throw Error(ErrorKind::usage, "there is no such file of layers").where(layer).hint(kLayerHint);
      }
      throw bad_layer(layer, "unknown size \"" + got + "\"");
    }
    int64_t value = 0;
    const auto [end, error] = std::from_chars(layer.data() + i, layer.data() + layer.size(), value);
    if (error != std::errc() || value < 0 || value > (1 << 20))
      throw bad_layer(layer, "\"" + key + "\" needs a number from 0 to 1048576 behind it");
    i = static_cast<size_t>(end - layer.data());
    if (!fields.numbers.emplace(key, value).second)
      throw bad_layer(layer, "\"" + key + "\" stands there twice");
  }
  return fields;
}

/// Padding behind the image so that an output of `out` comes out; as before it, if none is asked for.
int64_t pad_behind(const Fields& f, const char* out, int64_t size, int64_t kernel, int64_t stride,
                   int64_t pad, int64_t dilation) {
  const auto wanted = f.numbers.find(out);
  if (wanted == f.numbers.end()) return pad;
  return std::max<int64_t>(0, (wanted->second - 1) * stride + dilation * (kernel - 1) + 1 - size - pad);
}

BenchLayer parse_layer(const std::string& text, int64_t batch) {
  const Fields f = fields_of(text);
  const auto get = [&](const char* key, int64_t otherwise) {
    const auto found = f.numbers.find(key);
    return found == f.numbers.end() ? otherwise : found->second;
  };
  const auto need = [&](const char* key) {
    const int64_t value = get(key, 0);
    if (value < 1) throw bad_layer(text, std::string("\"") + key + "\" is missing or 0");
    return value;
  };
  const int64_t ic = need("ic"), oc = need("oc"), ih = need("ih"), iw = get("iw", ih);
  Window2d w;
  w.kernel_h = need("kh");
  w.kernel_w = get("kw", w.kernel_h);
  w.stride_h = get("sh", 1);
  w.stride_w = get("sw", w.stride_h);
  w.dilation_h = 1 + get("dh", 0);
  w.dilation_w = 1 + get("dw", get("dh", 0));
  w.groups = get("g", 1);
  w.pad_top = get("ph", 0);
  w.pad_left = get("pw", w.pad_top);
  w.pad_bottom = pad_behind(f, "oh", ih, w.kernel_h, w.stride_h, w.pad_top, w.dilation_h);
  w.pad_right = pad_behind(f, f.numbers.count("ow") ? "ow" : "oh", iw, w.kernel_w, w.stride_w, w.pad_left,
                           w.dilation_w);
  if (f.numbers.count("oh") && !f.numbers.count("ow") && iw != ih)
    w.pad_right = w.pad_left;  // the height says nothing of the width
  const std::string where = "layer \"" + text + "\"";
  BenchLayer layer{f.name.empty() ? text : f.name,
                   Conv2dShape::infer({get("mb", batch), ic, ih, iw}, oc, w, where)};
  for (const auto& [key, size] : {std::pair("oh", layer.shape.oh), std::pair("ow", layer.shape.ow)}) {
    if (get(key, size) != size)
      throw bad_layer(text, std::string("\"") + key + "\" is not what the other sizes give")
          .wanted(std::to_string(size))
          .got(std::to_string(get(key, size)));
  }
  if (layer.shape.n < 1 || layer.shape.y_image() < 1) throw bad_layer(text, "nothing to compute");
  return layer;
}

std::vector<float> bench_noise(int64_t count, std::string_view stream) {
  std::vector<float> values(static_cast<size_t>(count));
  Random random(1, stream);
  for (float& v : values) v = static_cast<float>(random.uniform() - 0.5);
  return values;
}

}  // namespace

std::vector<BenchLayer> parse_layers(const std::string& text, int64_t batch) {
  std::vector<BenchLayer> layers;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream parts(line.substr(0, line.find('#')));
    for (std::string part; std::getline(parts, part, ';');) {
      const size_t begin = part.find_first_not_of(" \t\r"), end = part.find_last_not_of(" \t\r");
      if (begin != std::string::npos)
        layers.push_back(parse_layer(part.substr(begin, end - begin + 1), batch));
    }
  }
  if (layers.empty())
    throw Error(ErrorKind::usage, "no layer in the list").where("--layers").hint(kLayerHint);
  return layers;
}

std::vector<LayerTime> time_layer(const BenchLayer& layer, const BenchSettings& settings, ThreadPool& pool) {
  const Conv2dShape& s = layer.shape;
  Graph graph;
  graph.flatten("flatten", graph.conv2d("conv", graph.input({s.ic, s.ih, s.iw}), s.oc, s.window));
  const Plan<float> plan(graph, {.batch = s.n,
                                 .training = !settings.inference,
                                 .engine = settings.engine,
                                 .numerics = settings.numerics,
                                 .input_gradient = true});
  Workspace<float> workspace(plan.memory(), pool.threads());
  Parameters<float> parameters(graph.parameter_table()), gradient(graph.parameter_table());
  initialise(parameters, Init::pytorch, 1);
  // One image and one gradient for all: the work does not depend on what they show.
  const std::vector<float> x = bench_noise(s.x_image(), "bench.x"), dy = bench_noise(s.y_image(), "bench.dy");
  const auto repeat = [](const std::vector<float>& image) {
    return [&image](int64_t, int64_t count, float* to) {
      for (int64_t i = 0; i < count; ++i) to = std::copy(image.begin(), image.end(), to);
    };
  };
  const auto fill = repeat(x), give = repeat(dy);

  const auto steps = plan.steps();
  const auto count = static_cast<int64_t>(steps.size());
  const auto conv =
      static_cast<int64_t>(std::find_if(steps.begin(), steps.end(),
                                        [](const auto& step) { return step.name.starts_with("conv"); }) -
                           steps.begin());
  std::vector<LayerTime> passes = {{"forward", steps[static_cast<size_t>(conv)].kernel}};
  if (!settings.inference) {
    passes.push_back({"backward data", passes.front().kernel});
    passes.push_back({"backward weights", passes.front().kernel});
  }
  std::vector<std::vector<double>> times(passes.size());
  const FlushDenormals flush;
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  const auto enough = [&](int64_t run) {
    return run > settings.repeats &&
           std::chrono::duration<double>(Clock::now() - start).count() >= settings.seconds;
  };
  double peak = 0;
  for (int64_t run = 0; !enough(run); ++run) {
    if (run % 16 == 0) peak = std::max(peak, bench::fma_peak_flops());
    workspace.measure(count);
    if (settings.inference) {
      plan.forward(parameters, fill, [](int64_t, int64_t, const float*) {}, workspace, pool);
    } else {
      plan.gradient_from(parameters, fill, give, gradient, workspace, pool);
    }
    if (run == 0) continue;  // pages and caches
    // The busiest worker's time is the pass's, but for the wait at its end.
    StepTimes most;
    for (int worker = 0; worker < pool.threads(); ++worker) {
      const StepTimes& t = workspace.times(worker)[conv];
      most.forward = std::max(most.forward, t.forward);
      most.backward_data = std::max(most.backward_data, t.backward_data);
      most.backward_weights = std::max(most.backward_weights, t.backward_weights);
    }
    const double found[] = {most.forward, most.backward_data, most.backward_weights};
    for (size_t p = 0; p < passes.size(); ++p) times[p].push_back(found[p]);
  }
  for (size_t p = 0; p < passes.size(); ++p) {
    std::sort(times[p].begin(), times[p].end());
    passes[p].fastest = times[p].front();
    passes[p].median = times[p][times[p].size() / 2];
    passes[p].peak = peak;
  }
  return passes;
}

}  // namespace unfold::cli
