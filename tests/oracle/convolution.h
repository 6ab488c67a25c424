// All three passes of a convolution by each engine, behind one signature, for the tests against recorded
// values.
#pragma once

#include <vector>

#include "unfold/kernels/conv2d.h"
#include "unfold/kernels/reference/conv2d.h"
#include "unfold/tensor.h"

namespace oracle {

template <class T>
struct Convolution {
  std::vector<T> y, dx, dw, db;

  explicit Convolution(const unfold::Conv2dShape& s)
      : y(size(s.y_shape())), dx(size(s.x_shape())), dw(size(s.w_shape())), db(static_cast<size_t>(s.oc)) {}

 private:
  static size_t size(const unfold::Shape& shape) { return static_cast<size_t>(shape.elements()); }
};

template <class T>
Convolution<T> naive_convolution(const unfold::Conv2dShape& s, const std::vector<T>& x,
                                 const std::vector<T>& w, const std::vector<T>& b, const std::vector<T>& dy) {
  Convolution<T> out(s);
  unfold::reference::conv2d_forward(s, x.data(), w.data(), b.data(), out.y.data());
  unfold::reference::conv2d_backward_data(s, w.data(), dy.data(), out.dx.data());
  unfold::reference::conv2d_backward_weights(s, x.data(), dy.data(), out.dw.data(), out.db.data());
  return out;
}

inline Convolution<float> im2col_convolution(const unfold::Conv2dShape& s, const std::vector<float>& x,
                                             const std::vector<float>& w, const std::vector<float>& b,
                                             const std::vector<float>& dy) {
  Convolution<float> out(s);
  unfold::Buffer buffer(static_cast<size_t>(unfold::conv2d_scratch(s)) * sizeof(float));
  auto* scratch = reinterpret_cast<float*>(buffer.data());
  for (int64_t n = 0; n < s.n; ++n) {
    const int64_t in = n * s.x_image(), at = n * s.y_image();
    unfold::conv2d_forward(s, x.data() + in, w.data(), b.data(), out.y.data() + at, scratch);
    unfold::conv2d_backward_data(s, w.data(), dy.data() + at, out.dx.data() + in, scratch);
    unfold::conv2d_backward_weights(s, x.data() + in, dy.data() + at, out.dw.data(), out.db.data(), scratch);
  }
  return out;
}

}  // namespace oracle
