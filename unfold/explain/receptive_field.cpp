#include "unfold/explain/receptive_field.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "unfold/error.h"

namespace unfold {
namespace {

/// Makes `f` hold what either branch sees. Throws usage naming the node if their cells do not lie alike.
void join(ReceptiveField& f, const ReceptiveField& other, const std::string& name) {
  if (f.jump_h != other.jump_h || f.jump_w != other.jump_w) {
    throw Error(ErrorKind::usage, "two branches meet whose cells lie differently far apart").where(name);
  }
  const int64_t bottom = std::max(f.top + f.size_h, other.top + other.size_h);
  const int64_t right = std::max(f.left + f.size_w, other.left + other.size_w);
  f.top = std::min(f.top, other.top);
  f.left = std::min(f.left, other.left);
  f.size_h = bottom - f.top;
  f.size_w = right - f.left;
}

}  // namespace

Field ReceptiveField::whole(Cell cell) const {
  return {top + cell.y * jump_h, left + cell.x * jump_w, size_h, size_w};
}

Field ReceptiveField::clipped(Cell cell) const {
  const Field all = whole(cell);
  const int64_t y0 = std::clamp<int64_t>(all.top, 0, image_h),
                y1 = std::clamp<int64_t>(all.top + all.h, 0, image_h);
  const int64_t x0 = std::clamp<int64_t>(all.left, 0, image_w),
                x1 = std::clamp<int64_t>(all.left + all.w, 0, image_w);
  return {y0, x0, y1 - y0, x1 - x0};
}

ReceptiveField receptive_field(const Graph& graph, ValueId value) {
  const Shape image = graph.shape(graph.input());
  ReceptiveField pixel{.image_h = image[1], .image_w = image[2]};
  const ReceptiveField all{.image_h = image[1],
                           .image_w = image[2],
                           .size_h = image[1],
                           .size_w = image[2],
                           .jump_h = 0,
                           .jump_w = 0};
  std::vector<ReceptiveField> fields{pixel};  // by value
  for (const Node& node : graph.nodes()) {
    if (node.output.index > value.index) break;
    ReceptiveField f = fields[static_cast<size_t>(node.inputs[0].index)];
    const std::vector<Shape> in = graph.input_shapes(node);
    const std::string_view type = node.op->type();
    if (graph.shape(node.output).rank() != 3 || type == "ConvTranspose2d" || type == "Transpose" ||
        type == "Reshape") {
      f = all;
    } else if (type == "Pad") {
      const Attributes pads = node.op->attributes();
      f.top -= f.jump_h * static_cast<int64_t>(pads.at("pads")[0]);
      f.left -= f.jump_w * static_cast<int64_t>(pads.at("pads")[1]);
    } else if (const Conv2dShape s = node.op->window_shape(in); s.oh > 0) {
      const Window2d& k = s.window;
      f.top -= f.jump_h * k.pad_top;
      f.left -= f.jump_w * k.pad_left;
      f.size_h += f.jump_h * k.dilation_h * (k.kernel_h - 1);
      f.size_w += f.jump_w * k.dilation_w * (k.kernel_w - 1);
      f.jump_h *= k.stride_h;
      f.jump_w *= k.stride_w;
    } else {
      for (size_t k = 1; k < node.inputs.size() && f.jump_h > 0; ++k) {
        if (in[k] != in[0] && in[k].elements() == in[k][0]) {  // a gate: of one cell that has seen all
          f = all;
        } else {
          join(f, fields[static_cast<size_t>(node.inputs[k].index)], node.name);
        }
      }
    }
    fields.push_back(f);
  }
  return fields.at(static_cast<size_t>(value.index));
}

std::vector<float> cut_out(std::span<const float> picture, const Shape& chw, const Field& field) {
  std::vector<float> part;
  part.reserve(static_cast<size_t>(chw[0] * field.h * field.w));
  for (int64_t c = 0; c < chw[0]; ++c) {
    for (int64_t y = field.top; y < field.top + field.h; ++y) {
      for (int64_t x = field.left; x < field.left + field.w; ++x) {
        const bool inside = y >= 0 && y < chw[1] && x >= 0 && x < chw[2];
        part.push_back(inside ? picture[static_cast<size_t>((c * chw[1] + y) * chw[2] + x)]
                              : std::numeric_limits<float>::quiet_NaN());
      }
    }
  }
  return part;
}

}  // namespace unfold
