// Winograd's F(4x4, 3x3) and F(2x2, 5x5) over 16 channels at a time: the changes between pixels and values at
// the points, compiled once for each target by the files that include this behind <hwy/foreach_target.h>.
//
// Along one axis, with the points 0, +-a, +-b, infinity, a = 5/8, b = 3/2: six pixels d of a source, three
// weights g and four outputs y, or five and two, meet as
//   y = A^T ((G g) * (B^T d)),
// so (a bilinear form may be transposed) dw = G^T ((A dy) * (B^T d)). The functions below are B^T, G, A^T, A
// and G^T; in two dimensions each is applied along the columns, then along the rows.
#if defined(UNFOLD_KERNELS_NHWC_WINOGRAD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef UNFOLD_KERNELS_NHWC_WINOGRAD_INL_H_
#undef UNFOLD_KERNELS_NHWC_WINOGRAD_INL_H_
#else
#define UNFOLD_KERNELS_NHWC_WINOGRAD_INL_H_
#endif

#include <hwy/highway.h>

#include <hwy/cache_control.h>

#include <algorithm>

#include "unfold/kernels/nhwc_winograd_tiles.h"

HWY_BEFORE_NAMESPACE();
namespace unfold::HWY_NAMESPACE::winograd {

namespace hn = hwy::HWY_NAMESPACE;
using nhwc::kPatch;
using nhwc::kPoints;
using nhwc::PointBlock;
using nhwc::TileGrid;
using nhwc::TilePlace;
using D = hn::CappedTag<float, kNhwcTile>;
using V = hn::Vec<D>;

constexpr int kSide = static_cast<int>(kPatch);
constexpr auto kLanes = static_cast<int64_t>(hn::MaxLanes(D()));

// All but the last three lines are exact in float.
constexpr float kA = 5.0f / 8, kB = 3.0f / 2, kA2 = kA * kA, kB2 = kB * kB;
constexpr float kA3 = kA2 * kA, kB3 = kB2 * kB, kA4 = kA2 * kA2, kB4 = kB2 * kB2;
constexpr float kSum = kA2 + kB2, kProduct = kA2 * kB2;
constexpr double kExactA2 = 25.0 / 64, kExactB2 = 9.0 / 4;
constexpr auto kNormZero = static_cast<float>(1 / (kExactA2 * kExactB2));
constexpr auto kNormA = static_cast<float>(1 / (2 * kExactA2 * (kExactA2 - kExactB2)));
constexpr auto kNormB = static_cast<float>(1 / (2 * kExactB2 * (kExactB2 - kExactA2)));

/// B^T: a source at the points.
struct Source {
  static constexpr int kFrom = kSide, kTo = kSide;
  static HWY_INLINE void apply(const V (&x)[kFrom], V (&p)[kTo]) {
    const D d;
    const V a = hn::Set(d, kA), b = hn::Set(d, kB), a2 = hn::Set(d, kA2), b2 = hn::Set(d, kB2);
    const V sum = hn::Set(d, kSum), product = hn::Set(d, kProduct);
    p[0] = hn::MulAdd(x[0], product, hn::NegMulAdd(x[2], sum, x[4]));
    const V even_a = hn::NegMulAdd(x[2], b2, x[4]), odd_a = hn::NegMulAdd(x[1], b2, x[3]);
    p[1] = hn::MulAdd(odd_a, a, even_a);
    p[2] = hn::NegMulAdd(odd_a, a, even_a);
    const V even_b = hn::NegMulAdd(x[2], a2, x[4]), odd_b = hn::NegMulAdd(x[1], a2, x[3]);
    p[3] = hn::MulAdd(odd_b, b, even_b);
    p[4] = hn::NegMulAdd(odd_b, b, even_b);
    p[5] = hn::MulAdd(x[1], product, hn::NegMulAdd(x[3], sum, x[5]));
  }
};

/// The other matrices, for kernels kTaps wide: Kernel is G, Outputs A^T, Gradient A, Weights G^T.
template <int kTaps>
struct Matrices;

template <>
struct Matrices<3> {
  static constexpr int kOutputs = 4;

