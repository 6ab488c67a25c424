#include "unfold/models/zoo.h"

#include <string>

#include "unfold/error.h"
#include "unfold/models/alexnet.h"
#include "unfold/models/lenet5.h"
#include "unfold/models/mobilenet.h"
#include "unfold/models/resnet.h"
#include "unfold/models/squeezenet.h"
#include "unfold/models/vgg.h"
#include "unfold/models/zfnet.h"

namespace unfold {
namespace {

template <int kDepth, bool kNorm>
Graph vgg_of(const Shape& image, int64_t classes) {
  return vgg(kDepth, kNorm, image, classes);
}
template <int kDepth>
Graph resnet_of(const Shape& image, int64_t classes) {
  return resnet(kDepth, image, classes);
}
template <int kDepth>
Graph resnet_cifar_of(const Shape& image, int64_t classes) {
  return resnet_cifar(kDepth, image, classes);
}
template <bool kSmall>
Graph squeezenet_of(const Shape& image, int64_t classes) {
  return squeezenet(kSmall, image, classes);
}
Graph vgg11_bn_small(const Shape& image, int64_t classes) {
  return vgg_small(11, true, image, classes);
}

const Shape kDigit{1, 32, 32}, kSmall{3, 32, 32}, kPhoto{3, 224, 224};

const ZooEntry kZoo[] = {
    {"lenet5", lenet5, kDigit, 10, Init::pytorch, "LeCun et al. 1998, with ReLU and max pooling"},
    {"lenet5-article", lenet5_article, kDigit, 10, Init::article, "LeCun et al. 1998, as in the article"},
    {"resnet20", resnet_cifar_of<20>, kSmall, 10, Init::kaiming, "He et al. 2015, for CIFAR"},
    {"resnet56", resnet_cifar_of<56>, kSmall, 10, Init::kaiming, "He et al. 2015, for CIFAR"},
    {"alexnet-small", alexnet_small, kSmall, 10, Init::pytorch, "AlexNet's layers for small images"},
    {"zfnet-small", zfnet_small, kSmall, 10, Init::pytorch, "ZFNet's layers for small images"},
    {"vgg11_bn-small", vgg11_bn_small, kSmall, 10, Init::kaiming, "VGG's layers for small images"},
    {"alexnet", alexnet, kPhoto, 1000, Init::pytorch, "Krizhevsky 2014; torchvision"},
    {"alexnet-original", alexnet_original, {3, 227, 227}, 1000, Init::pytorch, "Krizhevsky et al. 2012"},
    {"zfnet", zfnet, kPhoto, 1000, Init::pytorch, "Zeiler and Fergus 2013"},
    {"vgg11", vgg_of<11, false>, kPhoto, 1000, Init::kaiming, "Simonyan and Zisserman 2014; torchvision"},
    {"vgg13", vgg_of<13, false>, kPhoto, 1000, Init::kaiming, "the same"},
    {"vgg16", vgg_of<16, false>, kPhoto, 1000, Init::kaiming, "the same"},
    {"vgg19", vgg_of<19, false>, kPhoto, 1000, Init::kaiming, "the same"},
    {"vgg11_bn", vgg_of<11, true>, kPhoto, 1000, Init::kaiming, "the same, with batch normalisation"},
    {"vgg13_bn", vgg_of<13, true>, kPhoto, 1000, Init::kaiming, "the same"},
    {"vgg16_bn", vgg_of<16, true>, kPhoto, 1000, Init::kaiming, "the same"},
    {"vgg19_bn", vgg_of<19, true>, kPhoto, 1000, Init::kaiming, "the same"},
    {"resnet18", resnet_of<18>, kPhoto, 1000, Init::kaiming, "He et al. 2015; torchvision"},
    {"resnet34", resnet_of<34>, kPhoto, 1000, Init::kaiming, "the same"},
    {"resnet50", resnet_of<50>, kPhoto, 1000, Init::kaiming, "the same"},
    {"squeezenet1_0", squeezenet_of<false>, kPhoto, 1000, Init::pytorch, "Iandola et al. 2016; torchvision"},
    {"squeezenet1_1", squeezenet_of<true>, kPhoto, 1000, Init::pytorch, "the same"},
    {"mobilenet_v1", mobilenet_v1, kPhoto, 1000, Init::kaiming, "Howard et al. 2017"},
    {"mobilenet_v2", mobilenet_v2, kPhoto, 1000, Init::kaiming, "Sandler et al. 2018; torchvision"},
};

}  // namespace

std::span<const ZooEntry> zoo() {
  return kZoo;
}

const ZooEntry& zoo_entry(std::string_view name) {
  std::string names;
  for (const ZooEntry& entry : kZoo) {
    if (entry.name == name) return entry;
    names += (names.empty() ? "" : ", ") + std::string(entry.name);
  }
  throw Error(ErrorKind::usage, "unknown model").wanted(names).got(name);
}

}  // namespace unfold
