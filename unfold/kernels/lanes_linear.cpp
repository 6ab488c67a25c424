// Linear layers on the lane layout. Forward and dX are products with the block as it lies; dW sums over
// images, which lie in the lanes, so a few features of many blocks are turned into rows of images first.
#include <algorithm>
#include <array>

#include "unfold/kernels/gemm.h"
#include "unfold/kernels/lanes.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/lanes_linear.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "unfold/kernels/lanes-inl.h"

#ifndef UNFOLD_KERNELS_LANES_LINEAR_ONCE
#define UNFOLD_KERNELS_LANES_LINEAR_ONCE
namespace unfold::lanes {

constexpr int64_t kChainImages =
    128;                           // of one chain of dW: shorter ones err less, and turned they fit a cache
constexpr int64_t kFeatures = 32;  // turned together: two of the widest vectors

/// Rows o0 .. o1-1 and columns i0 .. i1-1 of dw, overwritten or added to; blocks of images lie `block` floats
/// apart.
struct LinearWeights {
  int64_t n, block, in, o0, o1, i0, i1;
  const float *x, *dy;
  float *dw, *turned;
  bool add;
};

}  // namespace unfold::lanes
#endif

HWY_BEFORE_NAMESPACE();
namespace unfold::lanes::HWY_NAMESPACE {
namespace {  // other files have functions of their own by these names

/// kQ rows of dy by kU vectors of `turned` (n, kFeatures): one chain over n images, which overwrites `to` or
/// is added to it.
template <int kQ, int kU>
void ImageChain(int64_t n, const float* dy, int64_t block, const float* turned, bool add, float* to,
                int64_t to_row) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  V sum[kQ][kU];
#pragma GCC unroll 6
  for (int q = 0; q < kQ; ++q) {
#pragma GCC unroll 2
    for (int u = 0; u < kU; ++u) sum[q][u] = hn::Zero(d);
  }
  for (int64_t first = 0; first < n; first += kLanes, dy += block) {
    for (int64_t i = 0, images = std::min(kLanes, n - first); i < images; ++i, turned += kFeatures) {
      V xv[kU];
#pragma GCC unroll 2
      for (int u = 0; u < kU; ++u) xv[u] = hn::LoadU(d, turned + u * lanes);
#pragma GCC unroll 6
      for (int q = 0; q < kQ; ++q) {
        const V dv = hn::Set(d, dy[q * kLanes + i]);
#pragma GCC unroll 2
        for (int u = 0; u < kU; ++u) sum[q][u] = hn::MulAdd(dv, xv[u], sum[q][u]);
      }
    }
  }
#pragma GCC unroll 6
  for (int q = 0; q < kQ; ++q) {
#pragma GCC unroll 2
    for (int u = 0; u < kU; ++u) {
      float* t = to + q * to_row + u * lanes;
      hn::StoreU(add ? hn::Add(hn::LoadU(d, t), sum[q][u]) : sum[q][u], d, t);
    }
  }
}

using ImageChainFunction = void (*)(int64_t, const float*, int64_t, const float*, bool, float*, int64_t);
template <int kU>
constexpr std::array<ImageChainFunction, kMaxTile> kImageChains = {ImageChain<1, kU>, ImageChain<2, kU>,
                                                                   ImageChain<3, kU>, ImageChain<4, kU>,
                                                                   ImageChain<5, kU>, ImageChain<6, kU>};

/// Columns i .. i+count-1, at most kFeatures, of n images: the chains of one turn.
void Turn(const LinearWeights& a, int64_t first, int64_t n, int64_t i, int64_t count) {
  const bool add = a.add || first > 0;
  const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
  const float* x = a.x + first / kLanes * a.block + i * kLanes;
  const float* dy = a.dy + first / kLanes * a.block;
  // Columns that are not there are computed and dropped.
  if (count < kFeatures) std::fill(a.turned, a.turned + n * kFeatures, 0.0f);
  for (int64_t image = 0; image < n; image += kLanes, x += a.block) {
    Transpose(count, std::min(kLanes, n - image), x, kLanes, a.turned + image * kFeatures, kFeatures);
  }
  HWY_ALIGN float edge[kMaxTile * kFeatures];
  for (int64_t o = a.o0; o < a.o1; o += kMaxTile) {
    const int64_t q = std::min(kMaxTile, a.o1 - o);
    float* dw = a.dw + o * a.in + i;
    for (int64_t c = 0; c < count;) {
      const int64_t vectors = count - c <= lanes ? 1 : 2, width = std::min(vectors * lanes, count - c);
      const ImageChainFunction chain =
          (vectors == 1 ? kImageChains<1> : kImageChains<2>)[static_cast<size_t>(q - 1)];
      if (width == vectors * lanes) {
        chain(n, dy + o * kLanes, a.block, a.turned + c, add, dw + c, a.in);
      } else {
        chain(n, dy + o * kLanes, a.block, a.turned + c, false, edge, kFeatures);
        for (int64_t r = 0; r < q; ++r) {
          float* to = dw + r * a.in + c;
          const float* from = edge + r * kFeatures;
          for (int64_t e = 0; e < width; ++e) to[e] = add ? to[e] + from[e] : from[e];
        }
      }
      c += width;
    }
  }
}

void WeightSums(const LinearWeights& a) {
  for (int64_t i = a.i0; i < a.i1; i += kFeatures) {
    const int64_t count = std::min(kFeatures, a.i1 - i);
    for (int64_t first = 0; first < a.n; first += kChainImages) {
      Turn(a, first, std::min(kChainImages, a.n - first), i, count);
    }
  }
}

void BiasSums(int64_t n, int64_t block, int64_t o0, int64_t o1, const float* dy, bool add, float* db) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  HWY_ALIGN float sums[kLanes];
  for (int64_t o = o0; o < o1; ++o) {
    for (int64_t lane = 0; lane < kLanes; lane += lanes) {
      V sum = hn::Zero(d);
      const float* from = dy + o * kLanes + lane;
      for (int64_t image = lane; image < n; image += kLanes, from += block) {
        const auto images = hn::FirstN(d, static_cast<size_t>(std::min(lanes, n - image)));
        sum = hn::Add(sum, hn::IfThenElseZero(images, hn::LoadU(d, from)));
      }
      hn::StoreU(sum, d, sums + lane);
    }
    if (!add) db[o] = 0;
    AddLanes(1, sums, db + o);
  }
}

