// Convolution on the lane layout. Forward and backward-data are one sweep: each output pixel is a sum over
// the taps that reach it, read from where they lie; at a border or between strides there are fewer of them,
// and none is computed in vain.
#include <algorithm>
#include <numeric>

#include "unfold/kernels/lanes.h"
#include "unfold/kernels/lanes_reach.h"
#include "unfold/kernels/scratch.h"
#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/lanes_conv2d.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "unfold/kernels/lanes-inl.h"

#ifndef UNFOLD_KERNELS_LANES_CONV2D_ONCE
#define UNFOLD_KERNELS_LANES_CONV2D_ONCE
namespace unfold::lanes {

/// One pass: which positions of `in` (C of a group, H, W) each position of `out` sums over. Weights are
/// packed [tap of (in channel, kh, kw)][tile of out channels].
struct Sweep {
  int64_t n, groups;
  int64_t in, in_h, in_w, out, out_h, out_w;  // channels are those of one group
  int64_t kernel_w, taps;
  int64_t step_h, step_w, move_h,
      move_w;                // from one tap that reaches to the next: in the kernel, in the image
  const Reach *rows, *cols;  // (out_h), (out_w)
  const float *x, *w, *bias;
  float *y, *packed;
  int64_t row0, row1;  // rows of `out` to compute; y holds these alone. Row 0 comes with the packing
  bool backward;       // w is read as (out of the convolution, in, kh, kw) with its channels' parts exchanged
};

struct WeightSums {
  const Conv2dShape* shape;
  const float *x, *dy;
  float *dw, *db, *scratch;
};

inline int64_t padded_h(const Conv2dShape& s) {
  return s.ih + s.window.pad_top + s.window.pad_bottom;
}
inline int64_t padded_w(const Conv2dShape& s) {
  return s.iw + s.window.pad_left + s.window.pad_right;
}
inline bool has_padding(const Conv2dShape& s) {
  return padded_h(s) != s.ih || padded_w(s) != s.iw;
}

}  // namespace unfold::lanes
#endif

