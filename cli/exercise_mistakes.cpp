#include "cli/exercise_mistakes.h"

#include <algorithm>
#include <cmath>

namespace unfold::cli {
namespace {

constexpr int in(int a, int b = 0, int c = 0, int d = 0) {
  return 1 << a | 1 << b | 1 << c | 1 << d;
}

struct Known {
  Mistake mistake;
  int exercises;  ///< bit n: exercise n
  const char* advice;
};

constexpr Known kKnown[] = {
    {Mistake::zeros, in(1, 2, 3, 4) | in(5), "these are all zeros: this part is not written yet"},
    {Mistake::no_stride, in(1, 2, 3, 4) | in(5),
     "these are the numbers of stride 1: the next place of the window is `stride` pixels further, oh*stride "
     "and "
     "ow*stride"},
    {Mistake::unpadded, in(1),
     "the padding is taken off, but i and j count in the padded image, whose corner is 0,0"},
    {Mistake::no_pad, in(2, 3, 4, 5),
     "the padding is not taken off: place oh, element kh is row oh*stride - pad + kh of the image, and "
     "columns "
     "likewise"},
    {Mistake::no_pad_rows, in(2, 3, 4, 5), "the padding is taken off the columns, but not off the rows"},
    {Mistake::no_pad_columns, in(2, 3, 4, 5), "the padding is taken off the rows, but not off the columns"},
    {Mistake::swapped, in(1), "i and j are exchanged: i is the row, j the column"},
    {Mistake::swapped, in(2, 3, 4, 5), "kh and kw are exchanged: kh moves the row, kw the column"},
    {Mistake::kernel_first, in(1, 2, 3, 4),
     "the rows are in another order: (c*KH + kh)*KW + kw, all of one channel, then the next"},
    {Mistake::down_first, in(1, 2, 3),
     "the places are counted down first: they go to the right first, oh*OW + ow"},
    {Mistake::place_first, in(2, 3),
     "the images stand mixed, place by place: all columns of image 0 come first, then those of image 1, "
     "n*OH*OW + oh*OW + ow"},
    {Mistake::wrong_width, in(1, 2, 3), "places are taken apart by OH: oh = p / OW, ow = p % OW"},
    {Mistake::mirrored, in(4), "the kernel is mirrored, turned by 180 degrees: element kh,kw goes to kh,kw"},
    {Mistake::overwritten, in(3, 4, 5),
     "where windows overlap only the last of them is left: add (+=), do not overwrite (=)"},
    {Mistake::kept_first, in(3, 4, 5),
     "where windows overlap only one of them is left: add (+=), do not overwrite (=)"},
    {Mistake::averaged, in(3), "overlaps are averaged: col2im adds up, it does not divide"},
    {Mistake::over_images, in(4),
     "this is the mean over the images: dw and db are sums, dy holds the division already"},
    {Mistake::over_images, in(5), "this is divided by the number of images: dy holds that division already"},
    {Mistake::reshaped, in(4),
     "dy lies image after image, (N, OC, OH*OW); as a matrix its images stand side by side, (OC, N*OH*OW): a "
     "plain "
     "reshape mixes images and channels"},
    {Mistake::reshaped, in(5),
     "dy lies image after image, (N, C, OH*OW); in the columns the images stand side by side: a plain "
     "reshape mixes "
     "images and channels"},
    {Mistake::undivided, in(5),
     "each pixel gets all of dy: a mean of KH*KW numbers gives each 1/(KH*KW) of it"},
    {Mistake::inside, in(5),
     "this is divided by the pixels inside the image: here zeros of the padding count, always divide by "
     "KH*KW"},
};

/// One element of the columns: where it stands, what it touches.
struct Element {
  int n, c;
  int64_t row, column;  ///< in the columns
  int64_t place;        ///< oh*OW + ow
  int64_t tap;          ///< c, kh, kw in a kernel
  int h, w;             ///< the pixel; may lie outside
  int64_t pixel;        ///< its place in x, -1 outside
};

/// Calls visit for every element, taps outside, places inside, as many loops do it.
template <class Visit>
void each_element(const ExerciseSizes& s, Mistake m, Visit visit) {
  const int64_t places = s.places();
  const int stride = m == Mistake::no_stride ? 1 : s.stride;
  const int pad_h = m == Mistake::no_pad || m == Mistake::no_pad_rows ? 0 : s.pad;
  const int pad_w = m == Mistake::no_pad || m == Mistake::no_pad_columns ? 0 : s.pad;
  const auto column_of_windows = [&](int n, int c, int kh, int kw, int64_t p) {
    int oh = static_cast<int>(p / s.ow), ow = static_cast<int>(p % s.ow);
    const int64_t place = m == Mistake::down_first ? int64_t{ow} * s.oh + oh : p;
    if (m == Mistake::wrong_width) oh = static_cast<int>(p / s.oh), ow = static_cast<int>(p % s.oh);
    const bool swapped = m == Mistake::swapped;
    Element e{n, c, 0, 0, p, 0, 0, 0, -1};
    e.h = oh * stride - pad_h + (swapped ? kw : kh);
    e.w = ow * stride - pad_w + (swapped ? kh : kw);
    if (e.h >= 0 && e.h < s.h && e.w >= 0 && e.w < s.w) {
      e.pixel = ((int64_t{n} * s.c + c) * s.h + e.h) * s.w + e.w;
    }
    e.row = m == Mistake::kernel_first ? (int64_t{kh} * s.kw + kw) * s.c + c
                                       : (int64_t{c} * s.kh + kh) * s.kw + kw;
    e.column = m == Mistake::place_first ? place * s.n + n : n * places + place;
    if (m == Mistake::mirrored) kh = s.kh - 1 - kh, kw = s.kw - 1 - kw;
    e.tap = m == Mistake::kernel_first ? e.row : (int64_t{c} * s.kh + kh) * s.kw + kw;
    visit(e);
  };
  for (int n = 0; n < s.n; ++n) {
    for (int64_t tap = 0; tap < s.patch(); ++tap) {
      for (int64_t p = 0; p < places; ++p) {
        column_of_windows(n, static_cast<int>(tap / (s.kh * s.kw)), static_cast<int>(tap / s.kw % s.kh),
                          static_cast<int>(tap % s.kw), p);
      }
    }
  }
}

/// Images that elements are folded into.
class Fold {
 public:
  Fold(const ExerciseSizes& s, Mistake m)
      : x_(static_cast<size_t>(s.n) * s.c * s.h * s.w), count_(x_.size()), mistake_(m) {}

