#include "unfold/models/alexnet.h"

namespace unfold {

// clang-format off: the shapes at the end of each line are the table to read

Graph alexnet(int64_t classes) {
  const Window2d pool = Window2d::square(3, 2);
  Graph g;
  ValueId x = g.input({3, 224, 224});                                    // image     3 x 224 x 224
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
  x = g.flatten("flatten", x);                                           //        9216
  x = g.dropout("classifier.0", x);
  x = g.linear("classifier.1", x, 4096);                                 //        4096
  x = g.relu("classifier.2", x);
  x = g.dropout("classifier.3", x);
  x = g.linear("classifier.4", x, 4096);                                 //        4096
  x = g.relu("classifier.5", x);
  g.linear("classifier.6", x, classes);                                  // logits 1000
  return g;
}

// clang-format on

}  // namespace unfold
