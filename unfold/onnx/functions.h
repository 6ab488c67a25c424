// What computes the operators: one function for each, and for each form that needs one of its own.
#pragma once

#include "unfold/onnx/call.h"

namespace unfold::onnx::ops {

using Function = void(Call&);

// arithmetic.cpp
Function add, sub, mul, div, mod, pow, sum, mean, max, min, p_relu;
// unary.cpp
Function abs, neg, sign, floor, ceil, round, reciprocal, sqrt, exp, log, erf, sin, cos, tan, asin, acos, atan,
    sinh, cosh, asinh, acosh, atanh, relu, leaky_relu, thresholded_relu, elu, celu, selu, shrink, tanh,
    sigmoid, hard_sigmoid, hard_swish, swish, softplus, softsign, mish, gelu, clip;
// logic.cpp
Function equal, less, less_or_equal, greater, greater_or_equal, logical_and, logical_or, logical_xor,
    logical_not, is_nan, is_inf, where, cast, cast_like;
// shape.cpp
Function identity, reshape, flatten, squeeze, unsqueeze, shape, size, constant, constant_of_shape, range,
    dropout;
// move.cpp, pad.cpp
Function transpose, concat, split, slice, gather, gather_elements, expand, tile, pad, depth_to_space,
    space_to_depth;
// reduce.cpp
Function reduce_sum, reduce_mean, reduce_max, reduce_min, reduce_prod, reduce_l1, reduce_l2, reduce_log_sum,
    reduce_log_sum_exp, reduce_sum_square, arg_max, arg_min;
// product.cpp
Function mat_mul, gemm;
// conv.cpp, conv_transpose.cpp
Function conv, conv_transpose, col2im;
// pool.cpp
Function max_pool, average_pool, lp_pool, global_average_pool, global_max_pool, global_lp_pool;
// norm.cpp
Function batch_normalization, instance_normalization, group_normalization, layer_normalization, lrn;
// softmax.cpp
Function softmax, log_softmax, hardmax, negative_log_likelihood_loss, softmax_cross_entropy_loss;
// resize.cpp
Function upsample, resize, resize_by_scales;

}  // namespace unfold::onnx::ops
