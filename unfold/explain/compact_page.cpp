#include "unfold/explain/compact_page.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "unfold/error.h"
#include "unfold/explain/layer.h"
#include "unfold/explain/page_json.h"
#include "unfold/explain/walk.h"
#include "unfold/train/html.h"

namespace unfold {
namespace {

using page_json::Json, page_json::packed, page_json::sizes;

constexpr int64_t kMostMaps = 48;            // of a value, all images together
constexpr int64_t kMapSide = 28;             // pixels a map is averaged down to
constexpr int64_t kPatchSide = 64;           // of a data set's patches
constexpr int64_t kMostKernels = 128;        // channels of filters that are shown of a convolution
constexpr int64_t kWholeValue = 4096;        // elements up to which a value is there whole, too
constexpr int64_t kCropFilters = 4;          // of a convolution that is followed number by number
constexpr int64_t kCropFloats = 512 * 1024;  // of all windows together
constexpr float kSaturated = 0.95f;

/// Signed bytes and what one of them is worth; NaN is -128.
Json quantised(std::span<const float> values) {
  float most = 0;
  for (const float v : values) most = std::max(most, std::isfinite(v) ? std::abs(v) : 0.0f);
  const float scale = most > 0 ? most / 127 : 1;
  std::vector<uint8_t> bytes;
  bytes.reserve(values.size());
  for (const float v : values) {
    const float clamped = std::clamp(v, -most, most);
    bytes.push_back(static_cast<uint8_t>(
        static_cast<int8_t>(std::isnan(v) ? -128 : static_cast<int>(std::lround(clamped / scale)))));
  }
  return {{"scale", scale}, {"bytes", html::base64(bytes)}};
}

/// A picture (C, H, W) averaged over its channels and over squares of `factor` pixels, those at the edge over
/// what is there: (ceil(H / factor), ceil(W / factor)). What is NaN does not count; where nothing counts,
/// NaN.
std::vector<float> averaged(const Shape& picture, std::span<const float> values, int64_t factor) {
  const int64_t H = picture[1], W = picture[2], rows = (H + factor - 1) / factor,
                columns = (W + factor - 1) / factor;
  std::vector<float> out;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      double sum = 0, count = 0;
      for (int64_t ch = 0; ch < picture[0]; ++ch) {
        for (int64_t y = r * factor; y < std::min(H, (r + 1) * factor); ++y) {
          for (int64_t x = c * factor; x < std::min(W, (c + 1) * factor); ++x) {
            const float v = values[static_cast<size_t>((ch * H + y) * W + x)];
            if (std::isnan(v)) continue;
            sum += static_cast<double>(v);
            count += 1;
          }
        }
      }
      out.push_back(count > 0 ? static_cast<float>(sum / count) : std::numeric_limits<float>::quiet_NaN());
    }
  }
  return out;
}

/// The factor that brings `side` down to `most`.
int64_t factor_for(int64_t side, int64_t most) {
  return (side + most - 1) / most;
}

/// Least, largest and mean of a value, and the parts of it that are 0 or, of a function that saturates, at
/// its end.
Json facts(std::span<const float> values, double end) {
  float low = values[0], high = values[0];
  double sum = 0, zeros = 0, saturated = 0;
  for (const float v : values) {
    low = std::min(low, v);
    high = std::max(high, v);
    sum += static_cast<double>(v);
    zeros += v == 0;
    saturated += std::abs(v) > kSaturated * static_cast<float>(end);
  }
  const auto count = static_cast<double>(values.size());
  return {{"low", low},
          {"high", high},
          {"mean", sum / count},
          {"zero", zeros / count},
          {"saturated", saturated / count}};
}

/// The channels of a value that the image excites most, the first the most.
std::vector<int64_t> strongest_channels(const Shape& maps, std::span<const float> values, int64_t count) {
  const int64_t plane = maps[1] * maps[2];
  std::vector<float> largest;
  for (int64_t c = 0; c < maps[0]; ++c)
    largest.push_back(*std::max_element(values.begin() + c * plane, values.begin() + (c + 1) * plane));
  std::vector<int64_t> order(static_cast<size_t>(maps[0]));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return largest[static_cast<size_t>(a)] > largest[static_cast<size_t>(b)];
  });
  order.resize(static_cast<size_t>(std::min(count, maps[0])));
  return order;
}

