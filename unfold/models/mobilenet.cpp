#include "unfold/models/mobilenet.h"

#include <string>

namespace unfold {
namespace {

/// A convolution NAME.0 without bias and its normalisation NAME.1.
ValueId conv_norm(Graph& g, const std::string& name, ValueId x, int64_t channels, const Window2d& window) {
  return g.batch_norm(name + ".1", g.conv2d(name + ".0", x, channels, window, false));
}

Window2d depthwise(int64_t channels, int64_t stride) {
  return Window2d::square(3, stride, 1, 1, channels);
}

/// `expand` times the channels by 1 x 1, then depthwise, then down to `channels` by 1 x 1 without activation;
/// added to x where the shapes are the same.
ValueId inverted_residual(Graph& g, const std::string& name, ValueId x, int64_t expand, int64_t channels,
                          int64_t stride) {
  const int64_t wide = g.shape(x)[0] * expand;
  int layer = 0;
  const auto conv = [&] { return name + ".conv." + std::to_string(layer++); };
  ValueId y = x;
  if (expand != 1) {
    const std::string at = conv();
    y = g.relu6(at + ".2", conv_norm(g, at, y, wide, Window2d::square(1)));
  }
  const std::string at = conv();
  y = g.relu6(at + ".2", conv_norm(g, at, y, wide, depthwise(wide, stride)));
  y = g.conv2d(conv(), y, channels, Window2d::square(1), false);
  y = g.batch_norm(conv(), y);
  return stride == 1 && g.shape(x)[0] == channels ? g.add(name + ".add", x, y) : y;
}

}  // namespace

Graph mobilenet_v1(const Shape& image, int64_t classes) {
  constexpr struct {
    int64_t channels, stride;
  } kBlocks[] = {
      {64, 1},                                                       //   64 x 112 x 112
      {128, 2},  {128, 1},                                           //  128 x  56 x  56
      {256, 2},  {256, 1},                                           //  256 x  28 x  28
      {512, 2},  {512, 1},  {512, 1}, {512, 1}, {512, 1}, {512, 1},  //  512 x  14 x  14
      {1024, 2}, {1024, 1},                                          // 1024 x   7 x   7
  };
  Graph g;
  int layer = 0;
  const auto conv_relu = [&](ValueId x, int64_t channels, const Window2d& window) {
    const std::string name = "features." + std::to_string(layer++);
    return g.relu(name + ".2", conv_norm(g, name, x, channels, window));
  };
  ValueId x = conv_relu(g.input(image), 32, Window2d::square(3, 2, 1));  // 32 x 112 x 112
  for (const auto& block : kBlocks) {
    const int64_t in = g.shape(x)[0];
    x = conv_relu(x, in, depthwise(in, block.stride));
    x = conv_relu(x, block.channels, Window2d::square(1));
  }
  x = g.global_avg_pool("avgpool", x);
  g.linear("fc", g.flatten("flatten", x), classes);
  return g;
}

Graph mobilenet_v2(const Shape& image, int64_t classes) {
  constexpr struct {
    int64_t expand, channels, repeats, stride;
  } kStages[] = {
      {1, 16, 1, 1},   //  16 x 112 x 112
      {6, 24, 2, 2},   //  24 x  56 x  56
      {6, 32, 3, 2},   //  32 x  28 x  28
      {6, 64, 4, 2},   //  64 x  14 x  14
      {6, 96, 3, 1},   //  96 x  14 x  14
      {6, 160, 3, 2},  // 160 x   7 x   7
      {6, 320, 1, 1},  // 320 x   7 x   7
  };
  Graph g;
  int layer = 0;
  const auto name = [&] { return "features." + std::to_string(layer++); };
  std::string at = name();
  ValueId x =
      g.relu6(at + ".2", conv_norm(g, at, g.input(image), 32, Window2d::square(3, 2, 1)));  // 32 x 112 x 112
  for (const auto& stage : kStages) {
    for (int64_t i = 0; i < stage.repeats; ++i)
      x = inverted_residual(g, name(), x, stage.expand, stage.channels, i == 0 ? stage.stride : 1);
  }
  at = name();
  x = g.relu6(at + ".2", conv_norm(g, at, x, 1280, Window2d::square(1)));  // 1280 x 7 x 7
  x = g.flatten("flatten", g.global_avg_pool("avgpool", x));
  g.linear("classifier.1", g.dropout("classifier.0", x, 0.2), classes);
  return g;
}

}  // namespace unfold
