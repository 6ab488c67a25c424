// What the tests of unfold/explain share: models around small graphs, numbers to feed them.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "unfold/model.h"
#include "unfold/random.h"

namespace unfold::test {

/// A model around a graph with an input (C, H, W): its weights drawn, its input the bytes / 255.
inline Model model_of(Graph graph, uint64_t seed) {
  Model model;
  model.name = "small";
  model.graph = std::move(graph);
  model.parameters = Parameters<float>(model.graph.parameter_table());
  initialise(model.parameters, Init::pytorch, seed);
  const Shape in = model.graph.shape(model.graph.input());
  model.preprocessing = {.image_h = in[1], .image_w = in[2], .out_h = in[1], .out_w = in[2], .digit = false};
  for (int64_t c = 0; c < model.graph.shape(model.graph.output()).elements(); ++c) {
    model.classes.push_back("class " + std::to_string(c));
  }
  return model;
}

/// Overwrites the parameter called `name`.
inline void set(Model& model, const std::string& name, const std::vector<float>& values) {
  const int index = model.parameters.table().find(name);
  if (index < 0 || model.parameters.table()[index].shape.elements() != static_cast<int64_t>(values.size())) {
    throw Error(ErrorKind::usage, "no such parameter of that size").where(name);
  }
  std::copy(values.begin(), values.end(), model.parameters.slice(index));
}

/// Numbers in [-1, 1), keyed by `seed`.
inline std::vector<float> numbers(int64_t count, uint64_t seed) {
  Random random(seed, "test numbers");
  std::vector<float> out(static_cast<size_t>(count));
  for (float& v : out) v = static_cast<float>(static_cast<double>(random.bits()) / 2147483648.0 - 1);
  return out;
}

/// Largest |a - b| in units of the largest |b|; infinity for NaN or another number of elements.
template <class A, class B>
double largest_difference(const A& got, const B& want) {
  if (got.size() != want.size()) return std::numeric_limits<double>::infinity();
  double worst = 0, largest = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    const double off = std::abs(static_cast<double>(got[i]) - static_cast<double>(want[i]));
    if (!(off <= worst)) worst = std::isnan(off) ? std::numeric_limits<double>::infinity() : off;
    largest = std::max(largest, std::abs(static_cast<double>(want[i])));
  }
  return worst == 0 ? 0 : worst / largest;
}

}  // namespace unfold::test
