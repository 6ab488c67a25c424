// The im2col kernels against their naive twins on small whole numbers: every sum is exact, so every bit must
// agree.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/support/geometry.h"
#include "tests/support/targets.h"
#include "unfold/kernels/conv2d.h"
#include "unfold/kernels/linear.h"
#include "unfold/kernels/pool2d.h"
#include "unfold/kernels/reference/conv2d.h"
#include "unfold/kernels/reference/linear.h"
#include "unfold/kernels/reference/pool2d.h"
#include "unfold/tensor.h"

using namespace unfold;
using test::integers;

namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

std::vector<float> poison(int64_t count) {
  return std::vector<float>(static_cast<size_t>(count), kNaN);
}

/// Scratch as the workers have it: aligned, full of NaN, with a canary behind it.
struct Scratch {
  Buffer buffer;
  int64_t floats;
  explicit Scratch(int64_t n) : buffer(static_cast<size_t>(n + 16) * 4), floats(n) {
    std::fill(data(), data() + n + 16, kNaN);
    for (int64_t i = n; i < n + 16; ++i) data()[i] = 12345;
  }
  float* data() { return reinterpret_cast<float*>(buffer.data()); }
  bool intact() {
    return std::all_of(data() + floats, data() + floats + 16, [](float v) { return v == 12345; });
  }
};

/// Largest sum of |a b| that an output can reach: below 2^24 every partial sum is exact in float.
void require_exact(int64_t terms) {
  REQUIRE(terms * 16 + 16 < (1 << 24));
}

struct Passes {
  std::vector<float> y, dx, dw, db;
  bool operator==(const Passes&) const = default;
};

Passes naive(const Conv2dShape& s, const std::vector<float>& x, const std::vector<float>& w,
             const std::vector<float>& b, const std::vector<float>& dy) {
  Passes p{poison(s.n * s.y_image()), poison(s.n * s.x_image()), std::vector<float>(w.size()),
           std::vector<float>(b.size())};
  reference::conv2d_forward(s, x.data(), w.data(), b.data(), p.y.data());
  reference::conv2d_backward_data(s, w.data(), dy.data(), p.dx.data());
  reference::conv2d_backward_weights(s, x.data(), dy.data(), p.dw.data(), p.db.data());
  return p;
}

Passes im2col_engine(const Conv2dShape& s, const std::vector<float>& x, const std::vector<float>& w,
                     const std::vector<float>& b, const std::vector<float>& dy) {
  Passes p{poison(s.n * s.y_image()), poison(s.n * s.x_image()), std::vector<float>(w.size()),
           std::vector<float>(b.size())};
  Scratch scratch(conv2d_scratch(s));
  for (int64_t n = 0; n < s.n; ++n) {
    const float *xn = x.data() + n * s.x_image(), *dyn = dy.data() + n * s.y_image();
    conv2d_forward(s, xn, w.data(), b.data(), p.y.data() + n * s.y_image(), scratch.data());
    conv2d_backward_data(s, w.data(), dyn, p.dx.data() + n * s.x_image(), scratch.data());
    conv2d_backward_weights(s, xn, dyn, p.dw.data(), p.db.data(), scratch.data());
  }
  CHECK(scratch.intact());
  return p;
}

}  // namespace

TEST_CASE("convolution: naive and im2col agree in every bit on 2,200 geometries, all three passes") {
  Random random(1, "exact");
  std::map<std::string, int> kinds;
  int compared = 0;
  for (int i = 0; i < 2200; ++i) {
    const Conv2dShape s = test::random_geometry(random, kinds);
    require_exact(std::max(s.patch(), s.n * s.pixels()) + s.group_oc() * s.window.taps());
    const auto x = integers<float>(s.n * s.x_image(), random),
               w = integers<float>(s.w_shape().elements(), random);
    const auto b = integers<float>(s.oc, random), dy = integers<float>(s.n * s.y_image(), random);
    const Passes want = naive(s, x, w, b, dy), got = im2col_engine(s, x, w, b, dy);
    CAPTURE(s.x_shape().text());
    CAPTURE(s.w_shape().text());
    CHECK(got == want);
    // A stride or padding can leave pixels that no window touches; what is computed must not be mostly zero.
    CHECK(test::filled(want.y) >= 0.5);
    ++compared;
  }
  CHECK(compared >= 2000);
  std::string histogram;
  for (const auto& [kind, count] : kinds) {
    histogram += kind + ": " + std::to_string(count) + "; ";
    CHECK(count >= 50);
  }
  MESSAGE(histogram);
}

