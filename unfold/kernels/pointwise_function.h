// Elementwise functions of one or two settings, as ONNX defines them (PyTorch's are the same).
#pragma once

#include <cstdint>

namespace unfold {

enum class Pointwise : uint8_t {
  leaky_relu,    ///< x > 0 ? x : a x
  elu,           ///< x > 0 ? x : a (exp(x) - 1)
  hard_sigmoid,  ///< max(0, min(1, a x + b))
  hard_swish,    ///< x max(0, min(1, (x + 3) / 6))
  silu,          ///< x / (1 + exp(-x))
  clip,          ///< max(a, min(b, x)); ReLU6 with a = 0, b = 6
  softplus,      ///< log(1 + exp(x))
  selu,          ///< b (x > 0 ? x : a (exp(x) - 1))
  softsign,      ///< x / (1 + |x|)
};

/// A function and its settings; those it has none of are 0.
struct PointwiseFunction {
  Pointwise kind = Pointwise::clip;
  double a = 0, b = 0;
};

}  // namespace unfold