/// A value as the page shows it: its strongest maps, or the one row that it is.
Json value_json(const Graph& graph, int v, const std::vector<Walk>& walks) {
  const Shape shape = graph.shape({v});
  const bool image = v == 0;
  const Shape maps = shape.rank() == 3 ? shape : Shape{1, 1, shape.elements()};
  const int64_t factor = image || maps[1] == 1 ? 1 : factor_for(std::max(maps[1], maps[2]), kMapSide);
  const int64_t most = image ? maps[0] : std::max<int64_t>(4, kMostMaps / static_cast<int64_t>(walks.size()));
  double end = 1;
  if (!image && graph.nodes()[static_cast<size_t>(v - 1)].op->type() == "Tanh")
    end = graph.nodes()[static_cast<size_t>(v - 1)].op->attributes().at("scale").at(0);
  Json one = {{"shape", sizes(shape)},
              {"maps", {{"factor", factor}, {"channels", Json::array()}, {"data", Json::array()}}},
              {"facts", Json::array()}};
  for (const Walk& walk : walks) {
    const std::span<const float> values = walk.value({v});
    std::vector<int64_t> channels(static_cast<size_t>(maps[0]));
    std::iota(channels.begin(), channels.end(), 0);
    if (maps[0] > most) channels = strongest_channels(maps, values, most);
    std::vector<float> small;
    for (const int64_t c : channels) {
      const auto plane = static_cast<size_t>(maps[1] * maps[2]);
      const auto map =
          averaged({1, maps[1], maps[2]}, values.subspan(static_cast<size_t>(c) * plane, plane), factor);
      small.insert(small.end(), map.begin(), map.end());
    }
    one["maps"]["channels"].push_back(channels);
    one["maps"]["data"].push_back(quantised(small));
    one["facts"].push_back(facts(values, end));
    if (image) one["data"].push_back(quantised(values));
    if (!image && shape.rank() == 1 && shape.elements() <= kWholeValue) one["data"].push_back(packed(values));
  }
  return one;
}

/// What is left of a range of `count` outputs around `centre` when it must lie within [0, size).
int64_t first_of(int64_t centre, int64_t count, int64_t size) {
  return std::clamp<int64_t>(centre - count / 2, 0, size - count);
}

/// A convolution's window of real numbers: the outputs around its strongest cell in the first image, of the
/// filters that are strongest there, within one group; the input that they see, padding as zeros; the
/// weights. `floats` is what it takes.
Json crop_json(const Model& model, const Node& node, size_t index, const std::vector<Walk>& walks,
               int64_t& floats) {
  const Shape in = model.graph.shape(node.inputs[0]), out = model.graph.shape(node.output);
  const Conv2dShape s = node.op->window_shape(std::span(&in, 1));
  const Window2d& k = s.window;
  const int64_t own = s.ic / k.groups, each = s.oc / k.groups, depth = own * k.kernel_h * k.kernel_w;
  const int64_t side = depth > 600 ? 4 : 6;
  const std::span<const float> first = walks.front().value(node.output);
  const int64_t best = std::max_element(first.begin(), first.end()) - first.begin();
  const int64_t rows = std::min(side, s.oh), columns = std::min(side, s.ow);
  const int64_t top = first_of(best / s.ow % s.oh, rows, s.oh), left = first_of(best % s.ow, columns, s.ow);
  const int64_t group = best / (s.oh * s.ow) / each;

  std::vector<std::pair<float, int64_t>> filters;  // minus the largest output in the window
  for (int64_t oc = group * each; oc < (group + 1) * each; ++oc) {
    float largest = -std::numeric_limits<float>::infinity();
    for (int64_t i = 0; i < rows * columns; ++i)
      largest = std::max(
          largest, first[static_cast<size_t>((oc * s.oh + top + i / columns) * s.ow + left + i % columns)]);
    filters.emplace_back(-largest, oc);
  }
  std::stable_sort(filters.begin(), filters.end());
  filters.resize(std::min(filters.size(), static_cast<size_t>(kCropFilters)));

  const int64_t y0 = top * k.stride_h - k.pad_top, x0 = left * k.stride_w - k.pad_left;
  const int64_t height = (rows - 1) * k.stride_h + (k.kernel_h - 1) * k.dilation_h + 1,
                width = (columns - 1) * k.stride_w + (k.kernel_w - 1) * k.dilation_w + 1;
  const ParameterTable& table = model.parameters.table();
  const float* const weight = model.parameters.slice(table.find(node.name + ".weight"));
  const int bias = table.find(node.name + ".bias");
  Json crop = {{"layer", index},
               {"top", y0},
               {"left", x0},
               {"height", height},
               {"width", width},
               {"output", {{"top", top}, {"left", left}, {"height", rows}, {"width", columns}}},
               {"channel", group * own},
               {"channels", own},
               {"filters", Json::array()},
               {"x", Json::array()},
               {"y", Json::array()}};
  std::vector<float> w, b;
  for (const auto& [strength, oc] : filters) {
    crop["filters"].push_back(oc);
    w.insert(w.end(), weight + oc * depth, weight + (oc + 1) * depth);
    b.push_back(bias < 0 ? 0.0f : model.parameters.slice(bias)[oc]);
  }
  crop["w"] = packed(w);
  crop["b"] = packed(b);
  floats = static_cast<int64_t>(w.size());
  for (const Walk& walk : walks) {
    const std::span<const float> x = walk.value(node.inputs[0]), y = walk.value(node.output);
    std::vector<float> seen, made;
    for (int64_t ch = group * own; ch < (group + 1) * own; ++ch) {
      for (int64_t r = y0; r < y0 + height; ++r) {
        for (int64_t c = x0; c < x0 + width; ++c) {
          const bool inside = r >= 0 && r < in[1] && c >= 0 && c < in[2];
          seen.push_back(inside ? x[static_cast<size_t>((ch * in[1] + r) * in[2] + c)] : 0.0f);
        }
      }
    }
    for (const auto& [strength, oc] : filters) {
      for (int64_t i = 0; i < rows * columns; ++i)
        made.push_back(
            y[static_cast<size_t>((oc * out[1] + top + i / columns) * out[2] + left + i % columns)]);
    }
    floats += static_cast<int64_t>(seen.size());
    crop["x"].push_back(packed(seen));
    crop["y"].push_back(packed(made));
  }
  return crop;
}