  /// A kernel at the points.
  struct Kernel {
    static constexpr int kFrom = 3, kTo = kSide;
    static HWY_INLINE void apply(const V (&g)[kFrom], V (&p)[kTo]) {
      const D d;
      const V norm_a = hn::Set(d, kNormA), norm_b = hn::Set(d, kNormB);
      const V even_a = hn::MulAdd(g[2], hn::Set(d, kA2), g[0]),
              even_b = hn::MulAdd(g[2], hn::Set(d, kB2), g[0]);
      p[0] = hn::Mul(g[0], hn::Set(d, kNormZero));
      p[1] = hn::Mul(hn::MulAdd(g[1], hn::Set(d, kA), even_a), norm_a);
      p[2] = hn::Mul(hn::NegMulAdd(g[1], hn::Set(d, kA), even_a), norm_a);
      p[3] = hn::Mul(hn::MulAdd(g[1], hn::Set(d, kB), even_b), norm_b);
      p[4] = hn::Mul(hn::NegMulAdd(g[1], hn::Set(d, kB), even_b), norm_b);
      p[5] = g[2];
    }
  };

  /// Outputs from products.
  struct Outputs {
    static constexpr int kFrom = kSide, kTo = kOutputs;
    static HWY_INLINE void apply(const V (&p)[kFrom], V (&y)[kTo]) {
      const D d;
      const V sum_a = hn::Add(p[1], p[2]), sum_b = hn::Add(p[3], p[4]);
      const V difference_a = hn::Sub(p[1], p[2]), difference_b = hn::Sub(p[3], p[4]);
      y[0] = hn::Add(hn::Add(p[0], sum_a), sum_b);
      y[1] = hn::MulAdd(difference_b, hn::Set(d, kB), hn::Mul(difference_a, hn::Set(d, kA)));
      y[2] = hn::MulAdd(sum_b, hn::Set(d, kB2), hn::Mul(sum_a, hn::Set(d, kA2)));
      y[3] = hn::MulAdd(difference_b, hn::Set(d, kB3), hn::MulAdd(difference_a, hn::Set(d, kA3), p[5]));
    }
  };

  /// The gradient of outputs at the points.
  struct Gradient {
    static constexpr int kFrom = kOutputs, kTo = kSide;
    static HWY_INLINE void apply(const V (&y)[kFrom], V (&p)[kTo]) {
      const D d;
      const V a = hn::Set(d, kA), b = hn::Set(d, kB), a2 = hn::Set(d, kA2), b2 = hn::Set(d, kB2);
      const V even_a = hn::MulAdd(y[2], a2, y[0]), odd_a = hn::MulAdd(y[3], a2, y[1]);
      const V even_b = hn::MulAdd(y[2], b2, y[0]), odd_b = hn::MulAdd(y[3], b2, y[1]);
      p[0] = y[0];
      p[1] = hn::MulAdd(odd_a, a, even_a);
      p[2] = hn::NegMulAdd(odd_a, a, even_a);
      p[3] = hn::MulAdd(odd_b, b, even_b);
      p[4] = hn::NegMulAdd(odd_b, b, even_b);
      p[5] = y[3];
    }
  };

  /// The gradient of weights from its values at the points.
  struct Weights {
    static constexpr int kFrom = kSide, kTo = 3;
    static HWY_INLINE void apply(const V (&p)[kFrom], V (&g)[kTo]) {
      const D d;
      const V norm_a = hn::Set(d, kNormA), norm_b = hn::Set(d, kNormB);
      const V sum_a = hn::Mul(hn::Add(p[1], p[2]), norm_a), sum_b = hn::Mul(hn::Add(p[3], p[4]), norm_b);
      const V difference_a = hn::Mul(hn::Sub(p[1], p[2]), norm_a);
      const V difference_b = hn::Mul(hn::Sub(p[3], p[4]), norm_b);
      g[0] = hn::Add(hn::MulAdd(p[0], hn::Set(d, kNormZero), sum_a), sum_b);
      g[1] = hn::MulAdd(difference_b, hn::Set(d, kB), hn::Mul(difference_a, hn::Set(d, kA)));
      g[2] = hn::MulAdd(sum_b, hn::Set(d, kB2), hn::MulAdd(sum_a, hn::Set(d, kA2), p[5]));
    }
  };
};

template <>
struct Matrices<5> {
  static constexpr int kOutputs = 2;

