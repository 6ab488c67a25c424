#include "unfold/kernels/prelu.h"

#include <algorithm>

#include "unfold/kernels/simd.h"
#include "unfold/kernels/sum.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/prelu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "unfold/kernels/each_vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace unfold::HWY_NAMESPACE {
namespace {  // other files have functions of their own by these names

namespace hn = hwy::HWY_NAMESPACE;

/// to = what where x > 0, else its product with the slopes: one (step 0) or as many as elements.
void Slope(int64_t n, const float* x, const float* what, const float* w, bool one, float* to) {
  EachVector(n, [=](auto d, int64_t i) {
    const auto value = hn::LoadU(d, what + i);
    const auto slope = one ? hn::Set(d, *w) : hn::LoadU(d, w + i);
    hn::StoreU(hn::IfThenElse(hn::Gt(hn::LoadU(d, x + i), hn::Zero(d)), value, hn::Mul(slope, value)), d,
               to + i);
  });
}

void Walk(const ChannelView& v, const float* x, const float* what, const float* w, float* to) {
  if (v.last && v.channels > 1) {
    for (int64_t p = 0; p < v.pixels; ++p) {
      const int64_t at = p * v.channels;
      Slope(v.channels, x + at, what + at, w, false, to + at);
    }
  } else {
    for (int64_t c = 0; c < v.channels; ++c) {
      const int64_t at = c * v.pixels;
      Slope(v.pixels, x + at, what + at, w + c, true, to + at);
    }
  }
}

/// to = x dy where x is not above 0, else 0; or that added to it.
void Product(int64_t n, const float* x, const float* dy, bool add, float* to) {
  EachVector(n, [=](auto d, int64_t i) {
    const auto v = hn::LoadU(d, x + i);
    const auto product = hn::IfThenZeroElse(hn::Gt(v, hn::Zero(d)), hn::Mul(v, hn::LoadU(d, dy + i)));
    hn::StoreU(add ? hn::Add(hn::LoadU(d, to + i), product) : product, d, to + i);
  });
}

}  // namespace
}  // namespace unfold::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold {
namespace {

constexpr int64_t kGroup = 1024;  // pixels: one long chain in float would lose digits

HWY_EXPORT(Walk);
HWY_EXPORT(Product);

}  // namespace

void prelu_forward(const ChannelView& view, const float* x, const float* w, float* y) {
  HWY_DYNAMIC_DISPATCH(Walk)(view, x, x, w, y);
}

void prelu_backward(const ChannelView& view, const float* x, const float* w, const float* dy, float* dx) {
  HWY_DYNAMIC_DISPATCH(Walk)(view, x, dy, w, dx);
}

int64_t prelu_scratch(const ChannelView& view) {
  return view.last && view.channels > 1 ? view.channels : std::min(kGroup, view.pixels);
}

void prelu_backward_weights(const ChannelView& v, const float* x, const float* dy, float* dw,
                            float* scratch) {
  const auto product = [](int64_t n, const float* a, const float* b, bool add, float* to) {
    HWY_DYNAMIC_DISPATCH(Product)(n, a, b, add, to);
  };
  if (v.last && v.channels > 1) {
    for (int64_t first = 0; first < v.pixels; first += kGroup) {
      for (int64_t p = first; p < std::min(v.pixels, first + kGroup); ++p)
        product(v.channels, x + p * v.channels, dy + p * v.channels, p > first, scratch);
      for (int64_t c = 0; c < v.channels; ++c) dw[c] += scratch[c];
    }
    return;
  }
  for (int64_t c = 0; c < v.channels; ++c) {
    for (int64_t first = 0; first < v.pixels; first += kGroup) {
      const int64_t n = std::min(kGroup, v.pixels - first), at = c * v.pixels + first;
      product(n, x + at, dy + at, false, scratch);
      dw[c] += sum(n, scratch);
    }
  }
}

}  // namespace unfold
#endif  // HWY_ONCE
