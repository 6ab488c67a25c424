// Runs a test body once on every SIMD target that this build has code for and this CPU can run.
#pragma once

#include <hwy/highway.h>

#include <string>
#include <vector>

#include "unfold/kernels/gemm.h"

namespace unfold::test {

/// Calls body(name) with each target forced, then restores the best. Returns the names that really ran, as
/// the kernel itself reports them: forcing a target that was not generated would silently run another.
template <class Body>
std::vector<std::string> on_every_target(Body body) {
  std::vector<std::string> ran;
#if (HWY_TARGETS & (HWY_TARGETS - 1)) == 0  // one only, called without a table
  body(std::string(gemm_target()));
  ran.emplace_back(gemm_target());
#else
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    body(std::string(gemm_target()));
    ran.emplace_back(gemm_target());
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
#endif
  return ran;
}

}  // namespace unfold::test
