// Winograd's convolution along x of layers with few channels, such as a network's first: 5 taps a row, the
// images in the lanes. What is computed for a tile stays in registers, from the products to its outputs and
// from its gradients to the products, since with few channels the way through memory costs as much as they
// do.
#include <algorithm>
#include <array>
#include <utility>

#include "unfold/kernels/lanes.h"
#include "unfold/kernels/lanes_winograd.h"
#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/lanes_winograd_few.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "unfold/kernels/lanes_winograd-inl.h"

#ifndef UNFOLD_KERNELS_LANES_WINOGRAD_FEW_ONCE
#define UNFOLD_KERNELS_LANES_WINOGRAD_FEW_ONCE
namespace unfold::lanes {

constexpr int kFewR = 5, kFewPoints = 2 * kFewR - 1;

/// The values of x: (ic, row of the padded image, tile, point, 16).
inline int64_t few_row(const Conv2dShape& s) {
  return tiles_of(s.ow, kFewR) * kFewPoints * kLanes;
}

/// Rows oh0 .. oh1-1 of y (OC, oh1-oh0, OW, 16).
struct FewForward {
  const Conv2dShape* shape;
  int64_t oh0, oh1;
  const float *values, *packed, *bias;
  float* y;
};

/// Channels oc0 .. oc1-1 and rows oh0 .. oh1-1 of dy, (oc1-oc0, oh1-oh0, OW, 16).
struct FewWeights {
  const Conv2dShape* shape;
  int64_t oc0, oc1, oh0, oh1;
  const float *values, *dy;
  float *dw, *db;
  float *partial, *sums, *bias;  // (point, oc1-oc0, ic*kh, 16), the same without lanes, (oc1-oc0, 16)
};

}  // namespace unfold::lanes
#endif