HWY_BEFORE_NAMESPACE();
namespace unfold::lanes::HWY_NAMESPACE {
namespace {  // other files have functions of their own by these names

/// to[tap][q] <- the weights of output channels o .. o+q-1 of group g.
void pack(const Sweep& s, int64_t g, int64_t o, int64_t q, float* to) {
  if (!s.backward) {
    const float* w = s.w + (g * s.out + o) * s.in * s.taps;
    for (int64_t k = 0; k < s.in * s.taps; ++k) {
      for (int64_t j = 0; j < q; ++j) *to++ = w[j * s.in * s.taps + k];
    }
    return;
  }
  for (int64_t c = 0; c < s.in; ++c) {
    const float* w = s.w + ((g * s.in + c) * s.out + o) * s.taps;
    for (int64_t k = 0; k < s.taps; ++k) {
      for (int64_t j = 0; j < q; ++j) *to++ = w[j * s.taps + k];
    }
  }
}

/// Pixels from ow on that the same taps reach, at an even distance in x: up to `most`, a power of two.
int64_t run_of(const Sweep& s, int64_t ow, int64_t most) {
  int64_t run = 1;
  while (run < most && ow + run < s.out_w && s.cols[ow + run].first == s.cols[ow].first &&
         s.cols[ow + run].count == s.cols[ow].count &&
         s.cols[ow + run].at - s.cols[ow + run - 1].at == s.cols[ow + 1].at - s.cols[ow].at) {
    ++run;
  }
  return run >= 4 ? 4 : run >= 2 ? 2 : 1;
}

void Run(const Sweep& s) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
  const int64_t parts = parts_of(s.n), tiles = (s.out + kMaxTile - 1) / kMaxTile;
  const int64_t in_plane = s.in_h * s.in_w * kLanes, out_plane = (s.row1 - s.row0) * s.out_w * kLanes;
  for (int64_t g = 0; g < s.groups; ++g) {
    for (int64_t tile = 0; tile < tiles; ++tile) {
      const int64_t o = s.out * tile / tiles, q = s.out * (tile + 1) / tiles - o;  // tiles of nearly one size
      float* const packed = s.packed + (g * s.out + o) * s.in * s.taps;
      if (s.row0 == 0) pack(s, g, o, q, packed);
      const float* x = s.x + g * s.in * in_plane;
      const float* bias = s.bias ? s.bias + g * s.out + o : nullptr;
      float* y = s.y + (g * s.out + o) * out_plane;
      Taps t{};
      t.channels = s.in;
      t.x_channel = in_plane;
      t.w_channel = s.taps * q;
      t.x_row = s.move_h * s.in_w * kLanes;
      t.w_row = s.step_h * s.kernel_w * q;
      t.x_col = s.move_w * kLanes;
      t.w_col = s.step_w * q;
      for (int64_t oh = s.row0; oh < s.row1; ++oh) {
        const Reach& row = s.rows[oh];
        t.rows = row.count;
        for (int64_t ow = 0; ow < s.out_w;) {
          const Reach& col = s.cols[ow];
          t.cols = col.count;
          const float* px = x + (row.at * s.in_w + col.at) * kLanes;
          const float* pw = packed + (row.first * s.kernel_w + col.first) * q;
          float* py = y + ((oh - s.row0) * s.out_w + ow) * kLanes;
          if (parts > 1) {  // the vectors of one pixel side by side
            for (int64_t p = 0; p < parts; p += 2) {
              dot_of(q, std::min<int64_t>(2, parts - p))(t, px + p * lanes, lanes, pw, bias, py + p * lanes,
                                                         lanes, out_plane);
            }
            ++ow;
          } else {  // neighbouring pixels side by side
            const int64_t run = run_of(s, ow, kMaxVectors);
            const int64_t unit = run > 1 ? (s.cols[ow + 1].at - col.at) * kLanes : 0;
            dot_of(q, run)(t, px, unit, pw, bias, py, kLanes, out_plane);
            ow += run;
          }
        }
      }
    }
  }
}

void Weights(const WeightSums& a) {
  const Conv2dShape& s = *a.shape;
  const Window2d& k = s.window;
  const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
  const int64_t parts = parts_of(s.n), patch = s.patch(), in = s.group_ic(), out = s.group_oc();
  const int64_t width = padded_w(s), plane = padded_h(s) * width * kLanes, dy_plane = s.pixels() * kLanes;
  float* partial = a.scratch;  // (kWeightTile, patch, 16)
  auto* offsets = reinterpret_cast<int32_t*>(partial + kWeightTile * patch * kLanes);  // (patch)
  float* padded = partial + kWeightTile * patch * kLanes + whole_lines(patch);
  const float* x = a.x;
  if (has_padding(s)) {
    x = padded;
    std::fill(padded, padded + s.ic * plane, 0.0f);
    for (int64_t row = 0; row < s.ic * s.ih; ++row) {
      const int64_t at = (row / s.ih * padded_h(s) + row % s.ih + k.pad_top) * width + k.pad_left;
      std::copy(a.x + row * s.iw * kLanes, a.x + (row + 1) * s.iw * kLanes, padded + at * kLanes);
    }
  }
  for (int64_t c = 0, i = 0; c < in; ++c) {
    for (int64_t kh = 0; kh < k.kernel_h; ++kh) {
      for (int64_t kw = 0; kw < k.kernel_w; ++kw) {
        offsets[i++] =
            static_cast<int32_t>(c * plane + (kh * k.dilation_h * width + kw * k.dilation_w) * kLanes);
      }
    }
  }
  const int64_t group = std::clamp<int64_t>(kGroupPixels / s.ow, 1, s.oh);
  // Rows that are swept at a time stay in the first-level cache with the image rows under them.
  const int64_t block = std::clamp<int64_t>(160 / s.ow, 1, group),
                tiles = (patch + kMaxColumns - 1) / kMaxColumns;
  for (int64_t o = 0; o < s.oc; o += std::min<int64_t>(kWeightTile, out - o % out)) {
    const int64_t q = std::min<int64_t>(kWeightTile, out - o % out);
    const float* group_x = x + o / out * in * plane;
    const float* dy = a.dy + o * dy_plane;
    for (int64_t g0 = 0; g0 < s.oh; g0 += group) {
      const int64_t g1 = std::min(s.oh, g0 + group);
      std::fill(partial, partial + q * patch * kLanes, 0.0f);
      for (int64_t oh = g0; oh < g1; oh += block) {
        const int64_t rows = std::min(block, g1 - oh);
        for (int64_t tile = 0; tile < tiles; ++tile) {
          const int64_t k0 = patch * tile / tiles, r = patch * (tile + 1) / tiles - k0;
          const Outer function = outer_of(q, r);
          for (int64_t p = 0; p < parts; ++p) {
            function(rows, s.ow, dy + oh * s.ow * kLanes + p * lanes, dy_plane, s.ow * kLanes,
                     group_x + oh * k.stride_h * width * kLanes + p * lanes, offsets + k0,
                     k.stride_h * width * kLanes, k.stride_w * kLanes, partial + k0 * kLanes + p * lanes,
                     patch * kLanes);
          }
        }
      }
      AddLanes(q * patch, partial, a.dw + o * patch);
      if (!a.db) continue;
      for (int64_t j = 0; j < q; ++j) {
        AddPixels(parts, (g1 - g0) * s.ow, dy + j * dy_plane + g0 * s.ow * kLanes, a.db + o + j);
      }
    }
  }
}

const char* Target() {
  return hwy::TargetName(HWY_TARGET);
}

}  // namespace
}  // namespace unfold::lanes::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold::lanes {

HWY_EXPORT(Run);
HWY_EXPORT(Weights);
HWY_EXPORT(Target);

