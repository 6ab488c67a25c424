// What the guide's programs share: the example's numbers, a matrix product in plain loops, printing.
#pragma once

#include <cstdio>
#include <string>

#include "unfold/tensor.h"

namespace unfold::guide {

/// Whole numbers that look mixed, from -shift to range-1-shift. Sums of them are exact.
inline Tensor numbers(const Shape& shape, int64_t factor, int64_t range, int64_t shift) {
  Tensor t = Tensor::zeros<double>(shape);
  int64_t k = 0;
  for (double& value : t.span<double>())
    value = static_cast<double>((k * factor + k / 5) % range - shift), ++k;
  return t;
}

/// The example of all chapters: an image (N,C,H,W) of digits, kernels and gradients from -3 to 3.
inline Tensor example_x(const Shape& shape) {
  return numbers(shape, 7, 10, 0);
}
inline Tensor example_w(const Shape& shape) {
  return numbers(shape, 11, 7, 3);
}
inline Tensor example_dy(const Shape& shape) {
  return numbers(shape, 3, 7, 3);
}
/// 0, 1, 2, ...: each element tells its own place.
inline Tensor places(const Shape& shape) {
  Tensor t = Tensor::zeros<double>(shape);
  for (int64_t k = 0; k < t.elements(); ++k) t.data<double>()[k] = static_cast<double>(k);
  return t;
}

inline Tensor transposed(const Tensor& m) {
  return m.transposed(0, 1).clone();
}

/// a (M,K) times b (K,N)
inline Tensor product(const Tensor& a, const Tensor& b) {
  const int64_t M = a.shape()[0], K = a.shape()[1], N = b.shape()[1];
  Tensor c = Tensor::zeros<double>({M, N});
  for (int64_t m = 0; m < M; ++m)
    for (int64_t k = 0; k < K; ++k)
      for (int64_t n = 0; n < N; ++n)
        c.data<double>()[m * N + n] += a.data<double>()[m * K + k] * b.data<double>()[k * N + n];
  return c;
}

inline bool same(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape()) return false;
  for (int64_t k = 0; k < a.elements(); ++k)
    if (!(a.data<double>()[k] == b.data<double>()[k])) return false;
  return true;
}

/// The last two axes as rows and columns, a blank line between matrices.
inline void print(const std::string& name, const Tensor& t) {
  const Shape& s = t.shape();
  const int64_t cols = s[s.rank() - 1], rows = s[s.rank() - 2];
  std::printf("%s %s\n", name.c_str(), s.text().c_str());
  for (int64_t k = 0; k < t.elements(); ++k) {
    if (k > 0 && k % (rows * cols) == 0) std::printf("\n");
    std::printf("%6g%s", t.data<double>()[k], k % cols == cols - 1 ? "\n" : "");
  }
}

}  // namespace unfold::guide