HWY_BEFORE_NAMESPACE();
namespace unfold::lanes::HWY_NAMESPACE {
namespace {  // other files have functions of their own by these names

constexpr bool kManyRegisters = kMaxVectors >= 4;
constexpr int kOutputsAtOnce = kManyRegisters ? 3 : 1;    // 27 sums of 32 registers, or 9 of 16
constexpr int kGradientsAtOnce = kManyRegisters ? 2 : 1;  // 20 sums, or 10
constexpr int kRowsAtOnce = 5;                            // of a patch

void FewToPoints(const Conv2dShape& s, const float* x, float* values) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const Window2d& k = s.window;
  const int64_t parts = parts_of(s.n), tiles = tiles_of(s.ow, kFewR), all = padded_height(s);
  for (int64_t row = 0; row < s.ic * all; ++row) {
    const int64_t h = row % all - k.pad_top;
    if (h < 0 || h >= s.ih) {
      std::fill(values, values + few_row(s), 0.0f);
      values += few_row(s);
      continue;
    }
    const float* from = x + (row / all * s.ih + h) * s.iw * kLanes;
    for (int64_t t = 0; t < tiles; ++t, values += kFewPoints * kLanes) {
      const int64_t start = t * kFewR - k.pad_left;
      const bool whole = start >= 0 && start + kFewPoints <= s.iw;
      for (int64_t p = 0; p < parts; ++p) {
        V v[kFewPoints];
        for (int j = 0; j < kFewPoints; ++j) {
          v[j] = whole || (start + j >= 0 && start + j < s.iw)
                     ? hn::LoadU(d, from + (start + j) * kLanes + p * lanes)
                     : hn::Zero(d);
        }
        AtPoints<kFewR>(d, v, values + p * lanes, kLanes);
      }
    }
  }
}

/// One tile of kQ channels: up to kFewR outputs each, `channel` apart. `packed` [ic, kh][point][kQ].
template <int kQ>
void TileOutputs(const Conv2dShape& s, const float* values, const float* packed, const float* bias,
                 int64_t count, float* y, int64_t channel) {
  const D d;
  V product[kQ][kFewPoints];
#pragma GCC unroll 3
  for (int q = 0; q < kQ; ++q) {
#pragma GCC unroll 9
    for (int i = 0; i < kFewPoints; ++i) product[q][i] = hn::Zero(d);
  }
  const int64_t plane = padded_height(s) * few_row(s), row = s.window.dilation_h * few_row(s);
  for (int64_t c = 0; c < s.ic; ++c, values += plane) {
    const float* x = values;
    for (int64_t kh = 0; kh < s.window.kernel_h; ++kh, x += row, packed += kFewPoints * kQ) {
#pragma GCC unroll 9
      for (int i = 0; i < kFewPoints; ++i) {
        V v = hn::LoadU(d, x + i * kLanes);
        if constexpr (kQ > 1) Hold(v);
#pragma GCC unroll 3
        for (int q = 0; q < kQ; ++q)
          product[q][i] = hn::MulAdd(hn::Set(d, packed[i * kQ + q]), v, product[q][i]);
      }
    }
  }
#pragma GCC unroll 3
  for (int q = 0; q < kQ; ++q)
    Outputs<kFewR>(d, product[q], hn::Set(d, bias ? bias[q] : 0.0f), count, y + q * channel, kLanes);
}

using TileOutputsFunction = void (*)(const Conv2dShape&, const float*, const float*, const float*, int64_t,
                                     float*, int64_t);
template <size_t... kIndex>
constexpr std::array<TileOutputsFunction, sizeof...(kIndex)> tile_outputs(std::index_sequence<kIndex...>) {
  return {&TileOutputs<static_cast<int>(kIndex) + 1>...};
}
constexpr auto kTileOutputs = tile_outputs(std::make_index_sequence<kOutputsAtOnce>());

/// packed [tile of channels][ic, kh][point][q] <- kernels as polynomials at each point.
void FewPack(const Conv2dShape& s, const float* w, float* packed) {
  const int64_t patch = s.ic * s.window.kernel_h;
  for (int64_t o = 0; o < s.oc; o += kOutputsAtOnce) {
    const int64_t q = std::min<int64_t>(kOutputsAtOnce, s.oc - o);
    for (int64_t r = 0; r < patch; ++r, packed += kFewPoints * q) {
      for (int64_t j = 0; j < q; ++j) {
        const float* row = w + ((o + j) * patch + r) * kFewR;
        kernel_at_points<kFewR>([&](int64_t kw) { return row[kw]; }, packed + j, q);
      }
    }
  }
}

void FewForwardRows(const FewForward& a) {
  const Conv2dShape& s = *a.shape;
  const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
  const int64_t parts = parts_of(s.n), tiles = tiles_of(s.ow, kFewR), plane = (a.oh1 - a.oh0) * s.ow * kLanes;
  for (int64_t o = 0; o < s.oc; o += kOutputsAtOnce) {
    const int64_t q = std::min<int64_t>(kOutputsAtOnce, s.oc - o);
    const float* packed = a.packed + o * s.ic * s.window.kernel_h * kFewPoints;
    const TileOutputsFunction function = kTileOutputs[static_cast<size_t>(q - 1)];
    for (int64_t oh = a.oh0; oh < a.oh1; ++oh) {
      const float* values = a.values + oh * s.window.stride_h * few_row(s);
      float* y = a.y + o * plane + (oh - a.oh0) * s.ow * kLanes;
      for (int64_t t = 0; t < tiles; ++t) {
        for (int64_t p = 0; p < parts; ++p) {
          function(s, values + t * kFewPoints * kLanes + p * lanes, packed, a.bias ? a.bias + o : nullptr,
                   s.ow - t * kFewR, y + t * kFewR * kLanes + p * lanes, plane);
        }
      }
    }
  }
}

/// Some output channels' sums over the pixels of some rows at one point, 0, or at a pair of them.
struct PointSums {
  int64_t rows, width;
  const float* dy;
  int64_t dy_channel;
  const float* values;  // of the first row's first tile at the first of the points
  int64_t values_row;
  const int64_t* offsets;  // where the rows of the patch begin in them
  float* partial;          // (point, channel, row of the patch, 16), continued
  int64_t partial_point, partial_channel;
  float* bias;  // (channel, 16), continued with the sums of dy by the pass over point 0; or null
};

/// kQ channels times kRows of (ic*kh) at kCount points: 0, or +a and -a by its powers. Gradients at the
/// points are computed anew for each kRows.
template <int kCount, int kQ, int kRows>
void TileSums(const PointSums& a, const float* power) {
  const D d;
  V sum[kCount][kQ][kRows];
#pragma GCC unroll 2
  for (int i = 0; i < kCount; ++i) {
#pragma GCC unroll 2
    for (int q = 0; q < kQ; ++q) {
#pragma GCC unroll 5
      for (int r = 0; r < kRows; ++r) {
        sum[i][q][r] = hn::LoadU(d, a.partial + i * a.partial_point + q * a.partial_channel + r * kLanes);
      }
    }
  }
  int64_t offsets[kRows];
  for (int r = 0; r < kRows; ++r) offsets[r] = a.offsets[r];
  V powers[kFewR], bias[kQ];
  for (int q = 0; q < kQ; ++q) bias[q] = a.bias ? hn::LoadU(d, a.bias + q * kLanes) : hn::Zero(d);
  for (int k = 1; k < kFewR; ++k) powers[k] = hn::Set(d, power[k]);
  /// One tile; load(q, k) is the gradient of its output k.
  const auto add = [&](const float* values, auto load) HWY_ATTR {
    V at[kCount][kQ];
#pragma GCC unroll 2
    for (int q = 0; q < kQ; ++q) {
      at[0][q] = load(q, 0);
      if constexpr (kCount == 1) {
        V tile = at[0][q];
#pragma GCC unroll 8
        for (int k = 1; k < kFewR; ++k) tile = hn::Add(tile, load(q, k));
        bias[q] = hn::Add(bias[q], tile);
      } else {
        V odd = hn::Mul(load(q, 1), powers[1]);
#pragma GCC unroll 8
        for (int k = 2; k < kFewR; k += 2) at[0][q] = hn::MulAdd(load(q, k), powers[k], at[0][q]);
#pragma GCC unroll 8
        for (int k = 3; k < kFewR; k += 2) odd = hn::MulAdd(load(q, k), powers[k], odd);
        at[1][q] = hn::Sub(at[0][q], odd);
        at[0][q] = hn::Add(at[0][q], odd);
      }
    }
#pragma GCC unroll 2
    for (int i = 0; i < kCount; ++i) {
#pragma GCC unroll 5
      for (int r = 0; r < kRows; ++r) {
        V value = hn::LoadU(d, values + i * kLanes + offsets[r]);
        if constexpr (kQ > 1) Hold(value);
#pragma GCC unroll 2
        for (int q = 0; q < kQ; ++q) sum[i][q][r] = hn::MulAdd(at[i][q], value, sum[i][q][r]);
      }
    }
  };
  const int64_t whole = a.width / kFewR, rest = a.width % kFewR;
  for (int64_t row = 0; row < a.rows; ++row) {
    const float *values = a.values + row * a.values_row, *from = a.dy + row * a.width * kLanes;
    for (int64_t t = 0; t < whole; ++t, from += kFewR * kLanes, values += kFewPoints * kLanes) {
      add(values, [&](int q, int k) HWY_ATTR { return hn::LoadU(d, from + q * a.dy_channel + k * kLanes); });
    }
    if (rest == 0) continue;
    add(values, [&](int q, int k) HWY_ATTR {
      return k < rest ? hn::LoadU(d, from + q * a.dy_channel + k * kLanes) : hn::Zero(d);
    });
  }
#pragma GCC unroll 2
  for (int i = 0; i < kCount; ++i) {
#pragma GCC unroll 2
    for (int q = 0; q < kQ; ++q) {
#pragma GCC unroll 5
      for (int r = 0; r < kRows; ++r) {
        hn::StoreU(sum[i][q][r], d, a.partial + i * a.partial_point + q * a.partial_channel + r * kLanes);
      }
    }
  }
  if (kCount > 1 || !a.bias) return;
  for (int q = 0; q < kQ; ++q) hn::StoreU(bias[q], d, a.bias + q * kLanes);
}

using TileSumsFunction = void (*)(const PointSums&, const float*);
template <int kCount, int kQ>
constexpr std::array<TileSumsFunction, kRowsAtOnce> kTileSums = {
    TileSums<kCount, kQ, 1>, TileSums<kCount, kQ, 2>, TileSums<kCount, kQ, 3>, TileSums<kCount, kQ, 4>,
    TileSums<kCount, kQ, 5>};

/// Each image has a chain of its own over the pixels; from the call for the first rows to that for the last
/// the chains lie in `partial`. Then the lanes are added.
void FewWeightsPart(const FewWeights& a) {
  static constexpr Points<kFewR> kPoints;
  const Conv2dShape& s = *a.shape;
  const Window2d& k = s.window;
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t parts = parts_of(s.n), rows = a.oh1 - a.oh0, channels = a.oc1 - a.oc0;
  const int64_t patch = s.ic * k.kernel_h, count = channels * patch;
  const int64_t blocks = (patch + kRowsAtOnce - 1) / kRowsAtOnce, plane = rows * s.ow * kLanes;
  if (a.oh0 == 0) {
    std::fill(a.partial, a.partial + kFewPoints * count * kLanes, 0.0f);
    std::fill(a.bias, a.bias + channels * kLanes, 0.0f);
  }
  int64_t offsets[kRowsAtOnce];
  PointSums sums{.rows = rows,
                 .width = s.ow,
                 .dy = nullptr,
                 .dy_channel = plane,
                 .values = nullptr,
                 .values_row = k.stride_h * few_row(s),
                 .offsets = offsets,
                 .partial = nullptr,
                 .partial_point = count * kLanes,
                 .partial_channel = patch * kLanes,
                 .bias = nullptr};
  for (int64_t o = 0; o < channels; o += kGradientsAtOnce) {
    const bool whole = channels - o >= kGradientsAtOnce;
    for (int64_t block = 0; block < blocks; ++block) {
      const int64_t k0 = patch * block / blocks, r = patch * (block + 1) / blocks - k0;
      for (int64_t j = 0; j < r; ++j) {
        const int64_t c = (k0 + j) / k.kernel_h, kh = (k0 + j) % k.kernel_h;
        offsets[j] = (c * padded_height(s) + kh * k.dilation_h) * few_row(s);
      }
      const auto at = static_cast<size_t>(r - 1);
      for (int64_t p = 0; p < parts; ++p) {
        const float* values = a.values + a.oh0 * sums.values_row + p * lanes;
        float* partial = a.partial + (o * patch + k0) * kLanes + p * lanes;
        sums.dy = a.dy + o * plane + p * lanes;
        sums.bias = block == 0 ? a.bias + o * kLanes + p * lanes : nullptr;
        sums.values = values;
        sums.partial = partial;
        (whole ? kTileSums<1, kGradientsAtOnce> : kTileSums<1, 1>)[at](sums, kPoints.power[0].data());
        for (size_t pair = 0; pair < kPoints.power.size(); ++pair) {
          const auto point = static_cast<int64_t>(2 * pair + 1);
          sums.values = values + point * kLanes;
          sums.partial = partial + point * sums.partial_point;
          (whole ? kTileSums<2, kGradientsAtOnce> : kTileSums<2, 1>)[at](sums, kPoints.power[pair].data());
        }
      }
    }
  }
  if (a.oh1 < s.oh) return;
  std::fill(a.sums, a.sums + kFewPoints * count, 0.0f);
  AddLanes(kFewPoints * count, a.partial, a.sums);
  HWY_ALIGN float taps[kFewR][kLanes];
  float* const dw = a.dw + a.oc0 * patch * kFewR;
  for (int64_t at = 0; at < count; at += lanes) {
    TapsOf<kFewR>(a.sums + at, count, taps);  // what is read behind the last row is scratch, and dropped
    for (int64_t l = 0, used = std::min(lanes, count - at); l < used; ++l) {
      for (int kw = 0; kw < kFewR; ++kw) dw[(at + l) * kFewR + kw] += taps[kw][l];
    }
  }
  if (a.db) AddLanes(channels, a.bias, a.db + a.oc0);
}

}  // namespace
}  // namespace unfold::lanes::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold::lanes {

