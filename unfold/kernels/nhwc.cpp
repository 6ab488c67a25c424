#include "unfold/kernels/nhwc.h"

#include <algorithm>

#include "unfold/kernels/nhwc_gather.h"
#include "unfold/kernels/nhwc_geometry.h"

namespace unfold {
namespace {

using nhwc::Gathering;

/// Calls visit(offset in the packed tiles, offset in w) for every weight of tiles [tile0, tile1).
template <class Visit>
void each_weight(const Conv2dShape& s, int64_t tile0, int64_t tile1, Visit visit) {
  const Gathering g = Gathering::forward(s);
  const int64_t taps = s.window.taps(), k = g.k();
  for (int64_t tile = tile0; tile < tile1; ++tile) {
    const int64_t first = tile % g.group_tiles() * kNhwcTile, group = tile / g.group_tiles();
    const int64_t channels = g.depthwise ? s.oc : s.group_oc();
    for (int64_t lane = 0; lane < kNhwcTile && first + lane < channels; ++lane) {
      const int64_t oc = group * s.group_oc() + first + lane;
      for (int64_t ic = 0; ic < s.group_ic(); ++ic) {
        for (int64_t tap = 0; tap < taps; ++tap) {
          visit((tile * k + tap * s.group_ic() + ic) * kNhwcTile + lane,
                (oc * s.group_ic() + ic) * taps + tap);
        }
      }
    }
  }
}

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

void nhwc_pack_weights(const Conv2dShape& s, const float* w, float* packed) {
  std::fill_n(packed, nhwc_weight_floats(s), 0.0f);
  each_weight(s, 0, nhwc_output_tiles(s), [&](int64_t to, int64_t from) { packed[to] = w[from]; });
}

void nhwc_add_weights(const Conv2dShape& s, const float* tiles, float* dw, int64_t tile0, int64_t tile1) {
  each_weight(s, tile0, tile1, [&](int64_t from, int64_t to) { dw[to] += tiles[from]; });
}

void nhwc_pack_weights_turned(const Conv2dShape& s, const float* w, float* packed) {
  const Gathering g = Gathering::backward(s);
  const int64_t taps = s.window.taps(), k = g.k();
  std::fill_n(packed, packed_floats(g), 0.0f);
  for (int64_t tile = 0; tile < g.tiles(); ++tile) {
    const int64_t first = tile % g.group_tiles() * kNhwcTile, group = tile / g.group_tiles();
    const int64_t channels = g.depthwise ? s.ic : s.group_ic();
    for (int64_t lane = 0; lane < kNhwcTile && first + lane < channels; ++lane) {
      for (int64_t oc = 0; oc < s.group_oc(); ++oc) {
        // Depthwise, the channel is its own group: its weights are w[channel][0].
        const int64_t from =
            g.depthwise ? first + lane : (group * s.group_oc() + oc) * s.group_ic() + first + lane;
        for (int64_t tap = 0; tap < taps; ++tap) {
          packed[(tile * k + tap * s.group_oc() + oc) * kNhwcTile + lane] = w[from * taps + taps - 1 - tap];
        }
      }
    }
  }
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
