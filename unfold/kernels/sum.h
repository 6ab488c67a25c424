// Sums whose order is fixed: the same bits from any vector width and any number of threads.
#pragma once

#include <cstdint>

namespace unfold {

/// Sum of n elements: 16 running partials (element i goes to partial i mod 16), then a fixed tree over them.
template <class T>
T sum(int64_t n, const T* x) {
  T partial[16] = {};
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (int j = 0; j < 16; ++j) partial[j] += x[i + j];
  }
  for (int j = 0; i < n; ++i, ++j) partial[j] += x[i];
  for (int width = 8; width > 0; width /= 2) {
    for (int j = 0; j < width; ++j) partial[j] += partial[j + width];
  }
  return partial[0];
}

/// Sum of the squares of n elements, in double: the same partials and tree.
template <class T>
double sum_of_squares(int64_t n, const T* x) {
  double partial[16] = {};
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (int j = 0; j < 16; ++j) partial[j] += static_cast<double>(x[i + j]) * static_cast<double>(x[i + j]);
  }
  for (int j = 0; i < n; ++i, ++j) partial[j] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  for (int width = 8; width > 0; width /= 2) {
    for (int j = 0; j < width; ++j) partial[j] += partial[j + width];
  }
  return partial[0];
}

}  // namespace unfold