HWY_EXPORT(FewToPoints);
HWY_EXPORT(FewPack);
HWY_EXPORT(FewForwardRows);
HWY_EXPORT(FewWeightsPart);

namespace {

FewWeights weights_of(const Conv2dShape& s, int64_t channels, ScratchParts& parts) {
  const int64_t count = kFewPoints * channels * s.ic * s.window.kernel_h;
  FewWeights a{};
  a.shape = &s;
  a.partial = parts.take(count * kLanes);
  a.sums = parts.take(count + kLanes);
  a.bias = parts.take(channels * kLanes);
  return a;
}

}  // namespace

bool winograd_few_suits(const Conv2dShape& s) {
  const Window2d& k = s.window;
  return k.kernel_w == kFewR && k.stride_w == 1 && k.dilation_w == 1 && k.groups == 1 &&
         s.pixels() <= kGroupPixels && s.ow >= 2 * kFewR && s.oc * s.patch() <= (1 << 12) &&
         !winograd_suits(s);
}

int64_t winograd_few_values(const Conv2dShape& s) {
  return s.ic * padded_height(s) * few_row(s);
}

void winograd_few_to_points(const Conv2dShape& s, const float* x, float* values) {
  HWY_DYNAMIC_DISPATCH(FewToPoints)(s, x, values);
}

