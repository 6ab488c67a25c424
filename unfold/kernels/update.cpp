#include "unfold/kernels/update.h"

#include <algorithm>

#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/update.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "unfold/kernels/each_vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace unfold::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Fetches the gradient and the parameters of some iterations ahead, which another core may have written: a
/// store to such a line would wait for it.
HWY_INLINE void FetchAhead([[maybe_unused]] const float* g, [[maybe_unused]] const float* p) {
#if HWY_ARCH_X86 && (HWY_COMPILER_GCC || HWY_COMPILER_CLANG)
  constexpr int kAhead = 768;  // floats
  asm volatile("prefetcht0 %0" : : "m"(g[kAhead]));
  asm volatile("prefetchw %0" : : "m"(p[kAhead]));
#endif
}

void Sgd(int64_t n, const SgdStep& how, const float* g, float* p, float* m) {
  const SgdStep s = how;
  EachVector(n, [=](auto d, int64_t i) {
    FetchAhead(g + i, p + i);
    const auto old = hn::LoadU(d, p + i);
    const auto gradient = hn::Add(hn::LoadU(d, g + i), hn::Mul(hn::Set(d, s.decay), old));
    const auto moment = hn::Add(hn::Mul(hn::Set(d, s.momentum), hn::LoadU(d, m + i)), gradient);
    hn::StoreU(moment, d, m + i);
    const auto step = s.nesterov ? hn::Add(gradient, hn::Mul(hn::Set(d, s.momentum), moment)) : moment;
    hn::StoreU(hn::Sub(old, hn::Mul(hn::Set(d, s.rate), step)), d, p + i);
  });
}

void Adam(int64_t n, const AdamStep& step, const float* g, float* p, float* m, float* v) {
  const AdamStep s = step;
  EachVector(n, [=](auto d, int64_t i) {
    FetchAhead(g + i, p + i);
    const auto old = hn::LoadU(d, p + i);
    const auto gradient = hn::Add(hn::LoadU(d, g + i), hn::Mul(hn::Set(d, s.decay), old));
    auto first = hn::LoadU(d, m + i);
    first = hn::Add(first, hn::Mul(hn::Set(d, s.keep1), hn::Sub(gradient, first)));
    const auto square = hn::Mul(hn::Mul(hn::Set(d, s.keep2), gradient), gradient);
    const auto second = hn::Add(hn::Mul(hn::Set(d, s.beta2), hn::LoadU(d, v + i)), square);
    hn::StoreU(first, d, m + i);
    hn::StoreU(second, d, v + i);
    const auto scale = hn::Add(hn::Mul(hn::Sqrt(second), hn::Set(d, s.root)), hn::Set(d, s.epsilon));
    const auto shrunk = hn::Mul(old, hn::Set(d, s.shrink));
    hn::StoreU(hn::Sub(shrunk, hn::Div(hn::Mul(hn::Set(d, s.rate), first), scale)), d, p + i);
  });
}

/// x - x is 0 where x is finite, NaN elsewhere, and a sum with NaN stays NaN.
bool Finite(int64_t n, const float* x) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  auto bad = hn::Zero(d);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto v = hn::LoadU(d, x + i);
    bad = hn::Add(bad, hn::Sub(v, v));
  }
  float rest = hn::GetLane(hn::SumOfLanes(d, bad));
  for (; i < n; ++i) rest += x[i] - x[i];
  return rest == 0;
}

}  // namespace unfold::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold {

HWY_EXPORT(Sgd);
HWY_EXPORT(Adam);
HWY_EXPORT(Finite);

void sgd_update(int64_t n, const SgdStep& step, const float* g, float* p, float* m) {
  HWY_DYNAMIC_DISPATCH(Sgd)(n, step, g, p, m);
}
void adam_update(int64_t n, const AdamStep& step, const float* g, float* p, float* m, float* v) {
  HWY_DYNAMIC_DISPATCH(Adam)(n, step, g, p, m, v);
}
bool all_finite(int64_t n, const float* x) {
  return HWY_DYNAMIC_DISPATCH(Finite)(n, x);
}

}  // namespace unfold
#endif  // HWY_ONCE
