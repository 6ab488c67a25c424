// Weights of the next products, fetched into the first-level cache while others are computed.
#pragma once

#include <hwy/cache_control.h>

#include <algorithm>
#include <cstdint>

#include "unfold/kernels/nhwc.h"

namespace unfold::nhwc {

/// `rows` packed rows of one or more channel tiles, `w_panel` floats apart: some with every call.
struct AheadWeights {
  const float* w = nullptr;
  int64_t w_panel = 0, panels = 0, rows = 0, rows_of_call = 0;

  void fetch() {
    const int64_t now = std::min(rows, rows_of_call);
    for (int64_t panel = 0; panel < panels; ++panel) {
      for (int64_t r = 0; r < now; ++r) hwy::Prefetch(w + panel * w_panel + r * kNhwcTile);
    }
    w += now * kNhwcTile;
    rows -= now;
  }
};

}  // namespace unfold::nhwc
