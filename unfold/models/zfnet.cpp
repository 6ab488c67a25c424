#include "unfold/models/zfnet.h"

#include <string>

namespace unfold {
namespace {

const Window2d kPool = Window2d::square(3, 2);

/// Convolution, ReLU, pooling, normalisation.
ValueId first_layers(Graph& g, const std::string& number, ValueId x, int64_t channels,
                     const Window2d& window) {
  x = g.relu("relu" + number, g.conv2d("conv" + number, x, channels, window));
  x = g.max_pool2d("pool" + number, x, kPool, true);
  return g.local_response_norm("norm" + number, x, 5, 5e-4, 0.75, 2);
}

/// The three convolutions that keep the size, and what classifies.
void last_layers(Graph& g, ValueId x, int64_t width, int64_t classes) {
  const Window2d k3 = Window2d::square(3, 1, 1);
  x = g.relu("relu3", g.conv2d("conv3", x, 384, k3));
  x = g.relu("relu4", g.conv2d("conv4", x, 384, k3));
  x = g.relu("relu5", g.conv2d("conv5", x, 256, k3));
  x = g.flatten("flatten", g.max_pool2d("pool5", x, kPool));
  x = g.dropout("drop6", g.relu("relu6", g.linear("fc6", x, width)));
  x = g.dropout("drop7", g.relu("relu7", g.linear("fc7", x, width)));
  g.linear("fc8", x, classes);
}

}  // namespace

// clang-format off: the shapes at the end of each line are the table to read

Graph zfnet(const Shape& image, int64_t classes) {
  Graph g;
  ValueId x = g.input(image);                                  // image    3 x 224 x 224
  x = first_layers(g, "1", x, 96, Window2d::square(7, 2, 1));  //         96 x 110 x 110, pooled  96 x 55 x 55
  x = first_layers(g, "2", x, 256, Window2d::square(5, 2));    //        256 x  26 x  26, pooled 256 x 13 x 13
  last_layers(g, x, 4096, classes);                            //        384, 384, 256 x 13 x 13, pooled 256 x 6 x 6
  return g;
}

Graph zfnet_small(const Shape& image, int64_t classes) {
  Graph g;
  ValueId x = g.input(image);                                  // image    3 x 32 x 32
  x = first_layers(g, "1", x, 96, Window2d::square(5, 1, 2));  //         96 x 32 x 32, pooled  96 x 16 x 16
  x = first_layers(g, "2", x, 256, Window2d::square(3, 1, 1)); //        256 x 16 x 16, pooled 256 x  8 x  8
  last_layers(g, x, 1024, classes);                            //        384, 384, 256 x 8 x 8, pooled 256 x 3 x 3
  return g;
}

// clang-format on

}  // namespace unfold
