// Pad, and the rearrangements between depth and space.
#include <algorithm>
#include <cstring>

#include "unfold/onnx/convert.h"
#include "unfold/onnx/elementwise.h"
#include "unfold/onnx/functions.h"
#include "unfold/onnx/move.h"

namespace unfold::onnx::ops {
namespace {

/// For each element along an axis of the output the one of the input that it is; -1: the constant.
std::vector<int64_t> sources(const Call& c, std::string_view mode, int64_t size, int64_t begin, int64_t out) {
  c.charge(out, sizeof(int64_t));
  std::vector<int64_t> from(static_cast<size_t>(out));
  if (size == 0 && out > 0 && mode != "constant") c.refuse("an empty axis has nothing to pad with");
  const int64_t period = mode == "wrap" ? size : std::max<int64_t>(2 * (size - 1), 1);
  for (int64_t i = 0; i < out; ++i) {
    int64_t at = i - begin;
    if (at < 0 || at >= size) {
      if (mode == "constant") {
        at = -1;
      } else if (mode == "edge") {
        at = std::clamp<int64_t>(at, 0, size - 1);
      } else {  // to and fro without repeating the ends, or round and round
        at = (at % period + period) % period;
        if (at >= size) at = period - at;
      }
    }
    from[static_cast<size_t>(i)] = at;
  }
  return from;
}

/// The bytes of the constant: an attribute before opset 11, then an input; zeros if there is neither.
std::vector<std::byte> filler(const Call& c, const Tensor& x) {
  std::vector<std::byte> bytes(dtype_size(x.dtype()));
  if (c.given(2)) {
    c.same_type(0, 2);
    if (c.input(2).elements() != 1)
      c.refuse("the constant is no single number", "()", c.input(2).shape().text());
    std::memcpy(bytes.data(), c.input(2).raw(), bytes.size());
  } else if (c.attribute<float>("value")) {
    Tensor value(Dtype::f32, {}), same(x.dtype(), {});
    *value.data<float>() = *c.attribute<float>("value");
    convert(value, same);
    std::memcpy(bytes.data(), same.raw(), bytes.size());
  }
  return bytes;
}

}  // namespace

void pad(Call& c) {
  constexpr std::string_view kModes[] = {"constant", "reflect", "edge", "wrap"};
  const Tensor& x = c.input(0);
  const int64_t rank = x.shape().rank();
  const std::string mode = c.text("mode", "constant", kModes);
  const std::vector<int64_t> pads =
      c.given(1) ? c.list(1) : c.integers("pads").value_or(std::vector<int64_t>{});
  std::vector<int64_t> axes;
  for (int64_t i = 0; i < rank; ++i) axes.push_back(i);
  if (c.given(3)) {
    axes = c.list(3);
    c.axes(axes, rank);  // none twice
  }
  if (pads.size() != 2 * axes.size()) {
    c.refuse("the number of pads does not fit", std::to_string(2 * axes.size()), std::to_string(pads.size()));
  }
  constexpr int64_t kMost = int64_t{1}
                            << 40;  // keeps sums from overflowing; `make` refuses far smaller sizes
  Sizes sizes = sizes_of(x), begins(static_cast<size_t>(rank), 0);
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(c.axis(axes[i], rank));
    const int64_t begin = pads[i], end = pads[i + axes.size()];
    if (std::max(begin, end) > kMost || std::min(begin, end) < -kMost) {
      c.refuse("a pad is out of range", "at most 2^40", sizes_text(pads));
    }
    begins[axis] = begin;
    sizes[axis] += begin + end;
  }
  Tensor y = c.make(x.dtype(), sizes);
  std::vector<std::vector<int64_t>> from;
  for (size_t i = 0; i < sizes.size(); ++i) {
    from.push_back(sources(c, mode, x.shape()[static_cast<int>(i)], begins[i], sizes[i]));
  }
  const std::vector<std::byte> constant = filler(c, x);
  const size_t size = constant.size();
  const std::vector<int64_t> strides = contiguous_strides(x.shape().sizes());
  const auto* source = static_cast<const std::byte*>(x.raw());
  auto* target = static_cast<std::byte*>(y.raw());
  // Row by row of the last axis; above it an index for each axis.
  const size_t outer = sizes.empty() ? 0 : sizes.size() - 1;
  const int64_t row = sizes.empty() ? 1 : sizes.back(), rows = row == 0 ? 0 : y.elements() / row;
  std::vector<int64_t> index(outer, 0);
  for (int64_t r = 0; r < rows; ++r) {
    int64_t at = 0;
    bool inside = true;
    for (size_t i = 0; i < outer; ++i) {
      const int64_t there = from[i][static_cast<size_t>(index[i])];
      inside = inside && there >= 0;
      at += there * strides[i];
    }
    for (int64_t i = 0; i < row; ++i, target += size) {
      const int64_t there = sizes.empty() ? 0 : from[outer][static_cast<size_t>(i)];
      const bool real = inside && there >= 0;
      std::memcpy(target, real ? source + static_cast<size_t>(at + there) * size : constant.data(), size);
    }
    for (size_t i = outer; i-- > 0; index[i] = 0) {
      if (++index[i] < sizes[i]) break;
    }
  }
  c.output(0, std::move(y));
}

