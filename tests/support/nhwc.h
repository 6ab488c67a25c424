// The three passes of a convolution for tests: naive, and over NHWC with guard zones around all memory.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

#include "tests/support/geometry.h"
#include "tests/support/guarded.h"
#include "unfold/kernels/nhwc.h"
#include "unfold/kernels/reference/conv2d.h"
#include "unfold/tensor.h"

namespace unfold::test {

/// NCHW <-> NHWC of a batch, by the definition.
inline std::vector<float> to_nhwc(int64_t n, int64_t c, int64_t pixels, const std::vector<float>& from) {
  std::vector<float> to(from.size());
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < c; ++j) {
      for (int64_t p = 0; p < pixels; ++p) {
        to[static_cast<size_t>((i * pixels + p) * c + j)] =
            from[static_cast<size_t>((i * c + j) * pixels + p)];
      }
    }
  }
  return to;
}
inline std::vector<float> to_nchw(int64_t n, int64_t c, int64_t pixels, const float* from) {
  std::vector<float> to(static_cast<size_t>(n * c * pixels));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < c; ++j) {
      for (int64_t p = 0; p < pixels; ++p)
        to[static_cast<size_t>((i * c + j) * pixels + p)] = from[(i * pixels + p) * c + j];
    }
  }
  return to;
}

struct Data {
  std::vector<float> x, w, b, dy;  // NCHW
};
struct Passes {
  std::vector<float> y, dx, dw, db;  // NCHW
  bool operator==(const Passes&) const = default;
};

inline Data whole_numbers(const Conv2dShape& s, Random& random) {
  // Below 2^24 every partial sum is exact in float.
  REQUIRE((std::max(s.patch(), s.n * s.pixels()) + s.group_oc() * s.window.taps()) * 16 + 16 < (1 << 24));
  return {integers<float>(s.n * s.x_image(), random), integers<float>(s.w_shape().elements(), random),
          integers<float>(s.oc, random), integers<float>(s.n * s.y_image(), random)};
}

inline Data real_numbers(const Conv2dShape& s, Random& random) {
  Data d;
  const auto draw = [&](std::vector<float>& v, int64_t count) {
    v.resize(static_cast<size_t>(count));
    for (float& value : v) value = static_cast<float>(random.normal());
  };
  draw(d.x, s.n * s.x_image());
  draw(d.w, s.w_shape().elements());
  draw(d.b, s.oc);
  draw(d.dy, s.n * s.y_image());
  return d;
}

inline Passes naive(const Conv2dShape& s, const Data& d) {
  Passes p{std::vector<float>(static_cast<size_t>(s.n * s.y_image())),
           std::vector<float>(static_cast<size_t>(s.n * s.x_image())), std::vector<float>(d.w.size()),
           std::vector<float>(d.b.size())};
  reference::conv2d_forward(s, d.x.data(), d.w.data(), d.b.data(), p.y.data());
  reference::conv2d_backward_data(s, d.w.data(), d.dy.data(), p.dx.data());
  reference::conv2d_backward_weights(s, d.x.data(), d.dy.data(), p.dw.data(), p.db.data());
  return p;
}

/// 0 = first cut < ... < last cut = count; some of one part, some of several.
inline std::vector<int64_t> cuts(int64_t count, Random* random) {
  std::vector<int64_t> c{0};
  while (random && c.back() < count) {
    c.push_back(std::min(count, c.back() + 1 + random->below(std::max<int64_t>(1, count))));
  }
  if (c.back() < count) c.push_back(count);
  return c;
}

