// Winograd's convolution along x of a single image: the products of kernels/lanes_winograd.cpp, added in the
// same order, with output channels in the lanes in place of images. To the points, rows of the image lie in
// the lanes: the image is transposed for it.
#include <algorithm>
#include <type_traits>

#include "unfold/kernels/lanes.h"
#include "unfold/kernels/lanes_winograd.h"
#include "unfold/kernels/rows.h"
#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/rows_winograd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "unfold/kernels/lanes_winograd-inl.h"
#include "unfold/kernels/rows-inl.h"

#ifndef UNFOLD_KERNELS_ROWS_WINOGRAD_SHARED
#define UNFOLD_KERNELS_ROWS_WINOGRAD_SHARED
namespace unfold::rows {

/// Sizes of one pass and the parts of its scratch; from null it counts them.
struct WinogradParts {
  int64_t count, tiles, height, rows, cols, wide;  // rows of all channels, with padding, in whole vectors
  int64_t value_point, product_point;
  int64_t* taps;                               // (ic, kh): where a tap reads, from an output's first
  float *turned, *values, *products, *pixels;  // (cols, rows), (point, tile, rows), (point, tile, oh, wide)
  int64_t floats;

  WinogradParts(const Conv2dShape& s, float* scratch) {
    const Window2d& k = s.window;
    ScratchParts parts(scratch);
    count = 2 * k.kernel_w - 1;
    tiles = lanes::tiles_of(s.ow, k.kernel_w);
    height = s.ih + k.pad_top + k.pad_bottom;
    rows = whole_lines(s.ic * height);
    cols = tiles * k.kernel_w + k.kernel_w - 1;
    wide = pair_lanes(s.oc, 0);
    value_point = lanes::point_of(tiles * rows / lanes::kLanes);
    product_point = lanes::point_of(whole_lines(tiles * s.oh * wide) / lanes::kLanes);
    taps = reinterpret_cast<int64_t*>(parts.take(2 * s.ic * k.kernel_h));
    turned = parts.take(cols * rows);
    values = parts.take(count * value_point);
    products = parts.take(count * product_point);
    pixels = parts.take(s.pixels() * wide);
    floats = parts.taken();
  }
};

}  // namespace unfold::rows
#endif

