#include "unfold/kernels/nhwc.h"

#include "unfold/kernels/nhwc_gather.h"
#include "unfold/kernels/nhwc_geometry.h"

namespace unfold {
namespace {

using nhwc::Gathering;

int64_t packed_floats(const Gathering& g) {
  return g.tiles() * g.k() * kNhwcTile;
}

}  // namespace

int64_t nhwc_output_tiles(const Conv2dShape& s) {
  return Gathering::forward(s).tiles();
}

int64_t nhwc_input_tiles(const Conv2dShape& s) {
  return Gathering::backward(s).tiles();
}

int64_t nhwc_weight_floats(const Conv2dShape& s) {
  return packed_floats(Gathering::forward(s));
}

int64_t nhwc_turned_weight_floats(const Conv2dShape& s) {
  return packed_floats(Gathering::backward(s));
}

int64_t nhwc_forward_scratch(const Conv2dShape& s) {
  return nhwc::PixelBlock(Gathering::forward(s), nullptr).floats();
}

int64_t nhwc_backward_data_scratch(const Conv2dShape& s) {
  return nhwc::PixelBlock(Gathering::backward(s), nullptr).floats();
}

void nhwc_forward(const Conv2dShape& s, const NhwcRange& range, const float* x, const float* packed,
                  const float* b, NhwcEpilogue epilogue, float* y, float* scratch) {
  nhwc::gather({Gathering::forward(s), range, x, packed, b, epilogue, y, scratch});
}

void nhwc_backward_data(const Conv2dShape& s, const NhwcRange& range, const float* turned, const float* dy,
                        float* dx, float* scratch) {
  nhwc::gather({Gathering::backward(s), range, dy, turned, nullptr, NhwcEpilogue::none, dx, scratch});
}

}  // namespace unfold
