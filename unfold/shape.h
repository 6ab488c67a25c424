// Sizes: Shape of a tensor, Window2d of a sliding window, and the only home of the output-size formula.
//
//   N   images in a batch      IC OC  input / output channels   G      groups
//   IH IW  input height, width OH OW  output height, width      KH KW  kernel height, width
//   SH SW  strides             DH DW  dilations (1 = none)      pads in ONNX order: top, left, bottom, right
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace unfold {

/// Sizes of a tensor of rank 0 to 8, outermost first: (N, C, H, W). A plain value; no size is negative.
class Shape {
 public:
  static constexpr int kMaxRank = 8;

  Shape() = default;
  Shape(std::initializer_list<int64_t> sizes) : Shape(std::span(sizes.begin(), sizes.size())) {}
  /// Throws usage if there are more than 8 sizes, one is negative, or their product passes 2^62.
  explicit Shape(std::span<const int64_t> sizes);

  int rank() const { return rank_; }
  int64_t operator[](int axis) const { return sizes_[static_cast<size_t>(axis)]; }
  int64_t elements() const;  ///< product of the sizes; 1 for rank 0
  std::span<const int64_t> sizes() const { return {sizes_.data(), static_cast<size_t>(rank_)}; }
  /// The same sizes behind one more outer axis: (C, H, W) with n = 100 gives (100, C, H, W).
  Shape batched(int64_t n) const;
  /// The sizes without the outermost axis: (N, C, H, W) gives (C, H, W).
  Shape sample() const;
  std::string text() const;  ///< "(100, 6, 28, 28)"
  bool operator==(const Shape&) const = default;

 private:
  std::array<int64_t, kMaxRank> sizes_{};
  int rank_ = 0;
};

/// A window that slides over an image: that of a convolution or a pooling.
struct Window2d {
  int64_t kernel_h = 1, kernel_w = 1;
  int64_t stride_h = 1, stride_w = 1;
  int64_t pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t groups = 1;

  /// The square window of side `kernel`.
  static Window2d square(int64_t kernel, int64_t stride = 1, int64_t pad = 0, int64_t dilation = 1,
                         int64_t groups = 1);
  /// Throws usage unless kernel, stride, dilation and groups are >= 1 and no padding is negative; each is
  /// at most 2^20. `where` names the layer in the message.
  void check(std::string_view where) const;
  int64_t taps() const { return kernel_h * kernel_w; }
  bool operator==(const Window2d&) const = default;
};

/// Number of places a window can stand along one axis:
///   floor((size + pad_begin + pad_end - dilation * (kernel - 1) - 1) / stride) + 1,
/// 0 where the dilated kernel does not fit. (The formula of torch.nn.Conv2d.)
int64_t output_size(int64_t size, int64_t kernel, int64_t stride, int64_t pad_begin, int64_t pad_end,
                    int64_t dilation);

/// What to add to `pad_end` so that output_size() also counts a last window that is not whole, as long as it
/// starts inside the image or the padding before it (`ceil_mode` of torch.nn.MaxPool2d and of ONNX).
int64_t ceil_padding(int64_t size, int64_t kernel, int64_t stride, int64_t pad_begin, int64_t pad_end,
                     int64_t dilation);

/// All sizes of one convolution or pooling of a batch, derived once. For pooling OC = IC.
struct Conv2dShape {
  int64_t n = 0, ic = 0, ih = 0, iw = 0, oc = 0, oh = 0, ow = 0;
  Window2d window;

  /// Derives OH and OW. Throws usage naming `where` if the window is bad, the kernel is larger than the
  /// padded input, or the groups do not divide the channels.
  static Conv2dShape infer(const Shape& x, int64_t oc, const Window2d& window, std::string_view where);

  int64_t group_ic() const { return ic / window.groups; }
  int64_t group_oc() const { return oc / window.groups; }
  int64_t pixels() const { return oh * ow; }                         ///< gemm_n: output pixels of one image
  int64_t patch() const { return group_ic() * window.taps(); }       ///< gemm_k: elements of one patch
  int64_t columns() const { return ic * window.taps() * pixels(); }  ///< elements of one image's columns
  int64_t x_image() const { return ic * ih * iw; }
  int64_t y_image() const { return oc * pixels(); }
  Shape x_shape() const { return {n, ic, ih, iw}; }
  Shape w_shape() const { return {oc, group_ic(), window.kernel_h, window.kernel_w}; }
  Shape y_shape() const { return {n, oc, oh, ow}; }
  /// Multiply-adds of the forward pass for the whole batch.
  int64_t macs() const { return n * y_image() * patch(); }
};

}  // namespace unfold
