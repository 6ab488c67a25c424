#include "unfold/kernels/im2col.h"

#include <algorithm>
#include <cstring>

namespace unfold {
namespace {

/// The outputs ow whose tap lands inside the row: first <= ow < last, and where the first one lands.
struct Span {
  int64_t first, last, start;
};

/// Solves 0 <= o*stride + offset < size for 0 <= o < outputs.
Span inside(int64_t outputs, int64_t stride, int64_t offset, int64_t size) {
  const int64_t first = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
  const int64_t last = size <= offset ? 0 : (size - offset - 1) / stride + 1;
  const int64_t end = std::clamp<int64_t>(last, 0, outputs);
  const int64_t begin = std::min(first, end);
  return {begin, end, begin * stride + offset};
}

// Rows are short (28 pixels in LeNet-5): a call of memcpy for each would cost more than its copying, so they
// are moved in pieces of 16 bytes, which compile to one load and one store.

template <class T>
void copy_row(const T* from, int64_t n, T* to) {
  constexpr int64_t kPiece = 16 / sizeof(T);
  int64_t i = 0;
  for (; i + kPiece <= n; i += kPiece) std::memcpy(to + i, from + i, 16);
  for (; i < n; ++i) to[i] = from[i];
}

template <class T>
void clear_row(T* to, int64_t n) {
  for (T* end = to + n; to != end; ++to) *to = T{0};
}

template <class T>
void add_row(const T* __restrict from, int64_t n, T* __restrict to) {
  for (int64_t i = 0; i < n; ++i) to[i] += from[i];
}

}  // namespace

template <class T>
void im2col(const Conv2dShape& s, const T* image, T* columns, int64_t ld) {
  const Window2d& k = s.window;
  for (int64_t ic = 0; ic < s.ic; ++ic) {
    for (int64_t kh = 0; kh < k.kernel_h; ++kh) {
      for (int64_t kw = 0; kw < k.kernel_w; ++kw, columns += ld) {
        const Span cols = inside(s.ow, k.stride_w, kw * k.dilation_w - k.pad_left, s.iw);
        for (int64_t oh = 0; oh < s.oh; ++oh) {
          T* row = columns + oh * s.ow;
          const int64_t ih = oh * k.stride_h + kh * k.dilation_h - k.pad_top;
          if (ih < 0 || ih >= s.ih) {
            std::fill(row, row + s.ow, T{0});
            continue;
          }
          const T* from = image + (ic * s.ih + ih) * s.iw + cols.start;
          clear_row(row, cols.first);
          if (k.stride_w == 1) {
            copy_row(from, cols.last - cols.first, row + cols.first);
          } else {
            for (int64_t ow = cols.first; ow < cols.last; ++ow, from += k.stride_w) row[ow] = *from;
          }
          clear_row(row + cols.last, s.ow - cols.last);
        }
      }
    }
  }
}

template <class T>
void col2im(const Conv2dShape& s, const T* columns, int64_t ld, T* image) {
  const Window2d& k = s.window;
  std::fill(image, image + s.x_image(), T{0});
  for (int64_t ic = 0; ic < s.ic; ++ic) {
    for (int64_t kh = 0; kh < k.kernel_h; ++kh) {
      for (int64_t kw = 0; kw < k.kernel_w; ++kw, columns += ld) {
        const Span cols = inside(s.ow, k.stride_w, kw * k.dilation_w - k.pad_left, s.iw);
        for (int64_t oh = 0; oh < s.oh; ++oh) {
          const T* row = columns + oh * s.ow;
          const int64_t ih = oh * k.stride_h + kh * k.dilation_h - k.pad_top;
          if (ih < 0 || ih >= s.ih) continue;
          T* to = image + (ic * s.ih + ih) * s.iw + cols.start;
          if (k.stride_w == 1) {
            add_row(row + cols.first, cols.last - cols.first, to);
          } else {
            for (int64_t ow = cols.first; ow < cols.last; ++ow, to += k.stride_w) *to += row[ow];
          }
        }
      }
    }
  }
}

template void im2col(const Conv2dShape&, const float*, float*, int64_t);
template void im2col(const Conv2dShape&, const double*, double*, int64_t);
template void col2im(const Conv2dShape&, const float*, int64_t, float*);
template void col2im(const Conv2dShape&, const double*, int64_t, double*);

}  // namespace unfold
