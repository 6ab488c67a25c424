// Winograd's F(4x4, 3x3) and F(4x4, 5x5) over 16 channels at a time: the changes between pixels and values at
// the points, compiled once for each target by the files that include this behind <hwy/foreach_target.h>.
//
// Along one axis, with the points 0, pairs +-r and infinity, pixels d of a source (six, or eight for five
// weights), weights g and four outputs y meet as
//   y = A^T ((G g) * (B^T d)),
// so (a bilinear form may be transposed) dw = G^T ((A dy) * (B^T d)). Matrices has B^T, G, A^T, A and G^T; in
// two dimensions each is applied along the columns, then along the rows.
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
using nhwc::kTileSide;
using nhwc::PointBlock;
using nhwc::TileGrid;
using nhwc::TilePlace;
using D = hn::CappedTag<float, kNhwcTile>;
using V = hn::Vec<D>;

constexpr auto kLanes = static_cast<int64_t>(hn::MaxLanes(D()));

/// The pairs of points: few digits, so that their powers and products are exact in float.
template <int kTaps>
struct Roots;
template <>
struct Roots<3> {
  static constexpr int kPairs = 2;
  static constexpr double kRoot[] = {5.0 / 8, 3.0 / 2};
};
template <>
struct Roots<5> {
  static constexpr int kPairs = 3;
  static constexpr double kRoot[] = {1.0 / 2, 1, 2};
};

/// The matrices for kernels kTaps wide. Points are ordered 0, r0, -r0, r1, ..., infinity.
template <int kTaps>
struct Matrices {
  static constexpr int kOutputs = static_cast<int>(kTileSide), kSide = kOutputs + kTaps - 1;
  static constexpr int kPairs = Roots<kTaps>::kPairs;
  static_assert(kSide == 2 * kPairs + 2);

  static constexpr double power(int pair, int exponent) {
    double p = 1;
    for (int i = 0; i < exponent; ++i) p *= Roots<kTaps>::kRoot[pair];
    return p;
  }
  /// e_k of the squares of all roots but that of pair `without`: the product over them of (t - r^2) is the
  /// sum of (-1)^k e_k t^(n-k).
  static constexpr double symmetric(int k, int without) {
    double e[kPairs + 1] = {1};
    for (int i = 0; i < kPairs; ++i) {
      if (i == without) continue;
      for (int j = kPairs; j > 0; --j) e[j] += e[j - 1] * power(i, 2);
    }
    return e[k];
  }
  /// One over the product of a point's distances from the other ones.
  static constexpr double norm(int pair) {
    double product = 2 * power(pair, 2);
    for (int i = 0; i < kPairs; ++i) {
      if (i != pair) product *= power(pair, 2) - power(i, 2);
    }
    return 1 / product;
  }
  static constexpr double norm_of_zero() {
    double product = 1;
    for (int i = 0; i < kPairs; ++i) product *= -power(i, 2);
    return 1 / product;
  }

  /// The same as tables, for loops that are unrolled.
  struct Tables {
    float power[kPairs][kSide], symmetric[kPairs + 1][kPairs + 1], norm[kPairs], norm_of_zero;
  };
  static constexpr Tables tables() {
    Tables t{};
    for (int pair = 0; pair < kPairs; ++pair) {
      for (int k = 0; k < kSide; ++k) t.power[pair][k] = static_cast<float>(power(pair, k));
      t.norm[pair] = static_cast<float>(norm(pair));
    }
    for (int without = 0; without <= kPairs; ++without) {
      for (int k = 0; k <= kPairs; ++k) t.symmetric[without][k] = static_cast<float>(symmetric(k, without));
    }
    t.norm_of_zero = static_cast<float>(norm_of_zero());
    return t;
  }
  static constexpr Tables kTables = tables();

  /// The product of (t - r^2) over all roots but that of pair `without`, kDegree of them, where t is a shift
  /// by two pixels: the sum of (-1)^k e_k x[2 (kDegree - k)].
  template <int kDegree>
  static HWY_INLINE V product_of_roots(const V* x, int without) {
    const D d;
    V p = x[2 * kDegree];
#pragma GCC unroll 4
    for (int k = 1; k <= kDegree; ++k) {
      const V e = hn::Set(d, kTables.symmetric[without][k]), pixel = x[2 * (kDegree - k)];
      p = k % 2 ? hn::NegMulAdd(pixel, e, p) : hn::MulAdd(pixel, e, p);
    }
    return p;
  }

  /// B^T: a source at the points.
  struct Source {
    static constexpr int kFrom = kSide, kTo = kSide;
    static HWY_INLINE void apply(const V (&x)[kFrom], V (&p)[kTo]) {
      const D d;
      p[0] = product_of_roots<kPairs>(x, kPairs);
#pragma GCC unroll 4
      for (int i = 0; i < kPairs; ++i) {
        const V even = product_of_roots<kPairs - 1>(x + 2, i), odd = product_of_roots<kPairs - 1>(x + 1, i);
        const V root = hn::Set(d, kTables.power[i][1]);
        p[2 * i + 1] = hn::MulAdd(odd, root, even);
        p[2 * i + 2] = hn::NegMulAdd(odd, root, even);
      }
      p[kTo - 1] = product_of_roots<kPairs>(x + 1, kPairs);
    }
  };

