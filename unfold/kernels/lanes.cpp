// The lane layout: in and out of it, pooling and elementwise functions on it.
#include "unfold/kernels/lanes.h"

#include <algorithm>

#include "unfold/kernels/gemm.h"
#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/lanes.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "unfold/kernels/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace unfold::lanes::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;

/// Calls body(offset) for every vector of `elements` elements that holds images below n.
template <class F>
HWY_INLINE void Each(int64_t n, int64_t elements, F body) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
  const int64_t used = (n + lanes - 1) / lanes * lanes;
  if (used == kLanes) {
    for (int64_t at = 0; at < elements * kLanes; at += lanes) body(at);
    return;
  }
  for (int64_t e = 0; e < elements; ++e) {
    for (int64_t at = 0; at < used; at += lanes) body(e * kLanes + at);
  }
}

void Tanh(int64_t n, int64_t elements, const float* x, float scale, float* y) {
  const D d;
  const V s = hn::Set(d, scale);
  Each(n, elements, [=](int64_t at) {
    hn::StoreU(hn::Mul(s, unfold::HWY_NAMESPACE::Tanh(d, hn::LoadU(d, x + at))), d, y + at);
  });
}

void TanhBackward(int64_t n, int64_t elements, const float* y, const float* dy, float scale, float* dx) {
  const D d;
  const V s = hn::Set(d, scale), inverse = hn::Set(d, 1 / scale);
  Each(n, elements, [=](int64_t at) {
    const V v = hn::LoadU(d, y + at);
    hn::StoreU(hn::Mul(hn::LoadU(d, dy + at), hn::Sub(s, hn::Mul(hn::Mul(v, v), inverse))), d, dx + at);
  });
}

void Relu(int64_t n, int64_t elements, const float* x, float* y) {
  const D d;
  const V zero = hn::Zero(d);
  Each(n, elements, [=](int64_t at) {
    const V v = hn::LoadU(d, x + at);
    hn::StoreU(hn::IfThenElse(hn::Lt(v, zero), zero, v), d, y + at);  // NaN stays
  });
}

void ReluBackward(int64_t n, int64_t elements, const float* y, const float* dy, float* dx) {
  const D d;
  const V zero = hn::Zero(d);
  Each(n, elements, [=](int64_t at) {
    hn::StoreU(hn::IfThenElse(hn::Gt(hn::LoadU(d, y + at), zero), hn::LoadU(d, dy + at), zero), d, dx + at);
  });
}

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

/// Calls visit(window's first pixel, output) for every window of a tiling, both as offsets in floats.
template <class F>
HWY_INLINE void EachTile(const Conv2dShape& s, F visit) {
  const int64_t kernel_h = s.window.kernel_h, kernel_w = s.window.kernel_w;
  int64_t y = 0;
  for (int64_t row = 0; row < s.ic * s.oh;
       ++row) {  // of all channels: each is a whole number of windows high
    int64_t x = row * kernel_h * s.iw * kLanes;
    for (int64_t ow = 0; ow < s.ow; ++ow, x += kernel_w * kLanes, y += kLanes) visit(x, y);
  }
}

void TanhAvgPool(const Conv2dShape& s, const float* x, float scale, float* y, float* a) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t used = Used(s.n), kernel_h = s.window.kernel_h, kernel_w = s.window.kernel_w,
                row = s.iw * kLanes;
  const V factor = hn::Set(d, scale);
  EachTile(s, [=](int64_t from, int64_t to) {
    for (int64_t at = 0; at < used; at += lanes) {
      V sum = hn::Zero(d);
      for (int64_t kh = 0; kh < kernel_h; ++kh) {
        for (int64_t kw = 0; kw < kernel_w; ++kw) {
          const int64_t pixel = from + kh * row + kw * kLanes + at;
          const V v = hn::Mul(factor, unfold::HWY_NAMESPACE::Tanh(d, hn::LoadU(d, x + pixel)));
          hn::StoreU(v, d, a + pixel);
          sum = hn::Add(sum, v);
        }
      }
      hn::StoreU(Divide(sum, kernel_h * kernel_w), d, y + to + at);
    }
  });
}

void TanhAvgPoolBackward(const Conv2dShape& s, const float* a, const float* dy, float scale, float* dx) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t used = Used(s.n), kernel_h = s.window.kernel_h, kernel_w = s.window.kernel_w,
                row = s.iw * kLanes;
  const V factor = hn::Set(d, scale), inverse = hn::Set(d, 1 / scale);
  EachTile(s, [=](int64_t to, int64_t from) {
    for (int64_t at = 0; at < used; at += lanes) {
      const V share = Divide(hn::LoadU(d, dy + from + at), kernel_h * kernel_w);
      for (int64_t kh = 0; kh < kernel_h; ++kh) {
        for (int64_t kw = 0; kw < kernel_w; ++kw) {
          const int64_t pixel = to + kh * row + kw * kLanes + at;
          const V v = hn::LoadU(d, a + pixel);
          hn::StoreU(hn::Mul(share, hn::Sub(factor, hn::Mul(hn::Mul(v, v), inverse))), d, dx + pixel);
        }
      }
    }
  });
}

void ReluMaxPool(const Conv2dShape& s, const float* x, float* y, int32_t* argmax) {
  const D d;
  const hn::RebindToSigned<D> di;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t used = Used(s.n), kernel_h = s.window.kernel_h, kernel_w = s.window.kernel_w;
  const int64_t plane = s.ih * s.iw;
  const V zero = hn::Zero(d);
  EachTile(s, [=](int64_t from, int64_t to) {
    const int64_t first = from / kLanes % plane;
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
      hn::StoreU(index, di, argmax + to + at);
    }
  });
}

