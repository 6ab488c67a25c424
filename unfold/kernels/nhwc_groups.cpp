#include "unfold/kernels/nhwc_groups.h"

#include <algorithm>

namespace unfold::nhwc {
namespace {

constexpr int64_t kFoldBelow = 16;  // input channels from which a single tap is long enough for the tiles
constexpr int64_t kGatheredFloats = 32 * 1024;  // a quarter of a 512 KiB second-level cache
constexpr int64_t kMostStep = 16;               // widest tile of x that any target gathers

/// Positions of an axis between the first and the last that some outputs read.
int64_t span(int64_t outputs, int64_t stride, int64_t kernel, int64_t dilation) {
  return (outputs - 1) * stride + (kernel - 1) * dilation + 1;
}

/// place[p] = how many positions before p are read, or -1 where p is not; returns how many are. Position p
/// lies at `first` + p of an axis of `size`.
int64_t number_places(int64_t outputs, int64_t stride, int64_t kernel, int64_t dilation, int64_t first,
                      int64_t size, int64_t* place) {
  const int64_t count = span(outputs, stride, kernel, dilation);
  std::fill_n(place, count, -1);
  for (int64_t o = 0; o < outputs; ++o) {
    for (int64_t k = 0; k < kernel; ++k) {
      const int64_t p = o * stride + k * dilation;
      if (first + p >= 0 && first + p < size) place[p] = 0;
    }
  }
  int64_t read = 0;
  for (int64_t p = 0; p < count; ++p) {
    if (place[p] == 0) place[p] = read++;
  }
  return read;
}

}  // namespace

Grouping::Grouping(const Conv2dShape& s)
    : oh(s.oh),
      ow(s.ow),
      rows(divide_up(s.oh, divide_up(s.oh, std::clamp<int64_t>(kNhwcGroupPixels / s.ow, 1, s.oh)))),
      columns(divide_up(s.ow, divide_up(s.ow, kNhwcGroupPixels))),
      images(nhwc_group_images(s)) {}

Grouping::Part Grouping::part(int64_t index) const {
  const int64_t of_row = divide_up(ow, columns);
  const int64_t row = index / of_row * rows, column = index % of_row * columns;
  return {row, std::min(oh, row + rows), column, std::min(ow, column + columns)};
}

void add_bias(int64_t pixels, const float* dy, int64_t width, float* db) {
  float chain[kNhwcTile] = {};
  for (int64_t p = 0; p < pixels; ++p) {
    for (int64_t c = 0; c < kNhwcTile; ++c) chain[c] += dy[p * kNhwcTile + c];
  }
  for (int64_t c = 0; c < width; ++c) db[c] += chain[c];
}

PixelGroup::PixelGroup(const Conv2dShape& s, float* scratch) : s_(s), grouping_(s) {
  const Window2d& k = s.window;
  folds_ = k.groups == 1 && s.ic < kFoldBelow && k.kernel_w > 1 && k.dilation_w == 1;
  const int64_t rows = grouping_.rows, columns = grouping_.columns, most_pixels = grouping_.most_pixels();
  const int64_t images = grouping_.images;
  const int64_t most_units = folds_ ? k.kernel_h : k.taps();
  Carver carver(scratch);
  packed = carver.take<float>(most_pixels * kNhwcTile * kMostPanels);
  units = carver.take<Unit>(most_units);
  points_ = carver.take<Point>(most_units * most_pixels);
  if (folds_) {
    copy_width_ = (columns - 1) * k.stride_w + k.kernel_w;
    copy_rows_ = (rows - 1) * k.stride_h + (k.kernel_h - 1) * k.dilation_h + 1;
    copy_ = carver.take<float>(images * copy_rows_ * copy_width_ * s.ic);
  }
  if (!folds_) {
    places_h_ = span(rows, k.stride_h, k.kernel_h, k.dilation_h);
    places_w_ = span(columns, k.stride_w, k.kernel_w, k.dilation_w);
    row_places_ = carver.take<int64_t>(places_h_);
    column_places_ = carver.take<int64_t>(places_w_);
    const int64_t most = images * std::min(std::min(places_h_, rows * k.kernel_h), s.ih) *
                         std::min(std::min(places_w_, columns * k.kernel_w), s.iw);
    sources = carver.take<const float*>(most);
    gathered_floats_ = std::max(kGatheredFloats, most * kMostStep);
    gathered = carver.take<float>(gathered_floats_);
  }
  floats_ = carver.floats();
}

void PixelGroup::build(const Part& p, int64_t images, const float* x, const float* all_dy,
                       int64_t gathered_step) {
  // Whole images, whole rows, or a part of one: the pixels of a group are neighbours.
  dy = all_dy + (p.row0 * s_.ow + p.column0) * s_.oc;
  pixels = images * (p.row1 - p.row0) * (p.column1 - p.column0);
  unit_count = 0;
  if (folds_) {
    copy_rows(p, images, x);
    add_row_units(p, images);
  } else {
    add_sources(p, images, x);
    add_tap_units(p, images, gathered_step);
  }
}

void PixelGroup::add_sources(const Part& p, int64_t images, const float* x) {
  const Window2d& k = s_.window;
  const int64_t ih0 = p.row0 * k.stride_h - k.pad_top, iw0 = p.column0 * k.stride_w - k.pad_left;
  const int64_t rows = p.row1 - p.row0, columns = p.column1 - p.column0;
  number_places(rows, k.stride_h, k.kernel_h, k.dilation_h, ih0, s_.ih, row_places_);
  source_columns_ = number_places(columns, k.stride_w, k.kernel_w, k.dilation_w, iw0, s_.iw, column_places_);
  const int64_t height = span(rows, k.stride_h, k.kernel_h, k.dilation_h);
  const int64_t width = span(columns, k.stride_w, k.kernel_w, k.dilation_w);
  source_count = 0;
  for (int64_t image = 0; image < images; ++image, x += s_.x_image()) {
    for (int64_t h = 0; h < height; ++h) {
      for (int64_t w = 0; w < width && row_places_[h] >= 0; ++w) {
        if (column_places_[w] >= 0) sources[source_count++] = x + ((ih0 + h) * s_.iw + iw0 + w) * s_.ic;
      }
    }
  }
}

void PixelGroup::add_tap_units(const Part& p, int64_t images, int64_t gathered_step) {
  const Window2d& k = s_.window;
  const int64_t columns = p.column1 - p.column0, of_image = (p.row1 - p.row0) * columns;
  Point* point = points_;
  for (int64_t kh = 0; kh < k.kernel_h; ++kh) {
    for (int64_t kw = 0; kw < k.kernel_w; ++kw) {
      Unit& unit = units[unit_count++];
      unit = {(kh * k.kernel_w + kw) * s_.group_ic(), s_.group_ic(), point, 0};
      for (int64_t image = 0; image < images; ++image) {
        const float* x = gathered + image * (source_count / images) * gathered_step;
        const float* to = packed + image * of_image * kNhwcTile;
        for (int64_t oh = p.row0; oh < p.row1; ++oh) {
          const int64_t ih = oh * k.stride_h - k.pad_top + kh * k.dilation_h;
          if (ih < 0 || ih >= s_.ih) continue;
          const int64_t first = (oh - p.row0) * columns - p.column0;
          for (int64_t ow = p.column0; ow < p.column1; ++ow) {
            const int64_t iw = ow * k.stride_w - k.pad_left + kw * k.dilation_w;
            if (iw < 0 || iw >= s_.iw) continue;
            const int64_t row = row_places_[(oh - p.row0) * k.stride_h + kh * k.dilation_h];
            const int64_t column = column_places_[(ow - p.column0) * k.stride_w + kw * k.dilation_w];
            *point++ = {x + (row * source_columns_ + column) * gathered_step, to + (first + ow) * kNhwcTile};
          }
        }
      }
      unit.point_count = point - unit.points;
    }
  }
}

/// The rows of x that the part reads, with zeros for the padding at their sides.
void PixelGroup::copy_rows(const Part& p, int64_t images, const float* x) {
  const Window2d& k = s_.window;
  const int64_t ih0 = p.row0 * k.stride_h - k.pad_top;
  const int64_t ih1 = (p.row1 - 1) * k.stride_h - k.pad_top + (k.kernel_h - 1) * k.dilation_h + 1;
  const int64_t iw0 = p.column0 * k.stride_w - k.pad_left, iw1 = iw0 + copy_width_;
  const int64_t inside0 = std::clamp<int64_t>(0, iw0, iw1), inside1 = std::clamp(s_.iw, inside0, iw1);
  for (int64_t image = 0; image < images; ++image, x += s_.x_image()) {
    for (int64_t ih = std::max<int64_t>(ih0, 0); ih < std::min(ih1, s_.ih); ++ih) {
      float* to = copy_ + (image * copy_rows_ + ih - ih0) * copy_width_ * s_.ic;
      std::fill_n(to, (inside0 - iw0) * s_.ic, 0.0f);
      std::copy(x + (ih * s_.iw + inside0) * s_.ic, x + (ih * s_.iw + inside1) * s_.ic,
                to + (inside0 - iw0) * s_.ic);
      std::fill(to + (inside1 - iw0) * s_.ic, to + copy_width_ * s_.ic, 0.0f);
    }
  }
}

void PixelGroup::add_row_units(const Part& p, int64_t images) {
  const Window2d& k = s_.window;
  const int64_t columns = p.column1 - p.column0, of_image = (p.row1 - p.row0) * columns;
  Point* point = points_;
  for (int64_t kh = 0; kh < k.kernel_h; ++kh) {
    Unit& unit = units[unit_count++];
    unit = {kh * k.kernel_w * s_.ic, k.kernel_w * s_.ic, point, 0};
    for (int64_t image = 0; image < images; ++image) {
      for (int64_t oh = p.row0; oh < p.row1; ++oh) {
        const int64_t ih = oh * k.stride_h - k.pad_top + kh * k.dilation_h;
        if (ih < 0 || ih >= s_.ih) continue;
        const int64_t copied = (oh - p.row0) * k.stride_h + kh * k.dilation_h;
        const float* row = copy_ + (image * copy_rows_ + copied) * copy_width_ * s_.ic;
        const float* to = packed + (image * of_image + (oh - p.row0) * columns) * kNhwcTile;
        for (int64_t c = 0; c < columns; ++c) *point++ = {row + c * k.stride_w * s_.ic, to + c * kNhwcTile};
      }
    }
    unit.point_count = point - unit.points;
  }
}

}  // namespace unfold::nhwc
