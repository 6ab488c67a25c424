#include "unfold/kernels/im2col.h"

#include <algorithm>
#include <cstring>

#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/im2col.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

// Compiled for each target: both ways are bound by stores, and a wider register stores more at once.
HWY_BEFORE_NAMESPACE();
namespace unfold::HWY_NAMESPACE {
namespace {  // other files have functions of their own by these names

namespace hn = hwy::HWY_NAMESPACE;

/// Whether the target adds vectors of T: Highway 1.0 for WASM adds none of doubles.
template <class T>
constexpr bool kAdds = sizeof(T) == 4 || HWY_HAVE_FLOAT64;

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
// are moved a vector at a time; the last one may overlap the one before.

template <class T>
HWY_INLINE void copy_row(const T* from, int64_t n, T* to) {
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 16 / sizeof(T)> quarter;
  const auto wide = static_cast<int64_t>(hn::Lanes(d)), narrow = static_cast<int64_t>(hn::Lanes(quarter));
  if (n >= wide) {
    for (int64_t i = 0; i + wide < n; i += wide) hn::StoreU(hn::LoadU(d, from + i), d, to + i);
    hn::StoreU(hn::LoadU(d, from + n - wide), d, to + n - wide);
  } else if (n >= narrow) {
    for (int64_t i = 0; i + narrow < n; i += narrow)
      hn::StoreU(hn::LoadU(quarter, from + i), quarter, to + i);
    hn::StoreU(hn::LoadU(quarter, from + n - narrow), quarter, to + n - narrow);
  } else {
    for (int64_t i = 0; i < n; ++i) to[i] = from[i];
  }
}

template <class T>
void clear_row(T* to, int64_t n) {
  for (T* end = to + n; to != end; ++to) *to = T{0};
}

template <class T>
HWY_INLINE void add_row(const T* from, int64_t n, T* to) {
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 16 / sizeof(T)> quarter;
  const auto wide = static_cast<int64_t>(hn::Lanes(d)), narrow = static_cast<int64_t>(hn::Lanes(quarter));
  int64_t i = 0;
  if constexpr (kAdds<T>) {
    for (; i + wide <= n; i += wide)
      hn::StoreU(hn::Add(hn::LoadU(d, to + i), hn::LoadU(d, from + i)), d, to + i);
    for (; i + narrow <= n; i += narrow) {
      hn::StoreU(hn::Add(hn::LoadU(quarter, to + i), hn::LoadU(quarter, from + i)), quarter, to + i);
    }
  }
  for (; i < n; ++i) to[i] += from[i];
}

template <class T>
void Im2col(const Conv2dShape& s, const T* image, T* columns, int64_t ld) {
  const Window2d& k = s.window;
  const int64_t height = s.ih, width = s.iw, outputs = s.ow, down = k.stride_h, along = k.stride_w;
  for (int64_t ic = 0; ic < s.ic; ++ic, image += height * width) {
    for (int64_t kh = 0; kh < k.kernel_h; ++kh) {
      for (int64_t kw = 0; kw < k.kernel_w; ++kw, columns += ld) {
        const Span cols = inside(outputs, along, kw * k.dilation_w - k.pad_left, width);
        const int64_t length = cols.last - cols.first;
        int64_t ih = kh * k.dilation_h - k.pad_top;
        T* row = columns;
        for (int64_t oh = 0; oh < s.oh; ++oh, ih += down, row += outputs) {
          if (ih < 0 || ih >= height) {
            std::fill(row, row + outputs, T{0});
            continue;
          }
          const T* from = image + ih * width + cols.start;
          clear_row(row, cols.first);
          if (along == 1) {
            copy_row(from, length, row + cols.first);
          } else {
            for (int64_t i = 0; i < length; ++i) row[cols.first + i] = from[i * along];
          }
          clear_row(row + cols.last, outputs - cols.last);
        }
      }
    }
  }
}

template <class T>
void Col2im(const Conv2dShape& s, const T* columns, int64_t ld, T* image) {
  const Window2d& k = s.window;
  const int64_t height = s.ih, width = s.iw, outputs = s.ow, down = k.stride_h, along = k.stride_w;
  std::fill(image, image + s.x_image(), T{0});
  for (int64_t ic = 0; ic < s.ic; ++ic, image += height * width) {
    for (int64_t kh = 0; kh < k.kernel_h; ++kh) {
      for (int64_t kw = 0; kw < k.kernel_w; ++kw, columns += ld) {
        const Span cols = inside(outputs, along, kw * k.dilation_w - k.pad_left, width);
        const int64_t length = cols.last - cols.first;
        int64_t ih = kh * k.dilation_h - k.pad_top;
        const T* row = columns + cols.first;
        for (int64_t oh = 0; oh < s.oh; ++oh, ih += down, row += outputs) {
          if (ih < 0 || ih >= height) continue;
          T* to = image + ih * width + cols.start;
          if (along == 1) {
            add_row(row, length, to);
          } else {
            for (int64_t i = 0; i < length; ++i) to[i * along] += row[i];
          }
        }
      }
    }
  }
}

void Im2colFloat(const Conv2dShape& s, const float* image, float* columns, int64_t ld) {
  Im2col(s, image, columns, ld);
}
void Im2colDouble(const Conv2dShape& s, const double* image, double* columns, int64_t ld) {
  Im2col(s, image, columns, ld);
}
void Col2imFloat(const Conv2dShape& s, const float* columns, int64_t ld, float* image) {
  Col2im(s, columns, ld, image);
}
void Col2imDouble(const Conv2dShape& s, const double* columns, int64_t ld, double* image) {
  Col2im(s, columns, ld, image);
}

}  // namespace
}  // namespace unfold::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold {

HWY_EXPORT(Im2colFloat);
HWY_EXPORT(Im2colDouble);
HWY_EXPORT(Col2imFloat);
HWY_EXPORT(Col2imDouble);

template <>
void im2col(const Conv2dShape& s, const float* image, float* columns, int64_t ld) {
  HWY_DYNAMIC_DISPATCH(Im2colFloat)(s, image, columns, ld);
}
template <>
void im2col(const Conv2dShape& s, const double* image, double* columns, int64_t ld) {
  HWY_DYNAMIC_DISPATCH(Im2colDouble)(s, image, columns, ld);
}
template <>
void col2im(const Conv2dShape& s, const float* columns, int64_t ld, float* image) {
  HWY_DYNAMIC_DISPATCH(Col2imFloat)(s, columns, ld, image);
}
template <>
void col2im(const Conv2dShape& s, const double* columns, int64_t ld, double* image) {
  HWY_DYNAMIC_DISPATCH(Col2imDouble)(s, columns, ld, image);
}

}  // namespace unfold
#endif  // HWY_ONCE
