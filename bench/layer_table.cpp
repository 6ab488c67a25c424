#include "bench/layer_table.h"

#include <array>

namespace unfold::bench {
namespace {

constexpr auto kLayers = std::to_array<Layer>({
    {"AlexNet conv1", 3, 224, 64, 11, 4, 2},
    {"AlexNet conv2", 64, 27, 192, 5, 1, 2},
    {"AlexNet conv3", 192, 13, 384, 3, 1, 1},
    {"AlexNet conv4", 384, 13, 256, 3, 1, 1},
    {"AlexNet conv5", 256, 13, 256, 3, 1, 1},
    {"VGG-16 conv1_1", 3, 224, 64, 3, 1, 1},
    {"VGG-16 conv1_2", 64, 224, 64, 3, 1, 1},
    {"VGG-16 conv2_1", 64, 112, 128, 3, 1, 1},
    {"VGG-16 conv2_2", 128, 112, 128, 3, 1, 1},
    {"VGG-16 conv3_1", 128, 56, 256, 3, 1, 1},
    {"VGG-16 conv3_2", 256, 56, 256, 3, 1, 1},
    {"VGG-16 conv4_1", 256, 28, 512, 3, 1, 1},
    {"VGG-16 conv4_2", 512, 28, 512, 3, 1, 1},
    {"VGG-16 conv5", 512, 14, 512, 3, 1, 1},
    {"ResNet-18 conv1", 3, 224, 64, 7, 2, 3},
    {"ResNet-18 layer1", 64, 56, 64, 3, 1, 1},
    {"ResNet-18 layer2.0.conv1", 64, 56, 128, 3, 2, 1},
    {"ResNet-18 layer2", 128, 28, 128, 3, 1, 1},
    {"ResNet-18 layer2.downsample", 64, 56, 128, 1, 2, 0},
    {"ResNet-18 layer3.0.conv1", 128, 28, 256, 3, 2, 1},
    {"ResNet-18 layer3", 256, 14, 256, 3, 1, 1},
    {"ResNet-18 layer3.downsample", 128, 28, 256, 1, 2, 0},
    {"ResNet-18 layer4.0.conv1", 256, 14, 512, 3, 2, 1},
    {"ResNet-18 layer4", 512, 7, 512, 3, 1, 1},
    {"ResNet-18 layer4.downsample", 256, 14, 512, 1, 2, 0},
    {"ResNet-50 layer1.0.conv1", 64, 56, 64, 1, 1, 0},
    {"ResNet-50 layer1.conv3", 64, 56, 256, 1, 1, 0},
    {"ResNet-50 layer1.conv1", 256, 56, 64, 1, 1, 0},
    {"ResNet-50 layer2.0.conv1", 256, 56, 128, 1, 1, 0},
    {"ResNet-50 layer2.0.conv2", 128, 56, 128, 3, 2, 1},
    {"ResNet-50 layer2.downsample", 256, 56, 512, 1, 2, 0},
    {"ResNet-50 layer2.conv1", 512, 28, 128, 1, 1, 0},
    {"ResNet-50 layer2.conv3", 128, 28, 512, 1, 1, 0},
    {"ResNet-50 layer3.0.conv1", 512, 28, 256, 1, 1, 0},
    {"ResNet-50 layer3.0.conv2", 256, 28, 256, 3, 2, 1},
    {"ResNet-50 layer3.downsample", 512, 28, 1024, 1, 2, 0},
    {"ResNet-50 layer3.conv1", 1024, 14, 256, 1, 1, 0},
    {"ResNet-50 layer3.conv3", 256, 14, 1024, 1, 1, 0},
    {"ResNet-50 layer4.0.conv1", 1024, 14, 512, 1, 1, 0},
    {"ResNet-50 layer4.0.conv2", 512, 14, 512, 3, 2, 1},
    {"ResNet-50 layer4.downsample", 1024, 14, 2048, 1, 2, 0},
    {"ResNet-50 layer4.conv1", 2048, 7, 512, 1, 1, 0},
    {"ResNet-50 layer4.conv3", 512, 7, 2048, 1, 1, 0},
    {"MobileNetV1 depthwise 1", 32, 112, 32, 3, 1, 1, 32},
    {"MobileNetV1 depthwise 2", 64, 112, 64, 3, 2, 1, 64},
    {"MobileNetV1 depthwise 3", 128, 56, 128, 3, 1, 1, 128},
    {"MobileNetV1 depthwise 5", 256, 28, 256, 3, 1, 1, 256},
    {"MobileNetV1 depthwise 7", 512, 14, 512, 3, 1, 1, 512},
    {"MobileNetV1 depthwise 13", 1024, 7, 1024, 3, 1, 1, 1024},
});

}  // namespace

std::span<const Layer> layers() {
  return kLayers;
}

}  // namespace unfold::bench
