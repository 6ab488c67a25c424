#include "unfold/im2col.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "unfold/error.h"
#include "unfold/kernels/reference/conv2d.h"
#include "unfold/kernels/reference/pool2d.h"
#include "unfold/random.h"

using namespace unfold;

namespace {

struct Geometry {
  Shape x;
  Window2d window;
};

/// A random geometry whose window fits: 1-3 images, 1-3 channels, sides 1-7, uneven padding, dilation,
/// stride.
Geometry random_geometry(Random& random) {
  const auto between = [&](int64_t low, int64_t high) { return low + random.below(high - low + 1); };
  while (true) {
    Geometry g{{between(1, 3), between(1, 3), between(1, 7), between(1, 7)}, {}};
    Window2d& k = g.window;
    k.kernel_h = between(1, 4), k.kernel_w = between(1, 4);
    k.stride_h = between(1, 4), k.stride_w = between(1, 4);
    k.pad_top = between(0, 2), k.pad_left = between(0, 2), k.pad_bottom = between(0, 2),
    k.pad_right = between(0, 2);
    k.dilation_h = between(1, 3), k.dilation_w = between(1, 3);
    if (output_size(g.x[2], k.kernel_h, k.stride_h, k.pad_top, k.pad_bottom, k.dilation_h) > 0 &&
        output_size(g.x[3], k.kernel_w, k.stride_w, k.pad_left, k.pad_right, k.dilation_w) > 0) {
      return g;
    }
  }
}

/// Small integers, so that every sum below is exact: -4 .. 4.
template <class T>
Tensor small_integers(const Shape& shape, Random& random) {
  Tensor t = Tensor::zeros<T>(shape);
  for (T& value : t.span<T>()) value = static_cast<T>(random.below(9) - 4);
  return t;
}

/// 1, 2, 3, ...: no two elements alike, so that an exchanged pair is seen.
Tensor counted(const Shape& shape) {
  Tensor t = Tensor::zeros<double>(shape);
  double next = 1;
  for (double& value : t.span<double>()) value = next++;
  return t;
}

template <class T>
std::vector<T> values(const Tensor& t) {
  const Tensor whole = t.clone();
  return {whole.span<T>().begin(), whole.span<T>().end()};
}

double dot(const Tensor& a, const Tensor& b) {
  double sum = 0;
  for (int64_t e = 0; e < a.elements(); ++e) sum += a.data<double>()[e] * b.data<double>()[e];
  return sum;
}

/// a (M,K) * b (K,N)
Tensor product(const Tensor& a, const Tensor& b) {
  const int64_t m = a.shape()[0], k = a.shape()[1], n = b.shape()[1];
  Tensor c = Tensor::zeros<double>({m, n});
  for (int64_t row = 0; row < m; ++row) {
    for (int64_t inner = 0; inner < k; ++inner) {
      for (int64_t col = 0; col < n; ++col) {
        c.data<double>()[row * n + col] +=
            a.data<double>()[row * k + inner] * b.data<double>()[inner * n + col];
      }
    }
  }
  return c;
}

/// x with its padding around it, as the index matrices see it.
Tensor padded(const Tensor& x, const Window2d& k) {
  const Shape& s = x.shape();
  Tensor p =
      Tensor::zeros<double>({s[0], s[1], s[2] + k.pad_top + k.pad_bottom, s[3] + k.pad_left + k.pad_right});
  for (int64_t image = 0; image < s[0] * s[1]; ++image) {
    for (int64_t h = 0; h < s[2]; ++h) {
      for (int64_t w = 0; w < s[3]; ++w) {
        p.data<double>()[(image * p.shape()[2] + h + k.pad_top) * p.shape()[3] + w + k.pad_left] =
            x.data<double>()[(image * s[2] + h) * s[3] + w];
      }
    }
  }
  return p;
}

Tensor flat_kernels(const Tensor& w) {
  return w.reshaped({w.shape()[0], w.elements() / w.shape()[0]});
}

}  // namespace

