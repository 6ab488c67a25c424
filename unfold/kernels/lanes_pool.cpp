// Pooling on the lane layout, alone and with the activation before it.
#include <algorithm>

#include "unfold/kernels/lanes.h"
#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/lanes_pool.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "unfold/kernels/lanes-inl.h"
#include "unfold/kernels/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace unfold::lanes::HWY_NAMESPACE {
namespace {  // other files have functions of their own by these names

/// The taps of a pooling window that lie inside the image, along one axis: k0 <= k < k1, the first at `at`.
struct Inside {
  int64_t k0, k1, at;
  Inside(int64_t o, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation, int64_t size) {
    const int64_t start = o * stride - pad;
    k0 = start >= 0 ? 0 : std::min(kernel, (-start + dilation - 1) / dilation);
    k1 = start >= size ? k0 : std::max(k0, std::min(kernel, (size - 1 - start) / dilation + 1));
    at = start + k0 * dilation;
  }
  int64_t count() const { return k1 - k0; }
};

/// Calls visit(output offset, rows, columns, plane) for every output of every channel; offsets in floats.
template <class F>
HWY_INLINE void EachOutput(const Conv2dShape& s, F visit) {
  const Window2d& k = s.window;
  for (int64_t c = 0, y = 0; c < s.ic; ++c) {
    for (int64_t oh = 0; oh < s.oh; ++oh) {
      const Inside rows(oh, k.kernel_h, k.stride_h, k.pad_top, k.dilation_h, s.ih);
      for (int64_t ow = 0; ow < s.ow; ++ow, y += kLanes) {
        visit(y, rows, Inside(ow, k.kernel_w, k.stride_w, k.pad_left, k.dilation_w, s.iw), c * s.ih * s.iw);
      }
    }
  }
}

/// Calls visit(pixel) with ih*IW + iw of every tap inside the image, in row order.
template <class F>
HWY_INLINE void EachTap(const Conv2dShape& s, const Inside& rows, const Inside& cols, F visit) {
  const Window2d& k = s.window;
  for (int64_t r = 0; r < rows.count(); ++r) {
    const int64_t row = (rows.at + r * k.dilation_h) * s.iw + cols.at;
    for (int64_t q = 0; q < cols.count(); ++q) visit(row + q * k.dilation_w);
  }
}

int64_t Used(int64_t n) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
  return (n + lanes - 1) / lanes * lanes;
}

/// What an average divides by. A power of two is multiplied by its inverse: the same bits.
template <class F>
HWY_INLINE V Divide(V sum, F count) {
  const D d;
  const auto divisor = static_cast<int64_t>(count);
  if ((divisor & (divisor - 1)) == 0) return hn::Mul(sum, hn::Set(d, 1.0f / static_cast<float>(divisor)));
  return hn::Div(sum, hn::Set(d, static_cast<float>(divisor)));
}

void AvgPool(const Conv2dShape& s, const float* x, float* y, bool count_include_pad) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t used = Used(s.n);
  EachOutput(s, [&](int64_t to, const Inside& rows, const Inside& cols, int64_t plane) {
    const int64_t count =
        count_include_pad ? s.window.taps() : std::max<int64_t>(rows.count() * cols.count(), 1);
    for (int64_t at = 0; at < used; at += lanes) {
      V sum = hn::Zero(d);
      EachTap(s, rows, cols,
              [&](int64_t pixel) { sum = hn::Add(sum, hn::LoadU(d, x + (plane + pixel) * kLanes + at)); });
      hn::StoreU(Divide(sum, count), d, y + to + at);
    }
  });
}

void AvgPoolBackward(const Conv2dShape& s, const float* dy, float* dx, bool count_include_pad) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t used = Used(s.n);
  const bool once = tiles(s);
  if (!once) std::fill(dx, dx + s.x_image() * kLanes, 0.0f);
  EachOutput(s, [&](int64_t from, const Inside& rows, const Inside& cols, int64_t plane) {
    const int64_t count =
        count_include_pad ? s.window.taps() : std::max<int64_t>(rows.count() * cols.count(), 1);
    for (int64_t at = 0; at < used; at += lanes) {
      const V share = Divide(hn::LoadU(d, dy + from + at), count);
      EachTap(s, rows, cols, [&](int64_t pixel) {
        float* to = dx + (plane + pixel) * kLanes + at;
        hn::StoreU(once ? share : hn::Add(hn::LoadU(d, to), share), d, to);
      });
    }
  });
}

