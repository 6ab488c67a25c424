#include "unfold/ops/rearrange.h"

#include <algorithm>
#include <array>

#include "unfold/error.h"
#include "unfold/kernels/lanes.h"

namespace unfold {
namespace {

constexpr size_t kMostAxes = Shape::kMaxRank - 1;  // and the images'

std::string text_of(const std::vector<int64_t>& list) {
  std::string text;
  for (const int64_t v : list) text += (text.empty() ? "" : ", ") + std::to_string(v);
  return "(" + text + ")";
}

Attributes list_of(const char* name, const std::vector<int64_t>& list) {
  return {{name, std::vector<double>(list.begin(), list.end())}};
}

/// Calls body(place in x, place in y) for every element of an image, in the order of y.
template <class T, class F>
void each(const Op& op, const Call<T>& c, F body) {
  const std::vector<int64_t>& perm = static_cast<const Transpose&>(op).perm();
  const size_t rank = perm.size();
  std::array<int64_t, kMostAxes> step{}, size{}, stride{}, index{};
  int64_t next = 1;
  for (size_t axis = rank; axis-- > 0;) {
    step[axis] = next;
    next *= c.shapes[0][static_cast<int>(axis)];
  }
  for (size_t axis = 0; axis < rank; ++axis) {
    size[axis] = c.shapes[0][static_cast<int>(perm[axis])];
    stride[axis] = step[static_cast<size_t>(perm[axis])];
  }
  int64_t from = 0;
  for (int64_t to = 0; to < c.in; ++to) {
    body(from, to);
    for (size_t axis = rank; axis-- > 0;) {
      from += stride[axis];
      if (++index[axis] < size[axis]) break;
      from -= stride[axis] * size[axis];
      index[axis] = 0;
    }
  }
}

/// Elements that move together: one, or one of 16 images in the lanes.
template <Layout kLayout>
constexpr int64_t kRun = kLayout == Layout::chwn16 ? lanes::kLanes : 1;
template <class T, Layout kLayout>
int64_t images(const Call<T>& c) {
  return kLayout == Layout::chwn16 ? 1 : c.n;
}

template <class T, Layout kLayout>
void transpose_forward(const Op& op, const Call<T>& c) {
  constexpr int64_t kEach = kRun<kLayout>;
  for (int64_t i = 0; i < images<T, kLayout>(c); ++i) {
    const T* x = c.x[0] + i * c.in;
    T* y = c.y + i * c.in;
    each(op, c, [=](int64_t from, int64_t to) { std::copy_n(x + from * kEach, kEach, y + to * kEach); });
  }
}
template <class T, Layout kLayout>
void transpose_backward(const Op& op, const Call<T>& c) {
  constexpr int64_t kEach = kRun<kLayout>;
  for (int64_t i = 0; i < images<T, kLayout>(c); ++i) {
    const T* dy = c.dy + i * c.in;
    T* dx = c.dx + i * c.in;
    each(op, c, [=](int64_t from, int64_t to) { std::copy_n(dy + to * kEach, kEach, dx + from * kEach); });
  }
}

template <class T, Layout kLayout>
void reshape_forward(const Op&, const Call<T>& c) {
  std::copy_n(c.x[0], images<T, kLayout>(c) * c.in * kRun<kLayout>, c.y);
}
template <class T, Layout kLayout>
void reshape_backward(const Op&, const Call<T>& c) {
  std::copy_n(c.dy, images<T, kLayout>(c) * c.in * kRun<kLayout>, c.dx);
}

template <class T, Layout kLayout>
constexpr Implementation<T> transpose_of(const char* name, Engine engine) {
  return {.name = name,
          .engine = engine,
          .numerics = "exact",
          .forward = transpose_forward<T, kLayout>,
          .backward_data = transpose_backward<T, kLayout>,
          .layout = kLayout};
}
template <class T, Layout kLayout>
constexpr Implementation<T> reshape_of(const char* name, Engine engine) {
  return {.name = name,
          .engine = engine,
          .numerics = "exact",
          .forward = reshape_forward<T, kLayout>,
          .backward_data = reshape_backward<T, kLayout>,
          .layout = kLayout};
}

constexpr Implementation<float> kTransposeFloat[] = {
    transpose_of<float, Layout::chwn16>("transpose/lanes", Engine::fast),
    transpose_of<float, Layout::nchw>("transpose/reference", Engine::naive),
};
constexpr Implementation<double> kTransposeDouble[] = {
    transpose_of<double, Layout::nchw>("transpose/reference", Engine::naive),
};
constexpr Implementation<float> kReshapeFloat[] = {
    reshape_of<float, Layout::chwn16>("reshape/lanes", Engine::fast),
    reshape_of<float, Layout::nchw>("reshape/reference", Engine::naive),
};
constexpr Implementation<double> kReshapeDouble[] = {
    reshape_of<double, Layout::nchw>("reshape/reference", Engine::naive),
};

}  // namespace

Transpose::Transpose(std::vector<int64_t> perm) : perm_(std::move(perm)) {
  std::vector<int64_t> sorted = perm_;
  std::sort(sorted.begin(), sorted.end());
  bool fits = !perm_.empty() && perm_.size() <= kMostAxes;
  for (size_t i = 0; i < sorted.size(); ++i) fits = fits && sorted[i] == static_cast<int64_t>(i);
  if (!fits) {
    throw Error(ErrorKind::usage, "Transpose takes an image's axes in another order")
        .wanted("each of 0, 1, ... once: (1, 2, 0)")
        .got(text_of(perm_));
  }
}

Attributes Transpose::attributes() const {
  return list_of("perm", perm_);
}

Shape Transpose::output_shape(std::span<const Shape> in, std::string_view where) const {
  if (in[0].rank() != static_cast<int>(perm_.size())) {
    throw Error(ErrorKind::usage, "the input does not fit")
        .where(where)
        .wanted(std::to_string(perm_.size()) + " axes")
        .got(in[0].text());
  }
  std::vector<int64_t> sizes;
  for (const int64_t axis : perm_) sizes.push_back(in[0][static_cast<int>(axis)]);
  return Shape(sizes);
}

std::span<const Implementation<float>> Transpose::implementations(float) const {
  return kTransposeFloat;
}
std::span<const Implementation<double>> Transpose::implementations(double) const {
  return kTransposeDouble;
}

Reshape::Reshape(std::vector<int64_t> shape) : shape_(std::move(shape)) {
  const auto open = std::count(shape_.begin(), shape_.end(), -1);
  const bool sizes = std::all_of(shape_.begin(), shape_.end(), [](int64_t v) { return v == -1 || v >= 1; });
  if (shape_.empty() || shape_.size() > kMostAxes || open > 1 || !sizes) {
    throw Error(ErrorKind::usage, "Reshape takes the shape of an image")
        .wanted("1 to " + std::to_string(kMostAxes) + " sizes above 0, one of which may be -1")
        .got(text_of(shape_));
  }
}

Attributes Reshape::attributes() const {
  return list_of("shape", shape_);
}

Shape Reshape::output_shape(std::span<const Shape> in, std::string_view where) const {
  std::vector<int64_t> sizes = shape_;
  std::replace(sizes.begin(), sizes.end(), int64_t{-1}, int64_t{1});
  const int64_t known = Shape(sizes).elements(), all = in[0].elements();
  const bool open = std::find(shape_.begin(), shape_.end(), -1) != shape_.end();
  if (open ? all % known != 0 || all == 0 : all != known) {
    throw Error(ErrorKind::usage, "the elements do not fit the shape")
        .where(where)
        .wanted(text_of(shape_))
        .got(in[0].text());
  }
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (shape_[i] == -1) sizes[i] = all / known;
  }
  return Shape(sizes);
}

std::span<const Implementation<float>> Reshape::implementations(float) const {
  return kReshapeFloat;
}
std::span<const Implementation<double>> Reshape::implementations(double) const {
  return kReshapeDouble;
}

}  // namespace unfold
