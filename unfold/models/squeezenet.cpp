#include "unfold/models/squeezenet.h"

#include <string>

namespace unfold {
namespace {

/// The squeeze of 1 x 1, and what it feeds: 1 x 1 beside 3 x 3, with `expand` channels each.
ValueId fire(Graph& g, const std::string& name, ValueId x, int64_t squeeze, int64_t expand) {
  x = g.relu(name + ".squeeze_activation", g.conv2d(name + ".squeeze", x, squeeze, Window2d::square(1)));
  const ValueId one = g.conv2d(name + ".expand1x1", x, expand, Window2d::square(1));
  const ValueId three = g.conv2d(name + ".expand3x3", x, expand, Window2d::square(3, 1, 1));
  return g.concat(name + ".cat", {g.relu(name + ".expand1x1_activation", one),
                                  g.relu(name + ".expand3x3_activation", three)});
}

}  // namespace

// clang-format off: the shapes at the end of each line are the table to read

Graph squeezenet(bool small, const Shape& image, int64_t classes) {
  Graph g;
  ValueId x = g.input(image);                                                            //    3 x 224 x 224
  const auto pool = [&](int layer) {
    return g.max_pool2d("features." + std::to_string(layer), x, Window2d::square(3, 2), true);
  };
  const auto burn = [&](int layer, int64_t squeeze, int64_t expand) {
    return fire(g, "features." + std::to_string(layer), x, squeeze, expand);
  };
  if (small) {
    x = g.relu("features.1", g.conv2d("features.0", x, 64, Window2d::square(3, 2)));     //   64 x 111 x 111
    x = pool(2);                                                                         //   64 x  55 x  55
    x = burn(3, 16, 64);                                                                 //  128 x  55 x  55
    x = burn(4, 16, 64);
    x = pool(5);                                                                         //  128 x  27 x  27
    x = burn(6, 32, 128);                                                                //  256 x  27 x  27
    x = burn(7, 32, 128);
    x = pool(8);                                                                         //  256 x  13 x  13
    x = burn(9, 48, 192);                                                                //  384 x  13 x  13
    x = burn(10, 48, 192);
    x = burn(11, 64, 256);                                                               //  512 x  13 x  13
    x = burn(12, 64, 256);
  } else {
    x = g.relu("features.1", g.conv2d("features.0", x, 96, Window2d::square(7, 2)));     //   96 x 109 x 109
    x = pool(2);                                                                         //   96 x  54 x  54
    x = burn(3, 16, 64);                                                                 //  128 x  54 x  54
    x = burn(4, 16, 64);
    x = burn(5, 32, 128);                                                                //  256 x  54 x  54
    x = pool(6);                                                                         //  256 x  27 x  27
    x = burn(7, 32, 128);
    x = burn(8, 48, 192);                                                                //  384 x  27 x  27
    x = burn(9, 48, 192);
    x = burn(10, 64, 256);                                                               //  512 x  27 x  27
    x = pool(11);                                                                        //  512 x  13 x  13
    x = burn(12, 64, 256);
  }
  x = g.dropout("classifier.0", x);
  x = g.relu("classifier.2", g.conv2d("classifier.1", x, classes, Window2d::square(1)));  // 1000 x 13 x 13
  x = g.global_avg_pool("classifier.3", x);
  g.flatten("flatten", x);                                                               // logits 1000
  return g;
}

// clang-format on

}  // namespace unfold
