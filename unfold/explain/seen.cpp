#include "unfold/explain/seen.h"

#include <algorithm>

#include "unfold/explain/deconvnet.h"
#include "unfold/explain/grad_cam.h"
#include "unfold/explain/layer.h"
#include "unfold/explain/saliency.h"

namespace unfold {
namespace {

constexpr int64_t kOcclusionMacs = 1'000'000'000'000;

}  // namespace

Seen see(const Model& model, std::vector<float> x, int64_t c, const Node* chosen, int64_t units,
         Engine engine, ThreadPool& pool) {
  const Walk walk(model, std::move(x));
  const Graph& graph = model.graph;
  const Shape in = graph.shape(graph.input());
  Seen seen;
  seen.saliency = saliency(walk, c);
  seen.guided = guided_backprop(walk, c);
  seen.occlusion_size = std::max<int64_t>(1, std::max(in[1], in[2]) / 4);
  seen.occlusion_stride = std::max<int64_t>(1, seen.occlusion_size / 4);
  // Each place is a pass forward: of a network that takes a second for one, fewer places have to do.
  const auto places = [&] {
    return ((in[1] - 1) / seen.occlusion_stride + 1) * ((in[2] - 1) / seen.occlusion_stride + 1);
  };
  while (places() * graph.macs() > kOcclusionMacs && seen.occlusion_stride < seen.occlusion_size)
    seen.occlusion_stride *= 2;
  seen.occlusion = occlusion(model, walk.value(graph.input()), c,
                             {.size = seen.occlusion_size, .stride = seen.occlusion_stride}, engine, pool);
  const Node* convolution = chosen ? chosen : last_of(graph, "Conv2d");
  if (!convolution) return seen;
  seen.layer = convolution->name;
  const ValueId layer = activation_of(graph, *convolution);
  seen.grad_cam = over_input(grad_cam(walk, layer, c), walk);
  const Shape maps = maps_of(graph, layer);
  for (int64_t unit = 0; unit < maps[0]; ++unit) {
    const Cell cell = strongest(walk, layer, unit);
    const float activation =
        walk.value(layer)[static_cast<size_t>((unit * maps[1] + cell.y) * maps[2] + cell.x)];
    seen.units.push_back({unit, activation, {}});
  }
  std::stable_sort(seen.units.begin(), seen.units.end(),
                   [](const Seen::Unit& a, const Seen::Unit& b) { return a.activation > b.activation; });
  seen.units.resize(std::min(seen.units.size(), static_cast<size_t>(units)));
  for (Seen::Unit& unit : seen.units) unit.pixels = deconvnet(walk, layer, unit.unit);
  return seen;
}

}  // namespace unfold
