// The compact page's numbers: windows of convolutions that compute what they say, maps against plain
// averages.
#include "unfold/explain/compact_page.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/explain/nets.h"
#include "tests/support/base64.h"
#include "unfold/explain/walk.h"

using namespace unfold;
using namespace unfold::test;
using Json = nlohmann::json;

namespace {

/// Padding, stride, dilation, groups; a map wider than the page shows, and more of them.
Model network() {
  Graph g;
  ValueId x = g.input({3, 64, 70});
  x = g.relu("relu1", g.conv2d("conv1", x, 60, Window2d::square(5, 1, 2)));
  Window2d window = Window2d::square(3, 2, 2, 2);
  window.groups = 4;
  x = g.tanh("tanh", g.conv2d("grouped", x, 24, window, false), 1.7159);
  x = g.max_pool2d("pool", x, Window2d::square(4, 4));
  g.linear("fc", g.flatten("flatten", x), 5);
  return model_of(std::move(g), 3);
}

std::vector<float> floats(const Json& packed) {
  if (packed.is_string()) return floats_of(packed.get<std::string>());
  std::vector<float> values;
  for (const auto byte : unbase64(packed.at("bytes").get<std::string>()))
    values.push_back(static_cast<float>(static_cast<int8_t>(byte)) * packed.at("scale").get<float>());
  return values;
}

struct Page {
  Model model = network();
  std::vector<float> inputs = numbers(2 * 3 * 64 * 70, 9);
  std::vector<Walk> walks;
  Json json;

  Page() {
    Explained explained;
    ThreadPool pool(2);
    const auto half = static_cast<std::ptrdiff_t>(inputs.size() / 2);
    for (int i = 0; i < 2; ++i) {
      const std::vector<float> image(inputs.begin() + i * half, inputs.begin() + (i + 1) * half);
      explained.images.push_back({"image", "", see(model, image, 2, nullptr, 3, Engine::fast, pool)});
      walks.emplace_back(model, image);
    }
    explained.first = "grouped";
    const std::vector<int32_t> classes{2, 2};
    const std::vector<LayerTimes> times(model.graph.nodes().size());
    json = Json::parse(compact_json(model, inputs, classes, times, explained));
  }
};

Page& page() {
  static Page made;
  return made;
}

}  // namespace

TEST_CASE("a window of a convolution holds the layer's numbers, and computes them") {
  const Json& crops = page().json.at("crops");
  REQUIRE(crops.size() == 2);
  CHECK(crops[0].at("layer") == 2);  // the chosen one first
  for (const Json& crop : crops) {
    const Node& node = page().model.graph.nodes()[crop.at("layer").get<size_t>()];
    CAPTURE(node.name);
    const Shape in = page().model.graph.shape(node.inputs[0]), out = page().model.graph.shape(node.output);
    const Conv2dShape s = node.op->window_shape(std::span(&in, 1));
    const Window2d& k = s.window;
    const int64_t C = crop.at("channels"), H = crop.at("height"), W = crop.at("width"),
                  first = crop.at("channel");
    const int64_t OH = crop.at("output").at("height"), OW = crop.at("output").at("width");
    const int64_t top = crop.at("output").at("top"), left = crop.at("output").at("left");
    CHECK(C == in[0] / k.groups);
    const auto w = floats(crop.at("w")), b = floats(crop.at("b"));
    const auto filters = crop.at("filters").get<std::vector<int64_t>>();
    REQUIRE(filters.size() == 4);
    bool strongest = false;
    for (size_t image = 0; image < 2; ++image) {
      const auto x = floats(crop.at("x")[image]), y = floats(crop.at("y")[image]);
      const auto value = page().walks[image].value(node.output);
      REQUIRE(static_cast<int64_t>(x.size()) == C * H * W);
      REQUIRE(static_cast<int64_t>(y.size()) == 4 * OH * OW);
      const float largest = *std::max_element(value.begin(), value.end());
      for (size_t f = 0; f < 4; ++f) {
        CHECK(filters[f] / (s.oc / k.groups) == first / C);  // of the group whose channels are there
        for (int64_t oh = 0; oh < OH; ++oh) {
          for (int64_t ow = 0; ow < OW; ++ow) {
            const float theirs = y[static_cast<size_t>((static_cast<int64_t>(f) * OH + oh) * OW + ow)];
            CHECK(theirs ==
                  value[static_cast<size_t>((filters[f] * out[1] + top + oh) * out[2] + left + ow)]);
            strongest = strongest || (image == 0 && theirs == largest);
            double sum = static_cast<double>(b[f]), size = std::abs(sum);
            for (int64_t ch = 0; ch < C; ++ch) {
              for (int64_t kh = 0; kh < k.kernel_h; ++kh) {
                for (int64_t kw = 0; kw < k.kernel_w; ++kw) {
                  const int64_t r = oh * k.stride_h + kh * k.dilation_h,
                                c = ow * k.stride_w + kw * k.dilation_w;
                  const double term =
                      static_cast<double>(x[static_cast<size_t>((ch * H + r) * W + c)]) *
                      static_cast<double>(w[static_cast<size_t>(
                          ((static_cast<int64_t>(f) * C + ch) * k.kernel_h + kh) * k.kernel_w + kw)]);
                  sum += term;
                  size += std::abs(term);
                }
              }
            }
            CHECK(std::abs(sum - static_cast<double>(theirs)) <= 1e-6 * size);
          }
        }
      }
    }
    CHECK(strongest);
  }
}

