// Depthwise convolutions over NHWC. A tile of 16 channels is copied with its padding into a block of its own,
// where neighbours lie side by side: in the image the same 16 channels of two pixels are so far apart that a
// cache holds few of them. Taps in the padding are multiplied by 0, which changes no sum.
#pragma once

#include "unfold/kernels/nhwc_gather.h"
#include "unfold/kernels/nhwc_groups.h"

namespace unfold::nhwc {

int64_t depthwise_gather_scratch(const Gathering& g);
int64_t depthwise_weights_scratch(const Conv2dShape& s);

/// Overwrites the range of `call.out`.
void depthwise_gather(const GatherCall& call);

/// Overwrites or adds to tiles of dw (`call.sum`), adds to db.
void depthwise_weights(const WeightCall& call);

}  // namespace unfold::nhwc
