// Matrix products.
#include <algorithm>
#include <functional>

#include "unfold/kernels/gemm.h"
#include "unfold/kernels/linear.h"
#include "unfold/onnx/convert.h"
#include "unfold/onnx/elementwise.h"
#include "unfold/onnx/functions.h"

namespace unfold::onnx::ops {
namespace {

/// c (m, n) = a (m, k) * b (k, n); a may lie transposed.
template <class T>
struct Product {
  int64_t m, n, k;
  const T* a;
  int64_t a_row, a_col;
  const T* b;
  T* c;
};

/// By the kernel, in ranges of rows or columns: no cut can change a bit.
void multiply(const Call& call, const Product<float>& p) {
  constexpr int64_t kLeast = 32;
  const int64_t floats = (gemm_scratch(p.k) + 15) / 16 * 16, parts = 4 * call.pool().threads();
  const bool by_rows = p.m >= p.n;
  const int64_t size = by_rows ? p.m : p.n, part = std::max(kLeast, (size + parts - 1) / parts);
  float* const scratch = call.scratch(call.pool().threads() * floats);
  call.pool().run((size + part - 1) / part, [&](int64_t i, int worker) {
    const int64_t first = i * part, count = std::min(part, size - first);
    unfold::gemm({.m = by_rows ? count : p.m,
                  .n = by_rows ? p.n : count,
                  .k = p.k,
                  .a = p.a + (by_rows ? first * p.a_row : 0),
                  .a_row = p.a_row,
                  .a_col = p.a_col,
                  .b = p.b + (by_rows ? 0 : first),
                  .b_row = p.n,
                  .c = p.c + (by_rows ? first * p.n : first),
                  .c_row = p.n},
                 scratch + worker * floats);
  });
}

/// Others by plain loops; whole numbers wrap around.
template <class T>
void multiply(const Call& call, const Product<T>& p) {
  call.each_range(p.m, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t k = 0; k < p.k; ++k) {
        const T factor = p.a[i * p.a_row + k * p.a_col];
        for (int64_t j = 0; j < p.n; ++j) {
          T& to = p.c[i * p.n + j];
          to = wrapping(to, wrapping(factor, p.b[k * p.n + j], std::multiplies<>()), std::plus<>());
        }
      }
    }
  });
}

}  // namespace

/// As numpy.matmul: the last two axes are matrices, those before are broadcast; a value of one axis is a row
/// on the left and a column on the right, and that axis is dropped.
void mat_mul(Call& c) {
  const Tensor &a = c.input(0), &b = c.input(1);
  c.same_type(0, 1);
  if (a.shape().rank() < 1 || b.shape().rank() < 1) {
    c.refuse("an input has no axis", "1 or more", a.shape().text() + " and " + b.shape().text());
  }
  Sizes left = sizes_of(a), right = sizes_of(b);
  const bool row = left.size() == 1, column = right.size() == 1;
  if (row) left.insert(left.begin(), 1);
  if (column) right.push_back(1);
  const int64_t m = left[left.size() - 2], k = left.back(), n = right.back();
  if (right[right.size() - 2] != k) {
    c.refuse("the matrices do not fit together", "(..., m, k) and (..., k, n)",
             a.shape().text() + " and " + b.shape().text());
  }
  left.resize(left.size() - 2), right.resize(right.size() - 2);
  Sizes sizes = broadcast(c, left, right);
  const Sizes outer = sizes;
  if (!row) sizes.push_back(m);
  if (!column) sizes.push_back(n);
  (void)c.product(outer);  // before a walk counts on it
  const Walk<3> walk(
      outer, {contiguous_strides(outer), broadcast_strides(left, outer), broadcast_strides(right, outer)});
  for_numbers(c, a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    Tensor y = c.make(a.dtype(), sizes);
    c.work(y.elements(), k);
    const auto [step, left_step, right_step] = walk.steps();
    if (y.elements() > 0 && k > 0) {
      walk.rows([&](const auto& at) {
        for (int64_t i = 0; i < walk.row_size(); ++i) {
          multiply(c, Product<T>{m, n, k, a.data<T>() + (at[1] + i * left_step) * m * k, k, 1,
                                 b.data<T>() + (at[2] + i * right_step) * k * n,
                                 y.data<T>() + (at[0] + i * step) * m * n});
        }
      });
    }
    c.output(0, std::move(y));
  });
}

