#include "unfold/data/preprocess.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "unfold/error.h"
#include "unfold/kernels/resize.h"

namespace unfold {
namespace {

constexpr int64_t kMaxSide = 4096;

/// What a byte stands for: v / 255.
template <class T>
constexpr std::array<T, 256> kUnit = [] {
  std::array<T, 256> unit{};
  for (size_t v = 0; v < unit.size(); ++v) unit[v] = static_cast<T>(v) / T{255};
  return unit;
}();

/// One channel, padded: all of it is background, then the rows that lie in both are written over it.
template <class T>
void pad(const Preprocessing& how, int64_t channel, const uint8_t* image, T* out, int64_t shift_y,
         int64_t shift_x) {
  const T mean = static_cast<T>(how.mean[channel]), std = static_cast<T>(how.std[channel]);
  const int64_t top = (how.out_h - how.image_h) / 2 + shift_y;
  const int64_t left = (how.out_w - how.image_w) / 2 + shift_x;
  // The part of the shifted image that is not pushed over its own edge, as rows and columns of `out`.
  const auto range = [](int64_t begin, int64_t shift, int64_t image_size, int64_t out_size) {
    const int64_t unshifted = begin - shift;
    return std::pair{std::clamp(std::max(begin, unshifted), int64_t{0}, out_size),
                     std::clamp(std::min(begin, unshifted) + image_size, int64_t{0}, out_size)};
  };
  const auto [y0, y1] = range(top, shift_y, how.image_h, how.out_h);
  const auto [x0, x1] = range(left, shift_x, how.image_w, how.out_w);
  std::fill_n(out, how.out_h * how.out_w, (T{0} - mean) / std);
  for (int64_t y = y0; y < y1; ++y) {
    const int64_t from = (y - top) * how.image_w - left;
    T* to = out + y * how.out_w;
    for (int64_t x = x0; x < x1; ++x) to[x] = (static_cast<T>(image[from + x]) / T{255} - mean) / std;
  }
}

/// The two source pixels one output pixel lies between, and their weights; half-pixel centres.
template <class T>
struct Tap {
  int64_t at[2];
  T weight[2];

