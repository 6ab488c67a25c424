#include "unfold/explain/occlusion.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "unfold/error.h"
#include "unfold/explain/layer.h"

namespace unfold {

Occlusion occlusion(const Model& model, std::span<const float> x, int64_t c, const OcclusionOptions& options,
                    Engine engine, ThreadPool& pool) {
  const Graph& graph = model.graph;
  const Shape in = graph.shape(graph.input());
  const int64_t classes = graph.shape(graph.output()).elements();
  if (std::cmp_not_equal(x.size(), in.elements()) || c < 0 || c >= classes || options.size < 1 ||
      options.stride < 1 || !std::isfinite(options.grey)) {
    throw Error(ErrorKind::usage, "nothing that can be hidden")
        .wanted("an input " + in.text() + ", a class below " + std::to_string(classes) +
                ", a square and a stride of 1 or more")
        .got(std::to_string(x.size()) + " numbers, class " + std::to_string(c) + ", square " +
             std::to_string(options.size) + ", stride " + std::to_string(options.stride));
  }
  Occlusion result;
  result.rows = (in[1] + options.stride - 1) / options.stride;
  result.columns = (in[2] + options.stride - 1) / options.stride;
  const int64_t places = result.rows * result.columns;
  std::vector<float> grey;  // by channel
  for (int64_t channel = 0; channel < in[0]; ++channel) {
    const double mean = model.preprocessing.mean[channel], std = model.preprocessing.std[channel];
    grey.push_back(static_cast<float>((options.grey - mean) / std));
  }

  // Image `places` is the whole one.
  const auto hide = [&](int64_t place, float* to) {
    std::copy(x.begin(), x.end(), to);
    if (place == places) return;
    const auto range = [&](int64_t cell, int64_t size) {
      const int64_t begin = cell * options.stride + (options.stride - options.size) / 2;
      return std::pair{std::clamp<int64_t>(begin, 0, size),
                       std::clamp<int64_t>(begin + options.size, 0, size)};
    };
    const auto [y0, y1] = range(place / result.columns, in[1]);
    const auto [x0, x1] = range(place % result.columns, in[2]);
    for (int64_t row = 0; row < in[0] * in[1]; ++row) {
      if (row % in[1] >= y0 && row % in[1] < y1)
        std::fill(to + row * in[2] + x0, to + row * in[2] + x1, grey[static_cast<size_t>(row / in[1])]);
    }
  };

  const int64_t batch = std::min<int64_t>(places + 1, 64);
  const Plan<float> plan(graph, {.batch = batch, .engine = engine});
  Workspace<float> workspace(plan.memory(), pool.threads());
  plan.pack(model.parameters, workspace, pool);
  const bool logits = logits_of(graph) == graph.output();
  std::vector<double> answers(static_cast<size_t>(places + 1));
  for (int64_t begin = 0; begin <= places; begin += batch) {
    const auto fill = [&](int64_t first, int64_t n, float* to) {
      for (int64_t i = 0; i < n; ++i) hide(std::min(begin + first + i, places), to + i * in.elements());
    };
    const auto take = [&](int64_t first, int64_t n, const float* y) {
      for (int64_t i = 0; i < n && begin + first + i <= places; ++i) {
        const std::span<const float> row(y + i * classes, static_cast<size_t>(classes));
        answers[static_cast<size_t>(begin + first + i)] =
            logits ? probabilities(row)[static_cast<size_t>(c)]
                   : static_cast<double>(row[static_cast<size_t>(c)]);
      }
    };
    plan.forward(model.parameters, fill, take, workspace, pool, true);
  }
  result.whole = answers.back();
  answers.pop_back();
  for (const double p : answers) result.probability.push_back(static_cast<float>(p));
  return result;
}

}  // namespace unfold