namespace {

/// (m, n) = a * b, of which either may lie transposed.
template <class T>
Tensor matrix_product(const Call& c, int64_t m, int64_t n, int64_t k, bool a_turned, bool b_turned) {
  const T *a = c.input(0).data<T>(), *b = c.input(1).data<T>();
  Tensor y = c.make(dtype_of<T>(), Sizes{m, n});
  c.work(m, n, k);
  if (y.elements() == 0 || k == 0) return y;
  if constexpr (std::is_same_v<T, float>) {
    if (b_turned && !a_turned) {  // a linear layer: the weights are read as they lie
      constexpr int64_t kLeast = 16;
      const int64_t floats = (linear_scratch(m, k, n) + 15) / 16 * 16, threads = c.pool().threads();
      const int64_t part = std::max(kLeast, (n + threads - 1) / threads);
      float* const scratch = c.scratch(threads * floats);
      c.pool().run((n + part - 1) / part, [&](int64_t i, int worker) {
        linear_forward(m, k, n, i * part, std::min(n, (i + 1) * part), a, b, nullptr, y.data<float>(),
                       scratch + worker * floats);
      });
      return y;
    }
  }
  Tensor turned;
  if (b_turned) {
    turned = c.make(dtype_of<T>(), Sizes{k, n});
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < k; ++j) turned.data<T>()[j * n + i] = b[i * k + j];
    }
    b = turned.data<T>();
  }
  multiply(c, Product<T>{m, n, k, a, a_turned ? 1 : k, a_turned ? m : 1, b, y.data<T>()});
  return y;
}

}  // namespace

/// alpha * a * b + beta * c, where c is broadcast.
void gemm(Call& c) {
  const Tensor &a = c.input(0), &b = c.input(1);
  c.same_type(0, 1);
  if (a.shape().rank() != 2 || b.shape().rank() != 2) {
    c.refuse("the inputs are no matrices", "2 axes", a.shape().text() + " and " + b.shape().text());
  }
  const bool a_turned = c.integer("transA", 0) != 0, b_turned = c.integer("transB", 0) != 0;
  const int64_t m = a.shape()[a_turned], k = a.shape()[!a_turned], n = b.shape()[!b_turned];
  if (b.shape()[b_turned] != k) {
    c.refuse("the matrices do not fit together", "(m, k) and (k, n)",
             a.shape().text() + " and " + b.shape().text());
  }
  const double alpha = c.real("alpha", 1), beta = c.real("beta", 1);
  for_numbers(c, a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    Tensor y = matrix_product<T>(c, m, n, k, a_turned, b_turned);
    if (alpha != 1) {
      for (T& v : y.span<T>()) v = converted<T>(alpha * static_cast<double>(v));
    }
    if (c.given(2) && beta != 0) {
      c.same_type(0, 2);
      const Tensor& added = c.input(2);
      if (broadcast(c, y.shape().sizes(), added.shape().sizes()) != sizes_of(y)) {
        c.refuse("input 2 does not fit the product", y.shape().text(), added.shape().text());
      }
      y = zip<T, T, T>(c, y, y.shape().sizes(), added, added.shape().sizes(), [beta](T v, T w) {
        return wrapping(v, beta == 1 ? w : converted<T>(beta * static_cast<double>(w)), std::plus<>());
      });
    }
    c.output(0, std::move(y));
  });
}

}  // namespace unfold::onnx::ops
