#include "bench/fma_peak.h"

#include <chrono>
#include <cstdint>

#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/fma_peak.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace unfold::bench::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

double FmaPeak() {
  const hn::CappedTag<float, 16> d;
  constexpr int kChains = 12;
  constexpr int64_t kRounds = 200000;
  // The chains differ and the compiler does not know how, or it would compute one of them only.
  volatile float seed = 1.0f;
  const auto factor = hn::Set(d, seed * 0.999999f), addend = hn::Set(d, seed * 1e-6f);
  hn::Vec<decltype(d)> chain[kChains];
  for (int c = 0; c < kChains; ++c) chain[c] = hn::Set(d, seed + static_cast<float>(c));
  const auto begin = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < kRounds; ++i) {
#pragma GCC unroll 16
    for (int c = 0; c < kChains; ++c) chain[c] = hn::MulAdd(chain[c], factor, addend);
  }
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
  for (int c = 1; c < kChains; ++c) chain[0] = hn::Add(chain[0], chain[c]);
  seed = hn::GetLane(chain[0]);
  return 2.0 * kChains * kRounds * static_cast<double>(hn::Lanes(d)) / time.count();
}

}  // namespace unfold::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold::bench {

HWY_EXPORT(FmaPeak);

double fma_peak_flops() {
  return HWY_DYNAMIC_DISPATCH(FmaPeak)();
}

}  // namespace unfold::bench
#endif  // HWY_ONCE