int64_t winograd_few_packed(const Conv2dShape& s) {
  return kFewPoints * s.oc * s.ic * s.window.kernel_h;
}

void winograd_few_pack(const Conv2dShape& s, const float* w, float* packed) {
  HWY_DYNAMIC_DISPATCH(FewPack)(s, w, packed);
}

void winograd_few_forward_rows(const Conv2dShape& s, int64_t oh0, int64_t oh1, const float* values,
                               const float* packed, const float* b, float* y) {
  HWY_DYNAMIC_DISPATCH(FewForwardRows)({&s, oh0, oh1, values, packed, b, y});
}

int64_t winograd_few_scratch(const Conv2dShape& s, int64_t channels) {
  ScratchParts parts(nullptr);
  weights_of(s, channels, parts);
  return parts.taken();
}

void winograd_few_backward_weights_part(const Conv2dShape& s, int64_t oc0, int64_t oc1, int64_t oh0,
                                        int64_t oh1, const float* values, const float* dy, float* dw,
                                        float* db, float* scratch) {
  ScratchParts parts(scratch);
  FewWeights a = weights_of(s, oc1 - oc0, parts);
  a.oc0 = oc0;
  a.oc1 = oc1;
  a.oh0 = oh0;
  a.oh1 = oh1;
  a.values = values;
  a.dy = dy;
  a.dw = dw;
  a.db = db;
  HWY_DYNAMIC_DISPATCH(FewWeightsPart)(a);
}

}  // namespace unfold::lanes
#endif  // HWY_ONCE
