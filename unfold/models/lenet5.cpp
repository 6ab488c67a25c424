#include "unfold/models/lenet5.h"

namespace unfold {

// clang-format off: the shapes at the end of each line are the table to read

Graph lenet5(const Shape& image, int64_t classes) {
  const Window2d k5 = Window2d::square(5), half = Window2d::square(2, 2);
  Graph g;
  ValueId x = g.input(image);             // image          1 x 32 x 32
  x = g.conv2d("conv1", x, 6, k5);        //                6 x 28 x 28
  x = g.relu("relu1", x);
  x = g.max_pool2d("pool1", x, half);     //                6 x 14 x 14
  x = g.conv2d("conv2", x, 16, k5);       //               16 x 10 x 10
  x = g.relu("relu2", x);
  x = g.max_pool2d("pool2", x, half);     //               16 x  5 x  5
  x = g.flatten("flatten", x);            //              400
  x = g.linear("fc1", x, 120);            //              120
  x = g.relu("relu3", x);
  x = g.linear("fc2", x, 84);             //               84
  x = g.relu("relu4", x);
  g.linear("fc3", x, classes);            // logits        10
  return g;
}

Graph lenet5_article(const Shape& image, int64_t classes) {
  constexpr double kScale = 1.7159;  // LeCun 1998 has an inner slope of 2/3 with it; the article has not
  const Window2d k5 = Window2d::square(5), half = Window2d::square(2, 2);
  Graph g;
  ValueId x = g.input(image);             // image          1 x 32 x 32
  x = g.conv2d("conv1", x, 6, k5);        //                6 x 28 x 28
  x = g.tanh("tanh1", x, kScale);
  x = g.avg_pool2d("pool1", x, half);     //                6 x 14 x 14
  x = g.conv2d("conv2", x, 16, k5);       //               16 x 10 x 10
  x = g.tanh("tanh2", x, kScale);
  x = g.avg_pool2d("pool2", x, half);     //               16 x  5 x  5
  x = g.flatten("flatten", x);            //              400
  x = g.linear("fc1", x, 120);            //              120
  x = g.tanh("tanh3", x, kScale);
  x = g.linear("fc2", x, 84);             //               84
  x = g.tanh("tanh4", x, kScale);
  g.linear("fc3", x, classes);            // logits        10
  return g;
}

// clang-format on

}  // namespace unfold
