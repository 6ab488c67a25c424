#include "unfold/kernels/nhwc_groups.h"

#include <algorithm>

namespace unfold::nhwc {
namespace {

constexpr int64_t kFoldBelow = 16;  // input channels from which a single tap is long enough for the tiles

}  // namespace

PixelGroup::PixelGroup(const Conv2dShape& s, float* scratch) : s_(s) {
  const Window2d& k = s.window;
  folds_ = k.groups == 1 && s.ic < kFoldBelow && k.kernel_w > 1 && k.dilation_w == 1 && !depthwise(s);
  rows_ = std::clamp<int64_t>(kNhwcGroupPixels / s.ow, 1, s.oh);
  columns_ = divide_up(s.ow, divide_up(s.ow, kNhwcGroupPixels));
  const int64_t most_units = folds_ ? k.kernel_h : k.taps();
  Carver carver(scratch);
  packed = carver.take<float>(depthwise(s) ? 0 : most_pixels() * kNhwcTile * kMostPanels);
  dy = carver.take<const float*>(most_pixels());
  units = carver.take<Unit>(most_units);
  points_ = carver.take<Point>(most_units * most_pixels());
  if (folds_) {
    copy_width_ = (columns_ - 1) * k.stride_w + k.kernel_w;
    const int64_t copy_rows = (rows_ - 1) * k.stride_h + (k.kernel_h - 1) * k.dilation_h + 1;
    copy_ = carver.take<float>(copy_rows * copy_width_ * s.ic);
  }
  floats_ = carver.floats();
}

int64_t PixelGroup::of_image() const {
  return divide_up(s_.oh, rows_) * divide_up(s_.ow, columns_);
}

PixelGroup::Part PixelGroup::part(int64_t index) const {
  const int64_t of_row = divide_up(s_.ow, columns_);
  const int64_t row = index / of_row * rows_, column = index % of_row * columns_;
  return {row, std::min(s_.oh, row + rows_), column, std::min(s_.ow, column + columns_)};
}

void PixelGroup::build(int64_t index, const float* x, const float* all_dy) {
  const int64_t image = index / of_image();
  const Part p = part(index % of_image());
  const float* image_dy = all_dy + image * s_.y_image();
  pixels = 0;
  for (int64_t oh = p.row0; oh < p.row1; ++oh) {
    for (int64_t ow = p.column0; ow < p.column1; ++ow) dy[pixels++] = image_dy + (oh * s_.ow + ow) * s_.oc;
  }
  unit_count = 0;
  if (folds_) {
    add_row_units(p, x + image * s_.x_image());
  } else {
    add_tap_units(p, x + image * s_.x_image());
  }
}

void PixelGroup::add_tap_units(const Part& p, const float* x) {
  const Window2d& k = s_.window;
  const bool direct = depthwise(s_);  // dy is read where it is
  const int64_t columns = p.column1 - p.column0;
  Point* point = points_;
  for (int64_t kh = 0; kh < k.kernel_h; ++kh) {
    for (int64_t kw = 0; kw < k.kernel_w; ++kw) {
      Unit& unit = units[unit_count++];
      unit = {(kh * k.kernel_w + kw) * s_.group_ic(), s_.group_ic(), point, 0};
      for (int64_t oh = p.row0; oh < p.row1; ++oh) {
        const int64_t ih = oh * k.stride_h - k.pad_top + kh * k.dilation_h;
        if (ih < 0 || ih >= s_.ih) continue;
        const int64_t first = (oh - p.row0) * columns - p.column0;
        for (int64_t ow = p.column0; ow < p.column1; ++ow) {
          const int64_t iw = ow * k.stride_w - k.pad_left + kw * k.dilation_w;
          if (iw < 0 || iw >= s_.iw) continue;
          *point++ = {x + (ih * s_.iw + iw) * s_.ic,
                      direct ? dy[first + ow] : packed + (first + ow) * kNhwcTile};
        }
      }
      unit.point_count = point - unit.points;
    }
  }
}

void PixelGroup::add_row_units(const Part& p, const float* x) {
  const Window2d& k = s_.window;
  const int64_t columns = p.column1 - p.column0;
  const int64_t ih0 = p.row0 * k.stride_h - k.pad_top;
  const int64_t ih1 = (p.row1 - 1) * k.stride_h - k.pad_top + (k.kernel_h - 1) * k.dilation_h + 1;
  const int64_t iw0 = p.column0 * k.stride_w - k.pad_left, iw1 = iw0 + copy_width_;
  const int64_t inside0 = std::clamp<int64_t>(0, iw0, iw1), inside1 = std::clamp(s_.iw, inside0, iw1);
  for (int64_t ih = std::max<int64_t>(ih0, 0); ih < std::min(ih1, s_.ih); ++ih) {
    float* to = copy_ + (ih - ih0) * copy_width_ * s_.ic;
    std::fill_n(to, (inside0 - iw0) * s_.ic, 0.0f);
    std::copy(x + (ih * s_.iw + inside0) * s_.ic, x + (ih * s_.iw + inside1) * s_.ic,
              to + (inside0 - iw0) * s_.ic);
    std::fill(to + (inside1 - iw0) * s_.ic, to + copy_width_ * s_.ic, 0.0f);
  }
  Point* point = points_;
  for (int64_t kh = 0; kh < k.kernel_h; ++kh) {
    Unit& unit = units[unit_count++];
    unit = {kh * k.kernel_w * s_.ic, k.kernel_w * s_.ic, point, 0};
    for (int64_t oh = p.row0; oh < p.row1; ++oh) {
      const int64_t ih = oh * k.stride_h - k.pad_top + kh * k.dilation_h;
      if (ih < 0 || ih >= s_.ih) continue;
      const float* row = copy_ + (ih - ih0) * copy_width_ * s_.ic;
      for (int64_t c = 0; c < columns; ++c) {
        *point++ = {row + c * k.stride_w * s_.ic, packed + ((oh - p.row0) * columns + c) * kNhwcTile};
      }
    }
    unit.point_count = point - unit.points;
  }
}

}  // namespace unfold::nhwc
