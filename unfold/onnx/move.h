// Moving elements about without computing anything, whatever their type.
#pragma once

#include "unfold/onnx/call.h"

namespace unfold::onnx {

/// A part of an array: where it begins, and strides, in elements.
struct View {
  int64_t offset = 0;
  std::vector<int64_t> strides;
};

/// Copies an array of `sizes` from one view to another; elements of as many bytes as those of `to`.
void copy_view(const Call& c, std::span<const int64_t> sizes, const Tensor& from, const View& from_view,
               Tensor& to, const View& to_view);

/// The tensor with its axes in another order: axis i is axis order[i] of `x`.
Tensor transposed(const Call& c, const Tensor& x, std::span<const int64_t> order);

}  // namespace unfold::onnx
