// Every network that is known by name against PyTorch's float64 results, those of torchvision where it has
// the network: the names and shapes of the parameters, the logits, the loss and all gradients of a step of
// training. What was recorded of a gradient is its norm and its products with four vectors of random numbers
// r in [-1, 1): those of an error of norm e are about e / sqrt(3) each, so e can be told.
#include <doctest/doctest.h>

#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <sstream>

#include "tests/oracle/oracle.h"
#include "unfold/model.h"
#include "unfold/ops/dropout.h"

using namespace unfold;

namespace {

constexpr int64_t kBatch = 4;

int64_t key_of(const std::string& name) {
  return static_cast<int64_t>(
      crc32(0, reinterpret_cast<const Bytef*>(name.data()), static_cast<uInt>(name.size())));
}

Graph without_dropout(const Graph& from) {
  Graph g;
  g.input(from.shape(from.input()));
  for (const Node& node : from.nodes()) {
    const bool dropout = node.op->type() == "Dropout";
    g.add(node.name, dropout ? std::make_shared<Dropout>(0.0) : node.op, node.inputs);
  }
  return g;
}

/// As drawn() of torch_models.py.
template <class T>
void draw(Parameters<T>& parameters) {
  int index = 0;
  for (const ParameterSlice& slice : parameters.table().slices()) {
    T* const values = parameters.slice(index++);
    const int64_t elements = slice.shape.elements();
    const auto numbers = oracle::numbers(elements, key_of(slice.name));
    const bool matrix = slice.shape.rank() > 1;
    const auto scale = static_cast<double>(
        static_cast<float>(matrix ? std::sqrt(6.0 / static_cast<double>(elements / slice.shape[0])) : 0.25));
    const double middle = !matrix && (slice.name.ends_with("weight") || slice.name.ends_with("var")) ? 1 : 0;
    for (int64_t i = 0; i < elements; ++i)
      values[i] = static_cast<T>(static_cast<float>(middle + numbers[static_cast<size_t>(i)] * scale));
  }
}

/// A network with its weights and images, as the recorded one had them.
template <class T>
struct Subject {
  Graph graph;
  Parameters<T> parameters;
  std::vector<T> images;

  Subject(const oracle::Values& values, const std::string& name)
      : graph(without_dropout(
            make_graph(name, {.image = Shape(values.operator()<int64_t>(name + ".image")), .classes = 10}))),
        parameters(graph.parameter_table()),
        images(oracle::as<T>(oracle::numbers(kBatch * graph.shape(graph.input()).elements(), key_of(name)))) {
    draw(parameters);
  }
  void fill(int64_t first, int64_t n, T* to) const {
    const auto pixels = static_cast<int64_t>(images.size()) / kBatch;
    std::copy_n(images.data() + first * pixels, n * pixels, to);
  }
};

/// |got - want| / |want|, both seen as vectors.
template <class T>
double relative(std::span<const T> got, std::span<const double> want) {
  double off = 0, size = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    const double d = static_cast<double>(got[i]) - want[i];
    off += d * d;
    size += want[i] * want[i];
  }
  return got.size() == want.size() ? std::sqrt(off / size) : std::nan("");
}

/// Of the outputs in inference, with batch normalisations folded or not.
double inference_error(const oracle::Values& values, const std::string& name, Numerics numerics,
                       bool folded) {
  const Subject<float> s(values, name);
  const std::optional<Folded> f = folded ? fold(s.graph, s.parameters) : std::nullopt;
  const Plan<float> plan(f ? f->graph : s.graph, {.batch = kBatch, .numerics = numerics});
  ThreadPool pool(2);
  Workspace<float> workspace(plan.memory(), 2);
  std::vector<float> got(kBatch * 10);
  plan.forward(
      f ? f->parameters : s.parameters, [&](int64_t first, int64_t n, float* to) { s.fill(first, n, to); },
      [&](int64_t first, int64_t n, const float* y) { std::copy_n(y, n * 10, got.data() + first * 10); },
      workspace, pool);
  return relative(std::span<const float>(got), values(name + ".asked"));
}

/// Relative errors, L2: of all logits, the loss, all gradients, and the worst parameter's gradient.
struct Errors {
  double logits = 0, loss = 0, gradients = 0, worst_gradient = 0;
  std::string worst;
};

