#include "unfold/shape.h"

#include "unfold/error.h"

namespace unfold {
namespace {

constexpr int64_t kMaxElements = int64_t{1} << 62;
constexpr int64_t kMaxWindow = int64_t{1} << 20;  // keeps every size expression far from overflow

}  // namespace

Shape::Shape(std::span<const int64_t> sizes) {
  if (sizes.size() > kMaxRank) {
    throw Error(ErrorKind::usage, "a shape has too many axes")
        .wanted("at most 8")
        .got(std::to_string(sizes.size()));
  }
  int64_t product = 1;
  for (const int64_t size : sizes) {
    if (size < 0) throw Error(ErrorKind::usage, "a size is negative").got(std::to_string(size));
    if (size > 0 && product > kMaxElements / size) {
      throw Error(ErrorKind::usage, "a shape has too many elements").wanted("at most 2^62");
    }
    if (size > 0) product *= size;
    sizes_[rank_++] = size;
  }
}

int64_t Shape::elements() const {
  int64_t product = 1;
  for (const int64_t size : sizes()) product *= size;
  return product;
}

Shape Shape::batched(int64_t n) const {
  std::array<int64_t, kMaxRank + 1> sizes{n};
  for (int axis = 0; axis < rank_; ++axis) sizes[axis + 1] = sizes_[axis];
  return Shape(std::span(sizes.data(), static_cast<size_t>(rank_) + 1));
}

Shape Shape::sample() const {
  return Shape(sizes().subspan(rank_ > 0 ? 1 : 0));
}

std::string Shape::text() const {
  std::string text = "(";
  for (int axis = 0; axis < rank_; ++axis) text += (axis ? ", " : "") + std::to_string(sizes_[axis]);
  return text + ")";
}

Window2d Window2d::square(int64_t kernel, int64_t stride, int64_t pad, int64_t dilation, int64_t groups) {
  return {kernel, kernel, stride, stride, pad, pad, pad, pad, dilation, dilation, groups};
}

void Window2d::check(std::string_view where) const {
  const auto at_least = [&](int64_t value, int64_t least, const char* name) {
    if (value < least || value > kMaxWindow) {
      throw Error(ErrorKind::usage, std::string(name) + " is out of range")
          .where(where)
          .wanted(std::to_string(least) + " to " + std::to_string(kMaxWindow))
          .got(std::to_string(value));
    }
  };
  at_least(kernel_h, 1, "kernel height");
  at_least(kernel_w, 1, "kernel width");
  at_least(stride_h, 1, "vertical stride");
  at_least(stride_w, 1, "horizontal stride");
  at_least(dilation_h, 1, "vertical dilation");
  at_least(dilation_w, 1, "horizontal dilation");
  at_least(groups, 1, "groups");
  at_least(pad_top, 0, "top padding");
  at_least(pad_left, 0, "left padding");
  at_least(pad_bottom, 0, "bottom padding");
  at_least(pad_right, 0, "right padding");
}

int64_t output_size(int64_t size, int64_t kernel, int64_t stride, int64_t pad_begin, int64_t pad_end,
                    int64_t dilation) {
  const int64_t room = size + pad_begin + pad_end - dilation * (kernel - 1) - 1;
  return room < 0 ? 0 : room / stride + 1;
}

int64_t ceil_padding(int64_t size, int64_t kernel, int64_t stride, int64_t pad_begin, int64_t pad_end,
                     int64_t dilation) {
  const int64_t room = size + pad_begin + pad_end - dilation * (kernel - 1) - 1;
  if (room < 0) return 0;
  int64_t last = (room + stride - 1) / stride;  // the last window
  if (last * stride >= size + pad_begin) --last;
  return std::max<int64_t>(0, last * stride - room);
}

Conv2dShape Conv2dShape::infer(const Shape& x, int64_t oc, const Window2d& window, std::string_view where) {
  if (x.rank() != 4) {
    throw Error(ErrorKind::usage, "the input does not fit")
        .where(where)
        .wanted("4 axes (N, C, H, W)")
        .got(x.text());
  }
  window.check(where);
  Conv2dShape s{x[0], x[1], x[2], x[3], oc, 0, 0, window};
  if (s.ic < 1 || oc < 1 || s.ic % window.groups != 0 || oc % window.groups != 0) {
    throw Error(ErrorKind::usage, "groups do not divide the channels")
        .where(where)
        .wanted("multiples of " + std::to_string(window.groups))
        .got(std::to_string(s.ic) + " input and " + std::to_string(oc) + " output channels");
  }
  s.oh = output_size(s.ih, window.kernel_h, window.stride_h, window.pad_top, window.pad_bottom,
                     window.dilation_h);
  s.ow = output_size(s.iw, window.kernel_w, window.stride_w, window.pad_left, window.pad_right,
                     window.dilation_w);
  if (s.oh < 1 || s.ow < 1) {
    const int64_t need_h = window.dilation_h * (window.kernel_h - 1) + 1;
    const int64_t need_w = window.dilation_w * (window.kernel_w - 1) + 1;
    throw Error(ErrorKind::usage, "the kernel is larger than the padded input")
        .where(where)
        .wanted("at least " + std::to_string(need_h) + "x" + std::to_string(need_w))
        .got(std::to_string(s.ih + window.pad_top + window.pad_bottom) + "x" +
             std::to_string(s.iw + window.pad_left + window.pad_right))
        .hint("use a smaller kernel or dilation, more padding, or a larger image");
  }
  return s;
}

}  // namespace unfold
