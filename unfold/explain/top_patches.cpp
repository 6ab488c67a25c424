#include "unfold/explain/top_patches.h"

#include <algorithm>
#include <string>
#include <utility>

#include "unfold/error.h"
#include "unfold/explain/receptive_field.h"
#include "unfold/explain/walk.h"

namespace unfold {
namespace {

/// The network up to a value, which becomes its output; the same weights.
struct Beginning {
  Graph graph;
  Parameters<float> parameters;

  Beginning(const Model& model, ValueId last) {
    graph.input(model.graph.shape(model.graph.input()));
    for (const Node& node : model.graph.nodes()) {
      if (node.output.index <= last.index) graph.add(node.name, node.op, node.inputs);
    }
    parameters = Parameters<float>(graph.parameter_table());
    const auto slices = parameters.table().slices();
    for (size_t k = 0; k < slices.size(); ++k) {
      const float* from = model.parameters.slice(model.parameters.table().find(slices[k].name));
      std::copy(from, from + slices[k].shape.elements(), parameters.slice(static_cast<int>(k)));
    }
  }
};

void insert(std::vector<Patch>& best, const Patch& patch, int64_t count) {
  if (std::cmp_equal(best.size(), count)) {
    if (!(patch.activation > best.back().activation)) return;
    best.pop_back();
  }
  const auto before = [](const Patch& a, const Patch& b) { return a.activation > b.activation; };
  best.insert(std::upper_bound(best.begin(), best.end(), patch, before), patch);
}

}  // namespace

std::vector<std::vector<Patch>> top_patches(const Model& model, const Dataset& data, ValueId layer,
                                            int64_t count, Engine engine, ThreadPool& pool) {
  const Shape in = model.graph.shape(model.graph.input());
  const Shape wanted{in[0], model.preprocessing.image_h, model.preprocessing.image_w};
  if (data.image != wanted) {
    throw Error(ErrorKind::usage, "the model takes other images")
        .where(data.name)
        .wanted(wanted.text())
        .got(data.image.text());
  }
  if (layer.index < 1 || layer.index >= model.graph.values() || count < 1) {
    throw Error(ErrorKind::usage, "top patches need a layer, and how many").got(std::to_string(count));
  }
  const Beginning net(model, layer);
  const Shape maps = maps_of(net.graph, layer);
  const int64_t units = maps[0], cells = maps[1] * maps[2];
  std::vector<std::vector<Patch>> best(static_cast<size_t>(units));
  if (data.size() == 0) return best;

  const int64_t batch = std::min<int64_t>(data.size(), 256);
  const Plan<float> plan(net.graph, {.batch = batch, .engine = engine});
  Workspace<float> workspace(plan.memory(), pool.threads());
  plan.pack(net.parameters, workspace, pool);
  std::vector<Patch> found(static_cast<size_t>(batch * units));
  for (int64_t begin = 0; begin < data.size(); begin += batch) {
    const int64_t last = data.size() - 1;  // a short batch repeats it
    const auto fill = [&](int64_t first, int64_t n, float* x) {
      for (int64_t i = 0; i < n; ++i) {
        preprocess(model.preprocessing, data.at(std::min(begin + first + i, last)), x + i * in.elements());
      }
    };
    const auto take = [&](int64_t first, int64_t n, const float* y) {
      for (int64_t k = 0; k < n * units; ++k) {
        const float* map = y + k * cells;
        const int64_t at = std::max_element(map, map + cells) - map;
        found[static_cast<size_t>(first * units + k)] = {
            begin + first + k / units, {at / maps[2], at % maps[2]}, map[at]};
      }
    };
    plan.forward(net.parameters, fill, take, workspace, pool, true);
    for (int64_t k = 0; k < std::min(batch, data.size() - begin) * units; ++k) {
      insert(best[static_cast<size_t>(k % units)], found[static_cast<size_t>(k)], count);
    }
  }
  return best;
}

LayerPatches see_patches(const Model& model, const Dataset& data, const Node& layer,
                         const std::vector<int64_t>& units, int64_t count, Engine engine, ThreadPool& pool) {
  const ValueId value = activation_of(model.graph, layer);
  const auto best = top_patches(model, data, value, count, engine, pool);
  const ReceptiveField fields = receptive_field(model.graph, value);
  LayerPatches seen{
      .data = data.name, .layer = layer.name, .h = fields.size_h, .w = fields.size_w, .units = {}};
  for (const int64_t unit : units) {
    seen.units.push_back({unit, {}});
    for (const Patch& patch : best.at(static_cast<size_t>(unit))) {
      const std::vector<float> x = network_input(model, data.at(patch.image));
      seen.units.back().patches.push_back(
          {patch, data.labels[static_cast<size_t>(patch.image)],
           cut_out(x, model.graph.shape(model.graph.input()), fields.whole(patch.cell))});
    }
  }
  return seen;
}

}  // namespace unfold
