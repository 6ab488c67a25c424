#include "cli/explain_png.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "unfold/data/image_file.h"
#include "unfold/explain/deconvnet.h"
#include "unfold/explain/grad_cam.h"
#include "unfold/explain/occlusion.h"
#include "unfold/explain/picture.h"
#include "unfold/explain/receptive_field.h"
#include "unfold/explain/saliency.h"
#include "unfold/explain/top_patches.h"
#include "unfold/files.h"

namespace unfold::cli {
namespace {

constexpr int64_t kUnits = 16, kPatches = 9;
constexpr int64_t kSide = 256, kTileSide = 112, kPatchSide = 56, kFilterSide = 64;  // pixels, about

struct Drawing {
  std::string name, caption;
  Image image;
};

/// A layer's name as part of a file's.
std::string safe(std::string_view name) {
  std::string out(name.substr(0, 60));
  for (char& c : out) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
    if (!plain) c = '_';
  }
  return out;
}

int64_t zoom_to(int64_t side, int64_t h, int64_t w) {
  const int64_t longer = std::max(h, w);
  return std::max<int64_t>(1, (side + longer / 2) / longer);
}

/// Numbers (count, C, h, w) as tiles can show them: three channels as colours, others as their mean.
std::pair<Shape, std::vector<float>> shown(int64_t count, int64_t c, int64_t h, int64_t w,
                                           std::span<const float> values) {
  if (c == 3) return {{count, 3, h, w}, {values.begin(), values.end()}};
  std::vector<float> mean(static_cast<size_t>(count * h * w));
  for (int64_t e = 0; e < count * c * h * w; ++e) {
    const int64_t tile = e / (c * h * w), pixel = e % (h * w);
    mean[static_cast<size_t>(tile * h * w + pixel)] += values[static_cast<size_t>(e)] / static_cast<float>(c);
  }
  return {{count, h, w}, mean};
}

Image tiles(int64_t count, const Shape& chw, std::span<const float> values, const Tiling& how) {
  const auto [shape, numbers] = shown(count, chw[0], chw[1], chw[2], values);
  return tile(shape, numbers, how);
}

class Drawings {
 public:
  Drawings(const Model& model, std::span<const uint8_t> image, const PictureOptions& options,
           ThreadPool& pool)
      : model_(model),
        options_(options),
        pool_(pool),
        walk_(model, network_input(model, image)),
        in_(model.graph.shape(model.graph.input())),
        light_(brightness(model, walk_.value(model.graph.input()))) {
    const Graph& graph = model.graph;
    const std::span<const float> logits = walk_.value(logits_of(graph));
    const std::vector<double> p = probabilities(logits);
    class_ = options.target.empty() ? std::max_element(p.begin(), p.end()) - p.begin()
                                    : unfold::class_named(model, options.target);
    char percent[32];
    std::snprintf(percent, sizeof percent, " (%.1f %%)", 100 * p[static_cast<size_t>(class_)]);
    class_text_ = model.classes[static_cast<size_t>(class_)] + percent;
    convolution_ = last_of(graph, "Conv2d");
    const Node& node = !options.layer.empty() ? layer_named(graph, options.layer)
                       : convolution_         ? *convolution_
                                              : graph.nodes().back();
    layer_name_ = node.name;
    layer_ = activation_of(graph, node);
    choose_units();
  }

  std::vector<Drawing> all() {
    over_the_image();
    of_the_layer();
    filters();
    return std::move(drawings_);
  }

 private:
  void add(std::string name, std::string caption, Image image) {
    drawings_.push_back({std::move(name), std::move(caption), std::move(image)});
  }

  /// The units that are shown, in order, and the one this image excites most.
  void choose_units() {
    const int64_t count = maps_of(walk_.graph(), layer_)[0];
    std::vector<std::pair<float, int64_t>> by_activation;
    for (int64_t unit = 0; unit < count; ++unit) {
      if (options_.unit >= 0 && unit != options_.unit) continue;
      by_activation.emplace_back(-activation(unit, strongest(walk_, layer_, unit)), unit);
    }
    if (by_activation.empty()) strongest(walk_, layer_, options_.unit);  // says which there are
    std::sort(by_activation.begin(), by_activation.end());
    unit_ = by_activation.front().second;
    by_activation.resize(std::min(by_activation.size(), static_cast<size_t>(kUnits)));
    for (const auto& entry : by_activation) units_.push_back(entry.second);
    std::sort(units_.begin(), units_.end());
    for (const int64_t unit : units_) units_text_ += (units_text_.empty() ? "" : ", ") + std::to_string(unit);
  }