void MaxPool(const Conv2dShape& s, const float* x, float* y, int32_t* argmax) {
  const D d;
  const hn::RebindToSigned<D> di;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t used = Used(s.n);
  EachOutput(s, [&](int64_t to, const Inside& rows, const Inside& cols, int64_t plane) {
    const bool empty = rows.count() * cols.count() == 0;
    const int64_t first = empty ? 0 : rows.at * s.iw + cols.at;
    for (int64_t at = 0; at < used; at += lanes) {
      V best = empty ? hn::Zero(d) : hn::LoadU(d, x + (plane + first) * kLanes + at);
      auto index = hn::Set(di, empty ? -1 : static_cast<int32_t>(first));
      EachTap(s, rows, cols, [&](int64_t pixel) {
        const V v = hn::LoadU(d, x + (plane + pixel) * kLanes + at);
        const auto larger = hn::Or(hn::Gt(v, best), hn::IsNaN(v));
        best = hn::IfThenElse(larger, v, best);
        index = hn::IfThenElse(hn::RebindMask(di, larger), hn::Set(di, static_cast<int32_t>(pixel)), index);
      });
      hn::StoreU(best, d, y + to + at);
      hn::StoreU(index, di, argmax + to + at);
    }
  });
}

void MaxPoolBackward(const Conv2dShape& s, const float* dy, const int32_t* argmax, float* dx) {
  const D d;
  const hn::RebindToSigned<D> di;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t used = Used(s.n);
  const bool once = tiles(s);
  if (!once) std::fill(dx, dx + s.x_image() * kLanes, 0.0f);
  EachOutput(s, [&](int64_t from, const Inside& rows, const Inside& cols, int64_t plane) {
    for (int64_t at = 0; at < used; at += lanes) {
      const V gradient = hn::LoadU(d, dy + from + at);
      const auto index = hn::LoadU(di, argmax + from + at);
      EachTap(s, rows, cols, [&](int64_t pixel) {
        const auto here = hn::RebindMask(d, hn::Eq(index, hn::Set(di, static_cast<int32_t>(pixel))));
        const V share = hn::IfThenElseZero(here, gradient);
        float* to = dx + (plane + pixel) * kLanes + at;
        hn::StoreU(once ? share : hn::Add(hn::LoadU(d, to), share), d, to);
      });
    }
  });
}

/// Calls visit(window's first pixel among the pixels of these rows of windows, among all, output) for every
/// window of a tiling in rows oh0 .. oh1-1, all as offsets in floats.
template <class F>
HWY_INLINE void EachTile(const Conv2dShape& s, int64_t oh0, int64_t oh1, F visit) {
  const int64_t window = s.window.kernel_w * kLanes, row = s.window.kernel_h * s.iw * kLanes;
  for (int64_t c = 0, band = 0; c < s.ic; ++c) {
    for (int64_t oh = oh0; oh < oh1; ++oh) {
      int64_t x = (c * s.oh + oh) * row, y = (c * s.oh + oh) * s.ow * kLanes;
      for (int64_t ow = 0; ow < s.ow; ++ow, band += window, x += window, y += kLanes) visit(band, x, y);
      band += row - s.ow * window;
    }
  }
}

/// `kKernel` is the window's height and width where both are known when this is compiled, or 0: then a
/// window's pixels are computed side by side, and their divisions overlap.
template <int kKernel>
void TanhAvgPoolOf(const Conv2dShape& s, int64_t oh0, int64_t oh1, const float* x, float scale, float* y,
                   float* a) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t used = Used(s.n), row = s.iw * kLanes;
  const int64_t kernel_h = kKernel ? kKernel : s.window.kernel_h,
                kernel_w = kKernel ? kKernel : s.window.kernel_w;
  const V factor = hn::Set(d, scale);
  EachTile(s, oh0, oh1, [=](int64_t from, int64_t keep, int64_t to) {
    for (int64_t at = 0; at < used; at += lanes) {
      V sum = hn::Zero(d);
#pragma GCC unroll 2
      for (int64_t kh = 0; kh < kernel_h; ++kh) {
#pragma GCC unroll 2
        for (int64_t kw = 0; kw < kernel_w; ++kw) {
          const int64_t pixel = kh * row + kw * kLanes + at;
          const V v = hn::Mul(factor, unfold::HWY_NAMESPACE::Tanh(d, hn::LoadU(d, x + from + pixel)));
          if (a) hn::StoreU(v, d, a + keep + pixel);
          sum = hn::Add(sum, v);
        }
      }
      hn::StoreU(Divide(sum, kernel_h * kernel_w), d, y + to + at);
    }
  });
}

