// What the processor could do: the speed of fused multiply-adds that wait for nothing.
#pragma once

namespace unfold::bench {

/// Multiply-adds a second of one core, times two, in about a millisecond, with the vectors that the kernels
/// use.
double fma_peak_flops();

}  // namespace unfold::bench
