#include "unfold/ops/linear.h"

#include "unfold/error.h"
#include "unfold/kernels/lanes.h"
#include "unfold/kernels/linear.h"
#include "unfold/kernels/reference/linear.h"
#include "unfold/kernels/rows.h"
#include "unfold/ops/kept.h"
#include "unfold/ops/window_attributes.h"

namespace unfold {
namespace {

template <class T>
void naive_forward(const Op&, const Call<T>& c) {
  reference::linear_forward(c.n, c.in, c.out, c.x[0], c.w, c.b, c.y);
}
template <class T>
void naive_backward_data(const Op&, const Call<T>& c) {
  reference::linear_backward_data(c.n, c.in, c.out, c.w, c.dy, c.dx);
}
template <class T>
void naive_backward_weights(const Op&, const Call<T>& c) {
  reference::linear_backward_weights(c.n, c.in, c.out, c.row0, c.row1, c.x[0], c.dy, c.dw, c.db);
}

void gemm_forward(const Op&, const Call<float>& c) {
  linear_forward(c.n, c.in, c.out, 0, c.out, c.x[0], c.w, c.b, c.y, c.scratch);
}
void gemm_backward_data(const Op&, const Call<float>& c) {
  linear_backward_data(c.n, c.in, c.out, 0, c.in, c.w, c.dy, c.dx, c.scratch);
}
void gemm_backward_weights(const Op&, const Call<float>& c) {
  linear_backward_weights(c.n, c.in, c.out, c.row0, c.row1, c.x[0], c.dy, false, c.dw, c.db, c.scratch);
}
int64_t gemm_scratch_of(const Op&, const Call<float>& c) {
  return linear_scratch(c.n, c.in, c.out);
}

void rows_forward(const Op&, const Call<float>& c) {
  for (int64_t i = 0; i < c.n; ++i)
    rows::linear_forward(c.in, c.out, c.x[0] + i * c.in, c.packed, c.b, c.y + i * c.out);
}
int64_t rows_packed(const Op&, const Call<float>& c) {
  return rows::linear_packed(c.in, c.out);
}
void rows_pack(const Op&, const Call<float>& c) {
  rows::linear_pack(c.in, c.out, c.w, c.packed);
}

// Layer by layer: a part is a range of outputs, or of inputs for dx.
void part_forward(const Op&, const Call<float>& c) {
  linear_forward(c.n, c.in, c.out, c.out * c.part / c.parts, c.out * (c.part + 1) / c.parts, c.x[0], c.w, c.b,
                 c.y, c.scratch);
}
void part_backward_data(const Op&, const Call<float>& c) {
  linear_backward_data(c.n, c.in, c.out, c.in * c.part / c.parts, c.in * (c.part + 1) / c.parts, c.w, c.dy,
                       c.dx, c.scratch);
}
void part_backward_weights(const Op&, const Call<float>& c) {
  const int64_t row0 = c.out * c.part / c.parts, row1 = c.out * (c.part + 1) / c.parts;
  linear_backward_weights(c.n, c.in, c.out, row0, row1, c.x[0], c.dy, true, c.dw + row0 * c.in,
                          c.db ? c.db + row0 : nullptr, c.scratch);
}

// In lanes a weight row times the block is a product as it stands.
void lanes_forward(const Op&, const Call<float>& c) {
  lanes::linear_forward(c.n, c.in, c.out, c.x[0], c.w, c.b, c.y, c.scratch);
}
void lanes_backward_data(const Op&, const Call<float>& c) {
  lanes::linear_backward_data(c.n, c.in, c.out, c.w, c.dy, c.dx, c.scratch);
}
void lanes_backward_weights(const Op&, const Call<float>& c) {
  lanes::linear_backward_weights(c.n, c.shard, c.in, c.row0, c.row1, c.col0, c.col1, c.x[0], c.dy,
                                 c.first > 0, c.dw, c.db, c.scratch);
}
int64_t lanes_scratch(const Op&, const Call<float>& c) {
  return lanes::linear_scratch(c.in, c.out);
}

constexpr Implementation<float> kFloat[] = {
    {.name = "linear/lanes",
     .engine = Engine::fast,
     .numerics = "chain(in) dw=n<=128 db=lanes16",
     .forward = lanes_forward,
     .backward_data = lanes_backward_data,
     .backward_weights = lanes_backward_weights,
     .scratch = lanes_scratch,
     .layout = Layout::chwn16,
     .shards = true},
    {.name = "linear/parts",
     .engine = Engine::fast,
     .numerics = "chain(in)",
     .forward = part_forward,
     .backward_data = part_backward_data,
     .backward_weights = part_backward_weights,
     .scratch = gemm_scratch_of,
     .parts = true},
    {.name = "linear/rows",
     .engine = Engine::fast,
     .numerics = "chain(in)",
     .forward = rows_forward,
     .backward_data = gemm_backward_data,
     .backward_weights = gemm_backward_weights,
     .scratch = gemm_scratch_of,
     .packed = rows_packed,
     .pack = rows_pack},
    {"linear/gemm", Engine::im2col, "chain(in)", gemm_forward, gemm_backward_data, gemm_backward_weights,
     gemm_scratch_of},
    {"linear/reference", Engine::naive, "loop(in)", naive_forward<float>, naive_backward_data<float>,
     naive_backward_weights<float>},
};
constexpr Implementation<double> kDouble[] = {
    {"linear/reference", Engine::naive, "loop(in)", naive_forward<double>, naive_backward_data<double>,
     naive_backward_weights<double>},
};

}  // namespace

Linear::Linear(int64_t out_features, bool bias) : out_features_(out_features), bias_(bias) {
  if (out_features < 1) {
    throw Error(ErrorKind::usage, "Linear needs at least one output").got(std::to_string(out_features));
  }
}

Attributes Linear::attributes() const {
  return {{"out_features", {static_cast<double>(out_features_)}}, {"bias", {bias_ ? 1.0 : 0.0}}};
}

Shape Linear::output_shape(std::span<const Shape> in, std::string_view where) const {
  if (in[0].rank() != 1 || in[0][0] < 1) {
    throw Error(ErrorKind::usage, "the input does not fit")
        .where(where)
        .wanted("one axis (features)")
        .got(in[0].text())
        .hint("put a Flatten before the first Linear");
  }
  return {out_features_};
}

std::vector<ParameterSpec> Linear::parameters(std::span<const Shape> in) const {
  const int64_t features = in[0].elements();
  std::vector<ParameterSpec> specs{{"weight", {out_features_, features}, features}};
  if (bias_) specs.push_back({"bias", {out_features_}, features});
  return specs;
}

std::span<const Implementation<float>> Linear::implementations(float) const {
  return kept<kFloat>();
}
std::span<const Implementation<double>> Linear::implementations(double) const {
  return kept_double<kDouble>();
}

}  // namespace unfold
