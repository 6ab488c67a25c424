#include "unfold/ops/join.h"

#include <algorithm>
#include <array>

#include "unfold/error.h"
#include "unfold/kernels/lanes.h"
#include "unfold/ops/kept.h"

namespace unfold {
namespace {

/// An image's sizes in the order of memory; 16 images in the lanes are one image with one more axis.
struct Sizes {
  int rank = 0;
  std::array<int64_t, Shape::kMaxRank + 1> at{};

  Sizes(const Shape& shape, Layout layout) {
    const bool last = layout == Layout::nhwc && shape.rank() == 3;
    for (int axis = 0; axis < shape.rank(); ++axis)
      at[static_cast<size_t>(rank++)] = shape[last ? (axis + 1) % 3 : axis];
    if (layout == Layout::chwn16) at[static_cast<size_t>(rank++)] = lanes::kLanes;
  }
  int64_t operator[](int axis) const { return at[static_cast<size_t>(axis)]; }
};

/// Images that one call's kernel walks over.
template <class T>
int64_t images(const Call<T>& c, Layout layout) {
  return layout == Layout::chwn16 ? 1 : c.n;
}

// ---- Add, Mul
// ------------------------------------------------------------------------------------------------------

/// Calls body(y, a, b, count, a_step, b_step) for runs of y: places in one image's tensors, and how far a and
/// b go from one element to the next, 0 or 1. Axes along which neither is repeated are walked as one.
template <class F>
void each_run(const Shape& sa, const Shape& sb, Layout layout, F body) {
  const Sizes a(sa, layout), b(sb, layout);
  std::array<int64_t, Shape::kMaxRank + 1> size{}, a_step{}, b_step{}, index{};
  int rank = 0;
  int64_t a_next = 1, b_next = 1;
  for (int axis = a.rank; axis-- > 0;) {  // innermost first
    const int64_t n = std::max(a[axis], b[axis]);
    if (n == 1) continue;
    const int64_t as = a[axis] == 1 ? 0 : a_next, bs = b[axis] == 1 ? 0 : b_next;
    a_next *= a[axis];
    b_next *= b[axis];
    const auto r = static_cast<size_t>(rank);
    const bool joined = rank > 0 && as == a_step[r - 1] * size[r - 1] && bs == b_step[r - 1] * size[r - 1];
    if (joined) {
      size[r - 1] *= n;
    } else {
      size[r] = n, a_step[r] = as, b_step[r] = bs;
      ++rank;
    }
  }
  if (rank == 0) return body(int64_t{0}, int64_t{0}, int64_t{0}, int64_t{1}, int64_t{1}, int64_t{1});
  int64_t y = 0, at_a = 0, at_b = 0;
  for (;;) {
    body(y, at_a, at_b, size[0], a_step[0], b_step[0]);
    y += size[0];
    int axis = 1;
    for (; axis < rank; ++axis) {
      const auto r = static_cast<size_t>(axis);
      at_a += a_step[r];
      at_b += b_step[r];
      if (++index[r] < size[r]) break;
      at_a -= a_step[r] * size[r];
      at_b -= b_step[r] * size[r];
      index[r] = 0;
    }
    if (axis == rank) return;
  }
}

struct Sum {
  template <class T>
  static T forward(T a, T b) {
    return a + b;
  }
  /// The gradient of one input, from dy, the other input and the output.
  template <class T>
  static T backward(T dy, T, T) {
    return dy;
  }
};
struct ReluOfSum {
  template <class T>
  static T forward(T a, T b) {
    return a + b < 0 ? T{0} : a + b;
  }
  template <class T>
  static T backward(T dy, T, T y) {
    return y > 0 ? dy : T{0};
  }
};
struct Product {
  template <class T>
  static T forward(T a, T b) {
    return a * b;
  }
  template <class T>
  static T backward(T dy, T other, T) {
    return dy * other;
  }
};

template <class T, class F, Layout kLayout>
void forward2(const Op&, const Call<T>& c) {
  const Shape &sa = c.shapes[0], &sb = c.shapes[1];
  for (int64_t i = 0; i < images(c, kLayout); ++i) {
    const T *a = c.x[0] + i * sa.elements(), *b = c.x[1] + i * sb.elements();
    T* y = c.y + i * c.out;
    each_run(sa, sb, kLayout,
             [=](int64_t at, int64_t at_a, int64_t at_b, int64_t n, int64_t step_a, int64_t step_b) {
               const T *ra = a + at_a, *rb = b + at_b;
               T* ry = y + at;
               if (step_a == 1 && step_b == 1) {
                 for (int64_t e = 0; e < n; ++e) ry[e] = F::forward(ra[e], rb[e]);
               } else {
                 for (int64_t e = 0; e < n; ++e) ry[e] = F::forward(ra[e * step_a], rb[e * step_b]);
               }
             });
  }
}

/// dx of a repeated input is summed over its repetitions, in the order of memory.
template <class T, class F, Layout kLayout>
void backward2(const Op&, const Call<T>& c) {
  const auto k = static_cast<size_t>(c.input);
  const Shape &mine = c.shapes[k], &others = c.shapes[1 - k];
  for (int64_t i = 0; i < images(c, kLayout); ++i) {
    const T *other = c.x[1 - k] + i * others.elements(), *dy = c.dy + i * c.out, *y = c.y + i * c.out;
    T* dx = c.dx + i * mine.elements();
    const bool repeated = mine.elements() < c.out;
    if (repeated) std::fill_n(dx, mine.elements() * (kLayout == Layout::chwn16 ? lanes::kLanes : 1), T{0});
    each_run(mine, others, kLayout,
             [=](int64_t at, int64_t at_mine, int64_t at_other, int64_t n, int64_t step, int64_t step_other) {
               const T *rd = dy + at, *ro = other + at_other, *ry = y + at;
               T* to = dx + at_mine;
               if (!repeated) {
                 for (int64_t e = 0; e < n; ++e) to[e] = F::backward(rd[e], ro[e * step_other], ry[e]);
               } else if (step == 1) {
                 for (int64_t e = 0; e < n; ++e) to[e] += F::backward(rd[e], ro[e * step_other], ry[e]);
               } else {
                 T sum = 0;
                 for (int64_t e = 0; e < n; ++e) sum += F::backward(rd[e], ro[e * step_other], ry[e]);
                 *to += sum;
               }
             });
  }
}

template <class T, class F, Layout kLayout>
constexpr Implementation<T> elementwise(const char* name, Engine engine) {
  return {.name = name,
          .engine = engine,
          .numerics = "exact, repeated: sums by rows",
          .forward = forward2<T, F, kLayout>,
          .backward_data = backward2<T, F, kLayout>,
          .layout = kLayout};
}

constexpr Implementation<float> kAddFloat[] = {
    elementwise<float, Sum, Layout::nhwc>("add/nhwc", Engine::fast),
    elementwise<float, Sum, Layout::chwn16>("add/lanes", Engine::fast),
    elementwise<float, Sum, Layout::nchw>("add/reference", Engine::naive),
};
constexpr Implementation<double> kAddDouble[] = {
    elementwise<double, Sum, Layout::nchw>("add/reference", Engine::naive),
};
constexpr Implementation<float> kAddReluFloat[] = {
    elementwise<float, ReluOfSum, Layout::nhwc>("add+relu/nhwc", Engine::fast),
    elementwise<float, ReluOfSum, Layout::chwn16>("add+relu/lanes", Engine::fast),
};
constexpr Implementation<float> kMulFloat[] = {
    elementwise<float, Product, Layout::nhwc>("mul/nhwc", Engine::fast),
    elementwise<float, Product, Layout::chwn16>("mul/lanes", Engine::fast),
    elementwise<float, Product, Layout::nchw>("mul/reference", Engine::naive),
};
constexpr Implementation<double> kMulDouble[] = {
    elementwise<double, Product, Layout::nchw>("mul/reference", Engine::naive),
};

// ---- Concat
// --------------------------------------------------------------------------------------------------------

int axis_of(const Op& op) {
  return static_cast<const Concat&>(op).axis();
}

/// Calls body(input, place in its image, place in y's image, elements) for every run that is copied as it is.
template <class T, class F>
void each_piece(const Op& op, const Call<T>& c, Layout layout, F body) {
  const int rank = c.shapes[0].rank();
  const int axis =
      layout == Layout::nhwc && rank == 3 ? (axis_of(op) + 2) % 3 : axis_of(op);  // in memory's order
  const Sizes first(c.shapes[0], layout);
  int64_t outer = 1, inner = 1;
  for (int a = 0; a < first.rank; ++a) (a < axis ? outer : inner) *= a == axis ? 1 : first[a];
  int64_t at = 0;
  for (int64_t o = 0; o < outer; ++o) {
    for (int k = 0; k < op.inputs(); ++k) {
      const int64_t run = c.shapes[k][axis_of(op)] * inner;
      body(k, o * run, at, run);
      at += run;
    }
  }
}

template <class T, Layout kLayout>
void concat_forward(const Op& op, const Call<T>& c) {
  for (int64_t i = 0; i < images(c, kLayout); ++i) {
    each_piece(op, c, kLayout, [&](int k, int64_t from, int64_t to, int64_t n) {
      std::copy_n(c.x[k] + i * c.shapes[k].elements() + from, n, c.y + i * c.out + to);
    });
  }
}
template <class T, Layout kLayout>
void concat_backward(const Op& op, const Call<T>& c) {
  for (int64_t i = 0; i < images(c, kLayout); ++i) {
    each_piece(op, c, kLayout, [&](int k, int64_t from, int64_t to, int64_t n) {
      if (k == c.input) std::copy_n(c.dy + i * c.out + to, n, c.dx + i * c.shapes[k].elements() + from);
    });
  }
}

template <class T, Layout kLayout>
constexpr Implementation<T> concat(const char* name, Engine engine) {
  return {.name = name,
          .engine = engine,
          .numerics = "exact",
          .forward = concat_forward<T, kLayout>,
          .backward_data = concat_backward<T, kLayout>,
          .layout = kLayout};
}

constexpr Implementation<float> kConcatFloat[] = {
    concat<float, Layout::nhwc>("concat/nhwc", Engine::fast),
    concat<float, Layout::chwn16>("concat/lanes", Engine::fast),
    concat<float, Layout::nchw>("concat/reference", Engine::naive),
};
constexpr Implementation<double> kConcatDouble[] = {
    concat<double, Layout::nchw>("concat/reference", Engine::naive),
};

}  // namespace

Shape Elementwise2::output_shape(std::span<const Shape> in, std::string_view where) const {
  const Shape &a = in[0], &b = in[1];
  std::array<int64_t, Shape::kMaxRank> sizes{};
  bool fits = a.rank() == b.rank();
  for (int axis = 0; fits && axis < a.rank(); ++axis) {
    fits = a[axis] == b[axis] || a[axis] == 1 || b[axis] == 1;
    sizes[static_cast<size_t>(axis)] = a[axis] == 1 ? b[axis] : a[axis];
  }
  if (!fits) {
    throw Error(ErrorKind::usage, "the two inputs differ in shape")
        .where(where)
        .wanted(a.text() + ", or 1 along some axes")
        .got(b.text());
  }
  return Shape(std::span(sizes).first(static_cast<size_t>(a.rank())));
}

std::span<const Implementation<float>> Add::implementations(float) const {
  return kept<kAddFloat>();
}
std::span<const Implementation<double>> Add::implementations(double) const {
  return kept_double<kAddDouble>();
}
std::span<const Implementation<float>> AddRelu::implementations(float) const {
  return kAddReluFloat;
}
std::span<const Implementation<float>> Mul::implementations(float) const {
  return kept<kMulFloat>();
}
std::span<const Implementation<double>> Mul::implementations(double) const {
  return kept_double<kMulDouble>();
}

Concat::Concat(int inputs, int axis) : inputs_(inputs), axis_(axis) {
  if (inputs < 2 || inputs > Call<float>::kMaxInputs || axis < 0) {
    throw Error(ErrorKind::usage, "Concat cannot work with these settings")
        .wanted("2 to " + std::to_string(Call<float>::kMaxInputs) + " inputs and an axis of an image, from 0")
        .got(std::to_string(inputs) + " inputs, axis " + std::to_string(axis))
        .hint("join more inputs one after the other");
  }
}

Attributes Concat::attributes() const {
  return {{"inputs", {static_cast<double>(inputs_)}}, {"axis", {static_cast<double>(axis_)}}};
}

Shape Concat::output_shape(std::span<const Shape> in, std::string_view where) const {
  std::array<int64_t, Shape::kMaxRank> sizes{};
  std::copy(in[0].sizes().begin(), in[0].sizes().end(), sizes.begin());
  for (size_t k = 0; k < in.size(); ++k) {
    bool fits = in[k].rank() == in[0].rank() && axis_ < in[0].rank();
    for (int axis = 0; fits && axis < in[0].rank(); ++axis)
      fits = axis == axis_ || in[k][axis] == in[0][axis];
    if (!fits) {
      throw Error(ErrorKind::usage, "the inputs do not fit together")
          .where(where)
          .wanted(in[0].text() + ", but for axis " + std::to_string(axis_))
          .got(in[k].text());
    }
    if (k > 0) sizes[static_cast<size_t>(axis_)] += in[k][axis_];
  }
  return Shape(std::span(sizes).first(static_cast<size_t>(in[0].rank())));
}

std::span<const Implementation<float>> Concat::implementations(float) const {
  return kept<kConcatFloat>();
}
std::span<const Implementation<double>> Concat::implementations(double) const {
  return kept_double<kConcatDouble>();
}

}  // namespace unfold
