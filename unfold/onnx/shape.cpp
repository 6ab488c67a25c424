// Operators that look at shapes or change them, and constants: no element is computed.
#include <algorithm>

#include "unfold/onnx/elementwise.h"
#include "unfold/onnx/functions.h"

namespace unfold::onnx::ops {
namespace {

/// Output 0: the elements of input 0, where they are, in another shape of as many.
void reshaped(Call& c, const Sizes& sizes) {
  const Tensor& x = c.input(0);
  if (sizes.size() > Shape::kMaxRank || c.product(sizes) != x.elements()) {
    c.refuse("the new shape does not hold the input's elements",
             std::to_string(x.elements()) + " elements, at most 8 axes", sizes_text(sizes));
  }
  c.output(0, x.reshaped(Shape(sizes)));
}

/// A list of axes: an attribute before opset 13, then an input; nothing if neither is there.
std::optional<std::vector<int64_t>> axes_of(const Call& c, int64_t rank) {
  std::optional<std::vector<int64_t>> axes = c.integers("axes");
  if (c.given(1)) axes = c.list(1);
  if (axes) axes = c.axes(*axes, rank);
  return axes;
}

Tensor list_of(const Call& c, std::span<const int64_t> values) {
  const int64_t count[] = {static_cast<int64_t>(values.size())};
  Tensor t = c.make(Dtype::i64, count);
  std::ranges::copy(values, t.data<int64_t>());
  return t;
}

}  // namespace

void identity(Call& c) {
  c.output(0, c.input(0));
}

/// 0 stands for the input's size (unless `allowzero`), -1, once, for what is left.
void reshape(Call& c) {
  Sizes sizes = c.list(1);
  const Tensor& x = c.input(0);
  const bool zeros = c.integer("allowzero", 0) != 0;
  constexpr int64_t kMostAxes = Shape::kMaxRank;
  if (sizes.size() > kMostAxes) c.refuse("the new shape has too many axes", "at most 8", sizes_text(sizes));
  if (std::ranges::any_of(sizes, [](int64_t s) { return s < -1; }) || std::ranges::count(sizes, -1) > 1) {
    c.refuse("the new shape has a negative size", "sizes, and -1 once", sizes_text(sizes));
  }
  for (size_t i = 0; i < sizes.size() && !zeros; ++i) {
    if (sizes[i] != 0) continue;
    if (i >= static_cast<size_t>(x.shape().rank())) {
      c.refuse("0 stands for a size that the input does not have", x.shape().text(), sizes_text(sizes));
    }
    sizes[i] = x.shape()[static_cast<int>(i)];
  }
  if (const auto rest = std::ranges::find(sizes, -1); rest != sizes.end()) {
    *rest = 1;
    const int64_t others = c.product(sizes);
    if (others == 0 || x.elements() % others != 0) {
      *rest = -1;
      c.refuse("the new shape does not divide the input's elements", std::to_string(x.elements()),
               sizes_text(sizes));
    }
    *rest = x.elements() / others;
  }
  reshaped(c, sizes);
}

/// Axes before `axis` are one, those from it on another.
void flatten(Call& c) {
  const Sizes sizes = sizes_of(c.input(0));
  const auto rank = static_cast<int64_t>(sizes.size());
  const int64_t given = c.integer("axis", 1);
  const int64_t axis = given == rank ? rank : c.axis(given, rank);  // behind the last one is allowed, too
  const std::span all(sizes);
  reshaped(c, {c.product(all.first(static_cast<size_t>(axis))),
               c.product(all.subspan(static_cast<size_t>(axis)))});
}

void squeeze(Call& c) {
  const Sizes sizes = sizes_of(c.input(0));
  const auto axes = axes_of(c, static_cast<int64_t>(sizes.size()));
  Sizes kept;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const bool named = axes && std::ranges::count(*axes, static_cast<int64_t>(i)) > 0;
    if (named && sizes[i] != 1) c.refuse("an axis to be dropped is not of size 1", "1", sizes_text(sizes));
    if (!named && (axes || sizes[i] != 1)) kept.push_back(sizes[i]);
  }
  reshaped(c, kept);
}

void unsqueeze(Call& c) {
  Sizes sizes = sizes_of(c.input(0));
  const auto added = c.given(1) ? c.list(1).size() : c.integers("axes").value_or(Sizes{}).size();
  const auto axes = axes_of(c, static_cast<int64_t>(sizes.size() + std::min<size_t>(added, Shape::kMaxRank)));
  if (!axes) c.refuse("an attribute is missing", "axes");
  for (const int64_t axis : *axes) sizes.insert(sizes.begin() + axis, 1);
  reshaped(c, sizes);
}

