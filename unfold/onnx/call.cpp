#include "unfold/onnx/call.h"

#include <algorithm>

#include "unfold/error.h"
#include "unfold/text.h"

namespace unfold::onnx {

const Tensor& Call::input(size_t i) const {
  if (!given(i)) refuse("an input is missing", "input " + std::to_string(i));
  return *inputs_[i];
}

std::vector<int64_t> Call::list(size_t i) const {
  const Tensor& t = input(i);
  if (t.shape().rank() > 1) {
    refuse("input " + std::to_string(i) + " is no list", "at most one axis", t.shape().text());
  }
  if (t.dtype() == Dtype::i64) return {t.span<int64_t>().begin(), t.span<int64_t>().end()};
  if (t.dtype() == Dtype::i32) return {t.span<int32_t>().begin(), t.span<int32_t>().end()};
  refuse("input " + std::to_string(i) + " has another type", "int64 or int32", type_text(t.dtype()));
}

double Call::scalar(size_t i) const {
  const Tensor& t = input(i);
  if (t.elements() != 1)
    refuse("input " + std::to_string(i) + " is no single number", "()", t.shape().text());
  switch (t.dtype()) {
    case Dtype::f32:
      return static_cast<double>(*t.data<float>());
    case Dtype::f64:
      return *t.data<double>();
    case Dtype::i64:
      return static_cast<double>(*t.data<int64_t>());
    case Dtype::i32:
      return *t.data<int32_t>();
    case Dtype::u8:
      return *t.data<uint8_t>();
    case Dtype::boolean:
      return *t.data<bool>() ? 1 : 0;
    default:
      refuse("input " + std::to_string(i) + " has another type", types_text(Types::numbers),
             type_text(t.dtype()));
  }
}

void Call::same_type(size_t a, size_t b) const {
  if (input(a).dtype() == input(b).dtype()) return;
  refuse("input " + std::to_string(b) + " has another type than input " + std::to_string(a),
         type_text(input(a).dtype()), type_text(input(b).dtype()));
}

int64_t Call::integer(std::string_view name, std::optional<int64_t> otherwise) const {
  if (const auto* value = attribute<int64_t>(name)) return *value;
  if (!otherwise) refuse("an attribute is missing", name);
  return *otherwise;
}

double Call::real(std::string_view name, double otherwise) const {
  const auto* value = attribute<float>(name);
  return value ? static_cast<double>(*value) : otherwise;
}

std::string Call::text(std::string_view name, std::string_view otherwise) const {
  const auto* value = attribute<std::string>(name);
  return value ? *value : std::string(otherwise);
}

std::string Call::text(std::string_view name, std::string_view otherwise,
                       std::span<const std::string_view> words) const {
  std::string value = text(name, otherwise);
  if (std::ranges::find(words, value) != words.end()) return value;
  std::string all;
  for (const std::string_view word : words) all += (all.empty() ? "" : ", ") + std::string(word);
  refuse("attribute " + std::string(name) + " has an unknown value", all, printable(value));
}

std::optional<std::vector<int64_t>> Call::integers(std::string_view name) const {
  if (const auto* value = attribute<std::vector<int64_t>>(name)) return *value;
  return std::nullopt;
}

void Call::require_room(int64_t bytes, std::string_view otherwise) const {
  const int64_t most = account_.limits.bytes, used = account_.bytes + own_bytes_;
  if (bytes > most - used) {
    refuse(otherwise, "at most " + std::to_string(most) + " bytes",
           std::to_string(bytes) + " beside " + std::to_string(used));
  }
}

Tensor Call::make(Dtype dtype, std::span<const int64_t> sizes) const {
  if (sizes.size() > Shape::kMaxRank) {
    refuse("an output has too many axes", "at most 8", std::to_string(sizes.size()));
  }
  const Limits& limits = account_.limits;
  int64_t elements = 1, all = 1;  // a zero does not excuse what is too large beside it
  for (const int64_t size : sizes) {
    if (size < 0) refuse("an output would have a negative size", "0 or more", sizes_text(sizes));
    if (size > 0 && all > limits.elements / size) {
      refuse("an output would be too large", "at most " + std::to_string(limits.elements) + " elements",
             sizes_text(sizes));
    }
    all *= std::max<int64_t>(size, 1);
    elements *= size;
  }
  const int64_t bytes = elements * static_cast<int64_t>(dtype_size(dtype));
  require_room(bytes, "the values would take too much memory");
  account_.bytes += bytes;
  work(elements);
  return Tensor(dtype, Shape(sizes));
}

void Call::charge(int64_t count, size_t bytes_each) const {
  const int64_t factors[] = {count, static_cast<int64_t>(bytes_each)};
  const int64_t bytes = product(factors);
  require_room(bytes, "the node would take too much memory");
  own_bytes_ += bytes;
}

float* Call::scratch(int64_t floats) const {
  const int64_t bytes[] = {floats, static_cast<int64_t>(sizeof(float))};
  const auto wanted = static_cast<size_t>(product(bytes));
  if (wanted > account_.scratch.size()) {
    require_room(static_cast<int64_t>(wanted), "the node would take too much memory");
    account_.scratch = Buffer();  // before the next is made
    account_.scratch = Buffer(wanted);
  }
  return reinterpret_cast<float*>(account_.scratch.data());
}

void Call::work(int64_t a, int64_t b, int64_t c) const {
  const int64_t factors[] = {a, b, c};
  const int64_t steps = product(factors);
  if (steps > account_.limits.work - account_.work) {
    refuse("the run would be too long", "at most " + std::to_string(account_.limits.work) + " steps");
  }
  account_.work += steps;
}

int64_t Call::product(std::span<const int64_t> sizes) const {
  constexpr int64_t kMost = int64_t{1} << 62;
  int64_t product = 1;
  for (const int64_t size : sizes) {
    if (size > 0 && product > kMost / size)
      refuse("sizes are too large", "a product of at most 2^62", sizes_text(sizes));
    product *= size;
  }
  return product;
}

int64_t Call::axis(int64_t axis, int64_t rank) const {
  if (axis >= -rank && axis < rank) return axis < 0 ? axis + rank : axis;
  refuse("there is no such axis", "-" + std::to_string(rank) + " to " + std::to_string(rank - 1),
         std::to_string(axis));
}

std::vector<int64_t> Call::axes(std::span<const int64_t> axes, int64_t rank) const {
  std::vector<int64_t> sorted;
  for (const int64_t a : axes) sorted.push_back(axis(a, rank));
  std::ranges::sort(sorted);
  if (std::ranges::adjacent_find(sorted) != sorted.end()) {
    refuse("an axis is named twice", "different axes", sizes_text(axes));
  }
  return sorted;
}

void Call::each_range(int64_t n, int64_t least, FunctionRef<void(int64_t begin, int64_t end)> body) const {
  constexpr int64_t kPerThread = 4;
  const int64_t parts = std::clamp<int64_t>(n / std::max<int64_t>(least, 1), 1, kPerThread * pool_.threads());
  if (parts == 1) return body(0, n);
  pool_.run(parts, [&](int64_t i, int) { body(n * i / parts, n * (i + 1) / parts); });
}

void Call::refuse(std::string_view what, std::string_view wanted, std::string_view got) const {
  throw Error(ErrorKind::model, what).where(where_).wanted(wanted).got(got);
}

std::string sizes_text(std::span<const int64_t> sizes) {
  constexpr size_t kMost = 16;
  std::string text = "(";
  for (size_t i = 0; i < std::min(sizes.size(), kMost); ++i)
    text += (i ? ", " : "") + std::to_string(sizes[i]);
  return text + (sizes.size() > kMost ? ", ...)" : ")");
}

}  // namespace unfold::onnx