TEST_CASE("maps: the strongest channels, the strongest first, averaged down, eight bits of each") {
  const Json& value = page().json.at("values")[1];  // (60, 64, 70)
  const Json& maps = value.at("maps");
  const int64_t factor = maps.at("factor"), rows = (64 + factor - 1) / factor,
                columns = (70 + factor - 1) / factor;
  CHECK(factor == 3);
  for (size_t image = 0; image < 2; ++image) {
    const auto all = page().walks[image].value({1});
    const auto channels = maps.at("channels")[image].get<std::vector<int64_t>>();
    REQUIRE(channels.size() == 24);
    const auto most = [&](int64_t c) {
      return *std::max_element(all.begin() + c * 64 * 70, all.begin() + (c + 1) * 64 * 70);
    };
    for (size_t k = 0; k + 1 < channels.size(); ++k) CHECK(most(channels[k]) >= most(channels[k + 1]));
    for (int64_t c = 0; c < 60; ++c) {
      if (std::find(channels.begin(), channels.end(), c) == channels.end())
        CHECK(most(c) <= most(channels.back()));
    }
    const auto shown = floats(maps.at("data")[image]);
    const double scale = maps.at("data")[image].at("scale");
    REQUIRE(static_cast<int64_t>(shown.size()) == 24 * rows * columns);
    for (const auto& [k, r, c] :
         {std::tuple{0, int64_t{0}, int64_t{0}}, {7, rows - 1, columns - 1}, {23, int64_t{5}, int64_t{11}}}) {
      double sum = 0, count = 0;
      for (int64_t y = r * factor; y < std::min<int64_t>(64, (r + 1) * factor); ++y) {
        for (int64_t x = c * factor; x < std::min<int64_t>(70, (c + 1) * factor); ++x) {
          sum += static_cast<double>(
              all[static_cast<size_t>((channels[static_cast<size_t>(k)] * 64 + y) * 70 + x)]);
          ++count;
        }
      }
      CHECK(std::abs(static_cast<double>(shown[static_cast<size_t>((k * rows + r) * columns + c)]) -
                     sum / count) <= 0.51 * scale);
    }
    const Json& facts = value.at("facts")[image];
    CHECK(facts.at("low").get<float>() == *std::min_element(all.begin(), all.end()));
    CHECK(facts.at("high").get<float>() == *std::max_element(all.begin(), all.end()));
  }
}

TEST_CASE("the answer is there in full, and what it saw within half a step of eight bits") {
  const Json& values = page().json.at("values");
  const auto logits = page().walks[1].value(page().model.graph.output());
  CHECK(floats(values.back().at("data")[1]) == std::vector<float>(logits.begin(), logits.end()));
  ThreadPool pool(1);
  const std::vector<float> image(page().inputs.begin(), page().inputs.begin() + 3 * 64 * 70);
  const Seen seen = see(page().model, image, 2, nullptr, 3, Engine::fast, pool);
  const Json& shown = page().json.at("images")[0].at("seen");
  const auto saliency = floats(shown.at("saliency"));
  REQUIRE(saliency.size() == seen.saliency.size());
  const float step = shown.at("saliency").at("scale");
  for (size_t i = 0; i < saliency.size(); ++i)
    CHECK(std::abs(saliency[i] - seen.saliency[i]) <= 0.51f * step);
  CHECK(shown.at("units").size() == 3);
}

TEST_CASE("images that do not fit are refused") {
  const std::vector<int32_t> classes{0};
  CHECK_THROWS_AS(compact_json(page().model, page().inputs, classes, {}, {}), Error);
}
