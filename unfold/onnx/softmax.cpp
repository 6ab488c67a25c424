// Softmax and its kin, and the losses that are made of it.
#include <algorithm>

#include "unfold/onnx/elementwise.h"
#include "unfold/onnx/functions.h"

namespace unfold::onnx::ops {
namespace {

/// A value as (outer, n, inner): n numbers, `inner` apart, that belong together.
struct Lines {
  int64_t outer = 1, n = 1, inner = 1;
};

/// Along one axis; before opset 13 all axes from `axis` on are one.
Lines lines_of(const Call& c) {
  constexpr int kOneAxis = 13;
  const auto sizes = c.input(0).shape().sizes();
  const auto rank = static_cast<int64_t>(sizes.size());
  const bool one = c.opset() >= kOneAxis;
  const int64_t given = c.integer("axis", one ? -1 : 1);
  const int64_t axis = !one && given == rank ? rank : c.axis(given, rank);
  Lines lines;
  for (int64_t i = 0; i < rank; ++i) {
    (i < axis ? lines.outer : i == axis || !one ? lines.n : lines.inner) *= sizes[static_cast<size_t>(i)];
  }
  return lines;
}

/// Calls f(x, y, step, n) for each line of input 0 and output 0.
template <class F>
void each_line(Call& c, F f) {
  const Tensor& x = c.input(0);
  const Lines lines = lines_of(c);
  for_floats(c, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    Tensor y = c.make(x.dtype(), x.shape().sizes());
    c.work(x.elements(), 4);
    const int64_t count = lines.n == 0 ? 0 : lines.outer * lines.inner;
    c.each_range(count, kTask / std::max<int64_t>(lines.n, 1) + 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t at = i / lines.inner * lines.n * lines.inner + i % lines.inner;
        f(x.data<T>() + at, y.data<T>() + at, lines.inner, lines.n);
      }
    });
    c.output(0, std::move(y));
  });
}

/// Overwrites a line of y with log(softmax) of a line of x.
template <class T>
void log_softmax_line(const T* x, T* y, int64_t step, int64_t n) {
  double most = static_cast<double>(x[0]), sum = 0;
  for (int64_t i = 1; i < n; ++i) most = std::max(most, static_cast<double>(x[i * step]));
  for (int64_t i = 0; i < n; ++i) sum += std::exp(static_cast<double>(x[i * step]) - most);
  const double shift = most + std::log(sum);
  for (int64_t i = 0; i < n; ++i) y[i * step] = static_cast<T>(static_cast<double>(x[i * step]) - shift);
}

}  // namespace

void softmax(Call& c) {
  each_line(c, []<class T>(const T* x, T* y, int64_t step, int64_t n) {
    T most = x[0];
    for (int64_t i = 1; i < n; ++i) most = std::max(most, x[i * step]);
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(y[i * step] = std::exp(x[i * step] - most));
    for (int64_t i = 0; i < n; ++i) y[i * step] = static_cast<T>(static_cast<double>(y[i * step]) / sum);
  });
}

void log_softmax(Call& c) {
  each_line(c, []<class T>(const T* x, T* y, int64_t step, int64_t n) { log_softmax_line(x, y, step, n); });
}

/// 1 at the first of the greatest numbers of a line, else 0.
void hardmax(Call& c) {
  each_line(c, []<class T>(const T* x, T* y, int64_t step, int64_t n) {
    int64_t best = 0;
    for (int64_t i = 1; i < n; ++i) best = x[i * step] > x[best * step] ? i : best;
    y[best * step] = 1;
  });
}

namespace {

constexpr std::string_view kReductions[] = {"none", "sum", "mean"};

/// -weight * x of each target's class, reduced; x (N, C, ...) holds log-probabilities, input 1 the targets
/// (N, ...), input 2, if given, a weight for each class.
template <class T>
Tensor negative_log_likelihood(const Call& c, const Tensor& x) {
  const Sizes sizes = sizes_of(x);
  if (sizes.size() < 2) c.refuse("the input does not fit", "(N, C, ...)", x.shape().text());
  const int64_t n = sizes[0], classes = sizes[1];
  Sizes places = sizes;
  places.erase(places.begin() + 1);
  const Tensor& target = c.input(1);
  if (sizes_of(target) != places) {
    c.refuse("the targets do not fit the input", sizes_text(places), target.shape().text());
  }
  if (target.dtype() != Dtype::i64 && target.dtype() != Dtype::i32) {
    c.refuse("the targets have another type", "int64 or int32", type_text(target.dtype()));
  }
  const T* weights = nullptr;
  if (c.given(2)) {
    c.same_type(0, 2);
    if (sizes_of(c.input(2)) != Sizes{classes}) {
      c.refuse("the weights do not fit the classes", sizes_text(Sizes{classes}), c.input(2).shape().text());
    }
    weights = c.input(2).data<T>();
  }
  const auto* ignored = c.attribute<int64_t>("ignore_index");
  const std::string reduction = c.text("reduction", "mean", kReductions);
  Tensor losses = c.make(dtype_of<T>(), places);
  double sum = 0, weight_sum = 0;
  const int64_t pixels = target.elements() / std::max<int64_t>(n, 1);
  for (int64_t i = 0; i < target.elements(); ++i) {
    const int64_t label =
        target.dtype() == Dtype::i64 ? target.data<int64_t>()[i] : target.data<int32_t>()[i];
    if (ignored && label == *ignored) continue;
    if (label < 0 || label >= classes) {
      c.refuse("a target is no class", "0 to " + std::to_string(classes - 1), std::to_string(label));
    }
    const double weight = weights ? static_cast<double>(weights[label]) : 1;
    const double loss =
        -weight * static_cast<double>(x.data<T>()[(i / pixels * classes + label) * pixels + i % pixels]);
    losses.data<T>()[i] = static_cast<T>(loss);
    sum += loss;
    weight_sum += weight;
  }
  if (reduction == "none") return losses;
  Tensor one = c.make(dtype_of<T>(), {});
  *one.data<T>() = static_cast<T>(reduction == "sum" ? sum : sum / weight_sum);
  return one;
}

}  // namespace

void negative_log_likelihood_loss(Call& c) {
  for_floats(c, c.input(0).dtype(),
             [&](auto zero) { c.output(0, negative_log_likelihood<decltype(zero)>(c, c.input(0))); });
}

/// The same of log(softmax) over the classes, which is output 1.
void softmax_cross_entropy_loss(Call& c) {
  const Tensor& x = c.input(0);
  for_floats(c, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Sizes sizes = sizes_of(x);
    if (sizes.size() < 2 || sizes[1] == 0)
      c.refuse("the input does not fit", "(N, C, ...)", x.shape().text());
    Tensor y = c.make(x.dtype(), sizes);
    const int64_t inner = x.elements() / std::max<int64_t>(sizes[0] * sizes[1], 1);
    for (int64_t i = 0; i < sizes[0] * inner; ++i) {
      const int64_t at = i / inner * sizes[1] * inner + i % inner;
      log_softmax_line(x.data<T>() + at, y.data<T>() + at, inner, sizes[1]);
    }
    c.output(0, negative_log_likelihood<T>(c, y));
    if (c.wanted(1)) c.output(1, std::move(y));
  });
}

}  // namespace unfold::onnx::ops