TEST_CASE("the index matrices of the article's example are the ones it draws") {
  const Indices at = get_indices({1, 3, 4, 4}, Window2d::square(2));
  REQUIRE(at.i.shape() == Shape({12, 9}));
  REQUIRE(at.j.shape() == Shape({12, 9}));
  REQUIRE(at.d.shape() == Shape({12, 1}));
  const auto i = values<int64_t>(at.i), j = values<int64_t>(at.j), d = values<int64_t>(at.d);
  // The first row is the top left corner of the nine places, the first column the patch at the first place.
  CHECK(std::vector(i.begin(), i.begin() + 9) == std::vector<int64_t>{0, 0, 0, 1, 1, 1, 2, 2, 2});
  CHECK(std::vector(j.begin(), j.begin() + 9) == std::vector<int64_t>{0, 1, 2, 0, 1, 2, 0, 1, 2});
  for (size_t row = 0; row < 12; ++row) {
    CHECK(i[row * 9] == std::array{0, 0, 1, 1}[row % 4]);
    CHECK(j[row * 9] == std::array{0, 1, 0, 1}[row % 4]);
    CHECK(d[row] == static_cast<int64_t>(row / 4));
  }
}

TEST_CASE("gathering by the index matrices gives im2col's columns, for 2,000 geometries") {
  Random random(1, "gather");
  for (int round = 0; round < 2000; ++round) {
    const Geometry g = random_geometry(random);
    CAPTURE(round);
    const Tensor x = counted(g.x), image = padded(x, g.window), columns = im2col(x, g.window);
    const Indices at = get_indices(g.x, g.window);
    const int64_t rows = at.i.shape()[0], pixels = at.i.shape()[1], height = image.shape()[2],
                  width = image.shape()[3];
    REQUIRE(columns.shape() == Shape({rows, g.x[0] * pixels}));
    bool same = true;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t n = 0; n < g.x[0]; ++n) {
        for (int64_t p = 0; p < pixels; ++p) {
          const int64_t e = row * pixels + p, d = at.d.data<int64_t>()[row];
          const int64_t h = at.i.data<int64_t>()[e], w = at.j.data<int64_t>()[e];
          REQUIRE((h >= 0 && h < height && w >= 0 && w < width));
          same = same && columns.data<double>()[(row * g.x[0] + n) * pixels + p] ==
                             image.data<double>()[((n * g.x[1] + d) * height + h) * width + w];
        }
      }
    }
    REQUIRE(same);
  }
}

TEST_CASE("<im2col(x), y> = <x, col2im(y)> exactly, for 10,000 geometries") {
  Random random(2, "adjoint");
  int nonzero = 0;
  for (int round = 0; round < 10000; ++round) {
    const Geometry g = random_geometry(random);
    CAPTURE(round);
    const Tensor x = small_integers<double>(g.x, random), columns = im2col(x, g.window);
    const Tensor y = small_integers<double>(columns.shape(), random);
    const double there = dot(columns, y), back = dot(x, col2im(y, g.x, g.window));
    REQUIRE(there == back);
    nonzero += there != 0;
  }
  CHECK(nonzero > 8000);  // the equation says something
}

TEST_CASE("col2im(im2col(x)) is x times the number of windows over each pixel") {
  Random random(3, "overlap");
  for (int round = 0; round < 1000; ++round) {
    const Geometry g = random_geometry(random);
    CAPTURE(round);
    const Tensor x = counted(g.x), folded = col2im(im2col(x, g.window), g.x, g.window);
    const Indices at = get_indices(g.x, g.window);
    std::vector<double> windows(
        static_cast<size_t>(g.x[1] * g.x[2] * g.x[3]));  // counted by the indices alone
    for (int64_t e = 0; e < at.i.elements(); ++e) {
      const int64_t h = at.i.data<int64_t>()[e] - g.window.pad_top,
                    w = at.j.data<int64_t>()[e] - g.window.pad_left;
      const int64_t d = at.d.data<int64_t>()[e / at.i.shape()[1]];
      if (h < 0 || w < 0 || h >= g.x[2] || w >= g.x[3]) continue;
      windows[static_cast<size_t>((d * g.x[2] + h) * g.x[3] + w)] += 1;
    }
    bool same = true;
    for (size_t e = 0; e < static_cast<size_t>(x.elements()); ++e) {
      same = same && folded.span<double>()[e] == windows[e % windows.size()] * x.span<double>()[e];
    }
    REQUIRE(same);
  }
}

