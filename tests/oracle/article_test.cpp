// The article's worked example, x (1,3,4,4) and w (2,3,2,2), against NumPy's recorded result, every number;
// then with two images, and with stride 2, padding 1 and a non-square input.
#include <doctest/doctest.h>

#include <string>

#include "tests/oracle/convolution.h"
#include "tests/oracle/oracle.h"
#include "unfold/im2col.h"

using namespace unfold;
using oracle::as;
using oracle::equal;

namespace {

/// One recorded case: its tensors by their short names, its window and sizes.
struct Example {
  const oracle::Values& values;
  std::string name;

  const Tensor& tensor(const char* what) const { return values.tensor(name + "." + what); }
  std::span<const double> operator()(const char* what) const { return values(name + "." + what); }
  Window2d window() const {
    const auto geometry = tensor("geometry").span<int64_t>();
    Window2d window = Window2d::square(1, geometry[0], geometry[1]);
    window.kernel_h = tensor("w").shape()[2];
    window.kernel_w = tensor("w").shape()[3];
    return window;
  }
  Conv2dShape shape() const {
    return Conv2dShape::infer(tensor("x").shape(), tensor("w").shape()[0], window(), name);
  }
};

template <class T>
bool same(const Tensor& got, const Tensor& want) {
  return got.shape() == want.shape() && equal(got.span<T>(), want.span<T>());
}

const char* const kExact[] = {"example", "two_images", "strided"};
const char* const kFractions[] = {"example_float", "two_images_float"};

template <class T>
void check_equal(const oracle::Convolution<T>& got, const Example& example) {
  CHECK(equal(got.y, example("y")));
  CHECK(equal(got.dx, example("dx")));
  CHECK(equal(got.dw, example("dw")));
  CHECK(equal(got.db, example("db")));
}

}  // namespace

TEST_CASE("the recorded examples have the article's sizes") {
  const oracle::Values values("article");
  CHECK(values.tensor("example.i").shape() == Shape({12, 9}));
  CHECK(values.tensor("example.j").shape() == Shape({12, 9}));
  CHECK(values.tensor("example.d").shape() == Shape({12, 1}));
  CHECK(values.tensor("example.columns").shape() == Shape({12, 9}));
  CHECK(values.tensor("two_images.columns").shape() == Shape({12, 18}));
}

TEST_CASE("get_indices gives the article's i, j and d") {
  const oracle::Values values("article");
  for (const char* name : kExact) {
    CAPTURE(name);
    const Example example{values, name};
    const Indices got = get_indices(example.tensor("x").shape(), example.window());
    CHECK(same<int64_t>(got.i, example.tensor("i")));
    CHECK(same<int64_t>(got.j, example.tensor("j")));
    CHECK(same<int64_t>(got.d, example.tensor("d")));
  }
}

TEST_CASE("im2col gives the article's columns, images side by side") {
  const oracle::Values values("article");
  for (const char* name : {"example", "two_images", "strided", "example_float", "two_images_float"}) {
    CAPTURE(name);
    const Example example{values, name};
    CHECK(same<double>(im2col(example.tensor("x"), example.window()), example.tensor("columns")));
  }
}

TEST_CASE("the three passes written with im2col, matrix products and col2im give the article's numbers") {
  const oracle::Values values("article");
  for (const char* name : kExact) {
    CAPTURE(name);
    const Example example{values, name};
    const Conv2dShape s = example.shape();
    const int64_t patch = s.patch(), width = s.n * s.pixels();
    const Tensor columns = im2col(example.tensor("x"), example.window());
    const double* w = example("w").data();

    Tensor product = Tensor::zeros<double>({s.oc, width});
    for (int64_t o = 0; o < s.oc; ++o) {
      for (int64_t c = 0; c < width; ++c) {
        double sum = example("b")[static_cast<size_t>(o)];
        for (int64_t r = 0; r < patch; ++r) sum += w[o * patch + r] * columns.data<double>()[r * width + c];
        product.data<double>()[o * width + c] = sum;
      }
    }
    CHECK(equal(split_images(product, s.n).span<double>(), example("y")));

    const Tensor dy = join_images(example.tensor("dy").reshaped({s.n, s.oc, s.pixels()}));
    Tensor dcolumns = Tensor::zeros<double>({patch, width}), dw = Tensor::zeros<double>(s.w_shape());
    for (int64_t o = 0; o < s.oc; ++o) {
      for (int64_t r = 0; r < patch; ++r) {
        for (int64_t c = 0; c < width; ++c) {
          const double d = dy.data<double>()[o * width + c];
          dcolumns.data<double>()[r * width + c] += w[o * patch + r] * d;
          dw.data<double>()[o * patch + r] += d * columns.data<double>()[r * width + c];
        }
      }
    }
    CHECK(same<double>(col2im(dcolumns, s.x_shape(), example.window()), example.tensor("dx")));
    CHECK(same<double>(dw, example.tensor("dw")));
  }
}

TEST_CASE("both engines' convolutions give the article's numbers") {
  const oracle::Values values("article");
  for (const char* name : kExact) {
    CAPTURE(name);
    const Example e{values, name};
    const auto x = as<double>(e("x")), w = as<double>(e("w")), b = as<double>(e("b")),
               dy = as<double>(e("dy"));
    check_equal(oracle::naive_convolution(e.shape(), x, w, b, dy), e);
    const auto x32 = as<float>(e("x")), w32 = as<float>(e("w")), b32 = as<float>(e("b")),
               dy32 = as<float>(e("dy"));
    check_equal(oracle::naive_convolution(e.shape(), x32, w32, b32, dy32), e);
    check_equal(oracle::im2col_convolution(e.shape(), x32, w32, b32, dy32), e);
  }
}

TEST_CASE("with fractions the naive convolution gives the article's numbers to the last digits") {
  const oracle::Values values("article");
  for (const char* name : kFractions) {
    CAPTURE(name);
    const Example e{values, name};
    const auto got = oracle::naive_convolution(e.shape(), as<double>(e("x")), as<double>(e("w")),
                                               as<double>(e("b")), as<double>(e("dy")));
    CHECK(oracle::relative_error(got.y, e("y")) < 1e-12);
    CHECK(oracle::relative_error(got.dx, e("dx")) < 1e-12);
    CHECK(oracle::relative_error(got.dw, e("dw")) < 1e-12);
    CHECK(oracle::relative_error(got.db, e("db")) < 1e-12);
  }
}