TEST_CASE("every SIMD target gives the same bits on whole numbers, and FMA targets on any numbers") {
  Random random(2, "targets");
  std::map<std::string, int> kinds;
  std::vector<Conv2dShape> shapes;
  for (int i = 0; i < 60; ++i) shapes.push_back(test::random_geometry(random, kinds));
  shapes.push_back(Conv2dShape::infer({1, 1, 32, 32}, 6, Window2d::square(5), "conv1"));
  shapes.push_back(Conv2dShape::infer({1, 6, 14, 14}, 16, Window2d::square(5), "conv2"));
  shapes.push_back(
      Conv2dShape::infer({1, 40, 30, 30}, 70, Window2d::square(3, 1, 1), "blocked"));  // K > 256, M > 32
  for (const Conv2dShape& s : shapes) {
    Random values(3, "values");
    const auto x = integers<float>(s.n * s.x_image(), values),
               w = integers<float>(s.w_shape().elements(), values);
    const auto b = integers<float>(s.oc, values), dy = integers<float>(s.n * s.y_image(), values);
    std::vector<float> real(x.size());
    for (float& v : real) v = static_cast<float>(values.normal());
    const Passes want = naive(s, x, w, b, dy);
    std::vector<Passes> fused;
    const auto ran = test::on_every_target([&](const std::string& target) {
      CAPTURE(target);
      CHECK(im2col_engine(s, x, w, b, dy) == want);
      if (target.starts_with("AVX")) fused.push_back(im2col_engine(s, real, w, b, dy));
    });
    CHECK(ran.size() >= 1);
    for (const Passes& p : fused) CHECK(p == fused.front());
  }
}

TEST_CASE("dx three ways: scatter, W^T dY then col2im, full convolution with the turned kernel") {
  Random random(4, "dx");
  std::map<std::string, int> kinds;
  for (int i = 0; i < 300; ++i) {
    const Conv2dShape s = test::random_geometry(random, kinds, false);
    const Window2d& k = s.window;
    const auto w = integers<float>(s.w_shape().elements(), random),
               dy = integers<float>(s.n * s.y_image(), random);
    auto scatter = poison(s.n * s.x_image()), folded = scatter;
    reference::conv2d_backward_data(s, w.data(), dy.data(), scatter.data());
    Scratch scratch(conv2d_scratch(s));
    for (int64_t n = 0; n < s.n; ++n) {
      conv2d_backward_data(s, w.data(), dy.data() + n * s.y_image(), folded.data() + n * s.x_image(),
                           scratch.data());
    }
    // dY with stride - 1 zeros between its pixels, convolved with the kernel turned by 180 degrees and in/out
    // channels exchanged, padded by dilation*(kernel-1): position p of the result is padded-image position p.
    const int64_t zh = (s.oh - 1) * k.stride_h + 1, zw = (s.ow - 1) * k.stride_w + 1;
    std::vector<float> spread(static_cast<size_t>(s.n * s.oc * zh * zw)), turned(w.size());
    for (int64_t plane = 0; plane < s.n * s.oc; ++plane) {
      for (int64_t oh = 0; oh < s.oh; ++oh) {
        for (int64_t ow = 0; ow < s.ow; ++ow) {
          spread[static_cast<size_t>((plane * zh + oh * k.stride_h) * zw + ow * k.stride_w)] =
              dy[static_cast<size_t>((plane * s.oh + oh) * s.ow + ow)];
        }
      }
    }
    for (int64_t o = 0; o < s.oc; ++o) {
      for (int64_t c = 0; c < s.ic; ++c) {
        for (int64_t t = 0; t < k.taps(); ++t) {
          turned[static_cast<size_t>((c * s.oc + o) * k.taps() + k.taps() - 1 - t)] =
              w[static_cast<size_t>((o * s.ic + c) * k.taps() + t)];
        }
      }
    }
    Window2d full = k;
    full.stride_h = full.stride_w = 1;
    full.pad_top = full.pad_bottom = k.dilation_h * (k.kernel_h - 1);
    full.pad_left = full.pad_right = k.dilation_w * (k.kernel_w - 1);
    const Conv2dShape f = Conv2dShape::infer({s.n, s.oc, zh, zw}, s.ic, full, "full");
    auto padded = poison(f.n * f.y_image());
    reference::conv2d_forward<float>(f, spread.data(), turned.data(), nullptr, padded.data());
    auto cropped = std::vector<float>(scatter.size());
    for (int64_t plane = 0; plane < s.n * s.ic; ++plane) {
      for (int64_t ih = 0; ih < s.ih; ++ih) {
        for (int64_t iw = 0; iw < s.iw; ++iw) {
          const int64_t ph = ih + k.pad_top, pw = iw + k.pad_left;
          if (ph < f.oh && pw < f.ow) {  // beyond: pixels that no window reaches
            cropped[static_cast<size_t>((plane * s.ih + ih) * s.iw + iw)] =
                padded[static_cast<size_t>((plane * f.oh + ph) * f.ow + pw)];
          }
        }
      }
    }
    CHECK(folded == scatter);
    CHECK(cropped == scatter);
  }
}

