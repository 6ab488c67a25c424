#include "unfold/train/average.h"

#include <algorithm>

namespace unfold {

template <class T>
void average(const Parameters<T>& parameters, double decay, bool first, Parameters<T>& averaged,
             ThreadPool& pool) {
  constexpr int64_t kChunk = 8192;
  const T* const p = parameters.all().data();
  T* const a = averaged.all().data();
  const auto count = static_cast<int64_t>(parameters.all().size());
  const auto part = static_cast<T>(1 - decay);
  pool.run((count + kChunk - 1) / kChunk, [&](int64_t chunk, int) {
    const int64_t begin = chunk * kChunk, end = std::min(count, begin + kChunk);
    if (first) {
      std::copy(p + begin, p + end, a + begin);
    } else {
      for (int64_t i = begin; i < end; ++i) a[i] += part * (p[i] - a[i]);
    }
  });
}

template void average(const Parameters<float>&, double, bool, Parameters<float>&, ThreadPool&);
template void average(const Parameters<double>&, double, bool, Parameters<double>&, ThreadPool&);

}  // namespace unfold
