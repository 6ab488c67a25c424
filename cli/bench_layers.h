// `unfold bench --layers`: single convolutions through graph and plan, pass by pass.
#pragma once

#include <string>
#include <vector>

#include "cli/bench_run.h"

namespace unfold::cli {

/// One convolution of a list, and what it was called there.
struct BenchLayer {
  std::string name;
  Conv2dShape shape;
};

/// Reads a list of layers: one a line or between semicolons, "#" begins a comment. A layer is a run of
/// letters and numbers in any order, spaces and underscores between them or not, as in oneDNN's benchdnn:
///   mb images (default `batch`), g groups (1), ic oc channels, ih iw input (iw = ih), oh ow output (worked
///   out), kh kw kernel (kw = kh), sh sw stride (1), ph pw padding before (0; behind it the same, or what oh
///   and ow need), dh dw dilation (0: none), n"..." a name
/// Throws usage, naming the layer and what is wrong with it.
std::vector<BenchLayer> parse_layers(const std::string& text, int64_t batch);

/// One pass of one layer.
struct LayerTime {
  const char* pass;
  std::string kernel;
  double fastest = 0, median = 0, peak = 0;  // seconds of the busiest worker; flop/s of one core
};

/// Times forward, and when training backward data and backward weights, of one layer alone in a network.
std::vector<LayerTime> time_layer(const BenchLayer& layer, const BenchSettings& settings, ThreadPool& pool);

}  // namespace unfold::cli
