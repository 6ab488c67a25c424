// The convolutions of known networks, shared by the tests.
#pragma once

#include <array>

#include "unfold/shape.h"

namespace unfold::test {

/// A square convolution on images of size x (size + 1) pixels.
struct Layer {
  const char* name;
  int64_t ic, size, oc, kernel, stride, pad, groups;

  Window2d window() const { return Window2d::square(kernel, stride, pad, 1, groups); }
  Conv2dShape shape(int64_t n) const {
    return Conv2dShape::infer({n, ic, size, size + 1}, oc, window(), name);
  }
};

/// Every kind of layer of AlexNet, VGG-16, ResNet-18 and -50, MobileNet V1 and V2 and GoogLeNet, at image
/// sizes that a test has time for: border, stride and channels stay.
inline constexpr auto kLayers = std::to_array<Layer>({
    {"AlexNet conv1", 3, 63, 64, 11, 4, 2, 1},
    {"AlexNet conv2", 64, 13, 192, 5, 1, 2, 1},
    {"AlexNet conv3", 192, 5, 384, 3, 1, 1, 1},
    {"AlexNet conv4", 384, 4, 256, 3, 1, 1, 1},
    {"AlexNet conv5", 256, 5, 256, 3, 1, 1, 1},
    {"VGG-16 conv1_1", 3, 30, 64, 3, 1, 1, 1},
    {"VGG-16 conv1_2", 64, 20, 64, 3, 1, 1, 1},
    {"VGG-16 conv2_1", 64, 12, 128, 3, 1, 1, 1},
    {"VGG-16 conv2_2", 128, 10, 128, 3, 1, 1, 1},
    {"VGG-16 conv3_1", 128, 7, 256, 3, 1, 1, 1},
    {"VGG-16 conv3_2", 256, 6, 256, 3, 1, 1, 1},
    {"VGG-16 conv4_1", 256, 4, 512, 3, 1, 1, 1},
    {"VGG-16 conv4_2", 512, 4, 512, 3, 1, 1, 1},
    {"ResNet conv1", 3, 56, 64, 7, 2, 3, 1},
    {"ResNet-18 layer2 first", 64, 14, 128, 3, 2, 1, 1},
    {"ResNet-18 layer2 downsample", 64, 14, 128, 1, 2, 0, 1},
    {"ResNet-18 layer3 first", 128, 9, 256, 3, 2, 1, 1},
    {"ResNet-18 layer3 downsample", 128, 9, 256, 1, 2, 0, 1},
    {"ResNet-18 layer4 first", 256, 7, 512, 3, 2, 1, 1},
    {"ResNet-18 layer4 downsample", 256, 7, 512, 1, 2, 0, 1},
    {"ResNet-50 layer1 narrow", 256, 14, 64, 1, 1, 0, 1},
    {"ResNet-50 layer1 wide", 64, 14, 256, 1, 1, 0, 1},
    {"ResNet-50 layer2 narrow", 512, 7, 128, 1, 1, 0, 1},
    {"ResNet-50 layer2 downsample", 256, 9, 512, 1, 2, 0, 1},
    {"ResNet-50 layer3 wide", 256, 7, 1024, 1, 1, 0, 1},
    {"ResNet-50 layer4 narrow", 2048, 3, 512, 1, 1, 0, 1},
    {"ResNet-50 layer4 wide", 512, 3, 2048, 1, 1, 0, 1},
    {"MobileNet conv1", 3, 33, 32, 3, 2, 1, 1},
    {"MobileNetV1 depthwise 32", 32, 20, 32, 3, 1, 1, 32},
    {"MobileNetV1 depthwise 64 / 2", 64, 15, 64, 3, 2, 1, 64},
    {"MobileNetV1 depthwise 512", 512, 7, 512, 3, 1, 1, 512},
    {"MobileNetV1 depthwise 1024", 1024, 4, 1024, 3, 1, 1, 1024},
    {"MobileNetV1 pointwise 32-64", 32, 15, 64, 1, 1, 0, 1},
    {"MobileNetV1 pointwise 512-1024", 512, 3, 1024, 1, 1, 0, 1},
    {"MobileNetV2 expand 16-96", 16, 14, 96, 1, 1, 0, 1},
    {"MobileNetV2 expand 24-144", 24, 14, 144, 1, 1, 0, 1},
    {"MobileNetV2 depthwise 144 / 2", 144, 13, 144, 3, 2, 1, 144},
    {"MobileNetV2 project 144-24", 144, 13, 24, 1, 1, 0, 1},
    {"MobileNetV2 depthwise 960", 960, 5, 960, 3, 1, 1, 960},
    {"MobileNetV2 project 960-320", 960, 3, 320, 1, 1, 0, 1},
    {"GoogLeNet conv2", 64, 12, 192, 3, 1, 1, 1},
    {"GoogLeNet 3a 1x1", 192, 9, 16, 1, 1, 0, 1},
    {"GoogLeNet 3a 3x3", 96, 9, 128, 3, 1, 1, 1},
    {"GoogLeNet 3a 5x5", 16, 9, 32, 5, 1, 2, 1},
    {"GoogLeNet 4b reduce", 512, 7, 24, 1, 1, 0, 1},
    {"GoogLeNet 4d 3x3", 144, 7, 288, 3, 1, 1, 1},
    {"GoogLeNet 5b 5x5", 48, 7, 128, 5, 1, 2, 1},
});

}  // namespace unfold::test
