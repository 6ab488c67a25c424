#include "unfold/kernels/nhwc_pool2d.h"

#include <algorithm>

#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/nhwc_pool2d.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "unfold/kernels/each_vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace unfold::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Taps [first, last) of a window along one axis that lie inside the image; tap t reads from + t*dilation.
struct Inside {
  int64_t first, last, from;
  Inside(int64_t out, int64_t size, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation)
      : from(out * stride - pad) {
    first = from >= 0 ? 0 : (-from + dilation - 1) / dilation;
    last = std::clamp<int64_t>((size - from + dilation - 1) / dilation, first, kernel);
    first = std::min(first, last);
  }
};

/// Calls output(index, taps inside the image) for every output pixel, row by row, then tap(index, ih*IW + iw)
/// for each of those taps.
template <class Output, class Tap>
HWY_INLINE void EachWindow(const Conv2dShape& s, Output output, Tap tap) {
  const Window2d& k = s.window;
  for (int64_t oh = 0; oh < s.oh; ++oh) {
    const Inside h(oh, s.ih, k.kernel_h, k.stride_h, k.pad_top, k.dilation_h);
    for (int64_t ow = 0; ow < s.ow; ++ow) {
      const Inside w(ow, s.iw, k.kernel_w, k.stride_w, k.pad_left, k.dilation_w);
      const int64_t index = oh * s.ow + ow;
      output(index, (h.last - h.first) * (w.last - w.first));
      for (int64_t kh = h.first; kh < h.last; ++kh) {
        for (int64_t kw = w.first; kw < w.last; ++kw) {
          tap(index, (h.from + kh * k.dilation_h) * s.iw + w.from + kw * k.dilation_w);
        }
      }
    }
  }
}

void MaxPool(const Conv2dShape& s, const float* x, float* y, int32_t* argmax) {
  const int64_t c = s.ic;
  EachWindow(
      s,
      [&](int64_t out, int64_t) {
        std::fill_n(y + out * c, c, 0.0f);
        std::fill_n(argmax + out * c, c, -1);
      },
      [&](int64_t out, int64_t in) {
        EachVector(c, [&](auto d, int64_t i) {
          const hn::Rebind<int32_t, decltype(d)> di;
          const auto v = hn::LoadU(d, x + in * c + i), best = hn::LoadU(d, y + out * c + i);
          const auto place = hn::LoadU(di, argmax + out * c + i);
          const auto none = hn::RebindMask(d, hn::Lt(place, hn::Zero(di)));
          const auto take = hn::Or(none, hn::Or(hn::Gt(v, best), hn::IsNaN(v)));  // NaN must not be hidden
          hn::StoreU(hn::IfThenElse(take, v, best), d, y + out * c + i);
          const auto here = hn::Set(di, static_cast<int32_t>(in));
          hn::StoreU(hn::IfThenElse(hn::RebindMask(di, take), here, place), di, argmax + out * c + i);
        });
      });
}

void MaxPoolBackward(const Conv2dShape& s, const float* dy, const int32_t* argmax, float* dx) {
  const int64_t c = s.ic;
  std::fill_n(dx, s.x_image(), 0.0f);
  EachWindow(
      s, [](int64_t, int64_t) {},
      [&](int64_t out, int64_t in) {
        EachVector(c, [&](auto d, int64_t i) {
          const hn::Rebind<int32_t, decltype(d)> di;
          const auto here = hn::RebindMask(
              d, hn::Eq(hn::LoadU(di, argmax + out * c + i), hn::Set(di, static_cast<int32_t>(in))));
          const auto share = hn::IfThenElseZero(here, hn::LoadU(d, dy + out * c + i));
          hn::StoreU(hn::Add(hn::LoadU(d, dx + in * c + i), share), d, dx + in * c + i);
        });
      });
}

float Divisor(const Conv2dShape& s, int64_t inside, bool count_include_pad) {
  return static_cast<float>(count_include_pad ? s.window.taps() : std::max<int64_t>(inside, 1));
}

void AvgPool(const Conv2dShape& s, const float* x, float* y, bool count_include_pad) {
  const int64_t c = s.ic;
  EachWindow(
      s, [&](int64_t out, int64_t) { std::fill_n(y + out * c, c, 0.0f); },
      [&](int64_t out, int64_t in) {
        EachVector(c, [&](auto d, int64_t i) {
          hn::StoreU(hn::Add(hn::LoadU(d, y + out * c + i), hn::LoadU(d, x + in * c + i)), d,
                     y + out * c + i);
        });
      });
  EachWindow(
      s,
      [&](int64_t out, int64_t inside) {
        const float divisor = Divisor(s, inside, count_include_pad);
        EachVector(c, [&](auto d, int64_t i) {
          hn::StoreU(hn::Div(hn::LoadU(d, y + out * c + i), hn::Set(d, divisor)), d, y + out * c + i);
        });
      },
      [](int64_t, int64_t) {});
}

void AvgPoolBackward(const Conv2dShape& s, const float* dy, float* dx, bool count_include_pad) {
  const int64_t c = s.ic;
  std::fill_n(dx, s.x_image(), 0.0f);
  float divisor = 1;
  EachWindow(
      s, [&](int64_t, int64_t inside) { divisor = Divisor(s, inside, count_include_pad); },
      [&](int64_t out, int64_t in) {
        EachVector(c, [&](auto d, int64_t i) {
          const auto share = hn::Div(hn::LoadU(d, dy + out * c + i), hn::Set(d, divisor));
          hn::StoreU(hn::Add(hn::LoadU(d, dx + in * c + i), share), d, dx + in * c + i);
        });
      });
}

}  // namespace unfold::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold {

HWY_EXPORT(MaxPool);
HWY_EXPORT(MaxPoolBackward);
HWY_EXPORT(AvgPool);
HWY_EXPORT(AvgPoolBackward);

void nhwc_max_pool2d_forward(const Conv2dShape& s, const float* x, float* y, int32_t* argmax) {
  HWY_DYNAMIC_DISPATCH(MaxPool)(s, x, y, argmax);
}
void nhwc_max_pool2d_backward(const Conv2dShape& s, const float* dy, const int32_t* argmax, float* dx) {
  HWY_DYNAMIC_DISPATCH(MaxPoolBackward)(s, dy, argmax, dx);
}
void nhwc_avg_pool2d_forward(const Conv2dShape& s, const float* x, float* y, bool count_include_pad) {
  HWY_DYNAMIC_DISPATCH(AvgPool)(s, x, y, count_include_pad);
}
void nhwc_avg_pool2d_backward(const Conv2dShape& s, const float* dy, float* dx, bool count_include_pad) {
  HWY_DYNAMIC_DISPATCH(AvgPoolBackward)(s, dy, dx, count_include_pad);
}

}  // namespace unfold
#endif  // HWY_ONCE
