#include "cli/bench_run.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <numeric>

#include "bench/fma_peak.h"
#include "unfold/formats/safetensors.h"
#include "unfold/random.h"

namespace unfold::cli {
namespace {

using BenchClock = std::chrono::steady_clock;

double bench_seconds_since(BenchClock::time_point start) {
  return std::chrono::duration<double>(BenchClock::now() - start).count();
}

/// Images of the set: more than any cache holds, so that gathering a batch costs what it costs in training.
int64_t bench_images(const BenchSettings& o, int64_t pixels) {
  constexpr int64_t kBytes = 64 << 20;
  if (o.inference) return o.batch;
  const int64_t images = o.images ? o.images : kBytes / (pixels * static_cast<int64_t>(sizeof(float)));
  return std::max(o.batch, images);
}

/// The same network with dropout that lets everything through: what falls out, no other program can know.
Graph without_dropout(const Graph& graph) {
  Graph result;
  result.input(graph.shape(graph.input()));
  for (const Node& node : graph.nodes()) {
    const bool dropout = node.op->type() == "Dropout";
    result.add(node.name, dropout ? make_op("Dropout", {{"p", {0}}}) : node.op, node.inputs);
  }
  return result;
}

}  // namespace

BenchResult::Shares BenchResult::shares(int threads) const {
  Shares s;
  double steps = 0;
  for (const Row& row : rows) {
    const double time = row.forward + row.backward;
    steps += time;
    if (row.flops > 0) {
      s.products += time;
    } else if (row.kernel.find(" to ") != std::string::npos) {
      s.layout += time;
    } else {
      s.elementwise += time;
    }
  }
  s.optimizer = optimizer * threads;
  const double whole = watched * threads;
  s.other = std::max(0.0, whole - steps - s.optimizer);
  for (double* part : {&s.products, &s.elementwise, &s.layout, &s.optimizer, &s.other}) *part /= whole;
  return s;
}

BenchRun::BenchRun(const Model& model, const BenchSettings& settings, ThreadPool& pool)
    : settings_(settings),
      model_(model),
      pool_(pool),
      folded_(settings.inference ? fold(model.graph, model.parameters) : std::nullopt),
      plan_(folded_ ? folded_->graph : model.graph, {.batch = settings.batch,
                                                     .training = !settings.inference,
                                                     .engine = settings.engine,
                                                     .numerics = settings.numerics}),
      workspace_(plan_.memory(), pool.threads()),
      parameters_(model.parameters),
      gradient_(model.parameters.shared_table()),
      optimizer_(model.parameters.shared_table(), settings.optimizer),
      pixels_(model.graph.shape(model.graph.input()).elements()),
      chosen_(static_cast<size_t>(settings.batch)),
      results_(static_cast<size_t>(settings.batch)) {
  if (settings.inference) plan_.pack(folded_ ? folded_->parameters : parameters_, workspace_, pool);
  const auto images = static_cast<size_t>(bench_images(settings, pixels_));
  const auto floats = images * static_cast<size_t>(pixels_);
  images_ = Buffer(floats * sizeof(float));
  auto* x = reinterpret_cast<float*>(images_.data());
  Random random(1, "bench");
  // A million and seven different numbers, over and over: images are not multiples of it, so they differ.
  const size_t drawn = std::min<size_t>(floats, 1'000'007);
  for (size_t i = 0; i < drawn; ++i) x[i] = static_cast<float>(random.normal());
  for (size_t i = drawn; i < floats; i += drawn)
    std::memcpy(x + i, x, std::min(drawn, floats - i) * sizeof(float));
  labels_.resize(images);
  const auto classes = static_cast<int64_t>(model.classes.size());
  for (int32_t& v : labels_) v = static_cast<int32_t>(random.below(classes));
  order_.resize(images);
  std::iota(order_.begin(), order_.end(), 0);
  next_ = static_cast<int64_t>(images);  // the first step shuffles
}

/// The batch's images are order_[next_] and those behind it; shuffles first where too few are left.
void BenchRun::choose_images() {
  if (next_ + 2 * settings_.batch > static_cast<int64_t>(order_.size())) {
    next_ = 0;
    if (!settings_.inference) {
      Random random(2, "bench.shuffle", static_cast<uint64_t>(epoch_++));
      for (size_t i = order_.size(); i > 1; --i)
        std::swap(order_[i - 1], order_[static_cast<size_t>(random.below(static_cast<int64_t>(i)))]);
    }
  } else {
    next_ += settings_.batch;
  }
  for (int64_t i = 0; i < settings_.batch; ++i)
    chosen_[static_cast<size_t>(i)] = labels_[static_cast<size_t>(order_[static_cast<size_t>(next_ + i)])];
}

void BenchRun::give(int64_t first, int64_t count, float* x) const {
  const auto* images = reinterpret_cast<const float*>(images_.data());
  for (int64_t i = 0; i < count; ++i)
    std::copy_n(images + order_[static_cast<size_t>(next_ + first + i)] * pixels_, pixels_, x + i * pixels_);
}

void BenchRun::compute() {
  const auto fill = [this](int64_t first, int64_t n, float* x) { give(first, n, x); };
  if (settings_.inference) {
    const Parameters<float>& parameters = folded_ ? folded_->parameters : parameters_;
    plan_.forward(parameters, fill, [](int64_t, int64_t, const float*) {}, workspace_, pool_, true);
  } else {
    plan_.gradient(parameters_, fill, chosen_.data(), gradient_, results_.data(), workspace_, pool_);
  }
}

void BenchRun::step() {
  const FlushDenormals flush;
  choose_images();
  compute();
  if (settings_.inference) return;
  const BenchClock::time_point begin = BenchClock::now();
  optimizer_.step(parameters_, gradient_, 1e-6, pool_);
  optimizer_seconds_ += bench_seconds_since(begin);
}

BenchResult BenchRun::measure() {
  BenchResult r;
  for (int i = 0; i < 2; ++i) step();  // pages, caches, the clock of the processor
  std::vector<double> times;
  for (const BenchClock::time_point start = BenchClock::now();
       static_cast<int64_t>(times.size()) < settings_.repeats ||
       bench_seconds_since(start) < settings_.seconds;) {
    if (times.size() % 16 == 0) r.peak = std::max(r.peak, bench::fma_peak_flops());
    const BenchClock::time_point begin = BenchClock::now();
    step();
    times.push_back(bench_seconds_since(begin));
  }
  r.runs = static_cast<int64_t>(times.size());
  std::sort(times.begin(), times.end());
  r.fastest = times.front();
  r.median = times[times.size() / 2];
  r.bytes = plan_.memory().total(pool_.threads(), sizeof(float));

  // Once more with a watch on each step, so that the watch does not count above.
  const auto steps = plan_.steps();
  const auto count = static_cast<int64_t>(steps.size());
  workspace_.measure(count);
  const int64_t watched = std::clamp<int64_t>(r.runs / 4, 1, 50);
  optimizer_seconds_ = 0;
  const BenchClock::time_point watch = BenchClock::now();
  for (int64_t i = 0; i < watched; ++i) step();
  r.watched = bench_seconds_since(watch) / static_cast<double>(watched);
  r.optimizer = optimizer_seconds_ / static_cast<double>(watched);
  for (int64_t i = 0; i < count; ++i) {
    const auto& info = steps[static_cast<size_t>(i)];
    BenchResult::Row row{info.name, info.kernel, 0, 0, 2 * (info.forward_macs + info.backward_macs)};
    for (int worker = 0; worker < pool_.threads(); ++worker) {
      const StepTimes& t = workspace_.times(worker)[i];
      row.forward += t.forward / static_cast<double>(watched);
      row.backward += (t.backward_data + t.backward_weights) / static_cast<double>(watched);
    }
    r.flops += row.flops;
    r.rows.push_back(row);
  }
  return r;
}

void BenchRun::dump(const std::filesystem::path& path) {
  const FlushDenormals flush;
  choose_images();
  const Graph graph = without_dropout(model_.graph);
  SafetensorsFile file;
  const Shape images = model_.graph.shape(model_.graph.input()).batched(settings_.batch);
  const int64_t classes = model_.graph.shape(model_.graph.output()).elements();
  Tensor input = Tensor::zeros<float>(images);
  const auto fill = [&](int64_t first, int64_t n, float* x) { give(first, n, x); };
  give(0, settings_.batch, input.data<float>());
  Tensor logits = Tensor::zeros<float>({settings_.batch, classes});
  const Plan<float> inference(graph, {.batch = settings_.batch, .engine = settings_.engine});
  Workspace<float> workspace(inference.memory(), pool_.threads());
  inference.forward(
      parameters_, fill,
      [&](int64_t first, int64_t n, const float* y) {
        std::copy_n(y, n * classes, logits.data<float>() + first * classes);
      },
      workspace, pool_);
  file.tensors.emplace_back("input", input);
  file.tensors.emplace_back("labels", Tensor::from<int32_t>({settings_.batch}, chosen_));
  file.tensors.emplace_back("logits", logits);
  if (!settings_.inference) {
    const Plan<float> training(graph, plan_.options());
    Workspace<float> memory(training.memory(), pool_.threads());
    training.gradient(parameters_, fill, chosen_.data(), gradient_, results_.data(), memory, pool_);
    double loss = 0;
    for (const ImageResult& image : results_) loss += image.loss / static_cast<double>(settings_.batch);
    file.tensors.emplace_back("loss", Tensor::from<double>({1}, std::span<const double>(&loss, 1)));
  }
  const ParameterTable& table = parameters_.table();
  for (int i = 0; i < static_cast<int>(table.slices().size()); ++i) {
    file.tensors.emplace_back(table[i].name, parameters_.tensor(i));
    if (!settings_.inference) file.tensors.emplace_back("gradient." + table[i].name, gradient_.tensor(i));
  }
  write_safetensors(path, file);
}

}  // namespace unfold::cli
