#include "unfold/kernels/nhwc_geometry.h"

#include <algorithm>
#include <numeric>

#include "unfold/kernels/nhwc.h"

namespace unfold::nhwc {
namespace {

constexpr int64_t kSourceFloats = 64 * 1024;  // source of a block: half of a 512 KiB second-level cache
constexpr int64_t kBlockPixels = 2048;
constexpr int64_t kBlockK =
    384;  // packed rows: 24 KiB of a tile's weights, near enough to the first-level cache

}  // namespace

Axis Axis::forward(int64_t outputs, int64_t sources, int64_t kernel, int64_t stride, int64_t pad,
                   int64_t dilation) {
  Axis a;
  a.outputs = outputs;
  a.sources = sources;
  a.taps = kernel;
  a.source_step = dilation;
  a.scale_ = stride;
  a.rise_ = dilation;
  a.shift_ = -pad;
  return a;
}

// Output o reads x at o*stride - pad + k*dilation, so position i of dx is reached from
// o = (i + pad - k*dilation) / stride, with k = kernel - 1 - t for the turned tap t.
Axis Axis::backward(int64_t outputs, int64_t sources, int64_t kernel, int64_t stride, int64_t pad,
                    int64_t dilation) {
  const int64_t common = std::gcd(stride, dilation);
  Axis a;
  a.outputs = outputs;
  a.sources = sources;
  a.taps = kernel;
  a.tap_step = stride / common;
  a.source_step = dilation / common;
  a.rise_ = dilation;
  a.shift_ = pad - (kernel - 1) * dilation;
  a.divisor_ = stride;
  return a;
}

Taps Axis::at(int64_t position) const {
  const int64_t start = position * scale_ + shift_;
  // The first tap that does not lie before the source, then the first that hits a whole source.
  int64_t first = start < 0 ? divide_up(-start, rise_) : 0;
  const int64_t end = std::min(taps, first + tap_step);
  while (first < end && (start + first * rise_) % divisor_ != 0) ++first;
  if (first >= end) return {};
  const int64_t source = (start + first * rise_) / divisor_;
  if (source >= sources) return {};
  const int64_t count = std::min(divide_up(taps - first, tap_step), divide_up(sources - source, source_step));
  return {first, count, source};
}

Phase Axis::phase(int64_t index) const {
  const int64_t start = index * scale_ + shift_;
  int64_t first = 0;
  while (first < std::min(taps, tap_step) && (start + first * rise_) % divisor_ != 0) ++first;
  const int64_t count = first < std::min(taps, tap_step) ? divide_up(taps - first, tap_step) : 0;
  const int64_t outs = index < outputs ? divide_up(outputs - index, divisor_) : 0;
  return {index,  divisor_,   outs, first, tap_step, count, (start + first * rise_) / divisor_,
          scale_, source_step};
}

// Away from the ends of the source, all positions of a phase meet the same taps.
int64_t Axis::most_classes() const {
  const int64_t before =
      shift_ < 0 ? divide_up(-shift_, scale_) : 0;  // positions whose first tap lies before it
  const int64_t over = (outputs - 1) * scale_ + shift_ + (taps - 1) * rise_ - (sources - 1) * divisor_;
  const int64_t behind = over > 0 ? divide_up(over, scale_) : 0;  // whose last tap lies behind it
  return std::min(outputs, before + behind + divisor_);
}

Gathering Gathering::forward(const Conv2dShape& s) {
  const Window2d& k = s.window;
  Gathering g;
  g.h = Axis::forward(s.oh, s.ih, k.kernel_h, k.stride_h, k.pad_top, k.dilation_h);
  g.w = Axis::forward(s.ow, s.iw, k.kernel_w, k.stride_w, k.pad_left, k.dilation_w);
  g.groups = k.groups;
  g.group_in = s.group_ic();
  g.group_out = s.group_oc();
  g.depthwise = nhwc::depthwise(s);
  return g;
}

Gathering Gathering::backward(const Conv2dShape& s) {
  const Window2d& k = s.window;
  Gathering g;
  g.h = Axis::backward(s.ih, s.oh, k.kernel_h, k.stride_h, k.pad_top, k.dilation_h);
  g.w = Axis::backward(s.iw, s.ow, k.kernel_w, k.stride_w, k.pad_left, k.dilation_w);
  g.groups = k.groups;
  g.group_in = s.group_oc();
  g.group_out = s.group_ic();
  g.depthwise = nhwc::depthwise(s);
  return g;
}

int64_t Gathering::group_tiles() const {
  return divide_up(depthwise ? groups : group_out, kNhwcTile);
}

PixelBlock::PixelBlock(const Gathering& g, float* scratch) : g_(g) {
  const int64_t row_floats = std::max<int64_t>(1, g.h.sources * g.w.sources * g.in() / g.h.outputs);
  rows_ = std::max<int64_t>(1, std::min(kSourceFloats / row_floats, kBlockPixels / g.w.outputs));
  const int64_t k = g.k();
  k_block_ = divide_up(k, divide_up(k, kBlockK));

  const int64_t column_classes = g.w.most_classes();
  const int64_t most = std::min(rows_, g.h.most_classes()) * column_classes;
  const int64_t most_runs = g.h.taps * (g.folds() ? 1 : g.w.taps) + k / k_block_ + 1;
  Carver carver(scratch);
  from = carver.take<const float*>(rows_ * g.w.outputs);
  to = carver.take<float*>(rows_ * g.w.outputs);
  classes = carver.take<PixelClass>(most);
  runs = carver.take<Run>(most * most_runs);
  row_taps_ = carver.take<Taps>(rows_);
  column_taps_ = carver.take<Taps>(g.w.outputs);
  columns_ = carver.take<int64_t>(g.w.outputs);
  column_classes_ = carver.take<ColumnClass>(column_classes);
  floats_ = carver.floats();
  if (!scratch) return;

  for (int64_t p = 0; p < g.w.outputs; ++p) column_taps_[p] = g.w.at(p);
  int64_t sorted = 0;
  for (int64_t p = 0; p < g.w.outputs && sorted < g.w.outputs; ++p) {
    const Taps& taps = column_taps_[p];
    bool known = false;
    for (int64_t c = 0; c < column_class_count_ && !known; ++c) known = column_classes_[c].taps.same(taps);
    if (known) continue;
    ColumnClass& c = column_classes_[column_class_count_++];
    c.taps = taps;
    c.begin = sorted;
    for (int64_t q = p; q < g.w.outputs; ++q) {
      if (column_taps_[q].same(taps)) columns_[sorted++] = q;
    }
    c.end = sorted;
  }
}

void PixelBlock::build(int64_t row0, int64_t row1, const float* source, float* out) {
  class_count = pixel_count_ = run_count_ = 0;
  const int64_t rows = row1 - row0;
  for (int64_t r = 0; r < rows; ++r) row_taps_[r] = g_.h.at((row0 + r) % g_.h.outputs);
  for (int64_t r = 0; r < rows; ++r) {
    bool known = false;
    for (int64_t q = 0; q < r && !known; ++q) known = row_taps_[q].same(row_taps_[r]);
    if (known) continue;
    for (int64_t c = 0; c < column_class_count_; ++c)
      add_class(row0, r, rows, column_classes_[c], source, out);
  }
}

void PixelBlock::add_class(int64_t row0, int64_t row, int64_t rows, const ColumnClass& c, const float* source,
                           float* out) {
  PixelClass& p = classes[class_count++];
  const Taps taps = row_taps_[row];
  const int64_t source_row = g_.w.sources * g_.in();
  p.pixel0 = pixel_count_;
  for (int64_t r = row; r < rows; ++r) {
    if (!row_taps_[r].same(taps)) continue;
    const float* from_row =
        source + ((row0 + r) / g_.h.outputs * g_.h.sources + row_taps_[r].source) * source_row;
    float* to_row = out + (row0 + r) * g_.w.outputs * g_.out();
    for (int64_t i = c.begin; i < c.end; ++i) {
      const int64_t column = columns_[i];
      from[pixel_count_] = from_row + column_taps_[column].source * g_.in();
      to[pixel_count_++] = to_row + column * g_.out();
    }
  }
  p.pixel1 = pixel_count_;

  p.run0 = run_count_;
  const int64_t width = g_.folds() ? c.taps.count : 1;  // taps of a run
  for (int64_t h = 0; h < taps.count; ++h) {
    const int64_t first = (taps.first + h * g_.h.tap_step) * g_.w.taps + c.taps.first;
    for (int64_t w = 0; w < c.taps.count; w += width) {
      add_run({(first + w * g_.w.tap_step) * g_.group_in,
               h * g_.h.source_step * source_row + w * g_.w.source_step * g_.in(), width * g_.group_in});
    }
  }
  p.run1 = run_count_;
}

void PixelBlock::add_run(Run run) {
  while (run.length > 0) {
    const int64_t length = std::min(run.length, k_block_ - run.w % k_block_);
    runs[run_count_++] = {run.w, run.source, length};
    run = {run.w + length, run.source + length, run.length - length};
  }
}

}  // namespace unfold::nhwc
