// Which kernels of an operator's table a build has: all, or in a small one those that the fast engine takes
// for single images, forward.
#pragma once

#include <array>
#include <span>

#include "unfold/ops/op.h"
#include "unfold/small_build.h"

namespace unfold {

/// Of a table of float kernels, what the fast engine may take for images as they lie: those up to the first
/// that suits every size. Without what training needs, so that the linker finds nobody who asks for it.
template <const auto& kTable>
consteval auto for_single_images() {
  struct {
    std::array<Implementation<float>, std::size(kTable)> all{};
    size_t count = 0;
  } kept;
  for (Implementation<float> one : kTable) {
    if (one.layout != Layout::nchw || one.parts) continue;
    one.backward_data = one.backward_weights = one.prepare = nullptr;
    one.forward_batch = one.backward_batch = {};
    kept.all[kept.count++] = one;
    if (!one.suits && one.exact) break;
  }
  return kept;
}

/// The table that an operator's `implementations` returns.
template <const auto& kTable>
std::span<const Implementation<float>> kept() {
  if constexpr (kSmallBuild) {
    static constexpr auto kKept = for_single_images<kTable>();
    return std::span(kKept.all).first(kKept.count);
  } else {
    return kTable;
  }
}
/// The same in double, which gradient checks and oracles use.
template <const auto& kTable>
std::span<const Implementation<double>> kept_double() {
  if constexpr (kSmallBuild) return {};
  return kTable;
}

}  // namespace unfold
