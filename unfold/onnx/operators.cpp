#include "unfold/onnx/operators.h"

#include <algorithm>

#include "unfold/onnx/functions.h"

namespace unfold::onnx {
namespace {

using namespace ops;
using enum Types;

constexpr int kNow = kNewestOpset;

// Attributes that several operators know.
constexpr std::string_view kBroadcast = "axis:int broadcast:int";
constexpr std::string_view kConvolution =
    "auto_pad:string dilations:ints group:int kernel_shape:ints pads:ints strides:ints";
constexpr std::string_view kAxesAttribute = "axes:ints keepdims:int",
                           kAxesInput = "keepdims:int noop_with_empty_axes:int";
constexpr std::string_view kConstant =
    "value:tensor value_float:float value_floats:floats value_int:int value_ints:ints";

// Name, opsets, inputs (least and most), outputs, types, attributes, function.
constexpr Operator kOperators[] = {
    {"Abs", 6, kNow, 1, 1, 1, numbers, "", abs},
    {"Acos", 7, kNow, 1, 1, 1, floats, "", acos},
    {"Acosh", 9, kNow, 1, 1, 1, floats, "", acosh},
    {"Add", 6, 6, 2, 2, 1, numbers, kBroadcast, add},
    {"Add", 7, kNow, 2, 2, 1, numbers, "", add},
    {"And", 1, 6, 2, 2, 1, booleans, kBroadcast, logical_and},
    {"And", 7, kNow, 2, 2, 1, booleans, "", logical_and},
    {"ArgMax", 1, 11, 1, 1, 1, numbers, "axis:int keepdims:int", arg_max},
    {"ArgMax", 12, kNow, 1, 1, 1, numbers, "axis:int keepdims:int select_last_index:int", arg_max},
    {"ArgMin", 1, 11, 1, 1, 1, numbers, "axis:int keepdims:int", arg_min},
    {"ArgMin", 12, kNow, 1, 1, 1, numbers, "axis:int keepdims:int select_last_index:int", arg_min},
    {"Asin", 7, kNow, 1, 1, 1, floats, "", asin},
    {"Asinh", 9, kNow, 1, 1, 1, floats, "", asinh},
    {"Atan", 7, kNow, 1, 1, 1, floats, "", atan},
    {"Atanh", 9, kNow, 1, 1, 1, floats, "", atanh},
    {"AveragePool", 1, 6, 1, 1, 1, floats, "auto_pad:string kernel_shape:ints pads:ints strides:ints",
     average_pool},
    {"AveragePool", 7, 9, 1, 1, 1, floats,
     "auto_pad:string count_include_pad:int kernel_shape:ints pads:ints strides:ints", average_pool},
    {"AveragePool", 10, 18, 1, 1, 1, floats,
     "auto_pad:string ceil_mode:int count_include_pad:int kernel_shape:ints pads:ints strides:ints",
     average_pool},
    {"AveragePool", 19, kNow, 1, 1, 1, floats,
     "auto_pad:string ceil_mode:int count_include_pad:int dilations:ints kernel_shape:ints pads:ints "
     "strides:ints",
     average_pool},
    {"BatchNormalization", 6, 6, 5, 5, 5, floats, "epsilon:float is_test:int momentum:float spatial:int",
     batch_normalization},
    {"BatchNormalization", 7, 8, 5, 5, 5, floats, "epsilon:float momentum:float spatial:int",
     batch_normalization},
    {"BatchNormalization", 9, 13, 5, 5, 5, floats, "epsilon:float momentum:float", batch_normalization},
    {"BatchNormalization", 14, kNow, 5, 5, 3, floats, "epsilon:float momentum:float training_mode:int",
     batch_normalization},
    {"Cast", 6, 18, 1, 1, 1, any, "to:int", cast},
    {"Cast", 19, 23, 1, 1, 1, any, "saturate:int to:int", cast},
    {"Cast", 24, kNow, 1, 1, 1, any, "round_mode:string saturate:int to:int", cast},
    {"CastLike", 15, 18, 2, 2, 1, any, "", cast_like},
    {"CastLike", 19, 23, 2, 2, 1, any, "saturate:int", cast_like},
    {"CastLike", 24, kNow, 2, 2, 1, any, "round_mode:string saturate:int", cast_like},
    {"Ceil", 6, kNow, 1, 1, 1, floats, "", ceil},
    {"Celu", 12, kNow, 1, 1, 1, floats, "alpha:float", celu},
    {"Clip", 6, 10, 1, 1, 1, floats, "max:float min:float", clip},
    {"Clip", 11, kNow, 1, 3, 1, numbers, "", clip},
    {"Col2Im", 18, kNow, 3, 3, 1, floats, "dilations:ints pads:ints strides:ints", col2im},
    {"Concat", 4, kNow, 1, kMany, 1, any, "axis:int", concat},
    {"Constant", 1, 11, 0, 0, 1, any, "value:tensor", constant, -1},
    {"Constant", 12, kNow, 0, 0, 1, any, kConstant, constant, -1},
    {"ConstantOfShape", 9, kNow, 1, 1, 1, any, "value:tensor", constant_of_shape, -1},
    {"Conv", 1, kNow, 2, 3, 1, floats, kConvolution, conv},
    {"ConvTranspose", 1, kNow, 2, 3, 1, floats,
     "auto_pad:string dilations:ints group:int kernel_shape:ints output_padding:ints output_shape:ints "
     "pads:ints "
     "strides:ints",
     conv_transpose},
    {"Cos", 7, kNow, 1, 1, 1, floats, "", cos},
    {"Cosh", 9, kNow, 1, 1, 1, floats, "", cosh},
    {"DepthToSpace", 1, 10, 1, 1, 1, any, "blocksize:int", depth_to_space},
    {"DepthToSpace", 11, kNow, 1, 1, 1, any, "blocksize:int mode:string", depth_to_space},
    {"Div", 6, 6, 2, 2, 1, numbers, kBroadcast, div},
    {"Div", 7, kNow, 2, 2, 1, numbers, "", div},
    {"Dropout", 6, 6, 1, 1, 2, floats, "is_test:int ratio:float", dropout},
    {"Dropout", 7, 11, 1, 1, 2, floats, "ratio:float", dropout},
    {"Dropout", 12, kNow, 1, 3, 2, floats, "seed:int", dropout},
    {"Elu", 6, kNow, 1, 1, 1, floats, "alpha:float", elu},
    {"Equal", 1, 6, 2, 2, 1, values, kBroadcast, equal},
    {"Equal", 7, kNow, 2, 2, 1, values, "", equal},
    {"Erf", 9, kNow, 1, 1, 1, floats, "", erf},
    {"Exp", 6, kNow, 1, 1, 1, floats, "", exp},
    {"Expand", 8, kNow, 2, 2, 1, any, "", expand},
    {"Flatten", 1, kNow, 1, 1, 1, any, "axis:int", flatten},
    {"Floor", 6, kNow, 1, 1, 1, floats, "", floor},
    {"Gather", 1, kNow, 2, 2, 1, any, "axis:int", gather},
    {"GatherElements", 11, kNow, 2, 2, 1, any, "axis:int", gather_elements},
    {"Gelu", 20, kNow, 1, 1, 1, floats, "approximate:string", gelu},
    {"Gemm", 6, 6, 3, 3, 1, numbers, "alpha:float beta:float broadcast:int transA:int transB:int", gemm},
    {"Gemm", 7, kNow, 2, 3, 1, numbers, "alpha:float beta:float transA:int transB:int", gemm},
    {"GlobalAveragePool", 1, kNow, 1, 1, 1, floats, "", global_average_pool},
    {"GlobalLpPool", 2, kNow, 1, 1, 1, floats, "p:int", global_lp_pool},
    {"GlobalMaxPool", 1, kNow, 1, 1, 1, floats, "", global_max_pool},
    {"Greater", 1, 6, 2, 2, 1, numbers, kBroadcast, greater},
    {"Greater", 7, kNow, 2, 2, 1, numbers, "", greater},
    {"GreaterOrEqual", 12, kNow, 2, 2, 1, numbers, "", greater_or_equal},
    {"GroupNormalization", 21, kNow, 3, 3, 1, floats, "epsilon:float num_groups:int stash_type:int",
     group_normalization},
    {"HardSigmoid", 6, kNow, 1, 1, 1, floats, "alpha:float beta:float", hard_sigmoid},
    {"HardSwish", 14, kNow, 1, 1, 1, floats, "", hard_swish},
    {"Hardmax", 1, kNow, 1, 1, 1, floats, "axis:int", hardmax},
    {"Identity", 1, kNow, 1, 1, 1, any, "", identity},
    {"InstanceNormalization", 6, kNow, 3, 3, 1, floats, "epsilon:float", instance_normalization},
    {"IsInf", 10, kNow, 1, 1, 1, floats, "detect_negative:int detect_positive:int", is_inf},
    {"IsNaN", 9, kNow, 1, 1, 1, floats, "", is_nan},
    {"LRN", 1, kNow, 1, 1, 1, floats, "alpha:float beta:float bias:float size:int", lrn},
    {"LayerNormalization", 17, kNow, 2, 3, 3, floats, "axis:int epsilon:float stash_type:int",
     layer_normalization, 0, 1},
    {"LeakyRelu", 6, kNow, 1, 1, 1, floats, "alpha:float", leaky_relu},
    {"Less", 1, 6, 2, 2, 1, numbers, kBroadcast, less},
    {"Less", 7, kNow, 2, 2, 1, numbers, "", less},
    {"LessOrEqual", 12, kNow, 2, 2, 1, numbers, "", less_or_equal},
    {"Log", 6, kNow, 1, 1, 1, floats, "", log},
    {"LogSoftmax", 1, kNow, 1, 1, 1, floats, "axis:int", log_softmax},
    {"LpPool", 2, 17, 1, 1, 1, floats, "auto_pad:string kernel_shape:ints p:int pads:ints strides:ints",
     lp_pool},
    {"LpPool", 18, kNow, 1, 1, 1, floats,
     "auto_pad:string ceil_mode:int dilations:ints kernel_shape:ints p:int pads:ints strides:ints", lp_pool},
    {"MatMul", 1, kNow, 2, 2, 1, numbers, "", mat_mul},
    {"Max", 6, kNow, 1, kMany, 1, numbers, "", max},
    {"MaxPool", 1, 7, 1, 1, 1, numbers, "auto_pad:string kernel_shape:ints pads:ints strides:ints", max_pool},
    {"MaxPool", 8, 9, 1, 1, 2, numbers,
     "auto_pad:string kernel_shape:ints pads:ints storage_order:int strides:ints", max_pool},
    {"MaxPool", 10, kNow, 1, 1, 2, numbers,
     "auto_pad:string ceil_mode:int dilations:ints kernel_shape:ints pads:ints storage_order:int "
     "strides:ints",
     max_pool},
    {"Mean", 6, kNow, 1, kMany, 1, floats, "", mean},
    {"Min", 6, kNow, 1, kMany, 1, numbers, "", min},
    {"Mish", 18, kNow, 1, 1, 1, floats, "", mish},
    {"Mod", 10, kNow, 2, 2, 1, numbers, "fmod:int", mod},
    {"Mul", 6, 6, 2, 2, 1, numbers, kBroadcast, mul},
    {"Mul", 7, kNow, 2, 2, 1, numbers, "", mul},
    {"Neg", 6, kNow, 1, 1, 1, numbers, "", neg},
    {"NegativeLogLikelihoodLoss", 12, kNow, 2, 3, 1, floats, "ignore_index:int reduction:string",
     negative_log_likelihood_loss},
    {"Not", 1, kNow, 1, 1, 1, booleans, "", logical_not},
    {"Or", 1, 6, 2, 2, 1, booleans, kBroadcast, logical_or},
    {"Or", 7, kNow, 2, 2, 1, booleans, "", logical_or},
    {"PRelu", 6, kNow, 2, 2, 1, numbers, "", p_relu},
    {"Pad", 2, 10, 1, 1, 1, any, "mode:string pads:ints value:float", pad},
    {"Pad", 11, 17, 2, 3, 1, any, "mode:string", pad},
    {"Pad", 18, kNow, 2, 4, 1, any, "mode:string", pad},
    {"Pow", 1, 6, 2, 2, 1, numbers, kBroadcast, pow},
    {"Pow", 7, kNow, 2, 2, 1, numbers, "", pow},
    {"Range", 11, 26, 3, 3, 1, numbers, "", range},
    {"Range", 27, kNow, 3, 3, 1, numbers, "stash_type:int", range},
    {"Reciprocal", 6, kNow, 1, 1, 1, floats, "", reciprocal},
    {"ReduceL1", 1, 17, 1, 1, 1, numbers, kAxesAttribute, reduce_l1},
    {"ReduceL1", 18, kNow, 1, 2, 1, numbers, kAxesInput, reduce_l1},
    {"ReduceL2", 1, 17, 1, 1, 1, numbers, kAxesAttribute, reduce_l2},
    {"ReduceL2", 18, kNow, 1, 2, 1, numbers, kAxesInput, reduce_l2},
    {"ReduceLogSum", 1, 17, 1, 1, 1, numbers, kAxesAttribute, reduce_log_sum},
    {"ReduceLogSum", 18, kNow, 1, 2, 1, numbers, kAxesInput, reduce_log_sum},
    {"ReduceLogSumExp", 1, 17, 1, 1, 1, floats, kAxesAttribute, reduce_log_sum_exp},
    {"ReduceLogSumExp", 18, kNow, 1, 2, 1, floats, kAxesInput, reduce_log_sum_exp},
    {"ReduceMax", 1, 17, 1, 1, 1, numbers, kAxesAttribute, reduce_max},
    {"ReduceMax", 18, kNow, 1, 2, 1, values, kAxesInput, reduce_max},
    {"ReduceMean", 1, 17, 1, 1, 1, numbers, kAxesAttribute, reduce_mean},
    {"ReduceMean", 18, kNow, 1, 2, 1, numbers, kAxesInput, reduce_mean},
    {"ReduceMin", 1, 17, 1, 1, 1, numbers, kAxesAttribute, reduce_min},
    {"ReduceMin", 18, kNow, 1, 2, 1, values, kAxesInput, reduce_min},
    {"ReduceProd", 1, 17, 1, 1, 1, numbers, kAxesAttribute, reduce_prod},
    {"ReduceProd", 18, kNow, 1, 2, 1, numbers, kAxesInput, reduce_prod},
    {"ReduceSum", 1, 12, 1, 1, 1, numbers, kAxesAttribute, reduce_sum},
    {"ReduceSum", 13, kNow, 1, 2, 1, numbers, kAxesInput, reduce_sum},
    {"ReduceSumSquare", 1, 17, 1, 1, 1, numbers, kAxesAttribute, reduce_sum_square},
    {"ReduceSumSquare", 18, kNow, 1, 2, 1, numbers, kAxesInput, reduce_sum_square},
    {"Relu", 6, kNow, 1, 1, 1, numbers, "", relu},
    {"Reshape", 5, 13, 2, 2, 1, any, "", reshape},
    {"Reshape", 14, kNow, 2, 2, 1, any, "allowzero:int", reshape},
    {"Resize", 10, 10, 2, 2, 1, numbers, "mode:string", resize_by_scales},
    {"Resize", 11, 17, 1, 4, 1, numbers,
     "coordinate_transformation_mode:string cubic_coeff_a:float exclude_outside:int "
     "extrapolation_value:float "
     "mode:string nearest_mode:string",
     resize},
    {"Resize", 18, kNow, 1, 4, 1, numbers,
     "antialias:int axes:ints coordinate_transformation_mode:string cubic_coeff_a:float exclude_outside:int "
     "extrapolation_value:float keep_aspect_ratio_policy:string mode:string nearest_mode:string",
     resize},
    {"Round", 11, kNow, 1, 1, 1, floats, "", round},
    {"Selu", 6, kNow, 1, 1, 1, floats, "alpha:float gamma:float", selu},
    {"Shape", 1, 14, 1, 1, 1, any, "", shape},
    {"Shape", 15, kNow, 1, 1, 1, any, "end:int start:int", shape},
    {"Shrink", 9, kNow, 1, 1, 1, floats, "bias:float lambd:float", shrink},
    {"Sigmoid", 6, kNow, 1, 1, 1, floats, "", sigmoid},
    {"Sign", 9, kNow, 1, 1, 1, numbers, "", sign},
    {"Sin", 7, kNow, 1, 1, 1, floats, "", sin},
    {"Sinh", 9, kNow, 1, 1, 1, floats, "", sinh},
    {"Size", 1, kNow, 1, 1, 1, any, "", size},
    {"Slice", 1, 9, 1, 1, 1, any, "axes:ints ends:ints starts:ints", slice},
    {"Slice", 10, kNow, 3, 5, 1, any, "", slice},
    {"Softmax", 1, kNow, 1, 1, 1, floats, "axis:int", softmax},
    {"SoftmaxCrossEntropyLoss", 12, kNow, 2, 3, 2, floats, "ignore_index:int reduction:string",
     softmax_cross_entropy_loss},
    {"Softplus", 1, kNow, 1, 1, 1, floats, "", softplus},
    {"Softsign", 1, kNow, 1, 1, 1, floats, "", softsign},
    {"SpaceToDepth", 1, 27, 1, 1, 1, any, "blocksize:int", space_to_depth},
    {"SpaceToDepth", 28, kNow, 1, 1, 1, any, "blocksize:int mode:string", space_to_depth},
    {"Split", 2, 12, 1, 1, kMany, any, "axis:int split:ints", split},
    {"Split", 13, 17, 1, 2, kMany, any, "axis:int", split},
    {"Split", 18, kNow, 1, 2, kMany, any, "axis:int num_outputs:int", split},
    {"Sqrt", 6, kNow, 1, 1, 1, floats, "", sqrt},
    {"Squeeze", 1, 12, 1, 1, 1, any, "axes:ints", squeeze},
    {"Squeeze", 13, kNow, 1, 2, 1, any, "", squeeze},
    {"Sub", 6, 6, 2, 2, 1, numbers, kBroadcast, sub},
    {"Sub", 7, kNow, 2, 2, 1, numbers, "", sub},
    {"Sum", 6, kNow, 1, kMany, 1, numbers, "", sum},
    {"Swish", 24, kNow, 1, 1, 1, floats, "alpha:float", swish},
    {"Tan", 7, kNow, 1, 1, 1, floats, "", tan},
    {"Tanh", 6, kNow, 1, 1, 1, floats, "", tanh},
    {"ThresholdedRelu", 10, kNow, 1, 1, 1, floats, "alpha:float", thresholded_relu},
    {"Tile", 6, kNow, 2, 2, 1, any, "", tile},
    {"Transpose", 1, kNow, 1, 1, 1, any, "perm:ints", transpose},
    {"Unsqueeze", 1, 12, 1, 1, 1, any, "axes:ints", unsqueeze},
    {"Unsqueeze", 13, kNow, 2, 2, 1, any, "", unsqueeze},
    {"Upsample", 7, 8, 1, 1, 1, numbers, "mode:string scales:floats", upsample},
    {"Upsample", 9, 9, 2, 2, 1, numbers, "mode:string", upsample},
    {"Where", 9, kNow, 3, 3, 1, any, "", where, 1},
    {"Xor", 1, 6, 2, 2, 1, booleans, kBroadcast, logical_xor},
    {"Xor", 7, kNow, 2, 2, 1, booleans, "", logical_xor},
};

}  // namespace

std::span<const Operator> operators() {
  return kOperators;
}

const Operator* find_operator(std::string_view name, int64_t opset) {
  for (const Operator& row : kOperators) {
    if (row.name == name && opset >= row.first && opset <= row.last) return &row;
  }
  return nullptr;
}

std::vector<AttributeRule> attribute_rules(const Operator& row) {
  std::vector<AttributeRule> rules;
  std::string_view rest = row.attributes;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(' '), rest.size()), colon = rest.find(':');
    rules.push_back({rest.substr(0, colon), rest.substr(colon + 1, end - colon - 1)});
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return rules;
}

bool takes(Types types, Dtype dtype) {
  switch (types) {
    case any:
      return true;
    case booleans:
      return dtype == Dtype::boolean;
    case values:
      return takes(numbers, dtype) || dtype == Dtype::boolean;
    case floats:
      return dtype == Dtype::f32 || dtype == Dtype::f64;
    case numbers:
      return takes(floats, dtype) || dtype == Dtype::i64 || dtype == Dtype::i32 || dtype == Dtype::u8;
  }
  return false;
}

std::string_view types_text(Types types) {
  switch (types) {
    case any:
      return "float32, float64, int64, int32, uint8, bool, float16, bfloat16";
    case booleans:
      return "bool";
    case floats:
      return "float32, float64";
    case numbers:
      return "float32, float64, int64, int32, uint8";
    case values:
      return "float32, float64, int64, int32, uint8, bool";
  }
  return "";
}

std::string_view type_text(Dtype dtype) {
  constexpr std::string_view kNames[] = {"float32", "float64", "int64",   "int32",
                                         "uint8",   "bool",    "float16", "bfloat16"};
  return kNames[static_cast<size_t>(dtype)];
}

}  // namespace unfold::onnx
