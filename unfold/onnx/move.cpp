#include "unfold/onnx/move.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "unfold/onnx/elementwise.h"
#include "unfold/onnx/functions.h"

namespace unfold::onnx {
namespace {

/// Copies n elements of kBytes, each a stride from the next.
template <size_t kBytes>
void copy_row(int64_t n, const std::byte* from, int64_t from_step, std::byte* to, int64_t to_step) {
  for (int64_t i = 0; i < n; ++i) std::memcpy(to + i * to_step, from + i * from_step, kBytes);
}

using CopyRow = void(int64_t n, const std::byte* from, int64_t from_step, std::byte* to, int64_t to_step);

CopyRow* copy_row_of(size_t bytes) {
  return bytes == 1 ? copy_row<1> : bytes == 2 ? copy_row<2> : bytes == 4 ? copy_row<4> : copy_row<8>;
}

}  // namespace

void copy_view(const Call& c, std::span<const int64_t> sizes, const Tensor& from, const View& from_view,
               Tensor& to, const View& to_view) {
  const Walk<2> walk(sizes, {from_view.strides, to_view.strides});
  const auto size = static_cast<int64_t>(dtype_size(to.dtype()));
  const auto* source = static_cast<const std::byte*>(from.raw()) + from_view.offset * size;
  auto* target = static_cast<std::byte*>(to.raw()) + to_view.offset * size;
  const int64_t n = walk.row_size();
  const auto [from_step, to_step] = walk.steps();
  CopyRow* copy = copy_row_of(static_cast<size_t>(size));
  c.each_range(walk.row_count(), kTask / std::max<int64_t>(n, 1) + 1, [&](int64_t begin, int64_t end) {
    walk.rows(begin, end, [&](const auto& at) {
      if (from_step == 1 && to_step == 1) {
        std::memcpy(target + at[1] * size, source + at[0] * size, static_cast<size_t>(n * size));
      } else {
        copy(n, source + at[0] * size, from_step * size, target + at[1] * size, to_step * size);
      }
    });
  });
}

Tensor transposed(const Call& c, const Tensor& x, std::span<const int64_t> order) {
  const std::vector<int64_t> dense = contiguous_strides(x.shape().sizes());
  Sizes sizes;
  View view;
  for (const int64_t axis : order) {
    sizes.push_back(x.shape()[static_cast<int>(axis)]);
    view.strides.push_back(dense[static_cast<size_t>(axis)]);
  }
  Tensor y = c.make(x.dtype(), sizes);
  copy_view(c, sizes, x, view, y, {0, contiguous_strides(sizes)});
  return y;
}

namespace ops {
namespace {

/// The size of an axis and all behind it, in elements.
int64_t inner_elements(std::span<const int64_t> sizes, int64_t axis) {
  return std::accumulate(sizes.begin() + axis, sizes.end(), int64_t{1}, std::multiplies<>());
}

}  // namespace

void transpose(Call& c) {
  const Tensor& x = c.input(0);
  const int64_t rank = x.shape().rank();
  std::vector<int64_t> order(static_cast<size_t>(rank));
  std::iota(order.rbegin(), order.rend(), 0);
  if (const auto given = c.integers("perm")) {
    if (c.axes(*given, rank).size() != static_cast<size_t>(rank)) {
      c.refuse("`perm` does not name each axis once", std::to_string(rank) + " axes", sizes_text(*given));
    }
    for (size_t i = 0; i < order.size(); ++i) order[i] = c.axis((*given)[i], rank);
  }
  c.output(0, transposed(c, x, order));
}

void concat(Call& c) {
  const Tensor& first = c.input(0);
  Sizes sizes = sizes_of(first);
  const auto axis = static_cast<size_t>(c.axis(c.integer("axis"), first.shape().rank()));
  for (size_t i = 1; i < c.inputs(); ++i) {
    c.same_type(0, i);
    Sizes other = sizes_of(c.input(i));
    bool fits = other.size() == sizes.size();
    for (size_t a = 0; fits && a < sizes.size(); ++a) fits = a == axis || other[a] == sizes[a];
    if (!fits) {
      c.refuse("input " + std::to_string(i) + " does not fit the first but along `axis`",
               first.shape().text(), c.input(i).shape().text());
    }
    sizes[axis] += other[axis];
  }
  Tensor y = c.make(first.dtype(), sizes);
  View to{0, contiguous_strides(sizes)};
  for (size_t i = 0; i < c.inputs(); ++i) {
    const Sizes part = sizes_of(c.input(i));
    copy_view(c, part, c.input(i), {0, contiguous_strides(part)}, y, to);
    to.offset += part[axis] * to.strides[axis];
  }
  c.output(0, std::move(y));
}

/// Sizes as an attribute (before opset 13) or input, else parts that are alike, the last one smaller.
void split(Call& c) {
  const Tensor& x = c.input(0);
  Sizes sizes = sizes_of(x);
  const auto axis = static_cast<size_t>(c.axis(c.integer("axis", 0), x.shape().rank()));
  const int64_t whole = sizes[axis];
  std::vector<int64_t> parts = c.integers("split").value_or(std::vector<int64_t>{});
  if (c.given(1)) parts = c.list(1);
  if (parts.empty()) {
    const auto count = static_cast<int64_t>(c.outputs());
    if (c.integer("num_outputs", count) != count) {
      c.refuse("`num_outputs` is not the number of outputs", std::to_string(count),
               std::to_string(c.integer("num_outputs")));
    }
    const int64_t part = (whole + count - 1) / count;
    for (int64_t i = 0; i < count; ++i) parts.push_back(std::clamp<int64_t>(whole - i * part, 0, part));
  }
  // Each is at most the axis, so that the sum cannot overflow.
  const bool fit = std::ranges::all_of(parts, [&](int64_t p) { return p >= 0 && p <= whole; });
  if (parts.size() != c.outputs() || !fit ||
      std::accumulate(parts.begin(), parts.end(), int64_t{0}) != whole) {
    c.refuse("the parts do not make the whole", std::to_string(whole) + " in " + std::to_string(c.outputs()),
             sizes_text(parts));
  }
  View from{0, contiguous_strides(sizes)};
  for (size_t i = 0; i < parts.size(); ++i) {
    sizes[axis] = parts[i];
    if (c.wanted(i)) {
      Tensor y = c.make(x.dtype(), sizes);
      copy_view(c, sizes, x, from, y, {0, contiguous_strides(sizes)});
      c.output(i, std::move(y));
    }
    from.offset += parts[i] * from.strides[axis];
  }
}

/// As Python's x[start:end:step] along each axis of `axes`; attributes before opset 10, then inputs.
void slice(Call& c) {
  const Tensor& x = c.input(0);
  const int64_t rank = x.shape().rank();
  const bool attributes = c.inputs() == 1;
  const auto part = [&](size_t i, std::string_view name) -> std::optional<std::vector<int64_t>> {
    if (attributes) return c.integers(name);
    return c.given(i) ? std::optional(c.list(i)) : std::nullopt;
  };
  const auto starts = part(1, "starts"), ends = part(2, "ends"), steps = part(4, "");
  if (!starts || !ends) c.refuse("starts or ends are missing");
  std::vector<int64_t> axes(starts->size());
  std::iota(axes.begin(), axes.end(), 0);
  if (const auto given = part(3, "axes")) axes = *given;
  if (ends->size() != starts->size() || axes.size() != starts->size() ||
      (steps && steps->size() != starts->size())) {
    c.refuse("starts, ends, axes and steps are not equally many", std::to_string(starts->size()),
             std::to_string(ends->size()) + " and " + std::to_string(axes.size()));
  }
  c.axes(axes, rank);  // none twice
  Sizes sizes = sizes_of(x);
  View from{0, contiguous_strides(sizes)};
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(c.axis(axes[i], rank));
    const int64_t size = sizes[axis], least = -size - 1;
    // Far beyond the ends means the ends; the least integer has no opposite.
    const int64_t step = std::clamp<int64_t>(steps ? (*steps)[i] : 1, least, size + 1);
    if (step == 0) c.refuse("a step of 0", "another number");
    const auto bound = [&](int64_t at, int64_t low, int64_t high) {
      at = std::clamp(at, least, size + 1);
      return std::clamp(at < 0 ? at + size : at, low, high);
    };
    // Backwards, a slice may end before the first element, but not begin there.
    const int64_t high = step > 0 ? size : size - 1;
    const int64_t start = bound((*starts)[i], std::min<int64_t>(0, high), high);
    const int64_t end = bound((*ends)[i], step > 0 ? 0 : -1, high);
    const int64_t count = step > 0 ? (end - start + step - 1) / step : (start - end - step - 1) / -step;
    sizes[axis] = std::max<int64_t>(count, 0);
    if (sizes[axis] > 0) from.offset += start * from.strides[axis];
    from.strides[axis] *= step;
  }
  Tensor y = c.make(x.dtype(), sizes);
  copy_view(c, sizes, x, from, y, {0, contiguous_strides(sizes)});
  c.output(0, std::move(y));
}

/// Indices as whole numbers from 0 on; negative ones count from the end of an axis of this size.
std::vector<int64_t> indices_of(const Call& c, const Tensor& t, int64_t size) {
  std::vector<int64_t> indices(static_cast<size_t>(t.elements()));
  if (t.dtype() == Dtype::i64) {
    std::ranges::copy(t.span<int64_t>(), indices.begin());
  } else if (t.dtype() == Dtype::i32) {
    std::ranges::copy(t.span<int32_t>(), indices.begin());
  } else {
    c.refuse("indices have another type", "int64 or int32", type_text(t.dtype()));
  }
  for (int64_t& index : indices) {
    if (index < -size || index >= size) {
      c.refuse("an index is out of range", "-" + std::to_string(size) + " to " + std::to_string(size - 1),
               std::to_string(index));
    }
    if (index < 0) index += size;
  }
  return indices;
}

/// y[..., i, j, ..., k] = x[..., indices[i, j, ...], k] along `axis`.
void gather(Call& c) {
  const Tensor& x = c.input(0);
  const Sizes all = sizes_of(x);
  const int64_t axis = c.axis(c.integer("axis", 0), x.shape().rank());
  const Sizes chosen = sizes_of(c.input(1));
  Sizes sizes(all.begin(), all.begin() + axis);
  sizes.insert(sizes.end(), chosen.begin(), chosen.end());
  sizes.insert(sizes.end(), all.begin() + axis + 1, all.end());
  Tensor y = c.make(x.dtype(), sizes);
  c.work(c.input(1).elements());
  const auto indices = indices_of(c, c.input(1), all[static_cast<size_t>(axis)]);
  if (y.elements() > 0) {
    const int64_t block = inner_elements(all, axis + 1) * static_cast<int64_t>(dtype_size(x.dtype()));
    const int64_t outer = y.elements() * static_cast<int64_t>(dtype_size(x.dtype())) /
                          (block * static_cast<int64_t>(indices.size()));
    const auto* from = static_cast<const std::byte*>(x.raw());
    auto* to = static_cast<std::byte*>(y.raw());
    for (int64_t o = 0; o < outer; ++o, from += block * all[static_cast<size_t>(axis)]) {
      for (const int64_t index : indices) {
        std::memcpy(to, from + index * block, static_cast<size_t>(block));
        to += block;
      }
    }
  }
  c.output(0, std::move(y));
}

/// y[i][j][k] = x[i][indices[i][j][k]][k], for `axis` = 1.
void gather_elements(Call& c) {
  const Tensor &x = c.input(0), &chosen = c.input(1);
  const int64_t rank = x.shape().rank(), axis = c.axis(c.integer("axis", 0), rank);
  const Sizes all = sizes_of(x), sizes = sizes_of(chosen);
  bool fits = all.size() == sizes.size();
  for (size_t i = 0; fits && i < all.size(); ++i)
    fits = static_cast<int64_t>(i) == axis || sizes[i] <= all[i];
  if (!fits) c.refuse("the indices do not fit the input", x.shape().text(), chosen.shape().text());
  Tensor y = c.make(x.dtype(), sizes);
  const auto indices = indices_of(c, chosen, all[static_cast<size_t>(axis)]);
  View from{0, contiguous_strides(all)};
  const int64_t along = std::exchange(from.strides[static_cast<size_t>(axis)], 0);
  const Walk<2> walk(sizes, {contiguous_strides(sizes), from.strides});
  const size_t size = dtype_size(x.dtype());
  const auto* source = static_cast<const std::byte*>(x.raw());
  auto* target = static_cast<std::byte*>(y.raw());
  walk.rows([&](const auto& at) {
    for (int64_t i = 0; i < walk.row_size(); ++i) {
      const int64_t to = at[0] + i * walk.steps()[0];
      const int64_t element = at[1] + i * walk.steps()[1] + indices[static_cast<size_t>(to)] * along;
      std::memcpy(target + static_cast<size_t>(to) * size, source + static_cast<size_t>(element) * size,
                  size);
    }
  });
  c.output(0, std::move(y));
}

void expand(Call& c) {
  const Tensor& x = c.input(0);
  const Sizes wanted = c.list(1);
  if (std::ranges::any_of(wanted, [](int64_t s) { return s < 0; })) {
    c.refuse("a size is negative", "0 or more", sizes_text(wanted));
  }
  const Sizes sizes = broadcast(c, x.shape().sizes(), wanted);
  Tensor y = c.make(x.dtype(), sizes);
  copy_view(c, sizes, x, {0, broadcast_strides(x.shape().sizes(), sizes)}, y, {0, contiguous_strides(sizes)});
  c.output(0, std::move(y));
}

/// The input repeated along each axis: an array of twice the axes, (repeat, size) each, that does not move
/// along the first of two.
void tile(Call& c) {
  const Tensor& x = c.input(0);
  const Sizes repeats = c.list(1), own = sizes_of(x);
  if (repeats.size() != own.size() || std::ranges::any_of(repeats, [](int64_t r) { return r < 0; })) {
    c.refuse("the repeats do not fit the input", "a number for each axis of " + x.shape().text(),
             sizes_text(repeats));
  }
  Sizes sizes = own;
  for (size_t i = 0; i < own.size(); ++i) {
    const int64_t factors[] = {own[i], repeats[i]};
    sizes[i] = c.product(factors);
  }
  Tensor y = c.make(x.dtype(), sizes);
  const std::vector<int64_t> from = contiguous_strides(own), to = contiguous_strides(sizes);
  Sizes both;
  View source, target;
  for (size_t i = 0; i < own.size(); ++i) {
    both.insert(both.end(), {repeats[i], own[i]});
    source.strides.insert(source.strides.end(), {0, from[i]});
    target.strides.insert(target.strides.end(), {own[i] * to[i], to[i]});
  }
  copy_view(c, both, x, source, y, target);
  c.output(0, std::move(y));
}

}  // namespace ops
}  // namespace unfold::onnx
