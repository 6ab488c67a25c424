#pragma once

#include "unfold/graph.h"

namespace unfold {

/// AlexNet as torchvision has it: the one-tower variant of Krizhevsky, "One weird trick for parallelizing
/// convolutional neural networks" (2014), for images (3, H, W) of 63 pixels a side and more. Parameters go by
/// torchvision's names.
Graph alexnet(const Shape& image = {3, 224, 224}, int64_t classes = 1000);

/// AlexNet as its paper has it (Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep
/// convolutional neural networks", 2012): local response normalisation, and groups where the paper used two
/// GPUs. Images are 227 x 227: the paper says 224, with which its first layer has no 55 x 55 outputs.
Graph alexnet_original(const Shape& image = {3, 227, 227}, int64_t classes = 1000);

/// A form for small images: the convolutions of alexnet() with kernels and strides to match, and smaller
/// linear layers.
Graph alexnet_small(const Shape& image = {3, 32, 32}, int64_t classes = 10);

}  // namespace unfold