namespace {

/// Scratch of a sweep: the table of rows, that of columns, the packed weights.
int64_t table_floats(int64_t positions) {
  return whole_lines(positions * static_cast<int64_t>(sizeof(Reach) / sizeof(float)));
}

}  // namespace

int64_t conv2d_scratch(const Conv2dShape& s) {
  const int64_t tables = table_floats(std::max(s.oh, s.ih)) + table_floats(std::max(s.ow, s.iw));
  const int64_t packed = whole_lines(s.oc * s.patch());
  const int64_t padded = has_padding(s) ? s.ic * padded_h(s) * padded_w(s) * kLanes : 0;
  return std::max(tables + packed, kWeightTile * s.patch() * kLanes + whole_lines(s.patch()) + padded);
}

void conv2d_forward(const Conv2dShape& s, const float* x, const float* w, const float* b, float* y,
                    float* scratch) {
  conv2d_forward_rows(s, 0, s.oh, x, w, b, y, scratch);
}

void conv2d_forward_rows(const Conv2dShape& s, int64_t oh0, int64_t oh1, const float* x, const float* w,
                         const float* b, float* y, float* scratch) {
  const Window2d& k = s.window;
  auto* rows = reinterpret_cast<Reach*>(scratch);
  auto* cols = reinterpret_cast<Reach*>(scratch + table_floats(s.oh));
  for (int64_t o = 0; oh0 == 0 && o < s.oh; ++o)
    rows[o] = forward_reach(o, k.kernel_h, k.stride_h, k.pad_top, k.dilation_h, s.ih);
  for (int64_t o = 0; oh0 == 0 && o < s.ow; ++o)
    cols[o] = forward_reach(o, k.kernel_w, k.stride_w, k.pad_left, k.dilation_w, s.iw);
  const Sweep sweep{.n = s.n,
                    .groups = k.groups,
                    .in = s.group_ic(),
                    .in_h = s.ih,
                    .in_w = s.iw,
                    .out = s.group_oc(),
                    .out_h = s.oh,
                    .out_w = s.ow,
                    .kernel_w = k.kernel_w,
                    .taps = k.taps(),
                    .step_h = 1,
                    .step_w = 1,
                    .move_h = k.dilation_h,
                    .move_w = k.dilation_w,
                    .rows = rows,
                    .cols = cols,
                    .x = x,
                    .w = w,
                    .bias = b,
                    .y = y,
                    .packed = scratch + table_floats(s.oh) + table_floats(s.ow),
                    .row0 = oh0,
                    .row1 = oh1,
                    .backward = false};
  HWY_DYNAMIC_DISPATCH(Run)(sweep);
}

void conv2d_backward_data(const Conv2dShape& s, const float* w, const float* dy, float* dx, float* scratch) {
  const Window2d& k = s.window;
  auto* rows = reinterpret_cast<Reach*>(scratch);
  auto* cols = reinterpret_cast<Reach*>(scratch + table_floats(s.ih));
  for (int64_t i = 0; i < s.ih; ++i)
    rows[i] = backward_reach(i, k.kernel_h, k.stride_h, k.pad_top, k.dilation_h, s.oh);
  for (int64_t i = 0; i < s.iw; ++i)
    cols[i] = backward_reach(i, k.kernel_w, k.stride_w, k.pad_left, k.dilation_w, s.ow);
  const int64_t step_h = k.stride_h / std::gcd(k.stride_h, k.dilation_h),
                step_w = k.stride_w / std::gcd(k.stride_w, k.dilation_w);
  const Sweep sweep{.n = s.n,
                    .groups = k.groups,
                    .in = s.group_oc(),
                    .in_h = s.oh,
                    .in_w = s.ow,
                    .out = s.group_ic(),
                    .out_h = s.ih,
                    .out_w = s.iw,
                    .kernel_w = k.kernel_w,
                    .taps = k.taps(),
                    .step_h = step_h,
                    .step_w = step_w,
                    .move_h = -k.dilation_h * step_h / k.stride_h,
                    .move_w = -k.dilation_w * step_w / k.stride_w,
                    .rows = rows,
                    .cols = cols,
                    .x = dy,
                    .w = w,
                    .bias = nullptr,
                    .y = dx,
                    .packed = scratch + table_floats(s.ih) + table_floats(s.iw),
                    .row0 = 0,
                    .row1 = s.ih,
                    .backward = true};
  HWY_DYNAMIC_DISPATCH(Run)(sweep);
}

void conv2d_backward_weights(const Conv2dShape& s, const float* x, const float* dy, float* dw, float* db,
                             float* scratch) {
  HWY_DYNAMIC_DISPATCH(Weights)({&s, x, dy, dw, db, scratch});
}

const char* target() {
  return HWY_DYNAMIC_DISPATCH(Target)();
}

}  // namespace unfold::lanes
#endif  // HWY_ONCE