  struct Kernel {
    static constexpr int kFrom = 5, kTo = kSide;
    static HWY_INLINE void apply(const V (&g)[kFrom], V (&p)[kTo]) {
      const D d;
      const V a = hn::Set(d, kA), b = hn::Set(d, kB), a2 = hn::Set(d, kA2), b2 = hn::Set(d, kB2);
      const V norm_a = hn::Set(d, kNormA), norm_b = hn::Set(d, kNormB);
      const V even_a = hn::MulAdd(hn::MulAdd(g[4], a2, g[2]), a2, g[0]), odd_a = hn::MulAdd(g[3], a2, g[1]);
      const V even_b = hn::MulAdd(hn::MulAdd(g[4], b2, g[2]), b2, g[0]), odd_b = hn::MulAdd(g[3], b2, g[1]);
      p[0] = hn::Mul(g[0], hn::Set(d, kNormZero));
      p[1] = hn::Mul(hn::MulAdd(odd_a, a, even_a), norm_a);
      p[2] = hn::Mul(hn::NegMulAdd(odd_a, a, even_a), norm_a);
      p[3] = hn::Mul(hn::MulAdd(odd_b, b, even_b), norm_b);
      p[4] = hn::Mul(hn::NegMulAdd(odd_b, b, even_b), norm_b);
      p[5] = g[4];
    }
  };

  struct Outputs {
    static constexpr int kFrom = kSide, kTo = kOutputs;
    static HWY_INLINE void apply(const V (&p)[kFrom], V (&y)[kTo]) {
      const D d;
      y[0] = hn::Add(hn::Add(p[0], hn::Add(p[1], p[2])), hn::Add(p[3], p[4]));
      y[1] = hn::MulAdd(hn::Sub(p[3], p[4]), hn::Set(d, kB),
                        hn::MulAdd(hn::Sub(p[1], p[2]), hn::Set(d, kA), p[5]));
    }
  };

  struct Gradient {
    static constexpr int kFrom = kOutputs, kTo = kSide;
    static HWY_INLINE void apply(const V (&y)[kFrom], V (&p)[kTo]) {
      const D d;
      const V a = hn::Set(d, kA), b = hn::Set(d, kB);
      p[0] = y[0];
      p[1] = hn::MulAdd(y[1], a, y[0]);
      p[2] = hn::NegMulAdd(y[1], a, y[0]);
      p[3] = hn::MulAdd(y[1], b, y[0]);
      p[4] = hn::NegMulAdd(y[1], b, y[0]);
      p[5] = y[1];
    }
  };

