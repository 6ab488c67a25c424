// Sums, products, extremes and norms along axes.
#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

#include "unfold/onnx/convert.h"
#include "unfold/onnx/elementwise.h"
#include "unfold/onnx/functions.h"

namespace unfold::onnx::ops {
namespace {

/// What a sum of T runs in: float and double in double, whole numbers in 64 bits, wrapping around.
template <class T>
using Sum = std::conditional_t<std::is_floating_point_v<T>, double, int64_t>;

/// Which axes go, and what is left.
struct Reduction {
  Sizes reduced;  ///< the input's sizes, 1 along the axes that go
  Sizes output;   ///< the same, or without these axes (`keepdims` = 0)
  int64_t count;  ///< elements that become one
};

/// Axes as an attribute (before opset 13 or 18), then as an input. None named: all go, or, with
/// `noop_with_empty_axes`, none.
Reduction reduction_of(const Call& c) {
  const Tensor& x = c.input(0);
  std::vector<int64_t> named = c.integers("axes").value_or(std::vector<int64_t>{});
  if (c.given(1)) named = c.list(1);
  named = c.axes(named, x.shape().rank());
  Reduction r{sizes_of(x), {}, 1};
  const bool all = named.empty() && c.integer("noop_with_empty_axes", 0) == 0;
  const bool keep = c.integer("keepdims", 1) != 0;
  for (size_t i = 0; i < r.reduced.size(); ++i) {
    const bool goes = all || std::ranges::count(named, static_cast<int64_t>(i)) > 0;
    if (!goes || keep) r.output.push_back(goes ? 1 : r.reduced[i]);
    if (goes) r.count *= std::exchange(r.reduced[i], 1);
  }
  return r;
}

/// Overwrites `sums` (one for each element of the output) with `start`, then add(sum, element of the input)
/// in the input's order.
template <class T, class A, class F>
void accumulate(const Tensor& x, const Reduction& r, std::vector<A>& sums, A start, F add) {
  std::ranges::fill(sums, start);
  const auto sizes = x.shape().sizes();
  const Walk<2> walk(sizes, {contiguous_strides(sizes), broadcast_strides(r.reduced, sizes)});
  const auto [step, sum_step] = walk.steps();
  const T* from = x.data<T>();
  walk.rows([&](const auto& at) {
    A* sum = sums.data() + at[1];
    for (int64_t i = 0; i < walk.row_size(); ++i) {
      A& to = sum[i * sum_step];
      to = add(to, from[at[0] + i * step], at[1] + i * sum_step);
    }
  });
}

template <class T>
Tensor make_output(const Call& c, const Reduction& r) {
  Tensor y = c.make(dtype_of<T>(), r.output);
  c.charge(y.elements(), 2 * sizeof(double));  // the sums
  c.work(2 * c.input(0).elements());
  return y;
}

/// Output 0: finish(sum of f(x) along the axes, number of elements).
template <class F, class G>
void reduce_sum_of(Call& c, F f, G finish) {
  const Reduction r = reduction_of(c);
  for_numbers(c, c.input(0).dtype(), [&](auto zero) {
    using T = decltype(zero);
    using A = Sum<T>;
    Tensor y = make_output<T>(c, r);
    std::vector<A> sums(static_cast<size_t>(y.elements()));
    accumulate<T>(c.input(0), r, sums, A{0}, [f](A sum, T x, int64_t) {
      const A value = f(static_cast<A>(x));
      return wrapping(sum, value, std::plus<>());
    });
    std::ranges::transform(sums, y.data<T>(),
                           [&](A sum) { return converted<T>(finish(sum, static_cast<A>(r.count))); });
    c.output(0, std::move(y));
  });
}

constexpr auto kSum = [](auto sum, auto) { return sum; };
constexpr auto kItself = [](auto x) { return x; };
constexpr auto kSquare = [](auto x) { return wrapping(x, x, std::multiplies<>()); };
constexpr auto kMagnitude = [](auto x) { return x < 0 ? wrapping(decltype(x){0}, x, std::minus<>()) : x; };

template <class F>
void reduce_extreme(Call& c, F better, bool greatest) {
  const Reduction r = reduction_of(c);
  if (c.input(0).dtype() == Dtype::boolean) {
    Tensor y = make_output<bool>(c, r);
    std::vector<uint8_t> best(static_cast<size_t>(y.elements()));
    accumulate<bool>(c.input(0), r, best, static_cast<uint8_t>(!greatest), [&](uint8_t a, bool b, int64_t) {
      return better(static_cast<uint8_t>(b), a) ? static_cast<uint8_t>(b) : a;
    });
    std::ranges::transform(best, y.data<bool>(), [](uint8_t b) { return b != 0; });
    return c.output(0, std::move(y));
  }
  for_numbers(c, c.input(0).dtype(), [&](auto zero) {
    using T = decltype(zero);
    using Range = std::numeric_limits<T>;
    constexpr bool kFloats = std::is_floating_point_v<T>;
    const T least = kFloats ? -Range::infinity() : Range::lowest();
    const T most = kFloats ? Range::infinity() : Range::max();
    Tensor y = make_output<T>(c, r);
    std::vector<T> best(static_cast<size_t>(y.elements()));
    accumulate<T>(c.input(0), r, best, greatest ? least : most,
                  [&](T a, T b, int64_t) { return better(b, a) || b != b ? b : a; });
    std::ranges::copy(best, y.data<T>());
    c.output(0, std::move(y));
  });
}

/// log(sum of exp), each less the greatest, so that none overflows.
void log_of_exponentials(Call& c) {
  const Reduction r = reduction_of(c);
  for_floats(c, c.input(0).dtype(), [&](auto zero) {
    using T = decltype(zero);
    Tensor y = make_output<T>(c, r);
    const auto count = static_cast<size_t>(y.elements());
    constexpr double kNone = -std::numeric_limits<double>::infinity();
    std::vector<double> most(count), sums(count);
    accumulate<T>(c.input(0), r, most, kNone,
                  [](double a, T b, int64_t) { return std::max(a, static_cast<double>(b)); });
    for (double& m : most) m = std::isfinite(m) ? m : 0;
    accumulate<T>(c.input(0), r, sums, 0.0, [&](double sum, T x, int64_t i) {
      return sum + std::exp(static_cast<double>(x) - most[static_cast<size_t>(i)]);
    });
    for (size_t i = 0; i < count; ++i) y.data<T>()[i] = static_cast<T>(most[i] + std::log(sums[i]));
    c.output(0, std::move(y));
  });
}

/// The place of the greatest element along an axis, or of the least; NaN counts as neither.
void arg_extreme(Call& c, bool greatest) {
  const Tensor& x = c.input(0);
  const Sizes sizes = sizes_of(x);
  const auto axis = static_cast<size_t>(c.axis(c.integer("axis", 0), x.shape().rank()));
  const bool last = c.integer("select_last_index", 0) != 0;
  const int64_t n = sizes[axis];
  if (n == 0) c.refuse("an empty axis has no greatest element", "1 or more", x.shape().text());
  Sizes output = sizes;
  output[axis] = 1;
  const Sizes kept = output;
  if (c.integer("keepdims", 1) == 0) output.erase(output.begin() + static_cast<int64_t>(axis));
  Tensor y = c.make(Dtype::i64, output);
  c.work(x.elements());
  const std::vector<int64_t> strides = contiguous_strides(sizes);
  const Walk<2> walk(kept, {strides, contiguous_strides(kept)});
  const int64_t step = strides[axis];
  for_numbers(c, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    walk.rows([&](const auto& at) {
      for (int64_t i = 0; i < walk.row_size(); ++i) {
        const T* from = x.data<T>() + at[0] + i * walk.steps()[0];
        int64_t best = 0;
        for (int64_t j = 1; j < n; ++j) {
          const T a = from[j * step], b = from[best * step];
          if (greatest ? a > b : a < b) best = j;
          if (last && a == b) best = j;
        }
        y.data<int64_t>()[at[1] + i * walk.steps()[1]] = best;
      }
    });
  });
  c.output(0, std::move(y));
}

}  // namespace

