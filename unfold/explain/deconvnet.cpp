#include "unfold/explain/deconvnet.h"

#include <algorithm>
#include <string>

#include "unfold/error.h"

namespace unfold {
namespace {

/// A unit's map in its layer's value.
std::span<const float> map_of(const Walk& walk, ValueId layer, int64_t unit) {
  const Shape maps = maps_of(walk.graph(), layer);
  if (unit < 0 || unit >= maps[0]) {
    throw Error(ErrorKind::usage, "the layer has no such unit")
        .wanted("0 to " + std::to_string(maps[0] - 1))
        .got(std::to_string(unit));
  }
  const int64_t cells = maps[1] * maps[2];
  return walk.value(layer).subspan(static_cast<size_t>(unit * cells), static_cast<size_t>(cells));
}

/// Keeps `count` elements of the layer's value from `kept` on and brings them back.
std::vector<float> project(const Walk& walk, ValueId layer, const float* kept, int64_t count) {
  const std::span<const float> value = walk.value(layer);
  std::vector<float> alone(value.size());
  std::copy(kept, kept + count, alone.begin() + (kept - value.data()));
  return walk.backward(layer, alone, walk.graph().input(), ReluRule::deconvnet);
}

}  // namespace

Cell strongest(const Walk& walk, ValueId layer, int64_t unit) {
  const std::span<const float> map = map_of(walk, layer, unit);
  const int64_t at = std::max_element(map.begin(), map.end()) - map.begin();
  const int64_t width = maps_of(walk.graph(), layer)[2];
  return {at / width, at % width};
}

std::vector<float> deconvnet(const Walk& walk, ValueId layer, int64_t unit, Cell at) {
  const std::span<const float> map = map_of(walk, layer, unit);
  const Shape maps = maps_of(walk.graph(), layer);
  if (at.y < 0 || at.y >= maps[1] || at.x < 0 || at.x >= maps[2]) {
    throw Error(ErrorKind::usage, "the map has no such cell")
        .wanted("a cell of " + std::to_string(maps[1]) + "x" + std::to_string(maps[2]))
        .got(std::to_string(at.y) + ", " + std::to_string(at.x));
  }
  return project(walk, layer, map.data() + at.y * maps[2] + at.x, 1);
}

std::vector<float> deconvnet(const Walk& walk, ValueId layer, int64_t unit) {
  return deconvnet(walk, layer, unit, strongest(walk, layer, unit));
}

std::vector<float> deconvnet_map(const Walk& walk, ValueId layer, int64_t unit) {
  const std::span<const float> map = map_of(walk, layer, unit);
  return project(walk, layer, map.data(), static_cast<int64_t>(map.size()));
}

}  // namespace unfold