  struct Weights {
    static constexpr int kFrom = kSide, kTo = 5;
    static HWY_INLINE void apply(const V (&p)[kFrom], V (&g)[kTo]) {
      const D d;
      const V norm_a = hn::Set(d, kNormA), norm_b = hn::Set(d, kNormB);
      const V sum_a = hn::Mul(hn::Add(p[1], p[2]), norm_a), sum_b = hn::Mul(hn::Add(p[3], p[4]), norm_b);
      const V difference_a = hn::Mul(hn::Sub(p[1], p[2]), norm_a);
      const V difference_b = hn::Mul(hn::Sub(p[3], p[4]), norm_b);
      g[0] = hn::Add(hn::MulAdd(p[0], hn::Set(d, kNormZero), sum_a), sum_b);
      g[1] = hn::MulAdd(difference_b, hn::Set(d, kB), hn::Mul(difference_a, hn::Set(d, kA)));
      g[2] = hn::MulAdd(sum_b, hn::Set(d, kB2), hn::Mul(sum_a, hn::Set(d, kA2)));
      g[3] = hn::MulAdd(difference_b, hn::Set(d, kB3), hn::Mul(difference_a, hn::Set(d, kA3)));
      g[4] = hn::MulAdd(sum_b, hn::Set(d, kB4), hn::MulAdd(sum_a, hn::Set(d, kA4), p[5]));
    }
  };
};

/// 16 channels of a square of pixels or values: (row, col) lies at data + row * row_step + col * col_step.
template <class T>
struct Square {
  T* data;
  int64_t row_step, col_step;
};

/// `to` = the matrix M applied to `from` along both axes, for one vector of channels. Loops, as 72 addresses
/// at once would not fit the registers.
template <class M>
HWY_INLINE void along_both(const Square<const float>& from, const Square<float>& to) {
  const D d;
  HWY_ALIGN float middle[M::kTo * M::kFrom * kLanes];
  const float* column = from.data;
#pragma GCC unroll 1
  for (int c = 0; c < M::kFrom; ++c, column += from.col_step) {
    V x[M::kFrom], values[M::kTo];
#pragma GCC unroll 8
    for (int r = 0; r < M::kFrom; ++r) x[r] = hn::LoadU(d, column + r * from.row_step);
    M::apply(x, values);
#pragma GCC unroll 8
    for (int r = 0; r < M::kTo; ++r) hn::Store(values[r], d, middle + (r * M::kFrom + c) * kLanes);
  }
  float* row = to.data;
#pragma GCC unroll 1
  for (int r = 0; r < M::kTo; ++r, row += to.row_step) {
    V x[M::kFrom], values[M::kTo];
#pragma GCC unroll 8
    for (int c = 0; c < M::kFrom; ++c) x[c] = hn::Load(d, middle + (r * M::kFrom + c) * kLanes);
    M::apply(x, values);
#pragma GCC unroll 8
    for (int c = 0; c < M::kTo; ++c) hn::StoreU(values[c], d, row + c * to.col_step);
  }
}

/// The same for 16 channels.
template <class M>
HWY_INLINE void transform(const Square<const float>& from, const Square<float>& to) {
  for (int64_t v = 0; v < kNhwcTile; v += kLanes) {
    along_both<M>({from.data + v, from.row_step, from.col_step}, {to.data + v, to.row_step, to.col_step});
  }
}

/// Images (height, width, channels) of which squares are read.
struct Images {
  const float* data;
  int64_t height, width, channels;