template <int kKernel>
void TanhAvgPoolBackwardOf(const Conv2dShape& s, int64_t oh0, int64_t oh1, const float* a, const float* dy,
                           float scale, float* dx) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t used = Used(s.n), row = s.iw * kLanes;
  const int64_t kernel_h = kKernel ? kKernel : s.window.kernel_h,
                kernel_w = kKernel ? kKernel : s.window.kernel_w;
  const V factor = hn::Set(d, scale), inverse = hn::Set(d, 1 / scale);
  EachTile(s, oh0, oh1, [=](int64_t to, int64_t kept, int64_t from) {
    for (int64_t at = 0; at < used; at += lanes) {
      const V share = Divide(hn::LoadU(d, dy + from + at), kernel_h * kernel_w);
#pragma GCC unroll 2
      for (int64_t kh = 0; kh < kernel_h; ++kh) {
#pragma GCC unroll 2
        for (int64_t kw = 0; kw < kernel_w; ++kw) {
          const int64_t pixel = kh * row + kw * kLanes + at;
          const V v = hn::LoadU(d, a + kept + pixel);
          hn::StoreU(hn::Mul(share, hn::Sub(factor, hn::Mul(hn::Mul(v, v), inverse))), d, dx + to + pixel);
        }
      }
    }
  });
}

bool Halves(const Conv2dShape& s) {
  return s.window.kernel_h == 2 && s.window.kernel_w == 2;
}
void TanhAvgPool(const Conv2dShape& s, int64_t oh0, int64_t oh1, const float* x, float scale, float* y,
                 float* a) {
  (Halves(s) ? TanhAvgPoolOf<2> : TanhAvgPoolOf<0>)(s, oh0, oh1, x, scale, y, a);
}
void TanhAvgPoolBackward(const Conv2dShape& s, int64_t oh0, int64_t oh1, const float* a, const float* dy,
                         float scale, float* dx) {
  (Halves(s) ? TanhAvgPoolBackwardOf<2> : TanhAvgPoolBackwardOf<0>)(s, oh0, oh1, a, dy, scale, dx);
}

void ReluMaxPool(const Conv2dShape& s, int64_t oh0, int64_t oh1, const float* x, float* y, int32_t* argmax) {
  const D d;
  const hn::RebindToSigned<D> di;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t used = Used(s.n), kernel_h = s.window.kernel_h, kernel_w = s.window.kernel_w;
  const int64_t plane = s.ih * s.iw;
  const V zero = hn::Zero(d);
  EachTile(s, oh0, oh1, [=](int64_t from, int64_t whole, int64_t to) {
    const int64_t first = whole / kLanes % plane;
    for (int64_t at = 0; at < used; at += lanes) {
      V best = hn::LoadU(d, x + from + at);
      auto index = hn::Set(di, static_cast<int32_t>(first));
      for (int64_t kh = 0; kh < kernel_h; ++kh) {
        for (int64_t kw = 0; kw < kernel_w; ++kw) {
          const int64_t pixel = kh * s.iw + kw;
          const V v = hn::LoadU(d, x + from + pixel * kLanes + at);
          const auto larger = hn::Or(hn::Gt(v, best), hn::IsNaN(v));
          best = hn::IfThenElse(larger, v, best);
          index = hn::IfThenElse(hn::RebindMask(di, larger), hn::Set(di, static_cast<int32_t>(first + pixel)),
                                 index);
        }
      }
      hn::StoreU(hn::IfThenElse(hn::Lt(best, zero), zero, best), d, y + to + at);
      if (argmax) hn::StoreU(index, di, argmax + to + at);
    }
  });
}

