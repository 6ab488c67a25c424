// All weights of a network in one buffer with named slices; gradients and optimizer state are twins of it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "unfold/tensor.h"

namespace unfold {

/// What learning does with a parameter.
enum class ParameterKind : uint8_t {
  weight,  ///< follows its gradient
  buffer,  ///< a running statistic: each step replaces it with what its gradient's twin then holds
};

/// One named parameter and its place in the flat buffer.
struct ParameterSlice {
  std::string name;  ///< torchvision's: "conv1.weight", "fc3.bias"
  Shape shape;
  int64_t fan_in = 1;  ///< inputs that one output sums over, for the initial values
  int64_t offset = 0;  ///< elements from the start of the buffer, a multiple of 16
  ParameterKind kind = ParameterKind::weight;
  std::optional<double> start = {};  ///< what every element begins with; otherwise they are drawn
};

/// The slices of a network's parameters: names, shapes, places. Shared by the parameters and their twins.
class ParameterTable {
 public:
  /// Appends a slice and returns its index. Throws usage if the name is taken or the network
  /// becomes too large for any machine.
  int add(std::string name, const Shape& shape, int64_t fan_in, ParameterKind kind = ParameterKind::weight,
          std::optional<double> start = {});
  std::span<const ParameterSlice> slices() const { return slices_; }
  const ParameterSlice& operator[](int index) const { return slices_[static_cast<size_t>(index)]; }
  int find(std::string_view name) const;            ///< index, or -1
  int64_t count() const;                            ///< weights, without buffers and gaps: 61706 for LeNet-5
  int64_t buffer_elements() const { return end_; }  ///< length of the flat buffer, with the gaps

 private:
  std::vector<ParameterSlice> slices_;
  int64_t end_ = 0;
};

/// How fresh weights are drawn.
enum class Init {
  pytorch,  ///< weights and biases uniform in +-1/sqrt(fan_in): the default of torch.nn.Conv2d and Linear
  article,  ///< normal; weights with deviation sqrt(1/fan_in), biases with sqrt(1/outputs)
  kaiming,  ///< convolutions normal with deviation sqrt(2/(outputs*KH*KW)), their biases 0 (He et al. 2015,
            ///< as torchvision does in its VGG and ResNet); linear layers as `pytorch`
};

/// The values behind a table, or a twin of them. Zero-filled; the gaps between slices stay zero. Copying
/// copies the values. Instantiated for float and double.
template <class T>
class Parameters {
 public:
  Parameters() = default;
  explicit Parameters(std::shared_ptr<const ParameterTable> table);
  Parameters(const Parameters& other);
  Parameters& operator=(const Parameters& other);
  Parameters(Parameters&&) noexcept = default;
  Parameters& operator=(Parameters&&) noexcept = default;

  const ParameterTable& table() const { return *table_; }
  const std::shared_ptr<const ParameterTable>& shared_table() const { return table_; }
  std::span<T> all() { return {data(), static_cast<size_t>(table_ ? table_->buffer_elements() : 0)}; }
  std::span<const T> all() const {
    return {data(), static_cast<size_t>(table_ ? table_->buffer_elements() : 0)};
  }
  T* slice(int index) { return data() + (*table_)[index].offset; }
  const T* slice(int index) const { return data() + (*table_)[index].offset; }
  /// Borrows one slice as a tensor of its shape.
  Tensor tensor(int index) const;

 private:
  T* data() { return reinterpret_cast<T*>(buffer_.data()); }
  const T* data() const { return reinterpret_cast<const T*>(buffer_.data()); }

  std::shared_ptr<const ParameterTable> table_;
  Buffer buffer_;
};

/// Fills every slice with numbers keyed by (seed, its name): the order of the layers does not matter.
template <class T>
void initialise(Parameters<T>& parameters, Init init, uint64_t seed);

/// Ends a step of learning for the buffers: each takes the value that its gradient's twin holds.
template <class T>
void take_buffers(const Parameters<T>& gradient, Parameters<T>& parameters);

/// The first slice and index that holds NaN or Inf, as "fc1.weight[17]", or empty.
template <class T>
std::string first_not_finite(const Parameters<T>& parameters);

}  // namespace unfold
