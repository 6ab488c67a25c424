#include "unfold/tensor.h"

#include <cstdlib>
#include <cstring>
#include <new>

#if __has_include(<sys/mman.h>)
#include <sys/mman.h>
#endif

namespace unfold {

size_t dtype_size(Dtype dtype) {
  constexpr size_t kSizes[] = {4, 8, 8, 4, 1, 1, 2, 2};
  return kSizes[static_cast<size_t>(dtype)];
}

std::string_view dtype_name(Dtype dtype) {
  constexpr std::string_view kNames[] = {"F32", "F64", "I64", "I32", "U8", "BOOL", "F16", "BF16"};
  return kNames[static_cast<size_t>(dtype)];
}

namespace {

/// A page of 2 MiB needs one entry of the processor's table of pages where small ones need 512. An offer the
/// system may decline.
void ask_for_huge_pages([[maybe_unused]] void* p, [[maybe_unused]] size_t bytes) {
#ifdef MADV_HUGEPAGE
  constexpr size_t kPage = 4096, kWorthIt = size_t{4} << 20;
  if (bytes < kWorthIt) return;
  const size_t skip = (kPage - reinterpret_cast<uintptr_t>(p) % kPage) % kPage;
  ::madvise(static_cast<std::byte*>(p) + skip, (bytes - skip) / kPage * kPage, MADV_HUGEPAGE);
#endif
}

}  // namespace

void Buffer::Free::operator()(std::byte* p) const {
  ::operator delete(p, std::align_val_t{64});
}

Buffer::Buffer(size_t bytes) : size_(bytes) {
  void* p = ::operator new(bytes ? bytes : 1, std::align_val_t{64}, std::nothrow);
  if (!p) throw Error(ErrorKind::runtime, "out of memory").wanted(std::to_string(bytes) + " bytes");
  data_.reset(static_cast<std::byte*>(p));
  ask_for_huge_pages(p, bytes);
  std::memset(p, 0, bytes);
}

Tensor::Tensor(Dtype dtype, const Shape& shape, void* data) : data_(data), shape_(shape), dtype_(dtype) {
  int64_t stride = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    strides_[axis] = stride;
    stride *= shape[axis];
  }
}

Tensor::Tensor(Dtype dtype, const Shape& shape) : Tensor(dtype, shape, nullptr) {
  owner_ = std::make_shared<Buffer>(static_cast<size_t>(shape.elements()) * dtype_size(dtype));
  data_ = owner_->data();
}

bool Tensor::contiguous() const {
  int64_t expected = 1;
  for (int axis = shape_.rank() - 1; axis >= 0; --axis) {
    if (shape_[axis] != 1 && strides_[axis] != expected) return false;
    expected *= shape_[axis];
  }
  return true;
}

void Tensor::check_dtype(Dtype wanted) const {
  if (dtype_ != wanted) {
    throw Error(ErrorKind::usage, "a tensor has another dtype")
        .wanted(dtype_name(wanted))
        .got(dtype_name(dtype_));
  }
}

void Tensor::check_count(int64_t count) const {
  if (count != elements()) {
    throw Error(ErrorKind::usage, "the number of values is not the shape's")
        .where(shape_.text())
        .wanted(std::to_string(elements()))
        .got(std::to_string(count));
  }
}

Tensor Tensor::reshaped(const Shape& shape) const {
  if (!contiguous())
    throw Error(ErrorKind::usage, "only a contiguous tensor can be reshaped").got(shape_.text());
  check_count(shape.elements());
  Tensor t(dtype_, shape, data_);
  t.owner_ = owner_;
  return t;
}

Tensor Tensor::transposed(int axis_a, int axis_b) const {
  Tensor t = *this;
  std::vector<int64_t> sizes(shape_.sizes().begin(), shape_.sizes().end());
  std::swap(sizes.at(axis_a), sizes.at(axis_b));
  std::swap(t.strides_[axis_a], t.strides_[axis_b]);
  t.shape_ = Shape(std::span<const int64_t>(sizes));
  return t;
}

Tensor Tensor::clone() const {
  Tensor copy(dtype_, shape_);
  const size_t size = dtype_size(dtype_);
  auto* to = static_cast<std::byte*>(copy.data_);
  const auto* from = static_cast<const std::byte*>(data_);
  if (contiguous()) {
    if (elements() > 0) std::memcpy(to, from, bytes());
    return copy;
  }
  std::array<int64_t, Shape::kMaxRank> index{};
  for (int64_t e = 0, total = elements(); e < total; ++e) {
    int64_t offset = 0;
    for (int axis = 0; axis < shape_.rank(); ++axis) offset += index[axis] * strides_[axis];
    std::memcpy(to + e * static_cast<int64_t>(size), from + offset * static_cast<int64_t>(size), size);
    for (int axis = shape_.rank() - 1; axis >= 0 && ++index[axis] == shape_[axis]; --axis) index[axis] = 0;
  }
  return copy;
}

}  // namespace unfold
