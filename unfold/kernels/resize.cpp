#include "unfold/kernels/resize.h"

#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/resize.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace unfold::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::CappedTag<float, 16>;

void Row(int64_t n, const int32_t* at, const float* w0, const float* w1, const float* from, float* to) {
  const D d;
  const hn::RebindToSigned<D> di;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t x = 0;
  for (; x + lanes <= n; x += lanes) {
    // What a vector of outputs reads lies within one vector of the source, and one a place further on.
    const float* first = from + at[x];
    const auto places = hn::IndicesFromVec(d, hn::Sub(hn::LoadU(di, at + x), hn::Set(di, at[x])));
    const auto left = hn::TableLookupLanes(hn::LoadU(d, first), places);
    const auto right = hn::TableLookupLanes(hn::LoadU(d, first + 1), places);
    hn::StoreU(hn::Add(hn::Mul(hn::LoadU(d, w0 + x), left), hn::Mul(hn::LoadU(d, w1 + x), right)), d, to + x);
  }
  for (; x < n; ++x) to[x] = w0[x] * from[at[x]] + w1[x] * from[at[x] + 1];
}

void Blend(int64_t n, float w0, const float* above, float w1, const float* below, float mean, float std,
           float* to) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t x = 0;
  for (; x + lanes <= n; x += lanes) {
    const auto sum = hn::Add(hn::Mul(hn::Set(d, w0), hn::LoadU(d, above + x)),
                             hn::Mul(hn::Set(d, w1), hn::LoadU(d, below + x)));
    hn::StoreU(hn::Div(hn::Sub(sum, hn::Set(d, mean)), hn::Set(d, std)), d, to + x);
  }
  for (; x < n; ++x) to[x] = (w0 * above[x] + w1 * below[x] - mean) / std;
}

}  // namespace unfold::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold {

HWY_EXPORT(Row);
HWY_EXPORT(Blend);

void resize_row(int64_t n, const int32_t* at, const float* w0, const float* w1, const float* from,
                float* to) {
  HWY_DYNAMIC_DISPATCH(Row)(n, at, w0, w1, from, to);
}
void blend_rows(int64_t n, float w0, const float* above, float w1, const float* below, float mean, float std,
                float* to) {
  HWY_DYNAMIC_DISPATCH(Blend)(n, w0, above, w1, below, mean, std, to);
}

}  // namespace unfold
#endif  // HWY_ONCE