void ReluMaxPoolBackward(const Conv2dShape& s, int64_t oh0, int64_t oh1, const float* y, const float* dy,
                         const int32_t* argmax, float* dx) {
  const D d;
  const hn::RebindToSigned<D> di;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t used = Used(s.n), kernel_h = s.window.kernel_h, kernel_w = s.window.kernel_w;
  const int64_t plane = s.ih * s.iw;
  const V zero = hn::Zero(d);
  EachTile(s, oh0, oh1, [=](int64_t to, int64_t whole, int64_t from) {
    const int64_t first = whole / kLanes % plane;
    for (int64_t at = 0; at < used; at += lanes) {
      const V gradient =
          hn::IfThenElse(hn::Gt(hn::LoadU(d, y + from + at), zero), hn::LoadU(d, dy + from + at), zero);
      const auto index = hn::LoadU(di, argmax + from + at);
      for (int64_t kh = 0; kh < kernel_h; ++kh) {
        for (int64_t kw = 0; kw < kernel_w; ++kw) {
          const int64_t pixel = kh * s.iw + kw;
          const auto here =
              hn::RebindMask(d, hn::Eq(index, hn::Set(di, static_cast<int32_t>(first + pixel))));
          hn::StoreU(hn::IfThenElseZero(here, gradient), d, dx + to + pixel * kLanes + at);
        }
      }
    }
  });
}

}  // namespace
}  // namespace unfold::lanes::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold::lanes {

HWY_EXPORT(AvgPool);
HWY_EXPORT(AvgPoolBackward);
HWY_EXPORT(MaxPool);
HWY_EXPORT(MaxPoolBackward);
HWY_EXPORT(TanhAvgPool);
HWY_EXPORT(TanhAvgPoolBackward);
HWY_EXPORT(ReluMaxPool);
HWY_EXPORT(ReluMaxPoolBackward);

void avg_pool2d_forward(const Conv2dShape& s, const float* x, float* y, bool count_include_pad) {
  HWY_DYNAMIC_DISPATCH(AvgPool)(s, x, y, count_include_pad);
}
void avg_pool2d_backward(const Conv2dShape& s, const float* dy, float* dx, bool count_include_pad) {
  HWY_DYNAMIC_DISPATCH(AvgPoolBackward)(s, dy, dx, count_include_pad);
}
void max_pool2d_forward(const Conv2dShape& s, const float* x, float* y, int32_t* argmax) {
  HWY_DYNAMIC_DISPATCH(MaxPool)(s, x, y, argmax);
}
void max_pool2d_backward(const Conv2dShape& s, const float* dy, const int32_t* argmax, float* dx) {
  HWY_DYNAMIC_DISPATCH(MaxPoolBackward)(s, dy, argmax, dx);
}

bool tiles(const Conv2dShape& s) {
  const Window2d& k = s.window;
  return k.kernel_h == k.stride_h && k.kernel_w == k.stride_w && k.dilation_h == 1 && k.dilation_w == 1 &&
         s.oh * k.kernel_h == s.ih && s.ow * k.kernel_w == s.iw;
}
void tanh_avg_pool2d_forward(const Conv2dShape& s, int64_t oh0, int64_t oh1, const float* x, float scale,
                             float* y, float* a) {
  HWY_DYNAMIC_DISPATCH(TanhAvgPool)(s, oh0, oh1, x, scale, y, a);
}
void tanh_avg_pool2d_backward(const Conv2dShape& s, int64_t oh0, int64_t oh1, const float* a, const float* dy,
                              float scale, float* dx) {
  HWY_DYNAMIC_DISPATCH(TanhAvgPoolBackward)(s, oh0, oh1, a, dy, scale, dx);
}
void relu_max_pool2d_forward(const Conv2dShape& s, int64_t oh0, int64_t oh1, const float* x, float* y,
                             int32_t* argmax) {
  HWY_DYNAMIC_DISPATCH(ReluMaxPool)(s, oh0, oh1, x, y, argmax);
}
void relu_max_pool2d_backward(const Conv2dShape& s, int64_t oh0, int64_t oh1, const float* y, const float* dy,
                              const int32_t* argmax, float* dx) {
  HWY_DYNAMIC_DISPATCH(ReluMaxPoolBackward)(s, oh0, oh1, y, dy, argmax, dx);
}

}  // namespace unfold::lanes
#endif  // HWY_ONCE
