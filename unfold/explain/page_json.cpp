#include "unfold/explain/page_json.h"

#include <bit>

#include "unfold/train/html.h"

namespace unfold::page_json {
namespace {

static_assert(std::endian::native == std::endian::little, "the page reads little-endian floats");

Json seconds(const std::optional<double>& time) {
  return time ? Json(*time) : Json();
}

}  // namespace

std::string packed(std::span<const float> values) {
  return html::base64({reinterpret_cast<const uint8_t*>(values.data()), values.size_bytes()});
}

Json sizes(const Shape& shape) {
  Json list = Json::array();
  for (int i = 0; i < shape.rank(); ++i) list.push_back(shape[i]);
  return list;
}

Json layer(const Model& model, const LayerTimes& times, size_t index) {
  const Graph& graph = model.graph;
  const Node& node = graph.nodes()[index];
  const std::vector<Shape> in = graph.input_shapes(node);
  Json inputs = Json::array();
  for (const ValueId v : node.inputs) inputs.push_back(v.index);
  Json one = {
      {"name", node.name},           {"type", std::string(node.op->type())}, {"inputs", inputs},
      {"output", node.output.index}, {"attributes", node.op->attributes()},  {"macs", node.op->macs(in)}};
  const Conv2dShape s = node.op->window_shape(in);
  if (s.oh > 0 && node.op->type() != "ConvTranspose2d") {  // whose window is on the other side
    const Window2d& k = s.window;
    one["window"] = {{"kernel", {k.kernel_h, k.kernel_w}},
                     {"stride", {k.stride_h, k.stride_w}},
                     {"pad", {k.pad_top, k.pad_left, k.pad_bottom, k.pad_right}},
                     {"dilation", {k.dilation_h, k.dilation_w}},
                     {"groups", k.groups}};
  }
  const ParameterTable& table = model.parameters.table();
  one["weight"] = table.find(node.name + ".weight");
  one["bias"] = table.find(node.name + ".bias");
  one["seconds"] = {
      {"naive", seconds(times.naive)}, {"im2col", seconds(times.im2col)}, {"fast", seconds(times.fast)}};
  return one;
}

Json seen(const Seen& seen, const Writes& map, const Writes& picture) {
  const Occlusion& o = seen.occlusion;
  Json one = {{"saliency", map(seen.saliency)},
              {"guided", picture(seen.guided)},
              {"layer", seen.layer},
              {"grad_cam", map(seen.grad_cam)},
              {"occlusion",
               {{"rows", o.rows},
                {"columns", o.columns},
                {"size", seen.occlusion_size},
                {"stride", seen.occlusion_stride},
                {"whole", o.whole},
                {"probability", packed(o.probability)}}},
              {"units", Json::array()}};
  for (const Seen::Unit& unit : seen.units) {
    one["units"].push_back(
        {{"unit", unit.unit}, {"activation", unit.activation}, {"pixels", picture(unit.pixels)}});
  }
  return one;
}

Json patches(const LayerPatches& seen, int64_t height, int64_t width, const Writes& patch) {
  Json all = {{"data", seen.data},
              {"layer", seen.layer},
              {"height", height},
              {"width", width},
              {"units", Json::array()}};
  for (const UnitPatches& unit : seen.units) {
    Json one = {{"unit", unit.unit}, {"patches", Json::array()}};
    for (const SeenPatch& p : unit.patches) {
      one["patches"].push_back({{"image", p.patch.image},
                                {"class", p.label},
                                {"activation", p.patch.activation},
                                {"pixels", patch(p.pixels)}});
    }
    all["units"].push_back(std::move(one));
  }
  return all;
}

std::string text(const Json& page) {
  return page.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace unfold::page_json