  float activation(int64_t unit, Cell cell) const {
    const Shape maps = maps_of(walk_.graph(), layer_);
    return walk_.value(layer_)[static_cast<size_t>((unit * maps[1] + cell.y) * maps[2] + cell.x)];
  }

  void over_the_image() {
    const int64_t zoom = zoom_to(kSide, in_[1], in_[2]);
    const Tiling grey{.zoom = zoom, .gap = 0}, both{.palette = Palette::diverging, .zoom = zoom, .gap = 0};
    add("input", "what the network is given, after the model's preprocessing",
        tiles(1, in_, light_, {.limit = 1, .zoom = zoom, .gap = 0}));
    add("saliency",
        "saliency: |d score / d pixel| of " + class_text_ + "; black 0, white the largest (Simonyan 2013)",
        tile({1, in_[1], in_[2]}, saliency(walk_, class_), grey));
    add("guided",
        "guided backprop of " + class_text_ +
            "; blue negative, white 0, red positive, by the largest (Springenberg 2014)",
        tiles(1, in_, guided_backprop(walk_, class_), both));
    add("deconvnet",
        "DeconvNet: the strongest cell of unit " + std::to_string(unit_) + " of " + layer_name_ +
            ", brought back to pixels; colours as in guided (Zeiler & Fergus 2013)",
        tiles(1, in_, deconvnet(walk_, layer_, unit_), both));
    if (convolution_) {
      const bool maps = walk_.graph().shape(layer_).rank() == 3;
      const ValueId layer = maps ? layer_ : activation_of(walk_.graph(), *convolution_);
      std::vector<float> heat = over_input(grad_cam(walk_, layer, class_), walk_);
      const float most = *std::max_element(heat.begin(), heat.end());
      for (float& v : heat) v = most > 0 ? v / most : 0;
      add("gradcam",
          "Grad-CAM of " + class_text_ + " at " + (maps ? layer_name_ : convolution_->name) +
              "; clear 0, red the largest (Selvaraju 2016)",
          heat_over(in_, light_, heat, zoom));
    }
    hidden(zoom);
    std::vector<Image> row;
    std::string names;
    for (const Drawing& drawing : drawings_) {
      row.push_back(drawing.image);
      names += (names.empty() ? "" : ", ") + drawing.name;
    }
    drawings_.insert(drawings_.begin(), {"overview", "in a row: " + names, side_by_side(row, 8)});
  }

  void hidden(int64_t zoom) {
    OcclusionOptions how;
    how.size = std::max<int64_t>(1, std::max(in_[1], in_[2]) / 4);
    how.stride = std::max<int64_t>(1, how.size / 4);
    const auto x = walk_.value(walk_.graph().input());
    const Occlusion o = occlusion(model_, x, class_, how, options_.engine, pool_);
    std::vector<float> heat(static_cast<size_t>(in_[1] * in_[2]));
    for (size_t e = 0; e < heat.size(); ++e) {
      const auto pixel = static_cast<int64_t>(e);
      const int64_t cell = pixel / in_[2] / how.stride * o.columns + pixel % in_[2] / how.stride;
      const double p = o.probability[static_cast<size_t>(cell)];
      heat[e] = static_cast<float>(o.whole > 0 ? std::max(0.0, 1 - p / o.whole) : 0);
    }
    char text[200];
    std::snprintf(
        text, sizeof text,
        "with a grey square of %d pixels over it: clear as likely as before, red impossible (Zeiler & Fergus "
        "2013)",
        static_cast<int>(how.size));
    add("occlusion", "occlusion: how likely " + class_text_ + " stays " + text,
        heat_over(in_, light_, heat, zoom));
  }

  void of_the_layer() {
    const Shape maps = maps_of(walk_.graph(), layer_);
    const int64_t cells = maps[1] * maps[2];
    const auto count = static_cast<int64_t>(units_.size());
    std::vector<float> values, pixels;
    for (const int64_t unit : units_) {
      const auto map =
          walk_.value(layer_).subspan(static_cast<size_t>(unit * cells), static_cast<size_t>(cells));
      values.insert(values.end(), map.begin(), map.end());
      const std::vector<float> back = deconvnet(walk_, layer_, unit);
      pixels.insert(pixels.end(), back.begin(), back.end());
    }
    const std::string of = "units " + units_text_ + " of " + layer_name_;
    if (cells > 1) {
      add("maps-" + safe(layer_name_), "feature maps of " + of + "; blue negative, white 0, red positive",
          tile({count, maps[1], maps[2]}, values,
               {.palette = Palette::diverging, .zoom = zoom_to(kTileSide, maps[1], maps[2])}));
    }
    add("units-" + safe(layer_name_),
        "DeconvNet: the strongest cell of " + of + ", each brought back to pixels, by its own largest",
        tiles(count, in_, pixels,
              {.palette = Palette::diverging, .each = true, .zoom = zoom_to(kTileSide, in_[1], in_[2])}));
    if (options_.data) patches(of);
  }