  /// A polynomial at the points, each value times its norm if kNormed: G and A.
  template <int kCoefficients, bool kNormed>
  struct Values {
    static constexpr int kFrom = kCoefficients, kTo = kSide;
    static HWY_INLINE V horner(const V* x, int from, int pair) {
      V value = x[from];
#pragma GCC unroll 4
      for (int k = from - 2; k >= 0; k -= 2) {
        value = hn::MulAdd(value, hn::Set(D(), kTables.power[pair][2]), x[k]);
      }
      return value;
    }
    static HWY_INLINE void apply(const V (&x)[kFrom], V (&p)[kTo]) {
      const D d;
      constexpr int kEven = (kFrom - 1) / 2 * 2, kOdd = kFrom / 2 * 2 - 1;
      p[0] = kNormed ? hn::Mul(x[0], hn::Set(d, kTables.norm_of_zero)) : x[0];
#pragma GCC unroll 4
      for (int i = 0; i < kPairs; ++i) {
        const V even = horner(x, kEven, i), odd = horner(x + 1, kOdd - 1, i);
        const V root = hn::Set(d, kTables.power[i][1]), norm = hn::Set(d, kTables.norm[i]);
        const V plus = hn::MulAdd(odd, root, even), minus = hn::NegMulAdd(odd, root, even);
        p[2 * i + 1] = kNormed ? hn::Mul(plus, norm) : plus;
        p[2 * i + 2] = kNormed ? hn::Mul(minus, norm) : minus;
      }
      p[kTo - 1] = x[kFrom - 1];
    }
  };

  /// The transpose of Values: A^T and G^T.
  template <int kCoefficients, bool kNormed>
  struct Sums {
    static constexpr int kFrom = kSide, kTo = kCoefficients;
    static HWY_INLINE void apply(const V (&p)[kFrom], V (&y)[kTo]) {
      const D d;
      V sum[kPairs], difference[kPairs];
#pragma GCC unroll 4
      for (int i = 0; i < kPairs; ++i) {
        const V norm = hn::Set(d, kTables.norm[i]);
        sum[i] = hn::Add(p[2 * i + 1], p[2 * i + 2]);
        difference[i] = hn::Sub(p[2 * i + 1], p[2 * i + 2]);
        if (kNormed) sum[i] = hn::Mul(sum[i], norm), difference[i] = hn::Mul(difference[i], norm);
      }
      y[0] = kNormed ? hn::MulAdd(p[0], hn::Set(d, kTables.norm_of_zero), sum[0]) : hn::Add(p[0], sum[0]);
#pragma GCC unroll 4
      for (int i = 1; i < kPairs; ++i) y[0] = hn::Add(y[0], sum[i]);
#pragma GCC unroll 8
      for (int k = 1; k < kTo; ++k) {
        const V power = hn::Set(d, kTables.power[0][k]), first = k % 2 ? difference[0] : sum[0];
        y[k] = k + 1 < kTo ? hn::Mul(first, power) : hn::MulAdd(first, power, p[kFrom - 1]);
#pragma GCC unroll 4
        for (int i = 1; i < kPairs; ++i) {
          y[k] = hn::MulAdd(k % 2 ? difference[i] : sum[i], hn::Set(d, kTables.power[i][k]), y[k]);
        }
      }
    }
  };

  using Kernel = Values<kTaps, true>;        ///< G: a kernel at the points
  using Outputs = Sums<kOutputs, false>;     ///< A^T: outputs from products
  using Gradient = Values<kOutputs, false>;  ///< A: the gradient of outputs at the points
  using Weights = Sums<kTaps, true>;         ///< G^T: the gradient of weights from its values at the points
};

/// 16 channels of a square of pixels or values: (row, col) lies at data + row * row_step + col * col_step.
template <class T>
struct Square {
  T* data;
  int64_t row_step, col_step;
};

/// `to` = the matrix M applied to `from` along both axes, for one vector of channels. Loops, as 72 addresses
/// and more would not fit the registers.
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

/// sum += the sum of 4 x 4 pixels, for 16 channels.
HWY_INLINE void add_pixels(const Square<const float>& dy, float* sum) {
  static_assert(kTileSide == 4);
  const D d;
  for (int64_t v = 0; v < kNhwcTile; v += kLanes) {
    V rows[kTileSide];
    for (int r = 0; r < kTileSide; ++r) {
      const float* const row = dy.data + r * dy.row_step + v;
      rows[r] = hn::Add(hn::Add(hn::LoadU(d, row), hn::LoadU(d, row + dy.col_step)),
                        hn::Add(hn::LoadU(d, row + 2 * dy.col_step), hn::LoadU(d, row + 3 * dy.col_step)));
    }
    const V all = hn::Add(hn::Add(rows[0], rows[1]), hn::Add(rows[2], rows[3]));
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
        transform<M>(from, {at, M::kTo * block.point_step(), block.point_step()});
        if constexpr (M::kFrom == kTileSide) {
          if (sums) add_pixels(from, sums + (c - c0) * kNhwcTile);
        }
      }
    }
  }
}

/// The source of tiles [tile0, tile1).
HWY_MAYBE_UNUSED static void source_points(const TileGrid& g, const float* source, int64_t tile0,
                                           int64_t tile1, const PointBlock& block) {
  const auto points =
      g.taps == 3 ? tiles_at_points<Matrices<3>::Source> : tiles_at_points<Matrices<5>::Source>;
  points(g, {source, g.ih, g.iw, g.in}, g.pad_top, g.pad_left, tile0, tile1, 0, g.in_tiles(), block, nullptr);
}

}  // namespace unfold::HWY_NAMESPACE::winograd
HWY_AFTER_NAMESPACE();
#endif
