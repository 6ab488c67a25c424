#include "unfold/kernels/local_response_norm.h"

#include <algorithm>

#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/local_response_norm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "unfold/kernels/each_vector-inl.h"
#include "unfold/kernels/math-inl.h"

#ifndef UNFOLD_KERNELS_LOCAL_RESPONSE_NORM_ONCE
#define UNFOLD_KERNELS_LOCAL_RESPONSE_NORM_ONCE
namespace unfold {

constexpr int64_t kMostLanes = 16;  // of a vector: pixels side by side where the channels are not

}  // namespace unfold
#endif

HWY_BEFORE_NAMESPACE();
namespace unfold::HWY_NAMESPACE {
namespace {  // other files have functions of their own by these names

/// Numbers by channel, with zeros for `size` channels on both sides, so that no window needs a border. A
/// channel is `step` floats: a vector of pixels, or one number, and then a vector holds neighbouring
/// channels.
struct Row {
  float* at;
  int64_t step;
  float* channel(int64_t c) const { return at + c * step; }
};
Row RowOf(float* scratch, int64_t channels, int64_t size, int64_t step) {
  std::fill_n(scratch, size * step, 0.0f);
  std::fill_n(scratch + (size + channels) * step, size * step, 0.0f);
  return {scratch + size * step, step};
}
int64_t RowFloats(int64_t channels, int64_t size) {
  return (channels + 2 * size) * kMostLanes;
}

/// The sum over channels c - before .. c + behind, one after the other.
template <class D>
HWY_INLINE hn::Vec<D> Window(D d, const Row& row, int64_t c, int64_t before, int64_t behind) {
  auto sum = hn::LoadU(d, row.channel(c - before));
  for (int64_t j = c - before + 1; j <= c + behind; ++j) sum = hn::Add(sum, hn::LoadU(d, row.channel(j)));
  return sum;
}

/// Calls body(tag, place of channel 0, step) for all pixels: with a vector of pixels, or, where the channels
/// lie side by side, one pixel at a time and step 1.
template <class F>
HWY_INLINE void EachPixel(const ChannelView& view, F body) {
  if (view.last) {
    for (int64_t p = 0; p < view.pixels; ++p)
      body(hn::CappedTag<float, kMostLanes>(), p * view.channels, int64_t{1});
  } else {
    EachVector(view.pixels, [&](auto d, int64_t p) { body(d, p, static_cast<int64_t>(hn::Lanes(d))); });
  }
}

/// Calls body(tag, channel, its place in the image) for a pixel's channels: one by one, or by vectors.
template <class D, class F>
HWY_INLINE void EachChannel(D d, const ChannelView& view, int64_t pixel, F body) {
  if (view.last) {
    EachVector(view.channels, [&](auto tag, int64_t c) { body(tag, c, pixel + c); });
  } else {
    for (int64_t c = 0; c < view.channels; ++c) body(d, c, pixel + c * view.pixels);
  }
}

/// s of a channel, from its row of squares.
template <class D>
HWY_INLINE hn::Vec<D> Scale(D d, const LocalResponse& how, const Row& squares, int64_t c) {
  const auto factor = hn::Set(d, static_cast<float>(how.alpha / static_cast<double>(how.size)));
  const auto sum = Window(d, squares, c, how.size / 2, (how.size - 1) / 2);
  return hn::MulAdd(factor, sum, hn::Set(d, static_cast<float>(how.k)));
}
/// s^-beta
template <class D>
HWY_INLINE hn::Vec<D> Power(D d, const LocalResponse& how, hn::Vec<D> s) {
  return Exp(d, hn::Mul(hn::Set(d, static_cast<float>(-how.beta)), Log(d, s)));
}

void Forward(const ChannelView& view, const LocalResponse& how, const float* x, float* y, float* scratch) {
  EachPixel(view, [&](auto wide, int64_t pixel, int64_t step) {
    const Row squares = RowOf(scratch, view.channels, how.size, step);
    EachChannel(wide, view, pixel, [&](auto d, int64_t c, int64_t at) {
      const auto v = hn::LoadU(d, x + at);
      hn::StoreU(hn::Mul(v, v), d, squares.channel(c));
    });
    EachChannel(wide, view, pixel, [&](auto d, int64_t c, int64_t at) {
      hn::StoreU(hn::Mul(hn::LoadU(d, x + at), Power(d, how, Scale(d, how, squares, c))), d, y + at);
    });
  });
}

void Backward(const ChannelView& view, const LocalResponse& how, const float* x, const float* y,
              const float* dy, float* dx, float* scratch) {
  const auto slope = static_cast<float>(-2 * how.alpha * how.beta / static_cast<double>(how.size));
  EachPixel(view, [&](auto wide, int64_t pixel, int64_t step) {
    const Row squares = RowOf(scratch, view.channels, how.size, step);
    const Row shares = RowOf(scratch + RowFloats(view.channels, how.size), view.channels, how.size, step);
    EachChannel(wide, view, pixel, [&](auto d, int64_t c, int64_t at) {
      const auto v = hn::LoadU(d, x + at);
      hn::StoreU(hn::Mul(v, v), d, squares.channel(c));
    });
    EachChannel(wide, view, pixel, [&](auto d, int64_t c, int64_t at) {
      const auto s = Scale(d, how, squares, c), gradient = hn::LoadU(d, dy + at);
      hn::StoreU(hn::Div(hn::Mul(gradient, hn::LoadU(d, y + at)), s), d, shares.channel(c));
      hn::StoreU(hn::Mul(gradient, Power(d, how, s)), d, dx + at);
    });
    EachChannel(wide, view, pixel, [&](auto d, int64_t c, int64_t at) {
      const auto through =
          hn::Mul(hn::LoadU(d, x + at), Window(d, shares, c, (how.size - 1) / 2, how.size / 2));
      hn::StoreU(hn::MulAdd(hn::Set(d, slope), through, hn::LoadU(d, dx + at)), d, dx + at);
    });
  });
}

}  // namespace
}  // namespace unfold::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold {

HWY_EXPORT(Forward);
HWY_EXPORT(Backward);

int64_t local_response_norm_scratch(const ChannelView& view, const LocalResponse& how) {
  return 2 * (view.channels + 2 * how.size) * kMostLanes;
}
void local_response_norm_forward(const ChannelView& view, const LocalResponse& how, const float* x, float* y,
                                 float* scratch) {
  HWY_DYNAMIC_DISPATCH(Forward)(view, how, x, y, scratch);
}
void local_response_norm_backward(const ChannelView& view, const LocalResponse& how, const float* x,
                                  const float* y, const float* dy, float* dx, float* scratch) {
  HWY_DYNAMIC_DISPATCH(Backward)(view, how, x, y, dy, dx, scratch);
}

}  // namespace unfold
#endif  // HWY_ONCE