TEST_CASE("dw two ways: dY columns^T, and correlation of x with the dilated dY") {
  Random random(5, "dw");
  std::map<std::string, int> kinds;
  for (int i = 0; i < 300; ++i) {
    const Conv2dShape s = test::random_geometry(random, kinds, false);
    const Window2d& k = s.window;
    const auto x = integers<float>(s.n * s.x_image(), random),
               dy = integers<float>(s.n * s.y_image(), random);
    std::vector<float> product(static_cast<size_t>(s.w_shape().elements())), correlated = product;
    std::vector<float> db(static_cast<size_t>(s.oc));
    Scratch scratch(conv2d_scratch(s));
    for (int64_t n = 0; n < s.n; ++n) {
      conv2d_backward_weights(s, x.data() + n * s.x_image(), dy.data() + n * s.y_image(), product.data(),
                              db.data(), scratch.data());
      // Each plane of dY slides over each plane of x as a kernel: what was the stride is now its dilation,
      // and the other way round.
      Window2d slide = k;
      slide.kernel_h = s.oh;
      slide.kernel_w = s.ow;
      slide.stride_h = k.dilation_h;
      slide.stride_w = k.dilation_w;
      slide.dilation_h = k.stride_h;
      slide.dilation_w = k.stride_w;
      for (int64_t o = 0; o < s.oc; ++o) {
        for (int64_t c = 0; c < s.ic; ++c) {
          const Conv2dShape f = Conv2dShape::infer({1, 1, s.ih, s.iw}, 1, slide, "slide");
          auto y = poison(f.y_image());
          reference::conv2d_forward<float>(f, x.data() + (n * s.ic + c) * s.ih * s.iw,
                                           dy.data() + (n * s.oc + o) * s.pixels(), nullptr, y.data());
          for (int64_t kh = 0; kh < k.kernel_h; ++kh) {
            for (int64_t kw = 0; kw < k.kernel_w; ++kw) {
              correlated[static_cast<size_t>(((o * s.ic + c) * k.kernel_h + kh) * k.kernel_w + kw)] +=
                  y[static_cast<size_t>(kh * f.ow + kw)];
            }
          }
        }
      }
    }
    CHECK(correlated == product);
  }
}

