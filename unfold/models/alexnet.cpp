#include "unfold/models/alexnet.h"

#include <string>

namespace unfold {
namespace {

/// Dropout, a linear layer and a ReLU, twice, then the logits; layers are named NAME.0, NAME.1 ...
void classify(Graph& g, const std::string& name, ValueId x, int64_t width, int64_t classes) {
  int layer = 0;
  const auto next = [&] { return name + "." + std::to_string(layer++); };
  for (int i = 0; i < 2; ++i) {
    x = g.dropout(next(), x);
    x = g.linear(next(), x, width);
    x = g.relu(next(), x);
  }
  g.linear(next(), x, classes);
}

}  // namespace

// clang-format off: the shapes at the end of each line are the table to read

Graph alexnet(const Shape& image, int64_t classes) {
  const Window2d pool = Window2d::square(3, 2);
  Graph g;
  ValueId x = g.input(image);                                            // image     3 x 224 x 224
  x = g.conv2d("features.0", x, 64, Window2d::square(11, 4, 2));         //          64 x  55 x  55
  x = g.relu("features.1", x);
  x = g.max_pool2d("features.2", x, pool);                               //          64 x  27 x  27
  x = g.conv2d("features.3", x, 192, Window2d::square(5, 1, 2));         //         192 x  27 x  27
  x = g.relu("features.4", x);
  x = g.max_pool2d("features.5", x, pool);                               //         192 x  13 x  13
  x = g.conv2d("features.6", x, 384, Window2d::square(3, 1, 1));         //         384 x  13 x  13
  x = g.relu("features.7", x);
  x = g.conv2d("features.8", x, 256, Window2d::square(3, 1, 1));         //         256 x  13 x  13
  x = g.relu("features.9", x);
  x = g.conv2d("features.10", x, 256, Window2d::square(3, 1, 1));        //         256 x  13 x  13
  x = g.relu("features.11", x);
  x = g.max_pool2d("features.12", x, pool);                              //         256 x   6 x   6
  x = g.adaptive_avg_pool2d("avgpool", x, 6, 6);                         //         256 x   6 x   6
  x = g.flatten("flatten", x);                                           //        9216
  classify(g, "classifier", x, 4096, classes);                           // logits 1000
  return g;
}

Graph alexnet_original(const Shape& image, int64_t classes) {
  const Window2d pool = Window2d::square(3, 2);
  // a / (2 + 1e-4 * sum over 5 channels of a^2)^0.75; alpha here is divided by the size.
  const auto norm = [](Graph& g, const std::string& name, ValueId x) {
    return g.local_response_norm(name, x, 5, 5e-4, 0.75, 2);
  };
  Graph g;
  ValueId x = g.input(image);                                            // image     3 x 227 x 227
  x = g.relu("relu1", g.conv2d("conv1", x, 96, Window2d::square(11, 4)));             // 96 x  55 x  55
  x = g.max_pool2d("pool1", norm(g, "norm1", x), pool);                  //          96 x  27 x  27
  x = g.relu("relu2", g.conv2d("conv2", x, 256, Window2d::square(5, 1, 2, 1, 2)));    // 256 x 27 x  27
  x = g.max_pool2d("pool2", norm(g, "norm2", x), pool);                  //         256 x  13 x  13
  x = g.relu("relu3", g.conv2d("conv3", x, 384, Window2d::square(3, 1, 1)));          // 384 x 13 x  13
  x = g.relu("relu4", g.conv2d("conv4", x, 384, Window2d::square(3, 1, 1, 1, 2)));    // 384 x 13 x  13
  x = g.relu("relu5", g.conv2d("conv5", x, 256, Window2d::square(3, 1, 1, 1, 2)));    // 256 x 13 x  13
  x = g.max_pool2d("pool5", x, pool);                                    //         256 x   6 x   6
  x = g.flatten("flatten", x);                                           //        9216
  x = g.dropout("drop6", g.relu("relu6", g.linear("fc6", x, 4096)));     //        4096
  x = g.dropout("drop7", g.relu("relu7", g.linear("fc7", x, 4096)));     //        4096
  g.linear("fc8", x, classes);                                           // logits 1000
  return g;
}

Graph alexnet_small(const Shape& image, int64_t classes) {
  const Window2d pool = Window2d::square(3, 2);
  Graph g;
  ValueId x = g.input(image);                                            // image     3 x 32 x 32
  x = g.conv2d("features.0", x, 64, Window2d::square(5, 1, 2));          //          64 x 32 x 32
  x = g.relu("features.1", x);
  x = g.max_pool2d("features.2", x, pool);                               //          64 x 15 x 15
  x = g.conv2d("features.3", x, 192, Window2d::square(5, 1, 2));         //         192 x 15 x 15
  x = g.relu("features.4", x);
  x = g.max_pool2d("features.5", x, pool);                               //         192 x  7 x  7
  x = g.conv2d("features.6", x, 384, Window2d::square(3, 1, 1));         //         384 x  7 x  7
  x = g.relu("features.7", x);
  x = g.conv2d("features.8", x, 256, Window2d::square(3, 1, 1));         //         256 x  7 x  7
  x = g.relu("features.9", x);
  x = g.conv2d("features.10", x, 256, Window2d::square(3, 1, 1));        //         256 x  7 x  7
  x = g.relu("features.11", x);
  x = g.max_pool2d("features.12", x, pool);                              //         256 x  3 x  3
  x = g.flatten("flatten", x);                                           //        2304
  classify(g, "classifier", x, 1024, classes);                           // logits   10
  return g;
}

// clang-format on

}  // namespace unfold