  Images of(int64_t image) const {
    return {data + image * height * width * channels, height, width, channels};
  }
};

/// 16 channels of the square of kSize x kSize pixels at (row, col) of the first image: there, or, where the
/// square passes its border or there are fewer channels, copied to `edge` (kSize*kSize*16) with zeros around.
template <int kSize>
HWY_INLINE Square<const float> square(const Images& image, int64_t row, int64_t col, int64_t channel,
                                      float* edge) {
  const int64_t width = std::min(kNhwcTile, image.channels - channel);
  const float* const at = image.data + (row * image.width + col) * image.channels + channel;
  if (width == kNhwcTile && row >= 0 && col >= 0 && row + kSize <= image.height &&
      col + kSize <= image.width) {
    return {at, image.width * image.channels, image.channels};
  }
  const D d;
  for (int r = 0; r < kSize; ++r) {
    for (int c = 0; c < kSize; ++c) {
      float* const to = edge + (r * kSize + c) * kNhwcTile;
      const float* const from = at + (r * image.width + c) * image.channels;
      if (row + r < 0 || row + r >= image.height || col + c < 0 || col + c >= image.width) {
        for (int64_t v = 0; v < kNhwcTile; v += kLanes) hn::Store(hn::Zero(d), d, to + v);
      } else if (width == kNhwcTile) {
        for (int64_t v = 0; v < kNhwcTile; v += kLanes) hn::Store(hn::LoadU(d, from + v), d, to + v);
      } else {
        std::copy_n(from, width, to);
        std::fill(to + width, to + kNhwcTile, 0.0f);
      }
    }
  }
  return {edge, kSize * kNhwcTile, kNhwcTile};
}

/// Fetches what of the square is in the image.
HWY_INLINE void fetch(const Images& image, int64_t size, int64_t row, int64_t col, int64_t channel) {
  const int64_t row1 = std::min(image.height, row + size), col1 = std::min(image.width, col + size);
  for (int64_t r = std::max<int64_t>(0, row); r < row1; ++r) {
    const float* const at = image.data + r * image.width * image.channels + channel;
    for (int64_t c = std::max<int64_t>(0, col); c < col1; ++c) hwy::Prefetch(at + c * image.channels);
  }
}

/// sum += the sum of kSize x kSize pixels, 2 or 4, for 16 channels.
template <int kSize>
HWY_INLINE void add_pixels(const Square<const float>& dy, float* sum) {
  const D d;
  for (int64_t v = 0; v < kNhwcTile; v += kLanes) {
    V rows[kSize];
    for (int r = 0; r < kSize; ++r) {
      const float* const row = dy.data + r * dy.row_step + v;
      rows[r] = hn::Add(hn::LoadU(d, row), hn::LoadU(d, row + dy.col_step));
      if constexpr (kSize == 4)
        rows[r] = hn::Add(rows[r],
                          hn::Add(hn::LoadU(d, row + 2 * dy.col_step), hn::LoadU(d, row + 3 * dy.col_step)));
    }
    V all = hn::Add(rows[0], rows[1]);
    if constexpr (kSize == 4) all = hn::Add(all, hn::Add(rows[2], rows[3]));
    hn::Store(hn::Add(hn::Load(d, sum + v), all), d, sum + v);
  }
}

/// Overwrites the first tile1 - tile0 tiles of `block`, channel tiles from 0, with M of the squares of tiles
/// [tile0, tile1) of the grid, channel tiles [c0, c1); a tile's square begins `pad_top` rows and `pad_left`
/// columns before its outputs. Adds the sums of a square's pixels to `sums` (channel tiles, 16), if not null.
template <class M>
void tiles_at_points(const TileGrid& g, const Images& images, int64_t pad_top, int64_t pad_left,
                     int64_t tile0, int64_t tile1, int64_t c0, int64_t c1, const PointBlock& block,
                     float* sums) {
  // Few tiles at a time, so that what neighbours share is read from a near cache, but several, so that the
  // stores to a point follow each other, and what comes next can be fetched.
  constexpr int64_t kChunk = 8;
  TilePlace places[kChunk], next[kChunk];
  const auto place_chunk = [&](int64_t t0) {
    for (int64_t t = 0; t < kChunk; ++t) next[t] = nhwc::place_of(g, std::min(t0 + t, tile1 - 1));
  };
  HWY_ALIGN float edge[M::kFrom * M::kFrom * kNhwcTile];
  place_chunk(tile0);
  for (int64_t t0 = tile0; t0 < tile1; t0 += kChunk) {
    std::copy_n(next, kChunk, places);
    place_chunk(t0 + kChunk);
    for (int64_t c = c0; c < c1; ++c) {
      float* at = block.data + (c - c0) * block.channel_step() + (t0 - tile0) * kNhwcTile;
      const bool more = c + 1 < c1;
      for (int64_t t = 0; t < std::min(tile1 - t0, kChunk); ++t, at += kNhwcTile) {
        const TilePlace& place = places[t];
        const TilePlace& later = more ? place : next[t];
        fetch(images.of(later.image), M::kFrom, later.row - pad_top, later.col - pad_left,
              (more ? c + 1 : c0) * kNhwcTile);
        const Square<const float> from = square<M::kFrom>(images.of(place.image), place.row - pad_top,
                                                          place.col - pad_left, c * kNhwcTile, edge);
        transform<M>(from, {at, kPatch * block.point_step(), block.point_step()});
        if constexpr (M::kFrom < kSide) {
          if (sums) add_pixels<M::kFrom>(from, sums + (c - c0) * kNhwcTile);
        }
      }
    }
  }
}

/// The source of tiles [tile0, tile1).
HWY_MAYBE_UNUSED static void source_points(const TileGrid& g, const float* source, int64_t tile0,
                                           int64_t tile1, const PointBlock& block) {
  tiles_at_points<Source>(g, {source, g.ih, g.iw, g.in}, g.pad_top, g.pad_left, tile0, tile1, 0, g.in_tiles(),
                          block, nullptr);
}

}  // namespace unfold::HWY_NAMESPACE::winograd
HWY_AFTER_NAMESPACE();
#endif