TEST_CASE("average pooling: naive and im2col agree in every bit on 600 geometries") {
  Random random(6, "pool");
  std::map<std::string, int> kinds;
  for (int i = 0; i < 600; ++i) {
    Conv2dShape s = test::random_geometry(random, kinds, false);
    s.oc = s.ic;
    const bool include = i % 2;
    // Multiples of 60: the quotient by up to 5 windows stays exact or rounds alike.
    const auto x = integers<float>(s.n * s.x_image(), random),
               dy = integers<float>(s.n * s.y_image(), random);
    auto y = poison(s.n * s.y_image()), want_y = y, dx = poison(s.n * s.x_image()), want_dx = dx;
    reference::avg_pool2d_forward(s, x.data(), want_y.data(), include);
    Scratch scratch(avg_pool2d_scratch(s));
    for (int64_t n = 0; n < s.n; ++n) {
      avg_pool2d_forward(s, x.data() + n * s.x_image(), y.data() + n * s.y_image(), include, scratch.data());
    }
    CHECK(y == want_y);
    // The order of a pixel's taps differs between scatter by output and by tap: exact only where shares are
    // whole.
    auto shares = dy;
    if (include) {
      for (float& v : shares) v *= static_cast<float>(s.window.taps());
      reference::avg_pool2d_backward(s, shares.data(), want_dx.data(), include);
      for (int64_t n = 0; n < s.n; ++n) {
        avg_pool2d_backward(s, shares.data() + n * s.y_image(), dx.data() + n * s.x_image(), include,
                            scratch.data());
      }
      CHECK(dx == want_dx);
    }
    CHECK(scratch.intact());
  }
}

TEST_CASE("linear: naive and the matrix product agree in every bit, whole and by rows") {
  Random random(7, "linear");
  for (int i = 0; i < 200; ++i) {
    const int64_t n = 1 + random.below(20), in = 1 + random.below(300), out = 1 + random.below(60);
    const auto x = integers<float>(n * in, random), w = integers<float>(out * in, random);
    const auto b = integers<float>(out, random), dy = integers<float>(n * out, random);
    auto y = poison(n * out), want_y = y, dx = poison(n * in), want_dx = dx;
    std::vector<float> dw(w.size(), 1), want_dw = dw, db(b.size(), 1), want_db = db;
    Scratch scratch(linear_scratch(n, in, out));
    reference::linear_forward(n, in, out, x.data(), w.data(), b.data(), want_y.data());
    reference::linear_backward_data(n, in, out, w.data(), dy.data(), want_dx.data());
    reference::linear_backward_weights<float>(n, in, out, 0, out, x.data(), dy.data(), want_dw.data(),
                                              want_db.data());
    const int64_t cut = random.below(out + 1);
    for (const auto& [o0, o1] : {std::pair<int64_t, int64_t>{0, cut}, {cut, out}}) {
      if (o0 == o1) continue;
      linear_forward(n, in, out, o0, o1, x.data(), w.data(), b.data(), y.data(), scratch.data());
      const bool overwrite = i % 2 == 0;
      if (overwrite) {  // whatever lies there
        std::fill(dw.begin() + o0 * in, dw.begin() + o1 * in, std::nanf(""));
        std::fill(db.begin() + o0, db.begin() + o1, std::nanf(""));
      }
      linear_backward_weights(n, in, out, o0, o1, x.data(), dy.data(), overwrite, dw.data() + o0 * in,
                              db.data() + o0, scratch.data());
      if (!overwrite) continue;
      for (int64_t e = o0 * in; e < o1 * in; ++e) dw[static_cast<size_t>(e)] += 1;  // as if it had been added
      for (int64_t o = o0; o < o1; ++o) db[static_cast<size_t>(o)] += 1;
    }
    const int64_t in_cut = random.below(in + 1);
    for (const auto& [i0, i1] : {std::pair<int64_t, int64_t>{0, in_cut}, {in_cut, in}}) {
      if (i0 < i1) linear_backward_data(n, in, out, i0, i1, w.data(), dy.data(), dx.data(), scratch.data());
    }
    CHECK(y == want_y);
    CHECK(dx == want_dx);
    CHECK(dw == want_dw);
    CHECK(db == want_db);
    CHECK(scratch.intact());
  }
}
