#include "unfold/kernels/pointwise.h"

#include "unfold/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "unfold/kernels/pointwise.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "unfold/kernels/each_vector-inl.h"
#include "unfold/kernels/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace unfold::HWY_NAMESPACE {
namespace {  // other files have functions of their own by these names

// One struct a function: its value, and its slope, both at a vector x. a and b are its settings.

struct LeakyRelu {
  template <class D, class V>
  static V Value(D d, V x, V a, V) {
    return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), x, hn::Mul(a, x));
  }
  template <class D, class V>
  static V Slope(D d, V x, V a, V) {
    return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), hn::Set(d, 1.0f), a);
  }
};

struct Elu {
  template <class D, class V>
  static V Value(D d, V x, V a, V) {
    // exp(x) - 1 = 2t / (1 - t) with t = tanh(x/2): no digits lost near 0
    const V t = Tanh(d, hn::Mul(x, hn::Set(d, 0.5f)));
    const V below = hn::Mul(a, hn::Div(hn::Add(t, t), hn::Sub(hn::Set(d, 1.0f), t)));
    return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), x, below);
  }
  template <class D, class V>
  static V Slope(D d, V x, V a, V) {
    return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), hn::Set(d, 1.0f), hn::Mul(a, Exp(d, x)));
  }
};

struct HardSigmoid {
  template <class D, class V>
  static V Value(D d, V x, V a, V b) {
    return hn::Max(hn::Zero(d), hn::Min(hn::Set(d, 1.0f), hn::Add(hn::Mul(a, x), b)));
  }
  template <class D, class V>
  static V Slope(D d, V x, V a, V b) {
    const V line = hn::Add(hn::Mul(a, x), b);
    return hn::IfThenElseZero(hn::And(hn::Gt(line, hn::Zero(d)), hn::Lt(line, hn::Set(d, 1.0f))), a);
  }
};

struct HardSwish {
  template <class D, class V>
  static V Value(D d, V x, V, V) {
    const V line = hn::Div(hn::Add(x, hn::Set(d, 3.0f)), hn::Set(d, 6.0f));
    return hn::Mul(x, hn::Max(hn::Zero(d), hn::Min(hn::Set(d, 1.0f), line)));
  }
  template <class D, class V>
  static V Slope(D d, V x, V, V) {
    const V three = hn::Set(d, 3.0f);
    const V line = hn::Div(hn::Add(hn::Add(x, x), three), hn::Set(d, 6.0f));
    const V upper = hn::IfThenElse(hn::Ge(x, three), hn::Set(d, 1.0f), line);
    return hn::IfThenElseZero(hn::Gt(x, hn::Neg(three)), upper);
  }
};

struct Silu {
  template <class D, class V>
  static V Value(D d, V x, V, V) {
    return hn::Mul(x, Sigmoid(d, x));
  }
  template <class D, class V>
  static V Slope(D d, V x, V, V) {
    const V one = hn::Set(d, 1.0f), s = Sigmoid(d, x);
    return hn::Mul(s, hn::Add(one, hn::Mul(x, hn::Sub(one, s))));
  }
};

struct Clip {
  template <class D, class V>
  static V Value(D, V x, V a, V b) {
    return hn::Max(a, hn::Min(b, x));
  }
  template <class D, class V>
  static V Slope(D d, V x, V a, V b) {
    return hn::IfThenElseZero(hn::And(hn::Gt(x, a), hn::Lt(x, b)), hn::Set(d, 1.0f));
  }
};

struct Softplus {
  template <class D, class V>
  static V Value(D d, V x, V, V) {
    // max(x, 0) + log(1 + t), t = exp(-|x|); log(1 + t) = 2 artanh(t / (2 + t)), whose series ends at s^17
    const V t = Exp(d, hn::Neg(hn::Abs(x)));
    const V s = hn::Div(t, hn::Add(hn::Set(d, 2.0f), t)), u = hn::Mul(s, s);
    V p = hn::Set(d, 1.0f / 17);
    for (int k = 15; k > 1; k -= 2) p = hn::MulAdd(p, u, hn::Set(d, 1.0f / static_cast<float>(k)));
    const V twice = hn::Add(s, s);
    return hn::Add(hn::Max(x, hn::Zero(d)), hn::MulAdd(hn::Mul(p, u), twice, twice));
  }
  template <class D, class V>
  static V Slope(D d, V x, V, V) {
    return Sigmoid(d, x);
  }
};