HWY_BEFORE_NAMESPACE();
namespace unfold::rows::HWY_NAMESPACE {
namespace {  // other files have functions of their own by these names

/// values <- all rows of the image, with zeros around it, at the points.
template <int kR>
void RowValues(const Conv2dShape& s, const float* x, const WinogradParts& parts) {
  namespace wide = lanes::HWY_NAMESPACE;
  const wide::D d;
  const Window2d& k = s.window;
  const int64_t rows = parts.rows;
  std::fill(parts.turned, parts.turned + parts.cols * rows, 0.0f);
  for (int64_t c = 0; c < s.ic; ++c) {
    wide::Transpose(s.ih, s.iw, x + c * s.ih * s.iw, s.iw,
                    parts.turned + k.pad_left * rows + c * parts.height + k.pad_top, rows);
  }
  for (int64_t t = 0; t < parts.tiles; ++t) {
    for (int64_t r = 0; r < rows; r += static_cast<int64_t>(hn::Lanes(d))) {
      wide::V v[2 * kR - 1];
#pragma GCC unroll 16
      for (int j = 0; j < 2 * kR - 1; ++j) v[j] = hn::Load(d, parts.turned + (t * kR + j) * rows + r);
      wide::AtPoints<kR>(d, v, parts.values + t * rows + r, parts.value_point);
    }
  }
}

template <int kR>
void WinogradForward(const Conv2dShape& s, const float* x, const float* packed, const float* b, float* y,
                     float* scratch) {
  constexpr int kCount = 2 * kR - 1;
  const Window2d& k = s.window;
  const WinogradParts parts(s, scratch);
  const int64_t patch = s.ic * k.kernel_h, panel = patch * kPanel;
  const int64_t all = (s.oc + kPanel - 1) / kPanel;
  for (int64_t i = 0; i < patch; ++i)
    parts.taps[i] = i / k.kernel_h * parts.height + i % k.kernel_h * k.dilation_h;
  RowValues<kR>(s, x, parts);
  HWY_ALIGN static constexpr float kZeros[2 * kPanel] = {};
  HWY_ALIGN float bias[2 * kPanel];
  for (int64_t first = 0; first < all; first += 2) {
    const int64_t panels = std::min<int64_t>(2, all - first), wide = panels * kPanel;
    const int64_t most = panels == 2 ? kMost<2> : kMost<1>, blocks = (s.oh + most - 1) / most;
    for (int64_t i = 0; i < kCount; ++i) {
      for (int64_t t = 0; t < parts.tiles; ++t) {
        for (int64_t block = 0; block < blocks; ++block) {  // of nearly one size
          const int64_t oh = s.oh * block / blocks, run = s.oh * (block + 1) / blocks - oh;
          const Tile tile{parts.values + i * parts.value_point + t * parts.rows + oh * k.stride_h,
                          k.stride_h,
                          packed + (i * all + first) * panel,
                          kZeros,
                          parts.taps,
                          patch,
                          parts.products + i * parts.product_point + (t * s.oh + oh) * wide};
          (panels == 2 ? kTiles2[static_cast<size_t>(run - 1)] : kTiles1[static_cast<size_t>(run - 1)])(tile);
        }
      }
    }
    const int64_t oc = first * kPanel, channels = std::min(wide, s.oc - oc);
    std::fill(bias, bias + 2 * kPanel, 0.0f);
    if (b) std::copy(b + oc, b + oc + channels, bias);
    const auto outputs = [&](auto side_by_side) {
      const Wide<decltype(side_by_side)::value> d;
      for (int64_t t = 0; t < parts.tiles; ++t) {
        for (int64_t oh = 0; oh < s.oh; ++oh) {
          for (int64_t v = 0; v < wide; v += static_cast<int64_t>(hn::Lanes(d))) {
            lanes::HWY_NAMESPACE::FromPoints<kR>(d, parts.products + (t * s.oh + oh) * wide + v,
                                                 parts.product_point, hn::Load(d, bias + v), s.ow - t * kR,
                                                 parts.pixels + (oh * s.ow + t * kR) * wide + v, wide);
          }
        }
      }
    };
    panels == 2 ? outputs(std::integral_constant<int, 2>()) : outputs(std::integral_constant<int, 1>());
    lanes::HWY_NAMESPACE::Transpose(s.pixels(), channels, parts.pixels, wide, y + oc * s.pixels(),
                                    s.pixels());
  }
}

void Winograd(const Conv2dShape& s, const float* x, const float* packed, const float* b, float* y,
              float* scratch) {
  (s.window.kernel_w == 3 ? WinogradForward<3> : WinogradForward<5>)(s, x, packed, b, y, scratch);
}

}  // namespace
}  // namespace unfold::rows::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold::rows {

HWY_EXPORT(Winograd);

namespace {

/// packed (point, pair of panels, ic, kh, panel, 8).
template <int kR>
void pack(const Conv2dShape& s, const float* w, float* packed) {
  const int64_t patch = s.ic * s.window.kernel_h;
  for (int64_t o = 0; o < (s.oc + kPanel - 1) / kPanel * kPanel; ++o) {
    const int64_t first = o / (2 * kPanel) * 2 * kPanel, wide = pair_lanes(s.oc, first);
    for (int64_t i = 0; i < patch; ++i) {
      lanes::kernel_at_points<kR>([&](int64_t kw) { return o < s.oc ? w[(o * patch + i) * kR + kw] : 0.0f; },
                                  packed + first * patch + i * wide + o - first,
                                  winograd_packed(s) / (2 * kR - 1));
    }
  }
}

}  // namespace

int64_t winograd_packed(const Conv2dShape& s) {
  const int64_t panels = (s.oc + kPanel - 1) / kPanel;
  return (2 * s.window.kernel_w - 1) * panels * kPanel * s.ic * s.window.kernel_h;
}

void winograd_pack(const Conv2dShape& s, const float* w, float* packed) {
  (s.window.kernel_w == 3 ? pack<3> : pack<5>)(s, w, packed);
}

int64_t winograd_scratch(const Conv2dShape& s) {
  return WinogradParts(s, nullptr).floats;
}

void winograd_forward(const Conv2dShape& s, const float* x, const float* packed, const float* b, float* y,
                      float* scratch) {
  HWY_DYNAMIC_DISPATCH(Winograd)(s, x, packed, b, y, scratch);
}

}  // namespace unfold::rows
#endif  // HWY_ONCE