  void add(int64_t pixel, double value) {
    if (pixel < 0) return;
    const auto at = static_cast<size_t>(pixel);
    const bool first = count_[at]++ == 0;
    if (mistake_ == Mistake::overwritten || (mistake_ == Mistake::kept_first && first)) {
      x_[at] = value;
    } else if (mistake_ != Mistake::kept_first) {
      x_[at] += value;
    }
  }
  std::vector<double> result() const {
    std::vector<double> x = x_;
    for (size_t k = 0; mistake_ == Mistake::averaged && k < x.size(); ++k) x[k] /= std::max(1, count_[k]);
    return x;
  }

 private:
  std::vector<double> x_;
  std::vector<int> count_;
  Mistake mistake_;
};

Vectors index_results(const ExerciseSizes& s, Mistake m) {
  const int64_t places = s.places();
  Vectors out(3, std::vector<double>(static_cast<size_t>(s.patch() * places)));
  out[2].resize(static_cast<size_t>(s.patch()));
  ExerciseSizes one = s;
  one.n = 1;
  const int pad = m == Mistake::unpadded ? 0 : s.pad;
  // Exchanged are the results, not the window's sides.
  each_element(one, m == Mistake::swapped ? Mistake::none : m, [&](const Element& e) {
    const auto at = static_cast<size_t>(e.row * places + e.column);
    out[0][at] = e.h + pad;
    out[1][at] = e.w + pad;
    out[2][static_cast<size_t>(e.row)] = e.c;
  });
  if (m == Mistake::swapped) std::swap(out[0], out[1]);
  return out;
}

Vectors conv_results(const ExerciseCase& one, Mistake m) {
  const ExerciseSizes& s = one.sizes;
  const std::vector<double>&x = one.in[0], &w = one.in[1], &dy = one.in[2];
  const auto gradient = [&](int n, int oc, int64_t p) {
    const int64_t plane = m == Mistake::reshaped ? int64_t{oc} * s.n + n : int64_t{n} * s.oc + oc;
    return dy[static_cast<size_t>(plane * s.places() + p)];
  };
  std::vector<double> dw(w.size()), db(static_cast<size_t>(s.oc));
  Fold dx(s, m);
  each_element(s, m, [&](const Element& e) {
    double sum = 0;
    for (int oc = 0; oc < s.oc; ++oc) {
      const auto weight = static_cast<size_t>(oc * s.patch() + e.tap);
      const double d = gradient(e.n, oc, e.place);
      sum += w[weight] * d;
      if (e.pixel >= 0) dw[weight] += d * x[static_cast<size_t>(e.pixel)];
      if (e.row == 0) db[static_cast<size_t>(oc)] += d;
    }
    dx.add(e.pixel, sum);
  });
  if (m == Mistake::over_images) {
    for (double& value : dw) value /= s.n;
    for (double& value : db) value /= s.n;
  }
  return {dx.result(), dw, db};
}

Vectors pool_results(const ExerciseCase& one, Mistake m) {
  const ExerciseSizes& s = one.sizes;
  std::vector<double> inside(static_cast<size_t>(s.places()));
  each_element(s, Mistake::none, [&](const Element& e) {
    if (e.n == 0 && e.c == 0) inside[static_cast<size_t>(e.place)] += e.pixel >= 0;
  });
  Fold dx(s, m);
  each_element(s, m, [&](const Element& e) {
    const int64_t plane = m == Mistake::reshaped ? int64_t{e.c} * s.n + e.n : int64_t{e.n} * s.c + e.c;
    double divisor = s.kh * s.kw;
    if (m == Mistake::undivided) divisor = 1;
    if (m == Mistake::inside) divisor = inside[static_cast<size_t>(e.place)];
    if (m == Mistake::over_images) divisor *= s.n;
    dx.add(e.pixel, one.in[0][static_cast<size_t>(plane * s.places() + e.place)] / divisor);
  });
  return {dx.result()};
}

bool agree(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](double u, double v) {
           return std::abs(u - v) <= 1e-9 * std::max(1.0, std::abs(u));
         });
}

}  // namespace

