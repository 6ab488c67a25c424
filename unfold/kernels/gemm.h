// The matrix product under every convolution and linear layer of the im2col engine.
//
//   C[m][n] = start + sum over k of A(m, k) * B[k][n]
//
// Every element is one chain of fused multiply-adds over k in rising order, lanes run over n, and k is never
// split over lanes or threads: tile, blocking and vector width cannot change a bit. (AVX2, AVX-512 and NEON
// agree; targets without FMA round each product and have bits of their own.)
#pragma once

#include <cstdint>

namespace unfold {

/// Where the chain of an element of C starts.
enum class GemmStart {
  bias,   ///< at bias[m], or at 0 where bias is null; C is overwritten
  chain,  ///< at C's present value: continues an earlier product
  add,    ///< at 0; the finished sum is then added to C
};

/// One product; all strides are in elements.
struct Gemm {
  int64_t m = 0, n = 0, k = 0;
  const float* a = nullptr;  ///< A(m, k) = a[m*a_row + k*a_col]: a_col = 1 plain, a_row = 1 transposed
  int64_t a_row = 0, a_col = 1;
  const float* b = nullptr;  ///< B[k][n] = b[k*b_row + n]: rows contiguous
  int64_t b_row = 0;
  float* c = nullptr;  ///< C[m][n] = c[m*c_row + n]
  int64_t c_row = 0;
  GemmStart start = GemmStart::bias;
  const float* bias = nullptr;  ///< (m), read only with GemmStart::bias
  /// C is written past the caches (far.h), where it is written once: it begins on a cache line, c_row is a
  /// multiple of 16.
  bool stream = false;
};

/// Floats of scratch that gemm() may need for any product with this k.
int64_t gemm_scratch(int64_t k);

/// Computes C. `scratch` is 64-byte aligned and overwritten.
void gemm(const Gemm& g, float* scratch);

/// The product's naive twin, in double and without a SIMD instruction written by hand; `start` as above.
void gemm_reference(const Gemm& g);

/// to[c][r] = from[r][c] for `rows` x `cols` elements; strides in elements. Overwrites `to`.
void transpose(int64_t rows, int64_t cols, const float* from, int64_t from_row, float* to, int64_t to_row);

/// Name of the SIMD target the product runs on ("AVX2", "AVX3", "SSE4", ...), told by the kernel itself.
const char* gemm_target();

}  // namespace unfold
