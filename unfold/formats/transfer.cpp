#include "unfold/formats/transfer.h"

#include <algorithm>
#include <cmath>

#include "unfold/error.h"
#include "unfold/half.h"

namespace unfold {
namespace {

bool is_counter(std::string_view name) {
  return name.ends_with(".num_batches_tracked");
}

}  // namespace

std::vector<float> as_floats(const Tensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.elements()));
  const auto* halves = static_cast<const uint16_t*>(tensor.raw());
  switch (tensor.dtype()) {
    case Dtype::f32:
      std::copy_n(tensor.data<float>(), values.size(), values.begin());
      return values;
    case Dtype::f64:
      std::transform(tensor.data<double>(), tensor.data<double>() + values.size(), values.begin(),
                     [](double v) { return static_cast<float>(v); });
      return values;
    case Dtype::f16:
      std::transform(halves, halves + values.size(), values.begin(), from_half);
      return values;
    case Dtype::bf16:
      std::transform(halves, halves + values.size(), values.begin(), from_bfloat);
      return values;
    default:
      throw Error(ErrorKind::usage, "a tensor of no floating-point numbers")
          .wanted("F32, F16, BF16 or F64")
          .got(dtype_name(tensor.dtype()));
  }
}

std::string Transfer::text(size_t most) const {
  std::string text;
  const auto add = [&](const std::vector<std::string>& names, const char* what) {
    if (names.empty()) return;
    text += std::to_string(names.size()) + " " + what;
    for (size_t i = 0; i < std::min(most, names.size()); ++i) text += (i == 0 ? ": " : ", ") + names[i];
    text += names.size() > most ? ", ...\n" : "\n";
  };
  add(matched, "taken over");
  add(reshaped, "of another shape, left as drawn");
  add(missing, "not in the file, left as drawn");
  add(left_over, "in the file only");
  if (!text.empty()) text.pop_back();
  return text;
}

Transfer transfer(const SafetensorsFile& from, Parameters<float>& to, std::string_view where) {
  Transfer result;
  Parameters<float> changed = to;
  int index = 0;
  for (const ParameterSlice& slice : to.table().slices()) {
    float* const target = changed.slice(index++);
    const Tensor* tensor = from.find(slice.name);
    if (!tensor) {
      result.missing.push_back(slice.name);
    } else if (tensor->shape() != slice.shape) {
      result.reshaped.push_back(slice.name + ": " + tensor->shape().text() + " there, " + slice.shape.text() +
                                " here");
    } else {
      const auto refuse = [&](const char* message, std::string_view got) {
        throw Error(ErrorKind::model, message).where(std::string(where) + ": " + slice.name).got(got);
      };
      const Dtype dtype = tensor->dtype();
      if (dtype != Dtype::f32 && dtype != Dtype::f16 && dtype != Dtype::bf16 && dtype != Dtype::f64)
        refuse("a weight is no floating-point number", dtype_name(dtype));
      const std::vector<float> values = as_floats(*tensor);
      if (!std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); }))
        refuse("a tensor holds NaN or infinity", "a value that is not finite");
      std::copy(values.begin(), values.end(), target);
      result.matched.push_back(slice.name);
    }
  }
  for (const auto& [name, tensor] : from.tensors) {
    if (!is_counter(name) && to.table().find(name) < 0) result.left_over.push_back(name);
  }
  if (result.matched.empty()) {
    throw Error(ErrorKind::model, "none of the file's tensors fits the network")
        .where(where)
        .wanted(to.table().slices().empty() ? ""
                                            : to.table()[0].name + " " + to.table()[0].shape.text() + ", ...")
        .got(from.tensors.empty()
                 ? "no tensors"
                 : from.tensors[0].first + " " + from.tensors[0].second.shape().text() + ", ...")
        .hint("names are torchvision's; 'unfold summary' shows the layers of a network");
  }
  to = std::move(changed);
  return result;
}

}  // namespace unfold
