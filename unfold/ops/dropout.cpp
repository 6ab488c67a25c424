#include "unfold/ops/dropout.h"

#include <algorithm>
#include <cmath>

#include "unfold/error.h"
#include "unfold/kernels/lanes.h"
#include "unfold/ops/kept.h"
#include "unfold/random.h"

namespace unfold {
namespace {

/// value, or 0 in place of what fell out; without a branch, which half of the time would be foreseen wrongly.
template <class T>
T chosen(uint8_t kept, T value) {
  const T choice[] = {T{0}, value};
  return choice[kept];
}

/// y = x or, for an element that falls out, 0, times what keeps the mean. Images begin `image_step` apart,
/// their elements are `step` apart. `kept` is laid out as x, one byte an element.
template <class T>
void forward(const Op& op, const Call<T>& c, int64_t image_step, int64_t step) {
  const double p = static_cast<const Dropout&>(op).p();
  const auto from =
      static_cast<uint32_t>(std::min(std::ceil(p * 0x1p32), 0x1p32 - 1));  // words below fall out
  const T scale = static_cast<T>(1 / (1 - p));
  const Draws draws = c.draws ? *c.draws : Draws{};
  auto* const kept = static_cast<uint8_t*>(c.saved);
  for (int64_t i = 0; i < c.n; ++i) {
    const int64_t sample = draws.samples ? draws.samples[c.first + i] : c.first + i;
    Random random(draws.seed, c.name, draws.epoch, static_cast<uint64_t>(sample));
    for (int64_t e = 0; e < c.in; ++e) kept[i * image_step + e * step] = random.bits() >= from;
    for (int64_t e = 0; e < c.in; ++e) {
      const int64_t at = i * image_step + e * step;
      c.y[at] = chosen(kept[at], c.x[0][at] * scale);
    }
  }
}
template <class T>
void backward(const Op& op, const Call<T>& c, int64_t count) {
  const T scale = static_cast<T>(1 / (1 - static_cast<const Dropout&>(op).p()));
  const auto* const kept = static_cast<const uint8_t*>(c.saved);
  for (int64_t e = 0; e < count; ++e) c.dx[e] = chosen(kept[e], c.dy[e] * scale);
}

template <class T>
void rows_forward(const Op& op, const Call<T>& c) {
  if (!c.training) std::copy(c.x[0], c.x[0] + c.n * c.in, c.y);
  if (c.training) forward(op, c, c.in, 1);
}
template <class T>
void rows_backward(const Op& op, const Call<T>& c) {
  backward(op, c, c.n * c.in);
}
template <class T>
int64_t rows_saved(const Op&, const Call<T>& c) {
  return c.training ? c.n * c.in : 0;
}

void lanes_forward(const Op& op, const Call<float>& c) {
  // Lanes without an image stay 0.
  if (!c.training) std::copy(c.x[0], c.x[0] + lanes::kLanes * c.in, c.y);
  if (!c.training) return;
  std::fill(c.y, c.y + lanes::kLanes * c.in, 0.0f);
  std::fill_n(static_cast<uint8_t*>(c.saved), lanes::kLanes * c.in, uint8_t{0});
  forward(op, c, 1, lanes::kLanes);
}
void lanes_backward(const Op& op, const Call<float>& c) {
  backward(op, c, lanes::kLanes * c.in);
}
int64_t lanes_saved(const Op&, const Call<float>& c) {
  return c.training ? lanes::kLanes * c.in : 0;
}

template <class T>
constexpr Implementation<T> kNaive = {.name = "dropout/reference",
                                      .engine = Engine::naive,
                                      .numerics = "exact",
                                      .forward = rows_forward<T>,
                                      .backward_data = rows_backward<T>,
                                      .saved = rows_saved<T>};
constexpr Implementation<float> kFloat[] = {
    {.name = "dropout/lanes",
     .engine = Engine::fast,
     .numerics = "exact",
     .forward = lanes_forward,
     .backward_data = lanes_backward,
     .saved = lanes_saved,
     .layout = Layout::chwn16},
    kNaive<float>,
};
constexpr Implementation<double> kDouble[] = {kNaive<double>};

}  // namespace

Dropout::Dropout(double p) : p_(p) {
  if (!(p >= 0) || !(p < 1)) {
    throw Error(ErrorKind::usage, "Dropout needs a probability")
        .wanted("0 or more, below 1")
        .got(std::to_string(p));
  }
}

std::span<const Implementation<float>> Dropout::implementations(float) const {
  return kept<kFloat>();
}
std::span<const Implementation<double>> Dropout::implementations(double) const {
  return kept_double<kDouble>();
}

}  // namespace unfold
