#include "unfold/models/vgg.h"

#include <string>
#include <vector>

#include "unfold/error.h"

namespace unfold {
namespace {

/// Channels of the convolutions, all 3 x 3; each block ends with a pooling that halves the image.
std::vector<std::vector<int64_t>> blocks_of(int depth) {
  // clang-format off: images     224 x 224   112 x 112   56 x 56               28 x 28               14 x 14
  if (depth == 11) return {       {64},       {128},      {256, 256},           {512, 512},           {512, 512}};
  if (depth == 13) return {       {64, 64},   {128, 128}, {256, 256},           {512, 512},           {512, 512}};
  if (depth == 16) return {       {64, 64},   {128, 128}, {256, 256, 256},      {512, 512, 512},      {512, 512, 512}};
  if (depth == 19) return {       {64, 64},   {128, 128}, {256, 256, 256, 256}, {512, 512, 512, 512}, {512, 512, 512, 512}};
  // clang-format on
  throw Error(ErrorKind::usage, "no VGG has so many layers")
      .wanted("11, 13, 16 or 19")
      .got(std::to_string(depth));
}

ValueId features(Graph& g, int depth, bool batch_norm, const Shape& image) {
  ValueId x = g.input(image);
  int layer = 0;
  const auto name = [&] { return "features." + std::to_string(layer++); };
  for (const auto& block : blocks_of(depth)) {
    for (const int64_t channels : block) {
      x = g.conv2d(name(), x, channels, Window2d::square(3, 1, 1));
      if (batch_norm) x = g.batch_norm(name(), x);
      x = g.relu(name(), x);
    }
    x = g.max_pool2d(name(), x, Window2d::square(2, 2));
  }
  return x;  // 512 x 7 x 7
}

}  // namespace

Graph vgg(int depth, bool batch_norm, const Shape& image, int64_t classes) {
  Graph g;
  ValueId x = features(g, depth, batch_norm, image);
  x = g.adaptive_avg_pool2d("avgpool", x, 7, 7);
  x = g.flatten("flatten", x);            // 512 * 7 * 7 = 25088
  x = g.linear("classifier.0", x, 4096);  // 4096
  x = g.relu("classifier.1", x);
  x = g.dropout("classifier.2", x);
  x = g.linear("classifier.3", x, 4096);  // 4096
  x = g.relu("classifier.4", x);
  x = g.dropout("classifier.5", x);
  g.linear("classifier.6", x, classes);  // logits 1000
  return g;
}

Graph vgg_small(int depth, bool batch_norm, const Shape& image, int64_t classes) {
  Graph g;
  const ValueId x = features(g, depth, batch_norm, image);  // 512 x 1 x 1
  g.linear("classifier", g.flatten("flatten", x), classes);
  return g;
}

}  // namespace unfold