void shape(Call& c) {
  const Sizes sizes = sizes_of(c.input(0));
  const auto rank = static_cast<int64_t>(sizes.size());
  const auto bound = [&](int64_t at) {
    return std::clamp<int64_t>(at < 0 ? std::max(at, -rank) + rank : at, 0, rank);
  };
  const int64_t start = bound(c.integer("start", 0)), end = bound(c.integer("end", rank));
  c.output(0, list_of(c, std::span(sizes).subspan(static_cast<size_t>(start),
                                                  static_cast<size_t>(std::max<int64_t>(end - start, 0)))));
}

void size(Call& c) {
  Tensor y = c.make(Dtype::i64, {});
  *y.data<int64_t>() = c.input(0).elements();
  c.output(0, std::move(y));
}

void constant(Call& c) {
  const auto scalar = [&](auto value) {
    Tensor y = c.make(dtype_of<decltype(value)>(), {});
    *y.data<decltype(value)>() = value;
    c.output(0, std::move(y));
  };
  if (const auto* value = c.attribute<TensorValue>("value")) {
    c.output(0, value->values);
  } else if (const auto* whole = c.attribute<int64_t>("value_int")) {
    scalar(*whole);
  } else if (const auto* real = c.attribute<float>("value_float")) {
    scalar(*real);
  } else if (const auto wholes = c.integers("value_ints")) {
    c.output(0, list_of(c, *wholes));
  } else if (const auto* reals = c.attribute<std::vector<float>>("value_floats")) {
    const int64_t count[] = {static_cast<int64_t>(reals->size())};
    Tensor y = c.make(Dtype::f32, count);
    std::ranges::copy(*reals, y.data<float>());
    c.output(0, std::move(y));
  } else {
    c.refuse("a constant without a value", c.row().attributes);
  }
}

/// One value, float32 zero if none is given, over and over.
void constant_of_shape(Call& c) {
  const auto* value = c.attribute<TensorValue>("value");
  Tensor y = c.make(value ? value->values.dtype() : Dtype::f32, c.list(0));
  if (value) {
    if (value->values.elements() != 1) {
      c.refuse("`value` is no single number", "(1)", value->values.shape().text());
    }
    const size_t size = dtype_size(y.dtype());
    const auto* from = static_cast<const std::byte*>(value->values.raw());
    auto* to = static_cast<std::byte*>(y.raw());
    for (size_t at = 0; at < y.bytes(); at += size) std::copy_n(from, size, to + at);
  }
  c.output(0, std::move(y));
}

/// start, start + delta, ... before limit.
void range(Call& c) {
  for_numbers(c, c.input(0).dtype(), [&](auto zero) {
    using T = decltype(zero);
    c.same_type(0, 1);
    c.same_type(0, 2);
    const double start = c.scalar(0), limit = c.scalar(1), delta = c.scalar(2);
    const double count = std::ceil((limit - start) / delta);
    if (!(delta != 0) || !(count < 0x1p62)) {
      c.refuse("a range that never ends", "a step other than 0", std::to_string(delta));
    }
    const int64_t sizes[] = {static_cast<int64_t>(std::max(count, 0.0))};
    Tensor y = c.make(c.input(0).dtype(), sizes);
    T value = *c.input(0).data<T>();
    const T step = *c.input(2).data<T>();
    for (int64_t i = 0; i < sizes[0]; ++i) {
      y.data<T>()[i] = std::is_integral_v<T> ? value : static_cast<T>(start + static_cast<double>(i) * delta);
      value = wrapping(value, step, std::plus<>());
    }
    c.output(0, std::move(y));
  });
}

/// Inference: what comes in goes out, and the mask is true everywhere.
void dropout(Call& c) {
  if (c.given(2)) {
    const Tensor& training = c.input(2);
    if (training.dtype() != Dtype::boolean || training.elements() != 1) {
      c.refuse("`training_mode` is no single truth value", "bool, ()", training.shape().text());
    }
    if (*training.data<bool>() && !(c.given(1) && c.scalar(1) == 0)) {
      c.refuse("training is not done here", "training_mode = false");
    }
  }
  const Tensor& x = c.input(0);
  c.output(0, x);
  if (!c.wanted(1)) return;
  constexpr int kTruthValues = 10;  // before it, the mask is of the input's type
  Tensor mask = c.make(c.opset() < kTruthValues ? x.dtype() : Dtype::boolean, x.shape().sizes());
  if (mask.dtype() == Dtype::boolean) {
    std::ranges::fill(mask.span<bool>(), true);
  } else {
    for_floats(c, mask.dtype(),
               [&](auto zero) { std::ranges::fill(mask.span<decltype(zero)>(), decltype(zero){1}); });
  }
  c.output(1, std::move(mask));
}

}  // namespace unfold::onnx::ops
