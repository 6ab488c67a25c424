// The lane layout: in and out of it, and elementwise functions on it.
#include "unfold/kernels/lanes.h"

#include <algorithm>

#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/lanes.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "unfold/kernels/lanes-inl.h"
#include "unfold/kernels/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace unfold::lanes::HWY_NAMESPACE {
namespace {  // other files have functions of their own by these names

/// Calls body(offset) for every vector of `elements` elements that holds images below n.
template <class F>
HWY_INLINE void Each(int64_t n, int64_t elements, F body) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
  const int64_t used = (n + lanes - 1) / lanes * lanes;
  if (used == kLanes) {
    for (int64_t at = 0; at < elements * kLanes; at += lanes) body(at);
    return;
  }
  for (int64_t e = 0; e < elements; ++e) {
    for (int64_t at = 0; at < used; at += lanes) body(e * kLanes + at);
  }
}

constexpr int64_t kBlock = 64;  // elements of a row that are read while their lines of lanes are at hand

void FromRows(int64_t n, int64_t elements, const float* rows, float* lanes) {
  for (int64_t e = 0; e < elements; e += kBlock) {
    const int64_t count = std::min(kBlock, elements - e);
    float* to = lanes + e * kLanes;
    if (n < kLanes) std::fill(to, to + count * kLanes, 0.0f);
    Transpose(n, count, rows + e, elements, to, kLanes);
  }
}

void ToRows(int64_t n, int64_t elements, const float* lanes, float* rows) {
  for (int64_t e = 0; e < elements; e += kBlock) {
    Transpose(std::min(kBlock, elements - e), n, lanes + e * kLanes, kLanes, rows + e, elements);
  }
}

void Tanh(int64_t n, int64_t elements, const float* x, float scale, float* y) {
  const D d;
  const V s = hn::Set(d, scale);
  Each(n, elements, [=](int64_t at) {
    hn::StoreU(hn::Mul(s, unfold::HWY_NAMESPACE::Tanh(d, hn::LoadU(d, x + at))), d, y + at);
  });
}

void TanhBackward(int64_t n, int64_t elements, const float* y, const float* dy, float scale, float* dx) {
  const D d;
  const V s = hn::Set(d, scale), inverse = hn::Set(d, 1 / scale);
  Each(n, elements, [=](int64_t at) {
    const V v = hn::LoadU(d, y + at);
    hn::StoreU(hn::Mul(hn::LoadU(d, dy + at), hn::Sub(s, hn::Mul(hn::Mul(v, v), inverse))), d, dx + at);
  });
}

void Relu(int64_t n, int64_t elements, const float* x, float* y) {
  const D d;
  const V zero = hn::Zero(d);
  Each(n, elements, [=](int64_t at) {
    const V v = hn::LoadU(d, x + at);
    hn::StoreU(hn::IfThenElse(hn::Lt(v, zero), zero, v), d, y + at);  // NaN stays
  });
}

void ReluBackward(int64_t n, int64_t elements, const float* y, const float* dy, float* dx) {
  const D d;
  const V zero = hn::Zero(d);
  Each(n, elements, [=](int64_t at) {
    hn::StoreU(hn::IfThenElse(hn::Gt(hn::LoadU(d, y + at), zero), hn::LoadU(d, dy + at), zero), d, dx + at);
  });
}

}  // namespace
}  // namespace unfold::lanes::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold::lanes {

HWY_EXPORT(FromRows);
HWY_EXPORT(ToRows);
HWY_EXPORT(Tanh);
HWY_EXPORT(TanhBackward);
HWY_EXPORT(Relu);
HWY_EXPORT(ReluBackward);

void from_rows(int64_t n, int64_t elements, const float* rows, float* lanes) {
  HWY_DYNAMIC_DISPATCH(FromRows)(n, elements, rows, lanes);
}
void to_rows(int64_t n, int64_t elements, const float* lanes, float* rows) {
  HWY_DYNAMIC_DISPATCH(ToRows)(n, elements, lanes, rows);
}

void tanh_forward(int64_t n, int64_t elements, const float* x, float scale, float* y) {
  HWY_DYNAMIC_DISPATCH(Tanh)(n, elements, x, scale, y);
}
void tanh_backward(int64_t n, int64_t elements, const float* y, const float* dy, float scale, float* dx) {
  HWY_DYNAMIC_DISPATCH(TanhBackward)(n, elements, y, dy, scale, dx);
}
void relu_forward(int64_t n, int64_t elements, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(Relu)(n, elements, x, y);
}
void relu_backward(int64_t n, int64_t elements, const float* y, const float* dy, float* dx) {
  HWY_DYNAMIC_DISPATCH(ReluBackward)(n, elements, y, dy, dx);
}
}  // namespace unfold::lanes
#endif  // HWY_ONCE