void reduce_sum(Call& c) {
  reduce_sum_of(c, kItself, kSum);
}
void reduce_mean(Call& c) {
  if (reduction_of(c).count == 0 && !takes(Types::floats, c.input(0).dtype()))
    c.refuse("nothing has no mean");
  reduce_sum_of(c, kItself, [](auto sum, auto n) { return sum / n; });
}
void reduce_sum_square(Call& c) {
  reduce_sum_of(c, kSquare, kSum);
}
void reduce_l1(Call& c) {
  reduce_sum_of(c, kMagnitude, kSum);
}
void reduce_l2(Call& c) {
  reduce_sum_of(c, kSquare, [](auto sum, auto) { return std::sqrt(static_cast<double>(sum)); });
}
void reduce_log_sum(Call& c) {
  reduce_sum_of(c, kItself, [](auto sum, auto) { return std::log(static_cast<double>(sum)); });
}
void reduce_log_sum_exp(Call& c) {
  log_of_exponentials(c);
}
void reduce_max(Call& c) {
  reduce_extreme(c, std::greater<>(), true);
}
void reduce_min(Call& c) {
  reduce_extreme(c, std::less<>(), false);
}

void reduce_prod(Call& c) {
  const Reduction r = reduction_of(c);
  for_numbers(c, c.input(0).dtype(), [&](auto zero) {
    using T = decltype(zero);
    using A = Sum<T>;
    Tensor y = make_output<T>(c, r);
    std::vector<A> products(static_cast<size_t>(y.elements()));
    accumulate<T>(c.input(0), r, products, A{1}, [](A product, T x, int64_t) {
      return wrapping(product, static_cast<A>(x), std::multiplies<>());
    });
    std::ranges::transform(products, y.data<T>(), [](A p) { return static_cast<T>(p); });
    c.output(0, std::move(y));
  });
}

void arg_max(Call& c) {
  arg_extreme(c, true);
}
void arg_min(Call& c) {
  arg_extreme(c, false);
}

}  // namespace unfold::onnx::ops