/// Windows of the convolution called `chosen`, then of the others in their order, as many as fit.
Json crops_json(const Model& model, const std::string& chosen, const std::vector<Walk>& walks) {
  const std::vector<Node>& nodes = model.graph.nodes();
  std::vector<size_t> order(nodes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_partition(order.begin(), order.end(), [&](size_t i) { return nodes[i].name == chosen; });
  Json crops = Json::array();
  int64_t left = kCropFloats;
  for (const size_t i : order) {
    if (nodes[i].op->type() != "Conv2d") continue;
    int64_t floats = 0;
    Json crop = crop_json(model, nodes[i], i, walks, floats);
    if (floats > left && !crops.empty()) continue;
    left -= floats;
    crops.push_back(std::move(crop));
  }
  return crops;
}

Json patches_json(const LayerPatches& seen, int64_t channels) {
  const Shape patch{channels, seen.h, seen.w};
  const int64_t factor = factor_for(std::max(seen.h, seen.w), kPatchSide);
  return page_json::patches(
      seen, (seen.h + factor - 1) / factor, (seen.w + factor - 1) / factor,
      [&](std::span<const float> pixels) { return quantised(averaged(patch, pixels, factor)); });
}

}  // namespace

std::string compact_json(const Model& model, std::span<const float> inputs, std::span<const int32_t> classes,
                         const std::vector<LayerTimes>& times, const Explained& explained) {
  const Graph& graph = model.graph;
  const Shape in = graph.shape(graph.input());
  const auto pixels = static_cast<size_t>(in.elements());
  if (classes.empty() || inputs.size() != classes.size() * pixels ||
      explained.images.size() != classes.size() || times.size() != graph.nodes().size() || in.rank() != 3) {
    throw Error(ErrorKind::usage, "the images do not fit the network")
        .wanted(std::to_string(classes.size()) + " images of " + in.text())
        .got(std::to_string(inputs.size()) + " numbers");
  }
  std::vector<Walk> walks;
  for (size_t i = 0; i < classes.size(); ++i) {
    const auto image = inputs.subspan(i * pixels, pixels);
    walks.emplace_back(model, std::vector<float>(image.begin(), image.end()));
  }
  Json page = {{"format", "unfold-explain"},
               {"version", 1},
               {"compact", true},
               {"model", model.name},
               {"trained_on", model.trained_on},
               {"engine", "im2col"},
               {"classes", model.classes},
               {"first", explained.first}};
  const auto one_map = [&](std::span<const float> picture) { return quantised(averaged(in, picture, 1)); };
  for (size_t i = 0; i < classes.size(); ++i) {
    page["images"].push_back({{"name", explained.images[i].name},
                              {"picture", explained.images[i].picture},
                              {"class", classes[i]},
                              {"seen", page_json::seen(explained.images[i].seen, quantised, one_map)}});
  }
  if (explained.patches) page["patches"] = patches_json(*explained.patches, in[0]);
  for (size_t i = 0; i < graph.nodes().size(); ++i)
    page["layers"].push_back(page_json::layer(model, times[i], i));
  for (int v = 0; v < graph.values(); ++v) page["values"].push_back(value_json(graph, v, walks));
  const ParameterTable& table = model.parameters.table();
  for (int p = 0; p < static_cast<int>(table.slices().size()); ++p) {
    const Shape& shape = table[p].shape;
    Json one = {{"name", table[p].name}, {"shape", sizes(shape)}};
    if (shape.rank() == 4) {
      const int64_t kernels = std::min(kMostKernels, shape[0] * shape[1]);
      one["data"] =
          quantised({model.parameters.slice(p), static_cast<size_t>(kernels * shape[2] * shape[3])});
    }
    page["parameters"].push_back(std::move(one));
  }
  page["crops"] = crops_json(model, explained.first, walks);
  return page_json::text(page);
}

}  // namespace unfold
