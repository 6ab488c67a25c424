#include "unfold/models/vgg.h"

#include <string>
#include <vector>

namespace unfold {

Graph vgg16(int64_t classes) {
  // Channels of the convolutions, all 3 x 3; each block ends with a pooling that halves the image.
  const std::vector<std::vector<int64_t>> blocks = {
      {64, 64},         // 224 x 224
      {128, 128},       // 112 x 112
      {256, 256, 256},  //  56 x  56
      {512, 512, 512},  //  28 x  28
      {512, 512, 512},  //  14 x  14
  };
  Graph g;
  ValueId x = g.input({3, 224, 224});
  int layer = 0;
  const auto name = [&] { return "features." + std::to_string(layer++); };
  for (const auto& block : blocks) {
    for (const int64_t channels : block) {
      x = g.conv2d(name(), x, channels, Window2d::square(3, 1, 1));
      x = g.relu(name(), x);
    }
    x = g.max_pool2d(name(), x, Window2d::square(2, 2));
  }
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

}  // namespace unfold
