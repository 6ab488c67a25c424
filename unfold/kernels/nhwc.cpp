#include "unfold/kernels/nhwc.h"

#include <algorithm>

#include "unfold/kernels/far.h"
#include "unfold/kernels/nhwc_depthwise.h"
#include "unfold/kernels/nhwc_gather.h"
#include "unfold/kernels/nhwc_geometry.h"

namespace unfold {
namespace {

using nhwc::Gathering;

int64_t packed_floats(const Gathering& g) {
  return g.tiles() * g.k() * kNhwcTile;
}

int64_t gather_scratch(const Gathering& g) {
  return g.depthwise ? nhwc::depthwise_gather_scratch(g) : nhwc::PixelBlock(g, nullptr).floats();
}

void gather(const nhwc::GatherCall& call) {
  if (call.g.depthwise) {
    nhwc::depthwise_gather(call);
  } else {
    nhwc::gather(call);
  }
}

}  // namespace

NhwcRange nhwc_part(int64_t rows, int64_t tiles, int64_t part, int64_t parts) {
  constexpr int64_t kLeastRows = 4;
  const auto cut = [=](int64_t size, int64_t at) { return size * at / parts; };
  if (rows >= kLeastRows * parts || tiles < parts) return {cut(rows, part), cut(rows, part + 1), 0, tiles};
  const int64_t pairs = (tiles + 1) / 2;
  return {0, rows, 2 * cut(pairs, part), std::min(tiles, 2 * cut(pairs, part + 1))};
}

int64_t nhwc_output_tiles(const Conv2dShape& s) {
  return Gathering::forward(s).tiles();
}

int64_t nhwc_input_tiles(const Conv2dShape& s) {
  return Gathering::backward(s).tiles();
}

std::pair<int64_t, int64_t> nhwc_tile_channels(const Conv2dShape& s, int64_t tile0, int64_t tile1) {
  const Gathering g = Gathering::forward(s);
  const int64_t channels = g.depthwise ? g.out() : g.group_out, group_tiles = g.group_tiles();
  const auto first = [&](int64_t tile) {
    return tile / group_tiles * channels + tile % group_tiles * kNhwcTile;
  };
  const int64_t last = tile1 - 1;
  return {first(tile0),
          last / group_tiles * channels + std::min(channels, (last % group_tiles + 1) * kNhwcTile)};
}

int64_t nhwc_weight_floats(const Conv2dShape& s) {
  return packed_floats(Gathering::forward(s));
}

int64_t nhwc_turned_weight_floats(const Conv2dShape& s) {
  return packed_floats(Gathering::backward(s));
}

int64_t nhwc_forward_scratch(const Conv2dShape& s) {
  return gather_scratch(Gathering::forward(s));
}

int64_t nhwc_backward_data_scratch(const Conv2dShape& s) {
  return gather_scratch(Gathering::backward(s));
}

void nhwc_forward(const Conv2dShape& s, const NhwcRange& range, const float* x, const float* packed,
                  const float* b, NhwcEpilogue epilogue, float* y, float* scratch) {
  if (range.empty()) return;
  gather({Gathering::forward(s), range, x, packed, b, epilogue, y, scratch,
          too_far(y, s.n * s.y_image(), s.group_oc())});
}

void nhwc_backward_data(const Conv2dShape& s, const NhwcRange& range, const float* turned, const float* dy,
                        float* dx, float* scratch) {
  if (range.empty()) return;
  gather({Gathering::backward(s), range, dy, turned, nullptr, NhwcEpilogue::none, dx, scratch,
          too_far(dx, s.n * s.x_image(), s.group_ic())});
}

}  // namespace unfold