/// A step of training.
template <class T>
Errors training_errors(const oracle::Values& values, const std::string& name, Numerics numerics) {
  const Subject<T> s(values, name);
  Parameters<T> gradient(s.parameters.shared_table());
  std::vector<int32_t> labels;
  for (int64_t i = 0; i < kBatch; ++i) labels.push_back(static_cast<int32_t>(i));
  std::vector<ImageResult> results(kBatch);
  ThreadPool pool(2);
  const Plan<T> plan(s.graph, {.batch = kBatch, .training = true, .numerics = numerics, .keep = true});
  Workspace<T> workspace(plan.memory(), 2);
  plan.gradient(
      s.parameters, [&](int64_t first, int64_t n, T* to) { s.fill(first, n, to); }, labels.data(), gradient,
      results.data(), workspace, pool);

  Errors e;
  std::vector<T> logits;
  double loss = 0;
  for (int64_t i = 0; i < kBatch; ++i) {
    loss += results[static_cast<size_t>(i)].loss / kBatch;
    const auto row = plan.value(s.graph.output(), i, workspace);
    logits.insert(logits.end(), row.begin(), row.end());
  }
  e.logits = relative(std::span<const T>(logits), values(name + ".logits"));
  e.loss = std::abs(loss - values(name + ".loss")[0]) / values(name + ".loss")[0];

  const auto kept = values(name + ".gradients");
  double all_off = 0, all_size = 0;
  size_t row = 0;
  int index = 0;
  for (const ParameterSlice& slice : gradient.table().slices()) {
    const T* const dw = gradient.slice(index++);
    if (slice.kind == ParameterKind::buffer) continue;
    double squares = 0;
    for (int64_t k = 1; k <= 4; ++k) {
      const auto r = oracle::numbers(slice.shape.elements(), key_of(slice.name) + k);
      double product = 0;
      for (size_t i = 0; i < r.size(); ++i) product += static_cast<double>(dw[i]) * r[i];
      const double d = product - kept[row * 5 + static_cast<size_t>(k)];
      squares += 3 * d * d / 4;
    }
    const double norm = kept[row++ * 5];
    all_off += squares;
    all_size += norm * norm;
    // A bias before a batch normalisation has no gradient but rounding.
    if (norm > 1e-9 && !(std::sqrt(squares) / norm <= e.worst_gradient))
      e.worst_gradient = std::sqrt(squares) / norm, e.worst = slice.name;
  }
  e.gradients = std::sqrt(all_off / all_size);
  return e;
}

/// The networks that are asked for: all, or those that the environment names, with commas.
std::vector<std::string> chosen() {
  const char* const some = std::getenv("UNFOLD_TEST_MODELS");
  std::vector<std::string> names;
  for (const std::string_view view : model_names()) {
    const std::string name(view);
    if (!some || ("," + std::string(some) + ",").find("," + name + ",") != std::string::npos)
      names.push_back(name);
  }
  return names;
}

/// The names in the order of PyTorch's named_parameters().
std::vector<std::string> recorded_names(const std::string& name) {
  const auto file = read_safetensors(std::string(UNFOLD_TEST_DATA) + "/models.safetensors");
  std::stringstream list(file.metadata.at(name));
  std::vector<std::string> names;
  for (std::string one; std::getline(list, one, ',');) names.push_back(one);
  return names;
}

}  // namespace

TEST_CASE("every network has PyTorch's parameters, by name and in order") {
  for (const std::string_view name : model_names()) {
    CAPTURE(name);
    std::vector<std::string> names;
    const auto table = make_graph(name).parameter_table();
    for (const ParameterSlice& slice : table->slices()) {
      if (slice.kind == ParameterKind::weight) names.push_back(slice.name);
    }
    CHECK(names == recorded_names(std::string(name)));
  }
}

TEST_CASE("outputs in inference are PyTorch's, with normalisations folded or not") {
  const oracle::Values values("models");
  for (const std::string& name : chosen()) {
    CAPTURE(name);
    for (const Numerics numerics : {Numerics::exact, Numerics::fast}) {
      const double error = inference_error(values, name, numerics, true);
      MESSAGE(name << " " << numerics_name(numerics) << ": " << error);
      CHECK(error <= (numerics == Numerics::exact ? 1e-5 : 1e-4));
      CHECK(inference_error(values, name, numerics, false) <= (numerics == Numerics::exact ? 1e-5 : 1e-4));
    }
  }
}

TEST_CASE("logits, loss and gradients of a step are PyTorch's: in double to the last digits") {
  const oracle::Values values("models");
  for (const std::string& name : chosen()) {
    CAPTURE(name);
    const Errors e = training_errors<double>(values, name, Numerics::exact);
    MESSAGE(name << ": logits " << e.logits << ", loss " << e.loss << ", gradients " << e.gradients
                 << ", worst " << e.worst_gradient << " in " << e.worst);
    CHECK(e.logits <= 1e-11);
    CHECK(e.loss <= 1e-11);
    CHECK(e.gradients <= 1e-10);
    CHECK(e.worst_gradient <= 1e-9);
  }
}

// In float a ReLU or a maximum may fall to the other side, and with it a gradient of its own size; and
// normalisation of few numbers, layer upon layer, makes rounding larger. So the bounds are wide: PyTorch's
// own float32 is no nearer.
TEST_CASE("logits, loss and gradients of a step are PyTorch's: in float within what rounding does") {
  const oracle::Values values("models");
  for (const std::string& name : chosen()) {
    CAPTURE(name);
    for (const Numerics numerics : {Numerics::exact, Numerics::fast}) {
      const Errors e = training_errors<float>(values, name, numerics);
      MESSAGE(name << " " << numerics_name(numerics) << ": logits " << e.logits << ", loss " << e.loss
                   << ", gradients " << e.gradients << ", worst " << e.worst_gradient << " in " << e.worst);
      CHECK(e.logits <= 1e-4);
      CHECK(e.loss <= 1e-4);
      CHECK(e.gradients <= 0.05);
    }
  }
}
