#include "unfold/kernels/conv2d.h"

#include <algorithm>

#include "unfold/kernels/gemm.h"
#include "unfold/kernels/im2col.h"
#include "unfold/kernels/scratch.h"
#include "unfold/kernels/sum.h"

namespace unfold {
namespace {

constexpr int64_t kGroupPixels = 1024;

int64_t group_rows(const Conv2dShape& s) {
  return std::clamp<int64_t>(kGroupPixels / s.ow, 1, s.oh);
}

/// The parts of the scratch, one behind the other.
struct Scratch {
  float* columns;     // (IC*KH*KW, OH*OW)
  float* transposed;  // dy^T of a row group, (pixels, OC/G)
  float* product;     // dw^T of a row group, (IC/G*KH*KW, OC/G)
  float* panel;       // gemm's
  int64_t size;

  Scratch(const Conv2dShape& s, float* base) {
    ScratchParts parts(base);
    const int64_t pixels = group_rows(s) * s.ow;
    columns = parts.take(s.columns());
    transposed = parts.take(pixels * s.group_oc());
    product = parts.take(s.patch() * s.group_oc());
    panel = parts.take(gemm_scratch(std::max({s.patch(), pixels, s.group_oc()})));
    size = parts.taken();
  }
};

}  // namespace

int64_t conv2d_scratch(const Conv2dShape& s) {
  return Scratch(s, nullptr).size;
}

void conv2d_forward(const Conv2dShape& s, const float* x, const float* w, const float* b, float* y,
                    float* base) {
  const Scratch scratch(s, base);
  const int64_t oc = s.group_oc(), patch = s.patch(), pixels = s.pixels();
  im2col(s, x, scratch.columns, pixels);
  for (int64_t g = 0; g < s.window.groups; ++g) {
    gemm({.m = oc,
          .n = pixels,
          .k = patch,
          .a = w + g * oc * patch,
          .a_row = patch,
          .a_col = 1,
          .b = scratch.columns + g * patch * pixels,
          .b_row = pixels,
          .c = y + g * oc * pixels,
          .c_row = pixels,
          .start = GemmStart::bias,
          .bias = b ? b + g * oc : nullptr},
         scratch.panel);
  }
}

void conv2d_backward_data(const Conv2dShape& s, const float* w, const float* dy, float* dx, float* base) {
  const Scratch scratch(s, base);
  const int64_t oc = s.group_oc(), patch = s.patch(), pixels = s.pixels();
  for (int64_t g = 0; g < s.window.groups; ++g) {
    gemm({.m = patch,
          .n = pixels,
          .k = oc,
          .a = w + g * oc * patch,
          .a_row = 1,
          .a_col = patch,  // w^T
          .b = dy + g * oc * pixels,
          .b_row = pixels,
          .c = scratch.columns + g * patch * pixels,
          .c_row = pixels},
         scratch.panel);
  }
  col2im(s, scratch.columns, pixels, dx);
}

void conv2d_backward_weights(const Conv2dShape& s, const float* x, const float* dy, float* dw, float* db,
                             float* base) {
  const Scratch scratch(s, base);
  const int64_t oc = s.group_oc(), patch = s.patch(), pixels = s.pixels(), rows = group_rows(s);
  im2col(s, x, scratch.columns, pixels);
  for (int64_t g = 0; g < s.window.groups; ++g) {
    for (int64_t oh = 0; oh < s.oh; oh += rows) {
      // dw^T = columns * dy^T: the small side, dy, is the one to transpose.
      const int64_t first = oh * s.ow, count = std::min(rows, s.oh - oh) * s.ow;
      transpose(oc, count, dy + g * oc * pixels + first, pixels, scratch.transposed, oc);
      gemm({.m = patch,
            .n = oc,
            .k = count,
            .a = scratch.columns + g * patch * pixels + first,
            .a_row = pixels,
            .a_col = 1,
            .b = scratch.transposed,
            .b_row = oc,
            .c = scratch.product,
            .c_row = oc,
            .start = GemmStart::bias},
           scratch.panel);
      for (int64_t o = 0; o < oc; ++o) {
        float* to = dw + (g * oc + o) * patch;
        for (int64_t p = 0; p < patch; ++p) to[p] += scratch.product[p * oc + o];
      }
    }
  }
  if (!db) return;
  for (int64_t o = 0; o < s.oc; ++o) db[o] += sum(pixels, dy + o * pixels);
}

}  // namespace unfold
