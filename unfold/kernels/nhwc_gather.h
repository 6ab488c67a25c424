// The engine of nhwc_forward and nhwc_backward_data: both gather source pixels over taps (nhwc_geometry.h).
#pragma once

#include "unfold/kernels/nhwc.h"
#include "unfold/kernels/nhwc_geometry.h"

namespace unfold::nhwc {

/// One call: `range` counts rows and tiles of what is computed.
struct GatherCall {
  Gathering g;
  NhwcRange range;
  const float* source;
  const float* packed;
  const float* bias;  ///< of all output channels, or null
  NhwcEpilogue epilogue;
  float* out;
  float* scratch;  ///< PixelBlock::floats()
  bool streams;    ///< `out` past the caches, as it is too large for them
};

/// Overwrites the range of `out`.
void gather(const GatherCall& call);

}  // namespace unfold::nhwc