void ReluMaxPoolBackward(const Conv2dShape& s, const float* y, const float* dy, const int32_t* argmax,
                         float* dx) {
  const D d;
  const hn::RebindToSigned<D> di;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t used = Used(s.n), kernel_h = s.window.kernel_h, kernel_w = s.window.kernel_w;
  const int64_t plane = s.ih * s.iw;
  const V zero = hn::Zero(d);
  EachTile(s, [=](int64_t to, int64_t from) {
    const int64_t first = to / kLanes % plane;
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

}  // namespace unfold::lanes::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold::lanes {

HWY_EXPORT(Tanh);
HWY_EXPORT(TanhBackward);
HWY_EXPORT(Relu);
HWY_EXPORT(ReluBackward);
HWY_EXPORT(AvgPool);
HWY_EXPORT(AvgPoolBackward);
HWY_EXPORT(MaxPool);
HWY_EXPORT(MaxPoolBackward);
HWY_EXPORT(TanhAvgPool);
HWY_EXPORT(TanhAvgPoolBackward);
HWY_EXPORT(ReluMaxPool);
HWY_EXPORT(ReluMaxPoolBackward);

void from_rows(int64_t n, int64_t elements, const float* rows, float* lanes) {
  constexpr int64_t kBlock = 64;  // a block of a row is read while its lines of `lanes` are at hand
  for (int64_t e0 = 0; e0 < elements; e0 += kBlock) {
    const int64_t e1 = std::min(elements, e0 + kBlock);
    if (n < kLanes) std::fill(lanes + e0 * kLanes, lanes + e1 * kLanes, 0.0f);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t e = e0; e < e1; ++e) lanes[e * kLanes + i] = rows[i * elements + e];
    }
  }
}

void to_rows(int64_t n, int64_t elements, const float* lanes, float* rows) {
  constexpr int64_t kBlock = 64;
  for (int64_t e0 = 0; e0 < elements; e0 += kBlock) {
    const int64_t e1 = std::min(elements, e0 + kBlock);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t e = e0; e < e1; ++e) rows[i * elements + e] = lanes[e * kLanes + i];
    }
  }
}

namespace {

/// Lanes that a product computes: half a block where that holds the images. No target's choice, so all agree.
int64_t width(int64_t n) {
  return n <= kLanes / 2 ? kLanes / 2 : kLanes;
}

}  // namespace

int64_t linear_scratch(int64_t in, int64_t out) {
  return gemm_scratch(std::max({in, out, kLanes}));
}

void linear_forward(int64_t n, int64_t in, int64_t out, const float* x, const float* w, const float* b,
                    float* y, float* scratch) {
  gemm({.m = out,
        .n = width(n),
        .k = in,
        .a = w,
        .a_row = in,
        .a_col = 1,
        .b = x,
        .b_row = kLanes,
        .c = y,
        .c_row = kLanes,
        .start = GemmStart::bias,
        .bias = b},
       scratch);
}

void linear_backward_data(int64_t n, int64_t in, int64_t out, const float* w, const float* dy, float* dx,
                          float* scratch) {
  gemm({.m = in,
        .n = width(n),
        .k = out,
        .a = w,
        .a_row = 1,
        .a_col = in,
        .b = dy,
        .b_row = kLanes,
        .c = dx,
        .c_row = kLanes},
       scratch);
}

void linear_backward_weights(int64_t n, int64_t in, int64_t o0, int64_t o1, const float* x_rows,
                             const float* dy, float* dw, float* db, float* scratch) {
  gemm({.m = o1 - o0,
        .n = in,
        .k = n,
        .a = dy + o0 * kLanes,
        .a_row = kLanes,
        .a_col = 1,
        .b = x_rows,
        .b_row = in,
        .c = dw,
        .c_row = in,
        .start = GemmStart::add},
       scratch);
  if (!db) return;
  for (int64_t o = o0; o < o1; ++o) {
    float sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += dy[o * kLanes + i];
    db[o - o0] += sum;
  }
}

void tanh_forward(int64_t n, int64_t elements, const float* x, float scale, float* y) {
  HWY_DYNAMIC_DISPATCH(Tanh)(n, elements, x, scale, y);
}
void tanh_backward(int64_t n, int64_t elements, const float* y, const float* dy, float scale, float* dx) {
  HWY_DYNAMIC_DISPATCH(TanhBackward)(n, elements, y, dy, scale, dx);
}
void relu_forward(int64_t n, int64_t elements, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(Relu)(n, elements, x, y);
}
void relu_backward(int64_t n, int64_t elements, const float* y, const float* dy, float* dx) {
  HWY_DYNAMIC_DISPATCH(ReluBackward)(n, elements, y, dy, dx);
}
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
void tanh_avg_pool2d_forward(const Conv2dShape& s, const float* x, float scale, float* y, float* a) {
  HWY_DYNAMIC_DISPATCH(TanhAvgPool)(s, x, scale, y, a);
}
void tanh_avg_pool2d_backward(const Conv2dShape& s, const float* a, const float* dy, float scale, float* dx) {
  HWY_DYNAMIC_DISPATCH(TanhAvgPoolBackward)(s, a, dy, scale, dx);
}
void relu_max_pool2d_forward(const Conv2dShape& s, const float* x, float* y, int32_t* argmax) {
  HWY_DYNAMIC_DISPATCH(ReluMaxPool)(s, x, y, argmax);
}
void relu_max_pool2d_backward(const Conv2dShape& s, const float* y, const float* dy, const int32_t* argmax,
                              float* dx) {
  HWY_DYNAMIC_DISPATCH(ReluMaxPoolBackward)(s, y, dy, argmax, dx);
}

}  // namespace unfold::lanes
#endif  // HWY_ONCE
