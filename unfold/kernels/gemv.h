// The product of a matrix and a vector, for linear layers of one image.
#pragma once

#include <cstdint>

namespace unfold {

/// y[r] = start[r] + sum over i < k in rising order of a[r*k + i] * x[i], one chain each: the bits of
/// gemm()'s. a (m, k), start (m) or null for 0. Overwrites y (m).
void gemv(int64_t m, int64_t k, const float* a, const float* x, const float* start, float* y);

}  // namespace unfold
