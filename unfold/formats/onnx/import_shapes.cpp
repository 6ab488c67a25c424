// Import of what computes no number: shapes and axes, in all the ways exporters write them, and the
// arithmetic that goes with them. The number of images, which is open, is kBatch there.
#include <algorithm>
#include <array>
#include <numeric>

#include "unfold/formats/onnx/import_graph.h"
#include "unfold/ops/join.h"
#include "unfold/ops/op.h"
#include "unfold/ops/rearrange.h"
#include "unfold/ops/shape_ops.h"
#include "unfold/text.h"

namespace unfold::onnx {
namespace {

using Integers = ImportGraph::Integers;
constexpr int64_t kBatch = ImportGraph::kBatch;

void pass(ImportGraph& in, const Node& node) {
  in.pass(node);
}

void constant(ImportGraph& in, const Node& node) {
  if (node.attributes.size() != 1) in.refuse(node, "a constant without a value");
  const auto& value = node.attributes[0].value;
  if (const auto* tensor = std::get_if<TensorValue>(&value)) {
    if (!tensor->refused.empty())
      in.refuse(node, "a constant of a type that is not read", {}, tensor->refused);
    return in.bind(node, tensor->values);
  }
  if (const auto* v = std::get_if<float>(&value))
    return in.bind(node, Tensor::from<float>({}, std::span(v, 1)));
  if (const auto* v = std::get_if<int64_t>(&value)) return in.bind(node, Integers{*v});
  if (const auto* v = std::get_if<std::vector<int64_t>>(&value)) return in.bind(node, Integers(*v));
  if (const auto* v = std::get_if<std::vector<float>>(&value))
    return in.bind(node, Tensor::from<float>({static_cast<int64_t>(v->size())}, std::span(*v)));
  in.refuse(node, "a constant of a kind that is not read", "numbers", printable(node.attributes[0].name));
}

/// An axis counted from the front.
int64_t axis_of(const ImportGraph& in, const Node& node, int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank) in.refuse(node, "an axis that is not there", {}, std::to_string(axis));
  return axis + (axis < 0 ? rank : 0);
}

/// The input with an image's numbers under these sizes, whose product is theirs.
void reshaped(ImportGraph& in, const Node& node, std::span<const int64_t> sizes) {
  if (std::ranges::equal(sizes, in.shape(node, 0).sizes())) return in.pass(node);
  std::shared_ptr<const Op> op;
  if (sizes.size() == 1) {
    op = std::make_shared<Flatten>();
  } else {
    op = std::make_shared<Reshape>(Integers(sizes.begin(), sizes.end()));
  }
  in.bind(node, in.add(node, std::move(op), {in.value(node, 0)}));
}

void flatten(ImportGraph& in, const Node& node) {
  const int64_t rank = in.shape(node, 0).rank() + 1;
  if (axis_of(in, node, in.integer(node, "axis", 1), rank) != 1)
    in.refuse(node, "a flattening that mixes images", "axis 1");
  reshaped(in, node, std::array{in.shape(node, 0).elements()});
}

/// The sizes a Reshape asks for, those it copies (0) filled in from `from`; at most one -1 is left.
Integers wanted_sizes(const ImportGraph& in, const Node& node, const Integers& from) {
  const auto given = in.integers(node, 1, "shape");
  if (!given) in.refuse(node, "a shape that is not fixed");
  Integers sizes = *given;
  if (in.integer(node, "allowzero", 0) == 0) {
    for (size_t i = 0; i < sizes.size(); ++i) {
      if (sizes[i] == 0 && i < from.size()) sizes[i] = from[i];
    }
  }
  if (std::ranges::count(sizes, -1) > 1 || sizes.size() > Shape::kMaxRank)
    in.refuse(node, "a shape that cannot be");
  return sizes;
}

/// Fills in the -1 so that there are `elements` numbers, of sizes that are all known otherwise.
void fill_open(const ImportGraph& in, const Node& node, std::span<int64_t> sizes, int64_t elements) {
  int64_t known = 1;
  int64_t* open = nullptr;
  for (int64_t& size : sizes) {
    if (size == -1) {
      open = &size;
    } else {
      if (size < 1 || size > elements / known) in.refuse(node, "a shape that does not fit");
      known *= size;
    }
  }
  if (open && elements % known == 0) *open = elements / known;
  if (open ? elements % known != 0 : known != elements) in.refuse(node, "a shape that does not fit");
}

void reshape(ImportGraph& in, const Node& node) {
  if (const Tensor* stored = in.constant(node, 0)) {  // weights
    const auto own = stored->shape().sizes();
    Integers sizes = wanted_sizes(in, node, {own.begin(), own.end()});
    fill_open(in, node, sizes, stored->elements());
    return in.bind(node, stored->reshaped(Shape(sizes)));
  }
  const Shape x = in.shape(node, 0);
  Integers from = {kBatch};
  from.insert(from.end(), x.sizes().begin(), x.sizes().end());
  Integers sizes = wanted_sizes(in, node, from);
  const auto refuse = [&] {
    std::string text;
    for (const int64_t size : sizes)
      text += (text.empty() ? "" : ", ") + (size == kBatch ? "N" : std::to_string(size));
    in.refuse(node, "a shape that does not keep images apart", of_images(x) + " to (N, ...)",
              "(" + text + ")");
  };
  if (sizes.empty()) refuse();
  const bool images = sizes[0] == kBatch || sizes[0] == -1 || sizes[0] == in.batch().value_or(kBatch);
  if (!images || std::ranges::count(sizes, kBatch) > 1 ||
      (sizes[0] != kBatch && std::ranges::count(sizes, kBatch) > 0))
    refuse();
  const auto rest = std::span(sizes).subspan(1);
  if (std::ranges::find(rest, -1) != rest.end() || sizes[0] != -1) {
    fill_open(in, node, rest, x.elements());
  } else {
    int64_t count = 1;
    for (const int64_t size : rest) {
      if (size < 1 || size > x.elements() / count) refuse();
      count *= size;
    }
    if (count != x.elements()) refuse();
  }
  reshaped(in, node, rest);
}

/// The input without axes of size 1, or with more of them.
void squeeze(ImportGraph& in, const Node& node) {
  if (!in.is_value(node, 0)) return in.pass(node);  // of a shape, whose numbers are one row here anyway
  const Shape x = in.shape(node, 0);
  auto axes = in.integers(node, 1, "axes");
  if (!axes) in.refuse(node, "a squeeze of axes that are not named", "axes", of_images(x));
  for (int64_t& axis : *axes) axis = axis_of(in, node, axis, x.rank() + 1);
  Integers sizes;
  for (int axis = 0; axis <= x.rank(); ++axis) {
    const bool drop = std::ranges::find(*axes, axis) != axes->end();
    if (drop && (axis == 0 || x[axis - 1] != 1))
      in.refuse(node, "a squeeze of an axis that is not 1", {}, of_images(x));
    if (!drop && axis > 0) sizes.push_back(x[axis - 1]);
  }
  if (sizes.empty()) in.refuse(node, "no axis is left of an image", {}, of_images(x));
  reshaped(in, node, sizes);
}

void unsqueeze(ImportGraph& in, const Node& node) {
  const Tensor* const stored = in.constant(node, 0);
  if (!in.is_value(node, 0)) {
    if (in.integers(node, 0)) return in.pass(node);
    if (!stored) in.refuse(node, "it is taken of images, of weights and in arithmetic of shapes only");
  }
  const Shape x = stored ? stored->shape() : in.shape(node, 0);
  auto axes = in.integers(node, 1, "axes");
  const int images = stored ? 0 : 1;  // axes of a batch before an image's
  const int64_t rank = x.rank() + images + (axes ? static_cast<int64_t>(axes->size()) : 0);
  if (!axes || rank > Shape::kMaxRank)
    in.refuse(node, "axes that are not named, or too many",
              "at most " + std::to_string(Shape::kMaxRank) + " axes", of_images(x));
  for (int64_t& axis : *axes) axis = axis_of(in, node, axis, rank);
  Integers sizes;
  int from = 0;  // of the axes there are, of a batch 0 its images
  for (int64_t axis = 0; axis < rank; ++axis) {
    const auto named = std::ranges::count(*axes, axis);
    if (named > 1 || (named == 1 && axis < images))
      in.refuse(node, "an axis twice, or before the images",
                "axes from " + std::to_string(images) + " on, each once", std::to_string(axis));
    if (axis >= images) sizes.push_back(named ? 1 : x[from - images]);
    if (!named) ++from;
  }
  if (stored) return in.bind(node, stored->reshaped(Shape(sizes)));
  reshaped(in, node, sizes);
}

void shape(ImportGraph& in, const Node& node) {
  Integers sizes;
  if (const Tensor* stored = in.constant(node, 0)) {
    sizes.assign(stored->shape().sizes().begin(), stored->shape().sizes().end());
  } else {
    const Shape& x = in.shape(node, 0);
    sizes = {kBatch};
    sizes.insert(sizes.end(), x.sizes().begin(), x.sizes().end());
  }
  const auto rank = static_cast<int64_t>(sizes.size());
  const auto place = [&](const char* name, int64_t otherwise) {
    int64_t at = in.integer(node, name, otherwise);
    at += at < 0 ? rank : 0;
    return std::clamp<int64_t>(at, 0, rank);
  };
  const int64_t begin = place("start", 0), end = std::max(begin, place("end", rank));
  in.bind(node, Integers(sizes.begin() + begin, sizes.begin() + end));
}

/// Integers of an input that must be known.
Integers known(const ImportGraph& in, const Node& node, size_t input) {
  auto integers = in.integers(node, input);
  if (!integers) in.refuse(node, "it is taken in arithmetic of shapes only");
  return *std::move(integers);
}

void gather(ImportGraph& in, const Node& node) {
  const Integers from = known(in, node, 0), places = known(in, node, 1);
  if (in.integer(node, "axis", 0) != 0) in.refuse(node, "it is taken in arithmetic of shapes only");
  Integers out;
  for (const int64_t at : places)
    out.push_back(from[static_cast<size_t>(axis_of(in, node, at, static_cast<int64_t>(from.size())))]);
  in.bind(node, std::move(out));
}

void slice(ImportGraph& in, const Node& node) {
  const Integers from = known(in, node, 0);
  const auto starts = in.integers(node, 1, "starts"), ends = in.integers(node, 2, "ends");
  const auto steps = in.has(node, 4) ? in.integers(node, 4) : Integers{1};
  if (!starts || !ends || !steps || starts->size() != 1 || ends->size() != 1 || *steps != Integers{1})
    in.refuse(node, "it is taken in arithmetic of shapes only");
  const auto size = static_cast<int64_t>(from.size());
  const auto place = [&](int64_t at) {
    return std::clamp<int64_t>(at < 0 ? std::max(at, -size) + size : at, 0, size);
  };
  const int64_t begin = place(starts->front()), end = std::max(begin, place(ends->front()));
  in.bind(node, Integers(from.begin() + begin, from.begin() + end));
}

void concat(ImportGraph& in, const Node& node) {
  if (node.inputs.empty()) in.refuse(node, "a concatenation of nothing");
  if (!in.is_value(node, 0)) {
    Integers out;
    for (size_t k = 0; k < node.inputs.size(); ++k) {
      const Integers part = known(in, node, k);
      out.insert(out.end(), part.begin(), part.end());
    }
    if (out.size() > Shape::kMaxRank) in.refuse(node, "a shape of too many axes");
    return in.bind(node, std::move(out));
  }
  const int64_t axis = axis_of(in, node, in.integer(node, "axis", 1), in.shape(node, 0).rank() + 1);
  if (axis == 0) in.refuse(node, "a concatenation of images", "axis 1 or more");
  // One layer joins so many; the next takes what it gives.
  constexpr size_t kMost = Call<float>::kMaxInputs;
  std::vector<ValueId> parts = {in.value(node, 0)};
  for (size_t k = 1; k < node.inputs.size(); ++k) {
    parts.push_back(in.value(node, k));
    if (parts.size() < kMost && k + 1 < node.inputs.size()) continue;
    const int count = static_cast<int>(parts.size());
    parts = {in.add(node, std::make_shared<Concat>(count, static_cast<int>(axis) - 1), parts)};
  }
  in.bind(node, parts[0]);
}

/// Numbers of another type; those of the network are floats throughout.
void cast(ImportGraph& in, const Node& node) {
  const auto to = dtype_of(static_cast<int32_t>(in.integer(node, "to", 0)));
  const bool real = to == Dtype::f32 || to == Dtype::f64 || to == Dtype::f16 || to == Dtype::bf16;
  const Tensor* stored = in.constant(node, 0);
  const bool known = !in.is_value(node, 0) && in.integers(node, 0) && (to == Dtype::i64 || to == Dtype::i32);
  if (!known && (!real || (stored && stored->dtype() != Dtype::f32 && stored->dtype() != Dtype::f16)))
    in.refuse(node, "a change of type", "to floating-point numbers");
  in.pass(node);
}

/// Of a stored matrix, or of images' own axes.
void transpose(ImportGraph& in, const Node& node) {
  auto order = in.integers(node, "perm");
  if (const Tensor* stored = in.constant(node, 0)) {
    if (stored->shape().rank() != 2) in.refuse(node, "of stored tensors it is taken of matrices only");
    if (order && *order == Integers{0, 1}) return in.pass(node);
    return in.bind(node, stored->transposed(0, 1).clone());
  }
  const Shape x = in.shape(node, 0);
  const auto is_axis = [&](int64_t axis) { return axis >= 0 && axis <= x.rank(); };
  if (!order || order->empty() || order->front() != 0 ||
      static_cast<int64_t>(order->size()) != x.rank() + 1 || !std::ranges::all_of(*order, is_axis))
    in.refuse(node, "a transposition that moves the images' axis", "perm 0, ... of " + of_images(x),
              order ? std::to_string(order->size()) + " axes" : "no perm");
  Integers own(order->begin() + 1, order->end());
  for (int64_t& axis : own) --axis;
  Integers same(own.size());
  std::iota(same.begin(), same.end(), int64_t{0});
  if (own == same) return in.pass(node);
  in.bind(node, in.add(node, std::make_shared<Transpose>(std::move(own)), {in.value(node, 0)}));
}

constexpr ImportRule kShapes[] = {
    {"Identity", pass},   {"Constant", constant},   {"Flatten", flatten}, {"Reshape", reshape},
    {"Squeeze", squeeze}, {"Unsqueeze", unsqueeze}, {"Shape", shape},     {"Gather", gather},
    {"Slice", slice},     {"Concat", concat},       {"Cast", cast},       {"Transpose", transpose},
};

}  // namespace

std::span<const ImportRule> import_shapes() {
  return kShapes;
}

}  // namespace unfold::onnx