struct Selu {
  template <class D, class V>
  static V Value(D d, V x, V a, V b) {
    return hn::Mul(b, Elu::Value(d, x, a, b));
  }
  template <class D, class V>
  static V Slope(D d, V x, V a, V b) {
    return hn::Mul(b, Elu::Slope(d, x, a, b));
  }
};

struct Softsign {
  template <class D, class V>
  static V Value(D d, V x, V, V) {
    return hn::Div(x, hn::Add(hn::Set(d, 1.0f), hn::Abs(x)));
  }
  template <class D, class V>
  static V Slope(D d, V x, V, V) {
    const V one = hn::Set(d, 1.0f), below = hn::Div(one, hn::Add(one, hn::Abs(x)));
    return hn::Mul(below, below);
  }
};

template <class F>
void EachValue(const PointwiseFunction& f, int64_t n, const float* x, float* y) {
  const auto a = static_cast<float>(f.a), b = static_cast<float>(f.b);
  EachVector(n, [=](auto d, int64_t i) {
    const auto v = hn::LoadU(d, x + i);
    hn::StoreU(hn::IfThenElse(hn::IsNaN(v), v, F::Value(d, v, hn::Set(d, a), hn::Set(d, b))), d, y + i);
  });
}

template <class F>
void EachSlope(const PointwiseFunction& f, int64_t n, const float* x, const float* dy, float* dx) {
  const auto a = static_cast<float>(f.a), b = static_cast<float>(f.b);
  EachVector(n, [=](auto d, int64_t i) {
    const auto v = hn::LoadU(d, x + i);
    const auto slope = hn::Mul(hn::LoadU(d, dy + i), F::Slope(d, v, hn::Set(d, a), hn::Set(d, b)));
    hn::StoreU(hn::IfThenElse(hn::IsNaN(v), v, slope), d, dx + i);
  });
}

void Forward(const PointwiseFunction& f, int64_t n, const float* x, float* y) {
  using Function = void (*)(const PointwiseFunction&, int64_t, const float*, float*);
  static constexpr Function kFunctions[] = {EachValue<LeakyRelu>, EachValue<Elu>,  EachValue<HardSigmoid>,
                                            EachValue<HardSwish>, EachValue<Silu>, EachValue<Clip>,
                                            EachValue<Softplus>,  EachValue<Selu>, EachValue<Softsign>};
  kFunctions[static_cast<size_t>(f.kind)](f, n, x, y);
}

void Backward(const PointwiseFunction& f, int64_t n, const float* x, const float* dy, float* dx) {
  using Function = void (*)(const PointwiseFunction&, int64_t, const float*, const float*, float*);
  static constexpr Function kFunctions[] = {EachSlope<LeakyRelu>, EachSlope<Elu>,  EachSlope<HardSigmoid>,
                                            EachSlope<HardSwish>, EachSlope<Silu>, EachSlope<Clip>,
                                            EachSlope<Softplus>,  EachSlope<Selu>, EachSlope<Softsign>};
  kFunctions[static_cast<size_t>(f.kind)](f, n, x, dy, dx);
}

}  // namespace
}  // namespace unfold::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unfold {

HWY_EXPORT(Forward);
HWY_EXPORT(Backward);

void pointwise_forward(const PointwiseFunction& f, int64_t n, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(Forward)(f, n, x, y);
}
void pointwise_backward(const PointwiseFunction& f, int64_t n, const float* x, const float* dy, float* dx) {
  HWY_DYNAMIC_DISPATCH(Backward)(f, n, x, dy, dx);
}

}  // namespace unfold
#endif  // HWY_ONCE
