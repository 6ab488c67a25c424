#include "unfold/models/resnet.h"

#include <array>
#include <string>
#include <vector>

#include "unfold/error.h"

namespace unfold {
namespace {

/// A residual network under construction: x is the value at hand.
struct Builder {
  Graph g;
  ValueId x;

  ValueId conv_norm(const std::string& conv, const std::string& norm, ValueId from, int64_t channels,
                    const Window2d& window) {
    return g.batch_norm(norm, g.conv2d(conv, from, channels, window, false));
  }

  /// Two 3 x 3 convolutions or, `bottleneck`, 1 x 1, 3 x 3 and 1 x 1 with four times the channels; and the
  /// short cut.
  void block(const std::string& name, int64_t channels, int64_t stride, bool bottleneck) {
    const int64_t out = bottleneck ? 4 * channels : channels;
    ValueId y;
    if (bottleneck) {
      y = g.relu(name + ".relu1",
                 conv_norm(name + ".conv1", name + ".bn1", x, channels, Window2d::square(1)));
      y = conv_norm(name + ".conv2", name + ".bn2", y, channels, Window2d::square(3, stride, 1));
      y = conv_norm(name + ".conv3", name + ".bn3", g.relu(name + ".relu2", y), out, Window2d::square(1));
    } else {
      y = conv_norm(name + ".conv1", name + ".bn1", x, channels, Window2d::square(3, stride, 1));
      y = conv_norm(name + ".conv2", name + ".bn2", g.relu(name + ".relu1", y), out,
                    Window2d::square(3, 1, 1));
    }
    if (stride != 1 || g.shape(x)[0] != out) {
      x = conv_norm(name + ".downsample.0", name + ".downsample.1", x, out, Window2d::square(1, stride));
    }
    x = g.relu(name + ".relu", g.add(name + ".add", y, x));
  }

  void stage(int number, int64_t blocks, int64_t channels, int64_t stride, bool bottleneck) {
    for (int64_t i = 0; i < blocks; ++i) {
      block("layer" + std::to_string(number) + "." + std::to_string(i), channels, i == 0 ? stride : 1,
            bottleneck);
    }
  }

  Graph head(int64_t classes) {
    x = g.global_avg_pool("avgpool", x);
    g.linear("fc", g.flatten("flatten", x), classes);
    return std::move(g);
  }
};

}  // namespace

Graph resnet(int depth, const Shape& image, int64_t classes) {
  if (depth != 18 && depth != 34 && depth != 50) {
    throw Error(ErrorKind::usage, "no such residual network")
        .wanted("18, 34 or 50 layers")
        .got(std::to_string(depth));
  }
  const std::array<int64_t, 4> blocks =
      depth == 18 ? std::array<int64_t, 4>{2, 2, 2, 2} : std::array<int64_t, 4>{3, 4, 6, 3};
  const bool bottleneck = depth == 50;
  Builder b;
  b.x = b.g.input(image);  //    3 x 224 x 224
  b.x =
      b.g.relu("relu", b.conv_norm("conv1", "bn1", b.x, 64, Window2d::square(7, 2, 3)));  //   64 x 112 x 112
  b.x = b.g.max_pool2d("maxpool", b.x, Window2d::square(3, 2, 1));                        //   64 x  56 x  56
  b.stage(1, blocks[0], 64, 1, bottleneck);   //   64 x  56 x  56, or  256
  b.stage(2, blocks[1], 128, 2, bottleneck);  //  128 x  28 x  28, or  512
  b.stage(3, blocks[2], 256, 2, bottleneck);  //  256 x  14 x  14, or 1024
  b.stage(4, blocks[3], 512, 2, bottleneck);  //  512 x   7 x   7, or 2048
  return b.head(classes);
}

Graph resnet_cifar(int depth, const Shape& image, int64_t classes) {
  if (depth < 8 || depth % 6 != 2) {
    throw Error(ErrorKind::usage, "no such residual network")
        .wanted("6n + 2 layers: 20, 32, 44, 56, 110")
        .got(std::to_string(depth));
  }
  const int64_t blocks = (depth - 2) / 6;
  Builder b;
  b.x = b.g.input(image);                                                                   //  3 x 32 x 32
  b.x = b.g.relu("relu", b.conv_norm("conv1", "bn1", b.x, 16, Window2d::square(3, 1, 1)));  // 16 x 32 x 32
  b.stage(1, blocks, 16, 1, false);                                                         // 16 x 32 x 32
  b.stage(2, blocks, 32, 2, false);                                                         // 32 x 16 x 16
  b.stage(3, blocks, 64, 2, false);                                                         // 64 x  8 x  8
  return b.head(classes);
}

}  // namespace unfold