/// All passes over NHWC; with `random`, in ranges cut at random, whose parts must make the whole.
inline Passes over_nhwc(const Conv2dShape& s, const Data& d, Random* random = nullptr,
                        NhwcEpilogue epilogue = NhwcEpilogue::none) {
  const std::vector<float> x = to_nhwc(s.n, s.ic, s.ih * s.iw, d.x),
                           dy = to_nhwc(s.n, s.oc, s.pixels(), d.dy);
  Guarded packed(nhwc_weight_floats(s)), turned(nhwc_turned_weight_floats(s)), dw(nhwc_weight_floats(s));
  Guarded y(s.n * s.y_image()), dx(s.n * s.x_image());
  Guarded forward(nhwc_forward_scratch(s)), data(nhwc_backward_data_scratch(s));
  Guarded weights(nhwc_backward_weights_scratch(s));
  nhwc_pack_weights(s, d.w.data(), packed.data());
  nhwc_pack_weights_turned(s, d.w.data(), turned.data());

  const auto ranges = [&](int64_t rows, int64_t tiles, auto run) {
    const auto r = cuts(rows, random), t = cuts(tiles, random);
    for (size_t i = 0; i + 1 < r.size(); ++i) {
      for (size_t j = 0; j + 1 < t.size(); ++j) run(NhwcRange{r[i], r[i + 1], t[j], t[j + 1]});
    }
  };
  ranges(s.n * s.oh, nhwc_output_tiles(s), [&](const NhwcRange& range) {
    nhwc_forward(s, range, x.data(), packed.data(), d.b.data(), epilogue, y.data(), forward.data());
  });
  ranges(s.n * s.ih, nhwc_input_tiles(s), [&](const NhwcRange& range) {
    nhwc_backward_data(s, range, turned.data(), dy.data(), dx.data(), data.data());
  });
  Passes p;
  p.dw.resize(d.w.size());
  p.db.resize(d.b.size());
  auto images = cuts(s.n, random);
  for (int64_t& cut : images) {  // at whole groups
    const int64_t of_group = nhwc_group_images(s);
    cut = std::min(s.n, (cut + of_group - 1) / of_group * of_group);
  }
  images.erase(std::unique(images.begin(), images.end()), images.end());
  const auto tiles = cuts(nhwc_output_tiles(s), random);
  for (size_t i = 0; i + 1 < images.size(); ++i) {
    for (size_t t = 0; t + 1 < tiles.size(); ++t) {
      nhwc_backward_weights(s, images[i], images[i + 1], tiles[t], tiles[t + 1], x.data(), dy.data(),
                            i == 0 ? NhwcSum::overwrite : NhwcSum::add, dw.data(), p.db.data(),
                            weights.data());
    }
  }
  for (size_t t = 0; t + 1 < tiles.size(); ++t)
    nhwc_add_weights(s, dw.data(), p.dw.data(), tiles[t], tiles[t + 1]);
  for (Guarded* g : {&packed, &turned, &dw, &y, &dx, &forward, &data, &weights}) CHECK(g->intact());
  p.y = to_nchw(s.n, s.oc, s.pixels(), y.data());
  p.dx = to_nchw(s.n, s.ic, s.ih * s.iw, dx.data());
  return p;
}

/// Random geometries with so many channels that tiles are full, ragged and several.
inline Conv2dShape wider(Conv2dShape s, Random& random) {
  const int64_t groups = s.window.groups, kind = random.below(6);
  Window2d window = s.window;
  int64_t ic = s.ic, oc = s.oc;
  if (kind == 0) {  // depthwise
    ic = oc = window.groups = 1 + random.below(90);
  } else if (kind <= 2) {
    ic = groups * (1 + random.below(40));
    oc = groups * (1 + random.below(50));
  }
  return Conv2dShape::infer({s.n, ic, s.ih, s.iw}, oc, window, "wider");
}

inline bool same_bits(const Passes& a, const Passes& b) {
  const auto same = [](const std::vector<float>& u, const std::vector<float>& v) {
    return u.size() == v.size() && std::memcmp(u.data(), v.data(), u.size() * sizeof(float)) == 0;
  };
  return same(a.y, b.y) && same(a.dx, b.dx) && same(a.dw, b.dw) && same(a.db, b.db);
}

}  // namespace unfold::test