Vectors mistaken_results(const Exercise& exercise, const ExerciseCase& one, Mistake m) {
  const ExerciseSizes& s = one.sizes;
  if (m == Mistake::zeros) {
    Vectors out = mistaken_results(exercise, one, Mistake::none);
    for (auto& values : out) std::fill(values.begin(), values.end(), 0.0);
    return out;
  }
  const int64_t width = s.n * s.places();
  switch (exercise.number) {
    case 1:
      return index_results(s, m);
    case 2: {
      std::vector<double> columns(static_cast<size_t>(s.patch() * width));
      each_element(s, m, [&](const Element& e) {
        if (e.pixel < 0) return;
        columns[static_cast<size_t>(e.row * width + e.column)] = one.in[0][static_cast<size_t>(e.pixel)];
      });
      return {columns};
    }
    case 3: {
      Fold x(s, m);
      each_element(s, m, [&](const Element& e) {
        x.add(e.pixel, one.in[0][static_cast<size_t>(e.row * width + e.column)]);
      });
      return {x.result()};
    }
    case 4:
      return conv_results(one, m);
    default:
      return pool_results(one, m);
  }
}

Mistake recognise(const Exercise& exercise, const std::vector<ExerciseCase>& cases,
                  const std::vector<Vectors>& got, size_t which, size_t result) {
  Mistake best = Mistake::none;
  size_t most = 0;
  for (const Known& known : kKnown) {
    if (!(known.exercises & 1 << exercise.number)) continue;
    const auto explains = [&](size_t k) {
      return agree(got[k][result], mistaken_results(exercise, cases[k], known.mistake)[result]);
    };
    if (!explains(which)) continue;
    size_t count = 0;
    for (size_t k = 0; k < got.size(); ++k) count += explains(k);
    if (count > most) most = count, best = known.mistake;
  }
  return best;
}

std::string advice(const Exercise& exercise, Mistake mistake) {
  for (const Known& known : kKnown) {
    if (known.mistake == mistake && known.exercises & 1 << exercise.number) return known.advice;
  }
  return "";
}

}  // namespace unfold::cli
