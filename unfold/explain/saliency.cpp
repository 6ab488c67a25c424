#include "unfold/explain/saliency.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "unfold/error.h"
#include "unfold/explain/layer.h"

namespace unfold {

std::vector<float> class_gradient(const Walk& walk, int64_t c, ValueId value, ReluRule rule) {
  const ValueId logits = logits_of(walk.graph());
  std::vector<float> one(walk.value(logits).size());
  if (c < 0 || std::cmp_greater_equal(c, one.size())) {
    throw Error(ErrorKind::usage, "no such class")
        .wanted("0 to " + std::to_string(one.size() - 1))
        .got(std::to_string(c));
  }
  one[static_cast<size_t>(c)] = 1;
  return walk.backward(logits, one, value, rule);
}

std::vector<float> saliency(const Walk& walk, int64_t c) {
  const std::vector<float> dx = class_gradient(walk, c, walk.graph().input());
  const Shape in = walk.graph().shape(walk.graph().input());
  std::vector<float> map(dx.size() / static_cast<size_t>(in[0]));
  for (size_t e = 0; e < dx.size(); ++e) {
    float& largest = map[e % map.size()];
    largest = std::max(largest, std::abs(dx[e]));
  }
  return map;
}

std::vector<float> guided_backprop(const Walk& walk, int64_t c) {
  return class_gradient(walk, c, walk.graph().input(), ReluRule::guided);
}

}  // namespace unfold
