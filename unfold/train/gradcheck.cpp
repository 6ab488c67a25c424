#include "unfold/train/gradcheck.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "unfold/plan.h"
#include "unfold/random.h"

namespace unfold {
namespace {

/// The function whose derivative is checked, and its derivative by the backward pass.
class Probe {
 public:
  Probe(const Graph& graph, const GradcheckOptions& o)
      : o_(o),
        graph_(graph),
        pool_(1),
        plan_(graph, {.batch = o.batch,
                      .training = true,
                      .engine = Engine::naive,
                      .input_gradient = true,
                      .keep = true}),
        workspace_(plan_.memory(), 1),
        parameters_(graph.parameter_table()),
        gradient_(graph.parameter_table()),
        inputs_(static_cast<size_t>(o.batch * graph.shape(graph.input()).elements())),
        weights_(static_cast<size_t>(o.batch * graph.shape(graph.output()).elements())),
        labels_(static_cast<size_t>(o.batch)),
        results_(static_cast<size_t>(o.batch)) {
    initialise(parameters_, Init::pytorch, o.seed);
    Random random(o.seed, "gradcheck");
    for (double& v : inputs_) v = random.normal();
    for (double& v : weights_) v = random.normal();
    for (int32_t& label : labels_)
      label = static_cast<int32_t>(random.below(graph.shape(graph.output()).elements()));
  }

  /// f at the present parameters and inputs; leaves the gradient behind.
  double value() {
    const int64_t in = graph_.shape(graph_.input()).elements(),
                  out = graph_.shape(graph_.output()).elements();
    const auto fill = [&](int64_t first, int64_t n, double* x) {
      std::copy_n(inputs_.data() + first * in, n * in, x);
    };
    double total = 0;
    if (o_.cross_entropy) {
      plan_.gradient(parameters_, fill, labels_.data(), gradient_, results_.data(), workspace_, pool_);
      for (const ImageResult& r : results_) total += r.loss / static_cast<double>(o_.batch);
      return total;
    }
    const auto give = [&](int64_t first, int64_t n, double* dy) {
      std::copy_n(weights_.data() + first * out, n * out, dy);
    };
    plan_.gradient_from(parameters_, fill, give, gradient_, workspace_, pool_);
    for (int64_t i = 0; i < o_.batch; ++i) {
      const std::vector<double> y = plan_.value(graph_.output(), i, workspace_);
      for (int64_t e = 0; e < out; ++e)
        total += y[static_cast<size_t>(e)] * weights_[static_cast<size_t>(i * out + e)];
    }
    return total;
  }

  /// Checks `count` values of which the backward pass said `analytic`.
  GradcheckRow check(const std::string& name, double* values, const std::vector<double>& analytic,
                     bool bends) {
    GradcheckRow row;
    row.tensor = name;
    double largest = 0;
    for (const double a : analytic) largest = std::max(largest, std::abs(a));
    Random random(o_.seed, "gradcheck." + name);
    const auto count = static_cast<int64_t>(analytic.size());
    const bool all = o_.samples <= 0 || o_.samples >= count;
    for (int64_t k = 0; k < (all ? count : o_.samples); ++k) {
      const int64_t i = all ? k : random.below(count);
      const double a = analytic[static_cast<size_t>(i)];
      const double h = o_.step * (bends ? 0.1 : 1.0) * std::max(1.0, std::abs(values[i]));
      const double n = slope(values[i], h);
      const auto error = [&](double numeric) {
        return std::abs(numeric - a) / std::max({std::abs(numeric), std::abs(a), 1e-3 * largest, 1e-300});
      };
      if (bends && !(error(n) <= 1e-7) && bends_at(values[i], h, n, a)) {
        ++row.kinks;
        continue;
      }
      ++row.checked;
      if (!(error(n) <= row.worst)) {
        row.worst = error(n);
        row.worst_at = i;
        row.numeric = n;
        row.analytic = a;
      }
    }
    return row;
  }

  std::vector<GradcheckRow> all() {
    static const std::set<std::string_view> kBending{"Relu", "MaxPool2d",   "LeakyRelu", "Elu", "PRelu",
                                                     "Selu", "HardSigmoid", "HardSwish", "Clip"};
    const bool bends = std::any_of(graph_.nodes().begin(), graph_.nodes().end(),
                                   [](const Node& node) { return kBending.contains(node.op->type()); });
    value();
    std::vector<double> dx;
    for (int64_t i = 0; i < o_.batch; ++i) {
      const std::vector<double> one = plan_.value_gradient(graph_.input(), i, workspace_);
      dx.insert(dx.end(), one.begin(), one.end());
    }
    const Parameters<double> found = gradient_;
    std::vector<GradcheckRow> rows;
    int index = 0;
    for (const ParameterSlice& slice : parameters_.table().slices()) {
      const double* g = found.slice(index);
      double* const values = parameters_.slice(index++);
      if (slice.kind == ParameterKind::buffer) continue;
      rows.push_back(check(slice.name, values, {g, g + slice.shape.elements()}, bends));
    }
    rows.push_back(check("input", inputs_.data(), dx, bends));
    return rows;
  }

 private:
  double at(double& v, double x) {
    const double old = v;
    v = x;
    const double f = value();
    v = old;
    return f;
  }
  /// Central difference of fourth order: its error is h^4 f'''''/30, so h can stay far above rounding.
  double slope(double& v, double h) {
    const double near = at(v, v + h) - at(v, v - h), far = at(v, v + 2 * h) - at(v, v - 2 * h);
    return (8 * near - far) / (12 * h);
  }
  /// Whether the difference between numeric and analytic slope changes when h is halved. A wrong gradient
  /// stays wrong by the same amount; a kink inside the step, or rounding, does not.
  bool bends_at(double& v, double h, double numeric, double analytic) {
    return std::abs(slope(v, h / 2) - numeric) > 0.05 * std::abs(numeric - analytic);
  }

  GradcheckOptions o_;
  const Graph& graph_;
  ThreadPool pool_;
  Plan<double> plan_;
  Workspace<double> workspace_;
  Parameters<double> parameters_, gradient_;
  std::vector<double> inputs_, weights_;
  std::vector<int32_t> labels_;
  std::vector<ImageResult> results_;
};

}  // namespace

std::vector<GradcheckRow> gradcheck(const Graph& graph, const GradcheckOptions& options) {
  return Probe(graph, options).all();
}

}  // namespace unfold
