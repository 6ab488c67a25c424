#include "unfold/ops/conv2d.h"

#include <algorithm>

#include "unfold/kernels/activation.h"
#include "unfold/kernels/conv2d.h"
#include "unfold/kernels/lanes.h"
#include "unfold/kernels/nhwc.h"
#include "unfold/kernels/nhwc_winograd.h"
#include "unfold/kernels/reference/conv2d.h"
#include "unfold/kernels/rows.h"
#include "unfold/kernels/scratch.h"
#include "unfold/ops/kept.h"
#include "unfold/ops/window_attributes.h"

namespace unfold {
namespace {

template <class T>
void naive_forward(const Op&, const Call<T>& c) {
  reference::conv2d_forward(c.window, c.x[0], c.w, c.b, c.y);
}
template <class T>
void naive_backward_data(const Op&, const Call<T>& c) {
  reference::conv2d_backward_data(c.window, c.w, c.dy, c.dx);
}
template <class T>
void naive_backward_weights(const Op&, const Call<T>& c) {
  reference::conv2d_backward_weights(c.window, c.x[0], c.dy, c.dw, c.db);
}

void im2col_forward(const Op&, const Call<float>& c) {
  for (int64_t i = 0; i < c.n; ++i) {
    conv2d_forward(c.window, c.x[0] + i * c.in, c.w, c.b, c.y + i * c.out, c.scratch);
  }
}
void im2col_backward_data(const Op&, const Call<float>& c) {
  for (int64_t i = 0; i < c.n; ++i) {
    conv2d_backward_data(c.window, c.w, c.dy + i * c.out, c.dx + i * c.in, c.scratch);
  }
}
void im2col_backward_weights(const Op&, const Call<float>& c) {
  for (int64_t i = 0; i < c.n; ++i) {
    conv2d_backward_weights(c.window, c.x[0] + i * c.in, c.dy + i * c.out, c.dw, c.db, c.scratch);
  }
}
int64_t im2col_scratch(const Op&, const Call<float>& c) {
  return conv2d_scratch(c.window);
}

void rows_forward(const Op&, const Call<float>& c) {
  for (int64_t i = 0; i < c.n; ++i)
    rows::conv2d_forward(c.window, c.x[0] + i * c.in, c.packed, c.b, c.y + i * c.out, c.scratch);
}
int64_t rows_scratch(const Op&, const Call<float>& c) {
  return std::max(rows::conv2d_scratch(c.window), conv2d_scratch(c.window));
}
int64_t rows_packed(const Op&, const Call<float>& c) {
  return rows::conv2d_packed(c.window);
}
void rows_pack(const Op&, const Call<float>& c) {
  rows::conv2d_pack(c.window, c.w, c.packed);
}

void rows_winograd_forward(const Op&, const Call<float>& c) {
  for (int64_t i = 0; i < c.n; ++i)
    rows::winograd_forward(c.window, c.x[0] + i * c.in, c.packed, c.b, c.y + i * c.out, c.scratch);
}
int64_t rows_winograd_scratch(const Op&, const Call<float>& c) {
  return std::max(rows::winograd_scratch(c.window), conv2d_scratch(c.window));
}
int64_t rows_winograd_packed(const Op&, const Call<float>& c) {
  return rows::winograd_packed(c.window);
}
void rows_winograd_pack(const Op&, const Call<float>& c) {
  rows::winograd_pack(c.window, c.w, c.packed);
}

void lanes_forward(const Op&, const Call<float>& c) {
  lanes::conv2d_forward(c.window, c.x[0], c.w, c.b, c.y, c.scratch);
}
void lanes_backward_data(const Op&, const Call<float>& c) {
  lanes::conv2d_backward_data(c.window, c.w, c.dy, c.dx, c.scratch);
}
void lanes_backward_weights(const Op&, const Call<float>& c) {
  lanes::conv2d_backward_weights(c.window, c.x[0], c.dy, c.dw, c.db, c.scratch);
}
int64_t lanes_scratch(const Op&, const Call<float>& c) {
  return lanes::conv2d_scratch(c.window);
}

bool winograd_suits(const Op&, const Call<float>& c) {
  return lanes::winograd_suits(c.window);
}
int64_t winograd_packed(const Op&, const Call<float>& c) {
  return lanes::winograd_packed(c.window);
}
void winograd_pack(const Op&, const Call<float>& c) {
  lanes::winograd_pack(c.window, c.w, c.packed);
}
/// x at the points: kept for the weights' gradient, in inference behind the scratch.
void winograd_forward(const Op&, const Call<float>& c) {
  float* const values =
      c.saved ? static_cast<float*>(c.saved) : c.scratch + lanes::winograd_scratch(c.window);
  lanes::winograd_to_points(c.window, c.x[0], values);
  lanes::winograd_forward(c.window, values, c.packed, c.b, c.y, c.scratch);
}
int64_t winograd_saved(const Op&, const Call<float>& c) {
  return c.training ? lanes::winograd_values(c.window) * static_cast<int64_t>(sizeof(float)) : 0;
}
void winograd_backward_data(const Op&, const Call<float>& c) {
  lanes::winograd_backward_data(c.window, c.packed, c.dy, c.dx, c.scratch);
}
void winograd_backward_weights(const Op&, const Call<float>& c) {
  lanes::winograd_backward_weights(c.window, static_cast<const float*>(c.saved), c.dy, c.dw, c.db, c.scratch);
}
int64_t winograd_scratch(const Op&, const Call<float>& c) {
  return lanes::winograd_scratch(c.window) + (c.training ? 0 : lanes::winograd_values(c.window));
}

// Layer by layer over the batch, in NHWC. The rows of all images together are cut into parts.

template <NhwcEpilogue kEpilogue>
void nhwc_part_forward(const Op&, const Call<float>& c) {
  nhwc_forward(c.window, nhwc_part(c.n * c.window.oh, nhwc_output_tiles(c.window), c.part, c.parts), c.x[0],
               c.packed, c.b, kEpilogue, c.y, c.scratch);
}
void nhwc_part_backward_data(const Op&, const Call<float>& c) {
  nhwc_backward_data(c.window, nhwc_part(c.n * c.window.ih, nhwc_input_tiles(c.window), c.part, c.parts),
                     c.packed + whole_lines(nhwc_weight_floats(c.window)), c.dy, c.dx, c.scratch);
}
void nhwc_part_backward_weights(const Op&, const Call<float>& c) {
  const Conv2dShape& s = c.window;
  constexpr int64_t kLeastTiles = 4;  // with fewer a call, x is walked too often
  const int64_t tiles = nhwc_output_tiles(s);
  const int64_t parts =
      std::clamp(tiles / kLeastTiles, std::max<int64_t>(1, c.parts / kPartsPerThread), c.parts);
  if (c.part >= parts) return;
  const int64_t tile0 = tiles * c.part / parts, tile1 = tiles * (c.part + 1) / parts;
  if (tile0 == tile1) return;
  const auto [row0, row1] = nhwc_tile_channels(s, tile0, tile1);
  std::fill(c.dw + row0 * s.patch(), c.dw + row1 * s.patch(), 0.0f);
  if (c.db) std::fill(c.db + row0, c.db + row1, 0.0f);
  float* const dw_tiles = c.scratch;
  nhwc_backward_weights(s, 0, c.n, tile0, tile1, c.x[0], c.dy, NhwcSum::overwrite, dw_tiles, c.db,
                        c.scratch + whole_lines(nhwc_weight_floats(s)));
  nhwc_add_weights(s, dw_tiles, c.dw, tile0, tile1);
}
int64_t nhwc_part_scratch(const Op&, const Call<float>& c) {
  const Conv2dShape& s = c.window;
  if (!c.training) return nhwc_forward_scratch(s);
  return std::max({nhwc_forward_scratch(s), nhwc_backward_data_scratch(s),
                   whole_lines(nhwc_weight_floats(s)) + nhwc_backward_weights_scratch(s)});
}
int64_t nhwc_packed(const Op&, const Call<float>& c) {
  return whole_lines(nhwc_weight_floats(c.window)) + (c.training ? nhwc_turned_weight_floats(c.window) : 0);
}
/// Two pieces, however many parts there are: the weights, and the weights turned.
void nhwc_pack(const Op&, const Call<float>& c) {
  if (c.part == 0) nhwc_pack_weights(c.window, c.w, c.packed);
  if (c.training && c.part == c.parts - 1)
    nhwc_pack_weights_turned(c.window, c.w, c.packed + whole_lines(nhwc_weight_floats(c.window)));
}

// The same with Winograd's products.

template <NhwcEpilogue kEpilogue>
void nhwc_winograd_part_forward(const Op&, const Call<float>& c) {
  const int64_t rows = c.n * nhwc_winograd_output_rows(c.window);
  nhwc_winograd_forward(c.window, nhwc_part(rows, nhwc_output_tiles(c.window), c.part, c.parts), c.x[0],
                        c.packed, c.b, kEpilogue, c.y, c.scratch);
}
void nhwc_winograd_part_backward_data(const Op&, const Call<float>& c) {
  const int64_t rows = c.n * nhwc_winograd_input_rows(c.window);
  nhwc_winograd_backward_data(c.window, nhwc_part(rows, nhwc_input_tiles(c.window), c.part, c.parts),
                              c.packed + whole_lines(nhwc_winograd_weight_floats(c.window)), c.dy, c.dx,
                              c.scratch);
}
void nhwc_winograd_part_backward_weights(const Op&, const Call<float>& c) {
  const Conv2dShape& s = c.window;
  // Every call transforms x anew: as few as there are workers.
  const int64_t tiles = nhwc_output_tiles(s), workers = std::max<int64_t>(1, c.parts / kPartsPerThread);
  if (c.part >= workers) return;
  const int64_t tile0 = tiles * c.part / workers, tile1 = tiles * (c.part + 1) / workers;
  if (tile0 == tile1) return;
  const auto [row0, row1] = nhwc_tile_channels(s, tile0, tile1);
  std::fill(c.dw + row0 * s.patch(), c.dw + row1 * s.patch(), 0.0f);
  if (c.db) std::fill(c.db + row0, c.db + row1, 0.0f);
  nhwc_winograd_backward_weights(s, 0, c.n, tile0, tile1, c.x[0], c.dy, c.dw, c.db, c.scratch);
}
bool nhwc_winograd_op_suits(const Op&, const Call<float>& c) {
  return nhwc_winograd_suits(c.window);
}
int64_t nhwc_winograd_part_scratch(const Op&, const Call<float>& c) {
  const Conv2dShape& s = c.window;
  if (!c.training) return nhwc_winograd_forward_scratch(s);
  return std::max({nhwc_winograd_forward_scratch(s), nhwc_winograd_backward_data_scratch(s),
                   nhwc_winograd_backward_weights_scratch(s)});
}
int64_t nhwc_winograd_packed(const Op&, const Call<float>& c) {
  return whole_lines(nhwc_winograd_weight_floats(c.window)) +
         (c.training ? nhwc_winograd_turned_weight_floats(c.window) : 0);
}
void nhwc_winograd_pack(const Op&, const Call<float>& c) {
  const Conv2dShape& s = c.window;
  const auto cut = [&](int64_t tiles, int64_t part) { return tiles * part / c.parts; };
  const int64_t out = nhwc_output_tiles(s), in = nhwc_input_tiles(s);
  nhwc_winograd_pack_weights(s, cut(out, c.part), cut(out, c.part + 1), c.w, c.packed);
  if (!c.training) return;
  nhwc_winograd_pack_weights_turned(s, cut(in, c.part), cut(in, c.part + 1), c.w,
                                    c.packed + whole_lines(nhwc_winograd_weight_floats(s)));
}

template <NhwcEpilogue kEpilogue>
constexpr Implementation<float> kNhwcWinograd = {
    .name = kEpilogue == NhwcEpilogue::relu ? "conv2d+relu/nhwc-winograd" : "conv2d/nhwc-winograd",
    .engine = Engine::fast,
    .numerics = "winograd F(4x4,3x3) dw=tiles<=208 F(4x4,5x5) dw=tiles<=52",
    .forward = nhwc_winograd_part_forward<kEpilogue>,
    .backward_data = nhwc_winograd_part_backward_data,
    .backward_weights = nhwc_winograd_part_backward_weights,
    .scratch = nhwc_winograd_part_scratch,
    .layout = Layout::nhwc,
    .exact = false,
    .suits = nhwc_winograd_op_suits,
    .parts = true,
    .packed = nhwc_winograd_packed,
    .pack = nhwc_winograd_pack};

template <NhwcEpilogue kEpilogue>
constexpr Implementation<float> kNhwc = {
    .name = kEpilogue == NhwcEpilogue::relu ? "conv2d+relu/nhwc" : "conv2d/nhwc",
    .engine = Engine::fast,
    .numerics = "chain(kh,kw,ic) dw=images,rows<=208px",
    .forward = nhwc_part_forward<kEpilogue>,
    .backward_data = nhwc_part_backward_data,
    .backward_weights = nhwc_part_backward_weights,
    .scratch = nhwc_part_scratch,
    .layout = Layout::nhwc,
    .parts = true,
    .packed = nhwc_packed,
    .pack = nhwc_pack};

// Few channels: Winograd in training alone, since a single image's kernels have none.
bool few_suits(const Op&, const Call<float>& c) {
  return lanes::winograd_few_suits(c.window);
}
int64_t few_packed(const Op&, const Call<float>& c) {
  return lanes::winograd_few_packed(c.window);
}
void few_pack(const Op&, const Call<float>& c) {
  lanes::winograd_few_pack(c.window, c.w, c.packed);
}
int64_t few_saved(const Op&, const Call<float>& c) {
  return c.training ? lanes::winograd_few_values(c.window) * static_cast<int64_t>(sizeof(float)) : 0;
}
void few_forward(const Op& op, const Call<float>& c) {
  if (!c.training) return lanes_forward(op, c);
  auto* const values = static_cast<float*>(c.saved);
  lanes::winograd_few_to_points(c.window, c.x[0], values);
  lanes::winograd_few_forward_rows(c.window, 0, c.window.oh, values, c.packed, c.b, c.y);
}
void few_backward_weights(const Op&, const Call<float>& c) {
  lanes::winograd_few_backward_weights_part(c.window, 0, c.window.oc, 0, c.window.oh,
                                            static_cast<const float*>(c.saved), c.dy, c.dw, c.db, c.scratch);
}
int64_t few_scratch(const Op&, const Call<float>& c) {
  return std::max(lanes::conv2d_scratch(c.window), lanes::winograd_few_scratch(c.window, c.window.oc));
}

constexpr Implementation<float> kFloat[] = {
    kNhwcWinograd<NhwcEpilogue::none>,
    kNhwc<NhwcEpilogue::none>,
    {.name = "conv2d/lanes-winograd",
     .engine = Engine::fast,
     .numerics = "winograd F(kw,kw) along x, adjoints, dw=chains of 160",
     .forward = winograd_forward,
     .backward_data = winograd_backward_data,
     .backward_weights = winograd_backward_weights,
     .scratch = winograd_scratch,
     .saved = winograd_saved,
     .layout = Layout::chwn16,
     .exact = false,
     .suits = winograd_suits,
     .packed = winograd_packed,
     .pack = winograd_pack},
    {.name = "conv2d/lanes-winograd-few",
     .engine = Engine::fast,
     .numerics = "winograd F(kw,kw) along x, dx=chain(oc,kh,kw), inference chain(ic,kh,kw)",
     .forward = few_forward,
     .backward_data = lanes_backward_data,
     .backward_weights = few_backward_weights,
     .scratch = few_scratch,
     .saved = few_saved,
     .layout = Layout::chwn16,
     .exact = false,
     .suits = few_suits,
     .packed = few_packed,
     .pack = few_pack},
    {.name = "conv2d/lanes",
     .engine = Engine::fast,
     .numerics = "chain(ic,kh,kw) dw=rows<=1024px,lanes16",
     .forward = lanes_forward,
     .backward_data = lanes_backward_data,
     .backward_weights = lanes_backward_weights,
     .scratch = lanes_scratch,
     .layout = Layout::chwn16},
    {.name = "conv2d/rows-winograd",
     .engine = Engine::fast,
     .numerics = "winograd F(kw,kw) along x, dw=rows<=1024px",
     .forward = rows_winograd_forward,
     .backward_data = im2col_backward_data,
     .backward_weights = im2col_backward_weights,
     .scratch = rows_winograd_scratch,
     .exact = false,
     .suits = winograd_suits,
     .packed = rows_winograd_packed,
     .pack = rows_winograd_pack},
    {.name = "conv2d/rows",
     .engine = Engine::fast,
     .numerics = "chain(ic,kh,kw) dw=rows<=1024px",
     .forward = rows_forward,
     .backward_data = im2col_backward_data,
     .backward_weights = im2col_backward_weights,
     .scratch = rows_scratch,
     .packed = rows_packed,
     .pack = rows_pack},
    {"conv2d/im2col", Engine::im2col, "chain(ic,kh,kw) dw=rows<=1024px", im2col_forward, im2col_backward_data,
     im2col_backward_weights, im2col_scratch},
    {"conv2d/reference", Engine::naive, "loop(ic,kh,kw)", naive_forward<float>, naive_backward_data<float>,
     naive_backward_weights<float>},
};
constexpr Implementation<double> kDouble[] = {
    {"conv2d/reference", Engine::naive, "loop(ic,kh,kw)", naive_forward<double>, naive_backward_data<double>,
     naive_backward_weights<double>},
};

/// dy before the ReLU, in place.
void mask_gradient(const Op&, const Call<float>& c) {
  relu_backward(c.n * c.out, c.y, c.dx, c.dx);
}
constexpr Implementation<float> with_relu(Implementation<float> conv2d) {
  conv2d.prepare = mask_gradient;
  return conv2d;
}
constexpr Implementation<float> kReluFloat[] = {
    with_relu(kNhwcWinograd<NhwcEpilogue::relu>),
    with_relu(kNhwc<NhwcEpilogue::relu>),
};

}  // namespace

Conv2d::Conv2d(int64_t out_channels, const Window2d& window, bool bias)
    : out_channels_(out_channels), window_(window), bias_(bias) {
  window.check("Conv2d");
}

Attributes Conv2d::attributes() const {
  Attributes a = window_attributes(window_);
  a["out_channels"] = {static_cast<double>(out_channels_)};
  a["groups"] = {static_cast<double>(window_.groups)};
  a["bias"] = {bias_ ? 1.0 : 0.0};
  return a;
}

Shape Conv2d::output_shape(std::span<const Shape> in, std::string_view where) const {
  return Conv2dShape::infer(in[0].batched(1), out_channels_, window_, where).y_shape().sample();
}

Conv2dShape Conv2d::window_shape(std::span<const Shape> in) const {
  return Conv2dShape::infer(in[0].batched(1), out_channels_, window_, "Conv2d");
}

std::vector<ParameterSpec> Conv2d::parameters(std::span<const Shape> in) const {
  const Conv2dShape s = window_shape(in);
  std::vector<ParameterSpec> specs{{"weight", s.w_shape(), s.patch()}};
  if (bias_) specs.push_back({"bias", {s.oc}, s.patch()});
  return specs;
}

std::span<const Implementation<float>> Conv2d::implementations(float) const {
  return kept<kFloat>();
}
std::span<const Implementation<double>> Conv2d::implementations(double) const {
  return kept_double<kDouble>();
}

std::span<const Implementation<float>> Conv2dRelu::implementations(float) const {
  return kReluFloat;
}

}  // namespace unfold