TEST_CASE("float gives what double gives, and images side by side are what each is alone") {
  Random random(4, "side by side");
  for (int round = 0; round < 300; ++round) {
    const Geometry g = random_geometry(random);
    CAPTURE(round);
    const Tensor x = small_integers<double>(g.x, random), columns = im2col(x, g.window);
    Tensor x32 = Tensor::zeros<float>(g.x);
    std::copy(x.span<double>().begin(), x.span<double>().end(), x32.data<float>());
    const auto in_float = values<float>(im2col(x32, g.window)),
               folded32 = values<float>(col2im(im2col(x32, g.window), g.x, g.window));
    const auto in_double = values<double>(columns), folded = values<double>(col2im(columns, g.x, g.window));
    REQUIRE(std::equal(in_float.begin(), in_float.end(), in_double.begin(), in_double.end()));
    REQUIRE(std::equal(folded32.begin(), folded32.end(), folded.begin(), folded.end()));

    const Shape one{1, g.x[1], g.x[2], g.x[3]};
    for (int64_t n = 0; n < g.x[0]; ++n) {
      const Tensor alone = Tensor::borrow(one, x.data<double>() + n * one.elements());
      REQUIRE(values<double>(image_columns(columns, n, g.x[0])) == values<double>(im2col(alone, g.window)));
    }
    REQUIRE(values<double>(join_images(split_images(columns, g.x[0]))) == in_double);
  }
}

TEST_CASE("a strided tensor is read by its strides") {
  const Tensor x = counted({1, 2, 3, 4}), turned = x.transposed(2, 3);
  CHECK(values<double>(im2col(turned, Window2d::square(2))) ==
        values<double>(im2col(turned.clone(), Window2d::square(2))));
}

// The article warns five times that a plain reshape puts the elements in the wrong order. Each test below
// computes one of the five places with images arranged by split_images or join_images, and again with a plain
// reshape: for one image both are right, for two only the first.
TEST_SUITE("a plain reshape is wrong here") {
  struct Case {
    explicit Case(int64_t n) : shape(Conv2dShape::infer({n, 3, 4, 5}, 2, Window2d::square(2), "case")) {}
    Conv2dShape shape;
    Tensor x = counted(shape.x_shape()), w = counted(shape.w_shape()), dy = counted(shape.y_shape());
    Tensor columns = im2col(x, shape.window);
  };

  TEST_CASE("1: the output of the convolution") {
    for (const int64_t n : {1, 2}) {
      const Case c(n);
      Tensor y = Tensor::zeros<double>(c.shape.y_shape());
      reference::conv2d_forward(c.shape, c.x.data<double>(), c.w.data<double>(),
                                static_cast<const double*>(nullptr), y.data<double>());
      const Tensor out = product(flat_kernels(c.w), c.columns);
      CHECK(values<double>(split_images(out, n)) == values<double>(y));
      CHECK((values<double>(out.reshaped(y.shape())) == values<double>(y)) == (n == 1));
    }
  }

  TEST_CASE("2: dy as a matrix, for the gradient of the kernels") {
    for (const int64_t n : {1, 2}) {
      const Case c(n);
      Tensor dw = Tensor::zeros<double>(c.shape.w_shape());
      reference::conv2d_backward_weights(c.shape, c.x.data<double>(), c.dy.data<double>(), dw.data<double>(),
                                         static_cast<double*>(nullptr));
      const Tensor patches = c.columns.transposed(0, 1).clone();
      const Tensor arranged = join_images(c.dy.reshaped({n, c.shape.oc, c.shape.pixels()}));
      const Tensor plain = c.dy.reshaped({c.shape.oc, n * c.shape.pixels()});
      CHECK(values<double>(product(arranged, patches)) == values<double>(dw));
      CHECK((values<double>(product(plain, patches)) == values<double>(dw)) == (n == 1));
    }
  }

  TEST_CASE("3: the columns split into images, for col2im") {
    for (const int64_t n : {1, 2}) {
      const Case c(n);
      Tensor dx = Tensor::zeros<double>(c.shape.x_shape());
      reference::conv2d_backward_data(c.shape, c.w.data<double>(), c.dy.data<double>(), dx.data<double>());
      const Tensor dcolumns = product(flat_kernels(c.w).transposed(0, 1).clone(),
                                      join_images(c.dy.reshaped({n, c.shape.oc, c.shape.pixels()})));
      // Folds image by image: batch (N, IC*KH*KW, OH*OW).
      const auto fold = [&](const Tensor& batch) {
        std::vector<double> all;
        const int64_t size = batch.elements() / n;
        for (int64_t image = 0; image < n; ++image) {
          const Tensor part =
              Tensor::borrow({batch.shape()[1], batch.shape()[2]}, batch.data<double>() + image * size);
          const auto folded =
              values<double>(col2im(part, {1, c.shape.ic, c.shape.ih, c.shape.iw}, c.shape.window));
          all.insert(all.end(), folded.begin(), folded.end());
        }
        return all;
      };
      const Tensor split = split_images(dcolumns, n);
      CHECK(fold(split) == values<double>(dx));
      CHECK((fold(dcolumns.reshaped(split.shape())) == values<double>(dx)) == (n == 1));
      CHECK(values<double>(col2im(dcolumns, c.shape.x_shape(), c.shape.window)) == values<double>(dx));
    }
  }

  /// Average pooling of case c: the shape with OC = IC, and the mean over the taps of each channel's rows.
  Conv2dShape pooling(const Case& c) {
    return Conv2dShape::infer(c.shape.x_shape(), c.shape.ic, c.shape.window, "pool");
  }

  TEST_CASE("4: the output of average pooling") {
    for (const int64_t n : {1, 2}) {
      const Case c(n);
      const Conv2dShape s = pooling(c);
      Tensor y = Tensor::zeros<double>(s.y_shape());
      reference::avg_pool2d_forward(s, c.x.data<double>(), y.data<double>(), true);
      const int64_t taps = s.window.taps(), width = n * s.pixels();
      Tensor means = Tensor::zeros<double>({s.ic, width});  // (C, K*K, N*P) averaged over its middle axis
      for (int64_t row = 0; row < s.ic * taps; ++row) {
        for (int64_t p = 0; p < width; ++p) {
          means.data<double>()[row / taps * width + p] +=
              c.columns.data<double>()[row * width + p] / static_cast<double>(taps);
        }
      }
      CHECK(values<double>(split_images(means, n)) == values<double>(y));
      CHECK((values<double>(means.reshaped(y.shape())) == values<double>(y)) == (n == 1));
    }
  }

  TEST_CASE("5: dy of average pooling, for its gradient") {
    for (const int64_t n : {1, 2}) {
      const Case c(n);
      const Conv2dShape s = pooling(c);
      const Tensor dy = counted(s.y_shape());
      Tensor dx = Tensor::zeros<double>(s.x_shape());
      reference::avg_pool2d_backward(s, dy.data<double>(), dx.data<double>(), true);
      // Divide, repeat each row once a tap, fold.
      const auto spread = [&](const Tensor& matrix) {
        const int64_t taps = s.window.taps(), width = n * s.pixels();
        Tensor dcolumns = Tensor::zeros<double>({s.ic * taps, width});
        for (int64_t e = 0; e < dcolumns.elements(); ++e) {
          dcolumns.data<double>()[e] =
              matrix.data<double>()[e / width / taps * width + e % width] / static_cast<double>(taps);
        }
        return values<double>(col2im(dcolumns, s.x_shape(), s.window));
      };
      CHECK(spread(join_images(dy.reshaped({n, s.ic, s.pixels()}))) == values<double>(dx));
      CHECK((spread(dy.reshaped({s.ic, n * s.pixels()})) == values<double>(dx)) == (n == 1));
    }
  }
}

