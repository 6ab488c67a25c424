// A walk over contiguous floats by vectors, compiled once for each target by the files that include this
// behind <hwy/foreach_target.h>.
#if defined(UNFOLD_KERNELS_EACH_VECTOR_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef UNFOLD_KERNELS_EACH_VECTOR_INL_H_
#undef UNFOLD_KERNELS_EACH_VECTOR_INL_H_
#else
#define UNFOLD_KERNELS_EACH_VECTOR_INL_H_
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace unfold::HWY_NAMESPACE {

/// Calls body(tag, i) for vectors of all n elements, the last ones one by one.
template <class F>
HWY_INLINE void EachVector(int64_t n, F body) {
  const hwy::HWY_NAMESPACE::ScalableTag<float> wide;
  const hwy::HWY_NAMESPACE::CappedTag<float, 1> one;
  const auto lanes = static_cast<int64_t>(hwy::HWY_NAMESPACE::Lanes(wide));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) body(wide, i);
  for (; i < n; ++i) body(one, i);
}

}  // namespace unfold::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