  void patches(const std::string& of) {
    const auto best = top_patches(model_, *options_.data, layer_, kPatches, options_.engine, pool_);
    const ReceptiveField fields = receptive_field(model_.graph, layer_);
    const Shape patch{in_[0], fields.size_h, fields.size_w};
    std::vector<float> seen, back;
    const auto add_part = [&](std::span<const float> picture, const Field& field, std::vector<float>& to) {
      const std::vector<float> part = cut_out(picture, in_, field);
      to.insert(to.end(), part.begin(), part.end());
    };
    for (const int64_t unit : units_) {
      for (const Patch& p : best[static_cast<size_t>(unit)]) {
        const Walk walk(model_, network_input(model_, options_.data->at(p.image)));
        const Field field = fields.whole(p.cell);
        add_part(brightness(model_, walk.value(model_.graph.input())), field, seen);
        add_part(deconvnet(walk, layer_, unit, p.cell), field, back);
      }
      // A small data set: empty places.
      const size_t row = (seen.size() + static_cast<size_t>(patch.elements() * kPatches) - 1) /
                         static_cast<size_t>(patch.elements() * kPatches);
      seen.resize(row * static_cast<size_t>(patch.elements() * kPatches),
                  std::numeric_limits<float>::quiet_NaN());
      back.resize(seen.size(), std::numeric_limits<float>::quiet_NaN());
    }
    const auto count = static_cast<int64_t>(units_.size()) * kPatches;
    const int64_t zoom = zoom_to(kPatchSide, patch[1], patch[2]);
    const Image pair[] = {
        tiles(count, patch, seen, {.limit = 1, .columns = kPatches, .zoom = zoom}),
        tiles(count, patch, back,
              {.palette = Palette::diverging, .each = true, .columns = kPatches, .zoom = zoom})};
    add("patches-" + safe(layer_name_),
        "a row each for " + of + ": the patches of " + options_.data->name +
            " that excite it most and, to the right, what in them does (DeconvNet)",
        side_by_side(pair, 8));
  }

  void filters() {
    const Node* node = first_of(walk_.graph(), "Conv2d");
    if (!node) return;
    const int index = model_.parameters.table().find(node->name + ".weight");
    const Shape& w = model_.parameters.table()[index].shape;
    const std::span<const float> values(model_.parameters.slice(index), static_cast<size_t>(w.elements()));
    const bool colours = w[1] == 3;
    const Shape shape = colours ? w : Shape{w[0] * w[1], w[2], w[3]};
    add("filters-" + safe(node->name),
        "filters of " + node->name + "; " +
            (colours ? "grey 0, by the largest" : "blue negative, white 0, red positive, by the largest"),
        tile(shape, values, {.palette = Palette::diverging, .zoom = zoom_to(kFilterSide, w[2], w[3])}));
  }

  const Model& model_;
  const PictureOptions& options_;
  ThreadPool& pool_;
  const Walk walk_;
  const Shape in_;
  const std::vector<float> light_;
  int64_t class_ = 0, unit_ = 0;
  std::string class_text_, layer_name_, units_text_;
  const Node* convolution_ = nullptr;
  ValueId layer_;
  std::vector<int64_t> units_;
  std::vector<Drawing> drawings_;
};

}  // namespace

std::vector<WrittenPicture> write_pictures(const Model& model, std::span<const uint8_t> image,
                                           const PictureOptions& options, ThreadPool& pool,
                                           const std::filesystem::path& folder) {
  std::vector<WrittenPicture> written;
  const std::vector<Drawing> pictures = Drawings(model, image, options, pool).all();
  require_writable(folder);
  for (const Drawing& drawing : pictures) {
    written.push_back({folder / (drawing.name + ".png"), drawing.caption});
    write_file(written.back().path, encode_png(drawing.image));
  }
  return written;
}

}  // namespace unfold::cli
