#include "unfold/kernels/linear.h"

#include <algorithm>

#include "unfold/kernels/far.h"
#include "unfold/kernels/gemm.h"
#include "unfold/kernels/scratch.h"

namespace unfold {
namespace {

/// Rows a power of two of bytes apart share few places of a cache: copies get this much behind each row.
constexpr int64_t kPad = 16;

}  // namespace

int64_t linear_scratch(int64_t n, int64_t in, int64_t out) {
  return whole_lines(in * n) + whole_lines((out + kPad) * n) + gemm_scratch(std::max({n, in, out}));
}

void linear_forward(int64_t n, int64_t in, int64_t out, int64_t o0, int64_t o1, const float* x,
                    const float* w, const float* b, float* y, float* scratch) {
  float* xt = scratch;                   // (IN, n)
  float* yt = xt + whole_lines(in * n);  // (o1-o0, n)
  transpose(n, in, x, in, xt, n);
  gemm({.m = o1 - o0,
        .n = n,
        .k = in,
        .a = w + o0 * in,
        .a_row = in,
        .a_col = 1,
        .b = xt,
        .b_row = n,
        .c = yt,
        .c_row = n,
        .start = GemmStart::bias,
        .bias = b ? b + o0 : nullptr},
       yt + whole_lines(out * n));
  transpose(o1 - o0, n, yt, n, y + o0, out);
}

void linear_backward_data(int64_t n, int64_t in, int64_t out, int64_t i0, int64_t i1, const float* w,
                          const float* dy, float* dx, float* scratch) {
  float* rows = scratch;  // of dy
  for (int64_t r = 0; r < n; ++r) std::copy(dy + r * out, dy + (r + 1) * out, rows + r * (out + kPad));
  gemm({.m = n,
        .n = i1 - i0,
        .k = out,
        .a = rows,
        .a_row = out + kPad,
        .a_col = 1,
        .b = w + i0,
        .b_row = in,
        .c = dx + i0,
        .c_row = in},
       scratch + whole_lines((out + kPad) * n));
}

void linear_backward_weights(int64_t n, int64_t in, int64_t out, int64_t o0, int64_t o1, const float* x,
                             const float* dy, bool overwrite, float* dw, float* db, float* scratch) {
  float* dyt = scratch;  // (o1-o0, n)
  transpose(n, o1 - o0, dy + o0, out, dyt, n);
  // Few rows at a time: every row of dw is a stream of its own to memory.
  constexpr int64_t kRows = 42;  // tiles of 14 or of 6
  for (int64_t o = o0; o < o1; o += kRows) {
    gemm({.m = std::min(kRows, o1 - o),
          .n = in,
          .k = n,
          .a = dyt + (o - o0) * n,
          .a_row = n,
          .a_col = 1,
          .b = x,
          .b_row = in,
          .c = dw + (o - o0) * in,
          .c_row = in,
          .start = overwrite ? GemmStart::bias : GemmStart::add,
          .stream = overwrite && too_far(dw, in * out, in)},
         scratch + whole_lines((out + kPad) * n));
  }
  if (!db) return;
  for (int64_t o = o0; o < o1; ++o) {
    float sum = 0;
    for (int64_t r = 0; r < n; ++r) sum += dy[r * out + o];
    db[o - o0] = overwrite ? sum : db[o - o0] + sum;
  }
}

}  // namespace unfold