/// Lanes that a product of n images computes: those that all other kernels of this target read, so that none
/// of them is left from other images. Half a block where a vector is no wider.
int64_t Width(int64_t n) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
  return std::max(lanes, n <= kLanes / 2 ? kLanes / 2 : kLanes);
}

}  // namespace
}  // namespace unfold::lanes::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold::lanes {

HWY_EXPORT(WeightSums);
HWY_EXPORT(BiasSums);
HWY_EXPORT(Width);

int64_t linear_scratch(int64_t in, int64_t out) {
  return std::max(gemm_scratch(std::max({in, out, kLanes})), kChainImages * kFeatures);
}

void linear_forward(int64_t n, int64_t in, int64_t out, const float* x, const float* w, const float* b,
                    float* y, float* scratch) {
  gemm({.m = out,
        .n = HWY_DYNAMIC_DISPATCH(Width)(n),
        .k = in,
        .a = w,
        .a_row = in,
        .a_col = 1,
        .b = x,
        .b_row = kLanes,
        .c = y,
        .c_row = kLanes,
        .start = GemmStart::bias,
        .bias = b},
       scratch);
}

void linear_backward_data(int64_t n, int64_t in, int64_t out, const float* w, const float* dy, float* dx,
                          float* scratch) {
  gemm({.m = in,
        .n = HWY_DYNAMIC_DISPATCH(Width)(n),
        .k = out,
        .a = w,
        .a_row = 1,
        .a_col = in,
        .b = dy,
        .b_row = kLanes,
        .c = dx,
        .c_row = kLanes},
       scratch);
}

void linear_backward_weights(int64_t n, int64_t block, int64_t in, int64_t o0, int64_t o1, int64_t i0,
                             int64_t i1, const float* x, const float* dy, bool add, float* dw, float* db,
                             float* scratch) {
  HWY_DYNAMIC_DISPATCH(WeightSums)({n, block, in, o0, o1, i0, i1, x, dy, dw, scratch, add});
  if (db) HWY_DYNAMIC_DISPATCH(BiasSums)(n, block, o0, o1, dy, add, db);
}

}  // namespace unfold::lanes
#endif  // HWY_ONCE
