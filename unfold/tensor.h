// Tensor: a block of memory with a dtype and a shape; N C H W is the convention of the API.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "unfold/error.h"
#include "unfold/shape.h"

namespace unfold {

enum class Dtype : uint8_t { f32, f64, i64, i32, u8, boolean, f16, bf16 };

size_t dtype_size(Dtype dtype);  ///< bytes of one element
std::string_view dtype_name(
    Dtype dtype);  ///< safetensors' names: "F32", "F64", "I64", "I32", "U8", "BOOL", ...

template <class T>
constexpr Dtype dtype_of();
template <>
constexpr Dtype dtype_of<float>() {
  return Dtype::f32;
}
template <>
constexpr Dtype dtype_of<double>() {
  return Dtype::f64;
}
template <>
constexpr Dtype dtype_of<int64_t>() {
  return Dtype::i64;
}
template <>
constexpr Dtype dtype_of<int32_t>() {
  return Dtype::i32;
}
template <>
constexpr Dtype dtype_of<uint8_t>() {
  return Dtype::u8;
}
template <>
constexpr Dtype dtype_of<bool>() {
  return Dtype::boolean;
}

/// How the elements of an activation lie in memory. The API speaks nchw; an engine may choose another inside.
enum class Layout : uint8_t {
  nchw,
  nhwc,
  chwn16,  ///< (C, H, W, 16): up to 16 images side by side (kernels/lanes.h)
};

/// A block of memory aligned to 64 bytes, filled with zero; the owner of every large array here.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t bytes);  ///< throws runtime, naming the bytes, if they cannot be had
  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }
  size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(std::byte* p) const;
  };
  std::unique_ptr<std::byte, Free> data_;
  size_t size_ = 0;
};

/// Rank 0 to 8, any strides (in elements), owning or borrowing its memory. Copying copies the handle, not the
/// elements: copies of an owning tensor share its buffer; a borrowing one must not outlive what it borrows.
class Tensor {
 public:
  Tensor() = default;
  /// Owns new memory, zero-filled, contiguous.
  Tensor(Dtype dtype, const Shape& shape);
  template <class T>
  static Tensor zeros(const Shape& shape) {
    return Tensor(dtype_of<T>(), shape);
  }
  /// Owns a copy of `values`, whose number must be the shape's (usage error).
  template <class T>
  static Tensor from(const Shape& shape, std::span<const T> values) {
    Tensor t(dtype_of<T>(), shape);
    t.check_count(static_cast<int64_t>(values.size()));
    std::copy(values.begin(), values.end(), t.data<T>());
    return t;
  }
  /// Borrows contiguous memory.
  template <class T>
  static Tensor borrow(const Shape& shape, T* data) {
    return Tensor(dtype_of<std::remove_const_t<T>>(), shape, const_cast<std::remove_const_t<T>*>(data));
  }

  Dtype dtype() const { return dtype_; }
  Layout layout() const { return layout_; }
  const Shape& shape() const { return shape_; }
  int64_t elements() const { return shape_.elements(); }
  size_t bytes() const { return static_cast<size_t>(elements()) * dtype_size(dtype_); }
  int64_t stride(int axis) const { return strides_[static_cast<size_t>(axis)]; }
  bool contiguous() const;

  /// The first element; throws usage if T is not the dtype.
  template <class T>
  T* data() {
    check_dtype(dtype_of<T>());
    return static_cast<T*>(data_);
  }
  template <class T>
  const T* data() const {
    check_dtype(dtype_of<T>());
    return static_cast<const T*>(data_);
  }
  /// All elements of a contiguous tensor.
  template <class T>
  std::span<T> span() {
    return {data<T>(), static_cast<size_t>(elements())};
  }
  template <class T>
  std::span<const T> span() const {
    return {data<T>(), static_cast<size_t>(elements())};
  }
  void* raw() { return data_; }
  const void* raw() const { return data_; }

  /// The same memory under another shape of as many elements (contiguous tensors; usage error otherwise).
  Tensor reshaped(const Shape& shape) const;
  /// The same memory with two axes exchanged: strides change, no element moves.
  Tensor transposed(int axis_a, int axis_b) const;
  /// A contiguous copy that owns its memory.
  Tensor clone() const;

 private:
  Tensor(Dtype dtype, const Shape& shape, void* data);
  void check_dtype(Dtype wanted) const;
  void check_count(int64_t count) const;

  std::shared_ptr<Buffer> owner_;  // empty: borrowed
  void* data_ = nullptr;
  Shape shape_;
  std::array<int64_t, Shape::kMaxRank> strides_{};
  Dtype dtype_ = Dtype::f32;
  Layout layout_ = Layout::nchw;
};

}  // namespace unfold