TEST_CASE("what does not fit is refused as a usage error that names the function") {
  const auto refused = [](auto&& call, const std::string& where) {
    try {
      call();
      FAIL("not refused");
    } catch (const Error& e) {
      CHECK(e.kind() == ErrorKind::usage);
      CHECK(std::string(e.what()).starts_with(where + ":"));
    }
  };
  const Tensor x = counted({2, 3, 4, 4});
  refused([&] { get_indices({1, 3, 4, 4}, Window2d::square(5)); }, "get_indices");
  refused([&] { get_indices({3, 4, 4}, Window2d::square(2)); }, "get_indices");
  refused([&] { im2col(x, Window2d::square(2, 0)); }, "im2col");
  refused([&] { im2col(x, Window2d::square(2, 1, -1)); }, "im2col");
  refused([&] { im2col(Tensor::zeros<int32_t>({1, 3, 4, 4}), Window2d::square(2)); }, "im2col");
  refused([&] { col2im(Tensor::zeros<double>({12, 9}), {2, 3, 4, 4}, Window2d::square(2)); }, "col2im");
  refused([&] { image_columns(im2col(x, Window2d::square(2)), 2, 2); }, "image_columns");
  refused([&] { split_images(Tensor::zeros<double>({12, 9}), 2); }, "split_images");
  refused([&] { join_images(Tensor::zeros<double>({12, 9})); }, "join_images");
}
