#include "unfold/kernels/batch_norm.h"

#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/batch_norm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "unfold/kernels/each_vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace unfold::HWY_NAMESPACE {
namespace {  // other files have functions of their own by these names

namespace hn = hwy::HWY_NAMESPACE;

constexpr int64_t kBlock = 16;  // channels whose sums stay in registers

/// Sums of kBlock channels that lie side by side: a chain in each lane. A product of floats is exact in
/// double, so it does not matter whether it is fused.
void BlockSums(int64_t pixels, int64_t stride, const float* a, const float* b, double* sum, double* product) {
  const hn::CappedTag<double, kBlock> d;
  const hn::Rebind<float, decltype(d)> half;
  constexpr int kVectors = kBlock / hn::MaxLanes(d);
  constexpr int64_t kLanes = hn::MaxLanes(d);
  hn::Vec<decltype(d)> s[kVectors], p[kVectors];
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) s[v] = p[v] = hn::Zero(d);
  for (int64_t i = 0; i < pixels; ++i, a += stride, b += stride) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      const auto av = hn::PromoteTo(d, hn::LoadU(half, a + v * kLanes));
      s[v] = hn::Add(s[v], av);
      p[v] = hn::MulAdd(av, hn::PromoteTo(d, hn::LoadU(half, b + v * kLanes)), p[v]);
    }
  }
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) {
    hn::StoreU(s[v], d, sum + v * kLanes);
    hn::StoreU(p[v], d, product + v * kLanes);
  }
}

void ChannelSums(const ChannelView& view, const float* a, const float* b, double* sum, double* product) {
  int64_t c = 0;
  if (view.last) {
    for (; c + kBlock <= view.channels; c += kBlock)
      BlockSums(view.pixels, view.channels, a + c, b + c, sum + c, product + c);
  }
  const int64_t channel = view.last ? 1 : view.pixels, pixel = view.last ? view.channels : 1;
  for (; c < view.channels; ++c) {
    double s = 0, p = 0;
    for (int64_t i = 0; i < view.pixels; ++i) {
      const int64_t at = c * channel + i * pixel;
      s += static_cast<double>(a[at]);
      p += static_cast<double>(a[at]) * static_cast<double>(b[at]);
    }
    sum[c] = s;
    product[c] = p;
  }
}

/// Calls body(tag, place, load) for vectors of all elements; load(p) is what their channels have at p.
template <class F>
HWY_INLINE void EachOfChannels(const ChannelView& view, F body) {
  if (view.last) {
    for (int64_t i = 0; i < view.pixels; ++i) {
      EachVector(view.channels, [&](auto d, int64_t c) {
        body(d, i * view.channels + c, [=](const float* p) { return hn::LoadU(d, p + c); });
      });
    }
  } else {
    for (int64_t c = 0; c < view.channels; ++c) {
      EachVector(view.pixels, [&](auto d, int64_t i) {
        body(d, c * view.pixels + i, [=](const float* p) { return hn::Set(d, p[c]); });
      });
    }
  }
}

void ChannelAffine(const ChannelView& view, const float* x, const float* center, const float* scale,
                   const float* shift, float* y) {
  EachOfChannels(view, [=](auto d, int64_t at, auto of) {
    const auto centred = hn::Sub(hn::LoadU(d, x + at), of(center));
    hn::StoreU(hn::Add(hn::Mul(centred, of(scale)), of(shift)), d, y + at);
  });
}

void ChannelAffineRelu(const ChannelView& view, const float* x, const float* center, const float* scale,
                       const float* shift, const float* residual, float* y) {
  const auto walk = [&](auto add) {
    EachOfChannels(view, [=](auto d, int64_t at, auto of) {
      const auto centred = hn::Sub(hn::LoadU(d, x + at), of(center));
      const auto sum = add(d, at, hn::Add(hn::Mul(centred, of(scale)), of(shift)));
      hn::StoreU(hn::IfThenZeroElse(hn::Lt(sum, hn::Zero(d)), sum), d, y + at);
    });
  };
  if (residual) {
    walk([=](auto d, int64_t at, auto v) { return hn::Add(v, hn::LoadU(d, residual + at)); });
  } else {
    walk([](auto, int64_t, auto v) { return v; });
  }
}

void ChannelAffineBackward(const ChannelView& view, const float* dy, const float* scale, const float* x,
                           const float* center, const float* slope, const float* shift, float* dx) {
  EachOfChannels(view, [=](auto d, int64_t at, auto of) {
    const auto centred = hn::Sub(hn::LoadU(d, x + at), of(center));
    const auto through = hn::Add(hn::Mul(centred, of(slope)), of(shift));
    hn::StoreU(hn::Add(hn::Mul(hn::LoadU(d, dy + at), of(scale)), through), d, dx + at);
  });
}

}  // namespace
}  // namespace unfold::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold {

HWY_EXPORT(ChannelSums);
HWY_EXPORT(ChannelAffine);
HWY_EXPORT(ChannelAffineRelu);
HWY_EXPORT(ChannelAffineBackward);

void channel_sums(const ChannelView& view, const float* a, const float* b, double* sum, double* product) {
  HWY_DYNAMIC_DISPATCH(ChannelSums)(view, a, b, sum, product);
}
void channel_affine(const ChannelView& view, const float* x, const float* center, const float* scale,
                    const float* shift, float* y) {
  HWY_DYNAMIC_DISPATCH(ChannelAffine)(view, x, center, scale, shift, y);
}
void channel_affine_relu(const ChannelView& view, const float* x, const float* center, const float* scale,
                         const float* shift, const float* residual, float* y) {
  HWY_DYNAMIC_DISPATCH(ChannelAffineRelu)(view, x, center, scale, shift, residual, y);
}
void channel_affine_backward(const ChannelView& view, const float* dy, const float* scale, const float* x,
                             const float* center, const float* slope, const float* shift, float* dx) {
  HWY_DYNAMIC_DISPATCH(ChannelAffineBackward)(view, dy, scale, x, center, slope, shift, dx);
}

}  // namespace unfold
#endif  // HWY_ONCE