  Tap(int64_t out, int64_t out_size, int64_t size) {
    const T scale = static_cast<T>(size) / static_cast<T>(out_size);
    const T real = std::max(scale * (static_cast<T>(out) + T{0.5}) - T{0.5}, T{0});
    at[0] = std::min(static_cast<int64_t>(real), size - 1);
    at[1] = at[0] + (at[0] < size - 1 ? 1 : 0);
    weight[1] = std::min(real - static_cast<T>(at[0]), T{1});
    weight[0] = T{1} - weight[1];
  }
  Tap() = default;
};

/// One channel, resized in two passes: each source row along x once, then pairs of such rows along y. A block
/// of columns at a time, so that the rows fit a small array. The source is the shifted image, 0 where it was
/// moved away from.
template <class T>
void bilinear(const Preprocessing& how, int64_t channel, const uint8_t* image, T* out, int64_t shift_y,
              int64_t shift_x) {
  constexpr int64_t kBlock = 64;
  using Line = std::array<T, kBlock + 2 + kResizeSlack>;
  const T mean = static_cast<T>(how.mean[channel]), std = static_cast<T>(how.std[channel]);
  const bool vectors = std::is_same_v<T, float> && how.out_w >= how.image_w;
  for (int64_t begin = 0; begin < how.out_w; begin += kBlock) {
    const int64_t width = std::min(kBlock, how.out_w - begin);
    std::array<int32_t, kBlock> at;  // the left source pixel, counted from the block's first
    std::array<T, kBlock> w0, w1;
    const int64_t first = Tap<T>(begin, how.out_w, how.image_w).at[0];
    int64_t last = first;
    for (int64_t x = 0; x < width; ++x) {
      const Tap<T> tap(begin + x, how.out_w, how.image_w);
      at[static_cast<size_t>(x)] = static_cast<int32_t>(tap.at[0] - first);
      w0[static_cast<size_t>(x)] = tap.weight[0];
      w1[static_cast<size_t>(x)] = tap.weight[1];
      last = tap.at[0];
    }
    // Source rows resized along x; neighbours have different parity, so both of a pair are kept.
    std::array<std::array<T, kBlock>, 2> rows;
    std::array<int64_t, 2> held{-1, -1};
    const auto source = [&](const uint8_t* from, int64_t x) {
      const int64_t column = std::min(x, how.image_w - 1) - shift_x;
      return column < 0 || column >= how.image_w ? T{0} : kUnit<T>[from[column]];
    };
    const auto row = [&](int64_t y) -> const std::array<T, kBlock>& {
      const auto slot = static_cast<size_t>(y & 1);
      if (held[slot] == y) return rows[slot];
      held[slot] = y;
      if (y < shift_y || y - shift_y >= how.image_h) {
        rows[slot].fill(T{0});
        return rows[slot];
      }
      const uint8_t* from = image + (y - shift_y) * how.image_w;
      if constexpr (std::is_same_v<T, float>) {
        if (vectors) {
          Line line{};
          const int64_t from_x = std::max(first, shift_x);
          const int64_t to_x = std::min({last + 2, how.image_w, how.image_w + shift_x});
          for (int64_t x = from_x; x < to_x; ++x)
            line[static_cast<size_t>(x - first)] = kUnit<T>[from[x - shift_x]];
          if (last + 1 == how.image_w)
            line[static_cast<size_t>(last + 1 - first)] = line[static_cast<size_t>(last - first)];
          resize_row(width, at.data(), w0.data(), w1.data(), line.data(), rows[slot].data());
          return rows[slot];
        }
      }
      for (size_t x = 0; x < static_cast<size_t>(width); ++x) {
        rows[slot][x] = w0[x] * source(from, first + at[x]) + w1[x] * source(from, first + at[x] + 1);
      }
      return rows[slot];
    };
    for (int64_t y = 0; y < how.out_h; ++y) {
      const Tap<T> tap(y, how.out_h, how.image_h);
      const auto& above = row(tap.at[0]);
      const auto& below = row(tap.at[1]);
      T* to = out + y * how.out_w + begin;
      if constexpr (std::is_same_v<T, float>) {
        blend_rows(width, tap.weight[0], above.data(), tap.weight[1], below.data(), mean, std, to);
      } else {
        for (size_t x = 0; x < static_cast<size_t>(width); ++x) {
          to[x] = (tap.weight[0] * above[x] + tap.weight[1] * below[x] - mean) / std;
        }
      }
    }
  }
}

}  // namespace

PerChannel::PerChannel(std::vector<double> values) : values_(std::move(values)) {
  if (values_.empty())
    throw Error(ErrorKind::usage, "a number for each channel is wanted, and there is none");
}

void Preprocessing::check(std::string_view where, int64_t channels) const {
  const auto fail = [&](std::string_view what, double got) {
    throw Error(ErrorKind::model, "the preprocessing makes no sense: " + std::string(what))
        .where(where)
        .got(std::to_string(got))
        .hint("the file is damaged, or was made by another program");
  };
  for (int64_t side : {image_h, image_w, out_h, out_w}) {
    if (side < 1 || side > kMaxSide) fail("a side must be 1 to 4096", static_cast<double>(side));
  }
  if (fit != Fit::pad && fit != Fit::bilinear) fail("unknown fit", static_cast<double>(fit));
  for (const PerChannel& numbers : {mean, std}) {
    const auto size = static_cast<int64_t>(numbers.values().size());
    if (size != 1 && size != channels) {
      fail("mean and standard deviation are one number, or one a channel", static_cast<double>(size));
    }
  }
  for (const double m : mean.values()) {
    if (!std::isfinite(m)) fail("the mean must be finite", m);
  }
  for (const double s : std.values()) {
    if (!std::isfinite(s) || !(s > 0)) fail("the standard deviation must be above 0", s);
  }
}

template <class T>
void preprocess(const Preprocessing& how, std::span<const uint8_t> image, T* out, int64_t shift_y,
                int64_t shift_x) {
  const int64_t plane = how.image_h * how.image_w;
  const auto size = static_cast<int64_t>(image.size());
  if (plane < 1 || size == 0 || size % plane != 0) {
    throw Error(ErrorKind::usage, "an image of another size than the preprocessing's")
        .wanted(std::to_string(how.image_h) + "x" + std::to_string(how.image_w) + " bytes a channel")
        .got(std::to_string(size));
  }
  for (int64_t at = 0, channel = 0; at < size; at += plane, out += how.out_h * how.out_w, ++channel) {
    const auto fit = how.fit == Preprocessing::Fit::pad ? pad<T> : bilinear<T>;
    fit(how, channel, image.data() + at, out, shift_y, shift_x);
  }
}

template void preprocess(const Preprocessing&, std::span<const uint8_t>, float*, int64_t, int64_t);
template void preprocess(const Preprocessing&, std::span<const uint8_t>, double*, int64_t, int64_t);

std::pair<PerChannel, PerChannel> mean_std(const Dataset& data, int64_t first, int64_t count,
                                           const Preprocessing& fit, ThreadPool* pool) {
  if (first < 0 || count < 1 || first > data.size() - count) {
    throw Error(ErrorKind::usage, "mean and standard deviation of images that are not there")
        .where(data.name)
        .wanted("a part of 0 to " + std::to_string(data.size()))
        .got(std::to_string(first) + " to " + std::to_string(first + count));
  }
  Preprocessing plain = fit;
  plain.mean = 0;
  plain.std = 1;
  // Each image's sums by itself, in any order; then all of them, in theirs.
  constexpr int64_t kTask = 256;
  const auto channels = static_cast<size_t>(data.image[0]),
             plane = static_cast<size_t>(fit.out_h * fit.out_w);
  std::vector<std::pair<double, double>> sums(static_cast<size_t>(count) * channels);
  const auto task = [&](int64_t index, int) {
    std::vector<double> pixels(channels * plane);
    for (int64_t i = index * kTask, end = std::min(count, i + kTask); i < end; ++i) {
      preprocess(plain, data.at(first + i), pixels.data());
      for (size_t c = 0; c < channels; ++c) {
        auto& [sum, squares] = sums[static_cast<size_t>(i) * channels + c];
        for (const double v : std::span(pixels).subspan(c * plane, plane)) {
          sum += v;
          squares += v * v;
        }
      }
    }
  };
  const int64_t tasks = (count + kTask - 1) / kTask;
  if (pool) pool->run(tasks, task);
  for (int64_t i = 0; !pool && i < tasks; ++i) task(i, 0);
  std::vector<double> means, deviations;
  const double n = static_cast<double>(count) * static_cast<double>(plane);
  for (size_t c = 0; c < channels; ++c) {
    double sum = 0, squares = 0;
    for (size_t i = c; i < sums.size(); i += channels) {
      sum += sums[i].first;
      squares += sums[i].second;
    }
    const double mean = means.emplace_back(sum / n);
    deviations.push_back(std::sqrt(std::max(squares / n - mean * mean, 0.0)));
  }
  return {PerChannel(std::move(means)), PerChannel(std::move(deviations))};
}

}  // namespace unfold
