#include "unfold/parameters.h"

#include <algorithm>
#include <cmath>

#include "unfold/random.h"

namespace unfold {
namespace {

constexpr int64_t kMaxElements = int64_t{1} << 40;  // of a network; keeps every sum far from overflow

}  // namespace

int ParameterTable::add(std::string name, const Shape& shape, int64_t fan_in, ParameterKind kind,
                        std::optional<double> start) {
  if (find(name) >= 0) throw Error(ErrorKind::usage, "two parameters share a name").got(name);
  if (shape.elements() > kMaxElements - end_) {
    throw Error(ErrorKind::usage, "too many parameters").where(name).got(shape.text());
  }
  slices_.push_back({std::move(name), shape, fan_in, end_, kind, start});
  end_ += (shape.elements() + 15) / 16 * 16;
  return static_cast<int>(slices_.size()) - 1;
}

int ParameterTable::find(std::string_view name) const {
  const auto at = std::find_if(slices_.begin(), slices_.end(), [&](const auto& s) { return s.name == name; });
  return at == slices_.end() ? -1 : static_cast<int>(at - slices_.begin());
}

int64_t ParameterTable::count() const {
  int64_t total = 0;
  for (const ParameterSlice& slice : slices_)
    total += slice.kind == ParameterKind::weight ? slice.shape.elements() : 0;
  return total;
}

template <class T>
Parameters<T>::Parameters(std::shared_ptr<const ParameterTable> table)
    : table_(std::move(table)), buffer_(static_cast<size_t>(table_->buffer_elements()) * sizeof(T)) {}

template <class T>
Parameters<T>::Parameters(const Parameters& other) : table_(other.table_), buffer_(other.buffer_.size()) {
  std::copy_n(other.buffer_.data(), buffer_.size(), buffer_.data());
}

template <class T>
Parameters<T>& Parameters<T>::operator=(const Parameters& other) {
  if (this != &other) *this = Parameters(other);
  return *this;
}

template <class T>
Tensor Parameters<T>::tensor(int index) const {
  return Tensor::borrow((*table_)[index].shape, slice(index));
}

template <class T>
void initialise(Parameters<T>& parameters, Init init, uint64_t seed) {
  int index = 0;
  bool convolution = false;  // whose weight came last
  for (const ParameterSlice& slice : parameters.table().slices()) {
    T* const values = parameters.slice(index++);
    const int64_t elements = slice.shape.elements();
    if (slice.shape.rank() > 1) convolution = slice.shape.rank() == 4;
    if (slice.start) {
      std::fill_n(values, elements, static_cast<T>(*slice.start));
      continue;
    }
    Random random(seed, "init." + slice.name);
    const bool weight = slice.shape.rank() > 1, kaiming = init == Init::kaiming && convolution;
    const bool normal = init == Init::article || kaiming;
    const int64_t spread = kaiming && weight                  ? elements / slice.shape[1]
                           : init == Init::article && !weight ? slice.shape[0]
                                                              : slice.fan_in;
    const double size = static_cast<double>(std::max<int64_t>(spread, 1));
    const double scale = !kaiming ? 1 / std::sqrt(size) : weight ? std::sqrt(2 / size) : 0;
    for (int64_t i = 0; i < elements; ++i) {
      const double draw = normal ? random.normal() : random.uniform(-1, 1);
      values[i] = static_cast<T>(static_cast<float>(scale * draw));  // the same start in float and double
    }
  }
}

template <class T>
void take_buffers(const Parameters<T>& gradient, Parameters<T>& parameters) {
  int index = 0;
  for (const ParameterSlice& slice : parameters.table().slices()) {
    if (slice.kind == ParameterKind::buffer)
      std::copy_n(gradient.slice(index), slice.shape.elements(), parameters.slice(index));
    ++index;
  }
}

template <class T>
std::string first_not_finite(const Parameters<T>& parameters) {
  int index = 0;
  for (const ParameterSlice& slice : parameters.table().slices()) {
    const T* values = parameters.slice(index++);
    for (int64_t i = 0, n = slice.shape.elements(); i < n; ++i) {
      if (!std::isfinite(values[i])) return slice.name + "[" + std::to_string(i) + "]";
    }
  }
  return {};
}

template class Parameters<float>;
template class Parameters<double>;
template void initialise(Parameters<float>&, Init, uint64_t);
template void initialise(Parameters<double>&, Init, uint64_t);
template void take_buffers(const Parameters<float>&, Parameters<float>&);
template void take_buffers(const Parameters<double>&, Parameters<double>&);
template std::string first_not_finite(const Parameters<float>&);
template std::string first_not_finite(const Parameters<double>&);

}  // namespace unfold
