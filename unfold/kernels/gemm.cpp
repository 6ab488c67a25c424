#include "unfold/kernels/gemm.h"

#include <algorithm>
#include <array>
#include <utility>

#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/gemm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <hwy/cache_control.h>

HWY_BEFORE_NAMESPACE();
namespace unfold::HWY_NAMESPACE {
namespace {  // other files have functions of their own by these names

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// Register tile: kRows x (kVectors vectors). Twelve accumulators and more hide the latency of the FMA; 16
// registers hold 6 x 2, 32 hold 14 x 2.
constexpr int kVectors = 2;
#if HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM
constexpr int kRows = 14;
#else
constexpr int kRows = 6;
#endif

constexpr int64_t kBlockK = 256;  // a packed panel of B (kBlockK x 2 vectors) stays in the first-level cache
constexpr int64_t kNarrowBlockK = 2048;  // of one panel alone: A is read once, and long rows are foreseen
// With few rows of C B comes from memory, once. Its rows, of at least kFarRow floats, lie in pages of their
// own, of which a processor foresees the next lines of a few only.
constexpr int64_t kFewRows = 32, kFarRow = 1024, kFarBlockK = 48;
constexpr int64_t kBlockM = 120;  // that many rows of A per block stay in the second level
constexpr int64_t kPackFrom = 9;  // rows of C from which copying a panel of B pays for itself

/// One product of a tile: rows x (vectors*lanes) of C, in one pass over k.
struct Tile {
  const float* a;
  int64_t a_row, a_col;
  const float* b;
  int64_t b_row, k;
  float* c;
  int64_t c_row;
  GemmStart start;
  const float* bias;
  bool stream;  // the start is not `add`
};

template <int kTileRows, int kTileVectors>
void tile(const Tile& t) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  V sum[kTileRows][kTileVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kTileRows; ++r) {
    const V first = hn::Set(d, t.start == GemmStart::bias && t.bias ? t.bias[r] : 0.0f);
#pragma GCC unroll 2
    for (int v = 0; v < kTileVectors; ++v) {
      sum[r][v] = t.start == GemmStart::chain ? hn::LoadU(d, t.c + r * t.c_row + v * lanes) : first;
    }
  }
  constexpr int kBases = (kTileRows + 4) / 5;
  const float* a[kBases];
#pragma GCC unroll 3
  for (int i = 0; i < kBases; ++i) a[i] = t.a + 5 * i * t.a_row;
  const float* b = t.b;
  for (int64_t k = 0; k < t.k; ++k, b += t.b_row) {
    V bv[kTileVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kTileVectors; ++v) bv[v] = hn::LoadU(d, b + v * lanes);
#pragma GCC unroll 16
    for (int r = 0; r < kTileRows; ++r) {
      const V av = hn::Set(d, a[r / 5][r % 5 * t.a_row]);
#pragma GCC unroll 2
      for (int v = 0; v < kTileVectors; ++v) sum[r][v] = hn::MulAdd(av, bv[v], sum[r][v]);
    }
#pragma GCC unroll 3
    for (int i = 0; i < kBases; ++i) {
      a[i] += t.a_col;
      opaque(a[i]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kTileRows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kTileVectors; ++v) {
      float* c = t.c + r * t.c_row + v * lanes;
      if (t.stream) {
        hn::Stream(sum[r][v], d, c);
      } else {
        hn::StoreU(t.start == GemmStart::add ? hn::Add(hn::LoadU(d, c), sum[r][v]) : sum[r][v], d, c);
      }
    }
  }
}

using TileFunction = void (*)(const Tile&);

template <int kTileVectors, size_t... kIndex>
constexpr std::array<TileFunction, sizeof...(kIndex)> tiles(std::index_sequence<kIndex...>) {
  return {&tile<static_cast<int>(kIndex) + 1, kTileVectors>...};
}
constexpr auto kTiles1 = tiles<1>(std::make_index_sequence<kRows>());
constexpr auto kTiles2 = tiles<2>(std::make_index_sequence<kRows>());

/// All row tiles of one panel of C: `width` columns (at most that of `functions`) by m rows, one pass over k.
/// A ragged panel is computed in a full tile and its columns copied.
void panel(const std::array<TileFunction, kRows>& functions, int64_t full, int64_t width, int64_t m, Tile t) {
  HWY_ALIGN float edge[static_cast<size_t>(kRows) * kVectors * HWY_MAX_BYTES / sizeof(float)];
  float* c = t.c;
  for (int64_t r = 0; r < m; r += kRows) {
    const int64_t rows = std::min<int64_t>(kRows, m - r);
    const TileFunction function = functions[static_cast<size_t>(rows - 1)];
    t.c = c + r * t.c_row;
    if (width == full) {
      function(t);
    } else {
      Tile e = t;
      e.c = edge;
      e.c_row = full;
      if (t.start != GemmStart::bias) {
        for (int64_t i = 0; i < rows; ++i) {
          std::copy(t.c + i * t.c_row, t.c + i * t.c_row + width, edge + i * full);
          std::fill(edge + i * full + width, edge + (i + 1) * full, 0.0f);
        }
      }
      function(e);
      for (int64_t i = 0; i < rows; ++i)
        std::copy(edge + i * full, edge + i * full + width, t.c + i * t.c_row);
    }
    t.a += rows * t.a_row;
    if (t.bias) t.bias += rows;
  }
}

/// packed[k][full] <- B[k][width], zeros behind it.
void pack_panel(const float* b, int64_t b_row, int64_t k, int64_t width, int64_t full, float* packed) {
  const D d;
  if (width == full) {
    for (int64_t i = 0; i < k; ++i, b += b_row, packed += full) {
      for (size_t v = 0; v < static_cast<size_t>(full); v += hn::Lanes(d)) {
        hn::StoreU(hn::LoadU(d, b + v), d, packed + v);
      }
    }
    return;
  }
  for (int64_t i = 0; i < k; ++i, b += b_row, packed += full) {
    std::copy(b, b + width, packed);
    std::fill(packed + width, packed + full, 0.0f);
  }
}

void Product(const Gemm& g, float* scratch) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
  int64_t block_k = kBlockK;
  if (g.n <= kVectors * lanes) block_k = kNarrowBlockK;
  if (g.m <= kFewRows && g.b_row >= kFarRow) block_k = kFarBlockK;
  // A sum that is added to C at its end must not be cut: its K runs in one pass.
  if (g.start == GemmStart::add) block_k = std::max<int64_t>(g.k, 1);
  // What is read again must stay.
  const bool stream = g.stream && g.start != GemmStart::add && g.k <= block_k;
  for (int64_t pc = 0; pc < std::max<int64_t>(g.k, 1); pc += block_k) {
    const int64_t k = std::min(block_k, g.k - pc);
    for (int64_t ic = 0; ic < g.m; ic += kBlockM) {
      const int64_t m = std::min(kBlockM, g.m - ic);
      for (int64_t jr = 0; jr < g.n;) {
        const bool narrow = g.n - jr <= lanes;
        const int64_t full = narrow ? lanes : kVectors * lanes;
        const int64_t width = std::min(full, g.n - jr);
        Tile t{g.a + ic * g.a_row + pc * g.a_col,
               g.a_row,
               g.a_col,
               g.b + pc * g.b_row + jr,
               g.b_row,
               k,
               g.c + ic * g.c_row + jr,
               g.c_row,
               pc == 0 ? g.start : GemmStart::chain,
               g.bias ? g.bias + ic : nullptr,
               stream && width == full};
        if (width < full || (m >= kPackFrom && g.b_row != full)) {
          pack_panel(t.b, t.b_row, k, width, full, scratch);
          t.b = scratch;
          t.b_row = full;
        }
        panel(narrow ? kTiles1 : kTiles2, full, width, m, t);
        jr += width;
      }
    }
  }
  if (stream) hwy::FlushStream();
}

const char* Target() {
  return hwy::TargetName(HWY_TARGET);
}

}  // namespace
}  // namespace unfold::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold {

HWY_EXPORT(Product);
HWY_EXPORT(Target);

// A packed panel is two vectors wide. 16 floats are the widest vector of any target that may be chosen at run
// time; HWY_MAX_BYTES would be the baseline target's here.
int64_t gemm_scratch(int64_t k) {
  return std::max<int64_t>(k, 1) * 2 * 16;
}

void gemm(const Gemm& g, float* scratch) {
  HWY_DYNAMIC_DISPATCH(Product)(g, scratch);
}

const char* gemm_target() {
  return HWY_DYNAMIC_DISPATCH(Target)();
}

void gemm_reference(const Gemm& g) {
  for (int64_t m = 0; m < g.m; ++m) {
    for (int64_t n = 0; n < g.n; ++n) {
      float& c = g.c[m * g.c_row + n];
      double sum = g.start == GemmStart::bias ? (g.bias ? static_cast<double>(g.bias[m]) : 0.0)
                                              : static_cast<double>(c);
      for (int64_t k = 0; k < g.k; ++k) {
        sum +=
            static_cast<double>(g.a[m * g.a_row + k * g.a_col]) * static_cast<double>(g.b[k * g.b_row + n]);
      }
      c = static_cast<float>(sum);
    }
  }
}

void transpose(int64_t rows, int64_t cols, const float* from, int64_t from_row, float* to, int64_t to_row) {
  constexpr int64_t kBlock = 16;  // both sides of a block stay in the first-level cache
  for (int64_t c0 = 0; c0 < cols; c0 += kBlock) {
    const int64_t c1 = std::min(cols, c0 + kBlock);
    for (int64_t r0 = 0; r0 < rows; r0 += kBlock) {
      const int64_t r1 = std::min(rows, r0 + kBlock);
      for (int64_t c = c0; c < c1; ++c) {
        for (int64_t r = r0; r < r1; ++r) to[c * to_row + r] = from[r * from_row + c];
      }
    }
  }
}

}  // namespace unfold
#endif  // HWY_ONCE
