#include "unfold/formats/layer_types.h"

namespace unfold {
namespace {

using enum SettingKind;

const LayerSetting kKernel{"kernel_size", pair, "kernel_shape"}, kStride{"stride", pair, "strides", {1, 1}},
    kPoolStride{"stride", pair, "strides", {}, "kernel_size"},
    kPadding{"padding", padding, "pads", {0, 0, 0, 0}}, kDilation{"dilation", pair, "dilations", {1, 1}},
    kGroups{"groups", count, "groups", {1}}, kBias{"bias", flag, "bias", {1}},
    kCeil{"ceil_mode", flag, "ceil_mode", {0}}, kChannels{"out_channels", count, "out_channels"},
    kAround{"padding", padding, "pads"};

const std::vector<LayerType> kTypes = {
    {{"Conv2d"}, "Conv2d", {kChannels, kKernel, kStride, kPadding, kDilation, kGroups, kBias}},
    {{"ConvTranspose2d"},
     "ConvTranspose2d",
     {kChannels,
      kKernel,
      kStride,
      kPadding,
      kDilation,
      kGroups,
      kBias,
      {"output_padding", pair, "output_padding", {0, 0}}}},
    {{"Linear"}, "Linear", {{"out_features", count, "out_features"}, kBias}},
    {{"MaxPool2d"}, "MaxPool2d", {kKernel, kPoolStride, kPadding, kDilation, kCeil}},
    {{"AvgPool2d"},
     "AvgPool2d",
     {kKernel, kPoolStride, kPadding, kCeil, {"count_include_pad", flag, "count_include_pad", {1}}},
     {{"dilations", {1, 1}}}},
    {{"AdaptiveAvgPool2d"}, "AdaptiveAvgPool2d", {{"output_size", pair, "output_size"}}},
    {{"GlobalAvgPool2d"}, "AdaptiveAvgPool2d", {}, {{"output_size", {1, 1}}}},
    {{"BatchNorm2d", "BatchNorm1d", "BatchNorm"},
     "BatchNorm",
     {{"eps", number, "eps", {1e-5}}, {"momentum", number, "momentum", {0.1}}}},
    {{"LocalResponseNorm"},
     "LocalResponseNorm",
     {{"size", count, "size"},
      {"alpha", number, "alpha", {1e-4}},
      {"beta", number, "beta", {0.75}},
      {"k", number, "k", {1}}}},
    {{"Dropout"}, "Dropout", {{"p", number, "p", {0.5}}}},
    {{"Flatten"}, "Flatten"},
    {{"ReLU"}, "Relu"},
    {{"Tanh"}, "Tanh", {{"scale", number, "scale", {1}}}},
    {{"Sigmoid"}, "Sigmoid"},
    {{"LeakyReLU"}, "LeakyRelu", {{"negative_slope", number, "alpha", {0.01}}}},
    {{"ELU"}, "Elu", {{"alpha", number, "alpha", {1}}}},
    {{"Hardsigmoid"}, "HardSigmoid", {}, {{"alpha", {1.0 / 6}}, {"beta", {0.5}}}},
    {{"Hardswish"}, "HardSwish"},
    {{"SiLU", "Swish"}, "Silu"},
    {{"Hardtanh", "Clip"}, "Clip", {{"min_val", number, "min", {-1}}, {"max_val", number, "max", {1}}}},
    {{"ReLU6"}, "Clip", {}, {{"min", {0}}, {"max", {6}}}},
    {{"Softplus"}, "Softplus"},
    {{"SELU"}, "Selu"},
    {{"Softsign"}, "Softsign"},
    {{"PReLU"},
     "PRelu",
     {{"num_parameters", count, "num_parameters", {1}}, {"init", number, "init", {0.25}}}},
    {{"ZeroPad2d"}, "Pad", {kAround}, {{"mode", {0}}}},
    {{"ConstantPad2d"}, "Pad", {kAround, {"value", number, "value", {0}}}, {{"mode", {0}}}},
    {{"ReflectionPad2d"}, "Pad", {kAround}, {{"mode", {1}}}},
    {{"ReplicationPad2d"}, "Pad", {kAround}, {{"mode", {2}}}},
    {{"Permute"}, "Transpose", {{"dims", list, "perm"}}},
    {{"Reshape"}, "Reshape", {{"shape", list, "shape"}}},
    {{"Softmax"}, "Softmax"},
    {{"LogSoftmax"}, "LogSoftmax"},
    {{"Add"}, "Add"},
    {{"Mul"}, "Mul"},
    {{"Concat", "Cat"}, "Concat", {{"dim", count, "axis", {1}}}},
};

}  // namespace

std::span<const LayerType> known_layers() {
  return kTypes;
}

}  // namespace unfold