namespace {

/// (N, C, H, W) and the block's side.
Sizes blocks_of(const Call& c, int64_t& block) {
  const Tensor& x = c.input(0);
  block = c.integer("blocksize");
  constexpr int64_t kMost = 1 << 15;
  if (x.shape().rank() != 4) c.refuse("the input does not fit", "4 axes (N, C, H, W)", x.shape().text());
  if (block < 1 || block > kMost)
    c.refuse("`blocksize` is out of range", "1 to 32768", std::to_string(block));
  return sizes_of(x);
}

constexpr std::string_view kOrders[] = {"DCR", "CRD"};

}  // namespace

/// Blocks of channels become squares of pixels; in mode DCR a pixel's place in its square is the slower part
/// of the channel's number, in CRD the faster one.
void depth_to_space(Call& c) {
  int64_t b = 0;
  const Sizes s = blocks_of(c, b);
  const bool depth_first = c.text("mode", "DCR", kOrders) == "DCR";
  if (s[1] % (b * b) != 0)
    c.refuse("blocks do not divide the channels", std::to_string(b * b), std::to_string(s[1]));
  const int64_t channels = s[1] / (b * b);
  const Sizes split =
      depth_first ? Sizes{s[0], b, b, channels, s[2], s[3]} : Sizes{s[0], channels, b, b, s[2], s[3]};
  const int64_t dcr[] = {0, 3, 4, 1, 5, 2}, crd[] = {0, 1, 4, 2, 5, 3};
  const Tensor y = transposed(c, c.input(0).reshaped(Shape(split)), depth_first ? dcr : crd);
  c.output(0, y.reshaped({s[0], channels, s[2] * b, s[3] * b}));
}

/// Squares of pixels become blocks of channels: the inverse of depth_to_space.
void space_to_depth(Call& c) {
  int64_t b = 0;
  const Sizes s = blocks_of(c, b);
  const bool depth_first = c.text("mode", "DCR", kOrders) == "DCR";
  if (s[2] % b != 0 || s[3] % b != 0) {
    c.refuse("blocks do not divide the image", "multiples of " + std::to_string(b),
             c.input(0).shape().text());
  }
  const Shape split({s[0], s[1], s[2] / b, b, s[3] / b, b});
  const int64_t dcr[] = {0, 3, 5, 1, 2, 4}, crd[] = {0, 1, 3, 5, 2, 4};
  const Tensor y = transposed(c, c.input(0).reshaped(split), depth_first ? dcr : crd);
  c.output(0, y.reshaped({s[0], s[1] * b * b, s[2] / b, s[3] / b}));
}

}  // namespace unfold::onnx::ops
