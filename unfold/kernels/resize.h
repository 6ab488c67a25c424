// The two inner loops of bilinear resizing. Each product and sum is rounded on its own, as in the plain loops
// for double in data/preprocess.cpp: the same bits on every target.
#pragma once

#include <cstdint>

namespace unfold {

/// to[x] = w0[x] * from[at[x]] + w1[x] * from[at[x] + 1] for x < n. `at` never falls and rises by at most 1 a
/// step (no shrinking); kResizeSlack floats behind the last that is used are read too. Overwrites `to`.
void resize_row(int64_t n, const int32_t* at, const float* w0, const float* w1, const float* from, float* to);
inline constexpr int64_t kResizeSlack = 16;

/// to[x] = (w0 * above[x] + w1 * below[x] - mean) / std for x < n. Overwrites `to`.
void blend_rows(int64_t n, float w0, const float* above, float w1, const float* below, float mean, float std,
                float* to);

}  // namespace unfold
