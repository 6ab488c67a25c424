#include "unfold/ops/pad.h"

#include <algorithm>
#include <cmath>

#include "unfold/error.h"
#include "unfold/kernels/lanes.h"

namespace unfold {
namespace {

constexpr int64_t kMost = 1 << 20;

// The definition copies what lies side by side, so it is the kernel of every layout.

template <class T, Layout kLayout>
PadShape sizes_of(const Op& op, const Call<T>& c) {
  PadShape s = static_cast<const Pad&>(op).how();
  const Shape& x = c.shapes[0];
  s.planes = x[0], s.h = x[1], s.w = x[2];
  if (kLayout == Layout::nhwc) s.planes = 1, s.run = x[0];
  if (kLayout == Layout::chwn16) s.run = lanes::kLanes;
  return s;
}

template <class T, Layout kLayout>
void forward(const Op& op, const Call<T>& c) {
  for (int64_t i = 0; i < (kLayout == Layout::chwn16 ? 1 : c.n); ++i)
    reference::pad_forward(sizes_of<T, kLayout>(op, c), c.x[0] + i * c.in, c.y + i * c.out);
}
template <class T, Layout kLayout>
void backward(const Op& op, const Call<T>& c) {
  for (int64_t i = 0; i < (kLayout == Layout::chwn16 ? 1 : c.n); ++i)
    reference::pad_backward(sizes_of<T, kLayout>(op, c), c.dy + i * c.out, c.dx + i * c.in);
}

template <class T, Layout kLayout>
constexpr Implementation<T> implementation(const char* name, Engine engine) {
  return {.name = name,
          .engine = engine,
          .numerics = "exact, repeated: chain(h,w)",
          .forward = forward<T, kLayout>,
          .backward_data = backward<T, kLayout>,
          .layout = kLayout};
}

constexpr Implementation<float> kFloat[] = {
    implementation<float, Layout::nhwc>("pad/nhwc", Engine::fast),
    implementation<float, Layout::chwn16>("pad/lanes", Engine::fast),
    implementation<float, Layout::nchw>("pad/reference", Engine::naive),
};
constexpr Implementation<double> kDouble[] = {
    implementation<double, Layout::nchw>("pad/reference", Engine::naive),
};

}  // namespace

Pad::Pad(int64_t top, int64_t left, int64_t bottom, int64_t right, PadMode mode, double value) {
  how_ = {.top = top, .left = left, .bottom = bottom, .right = right, .mode = mode, .value = value};
  const auto [least, most] = std::minmax({top, left, bottom, right});
  if (least < 0 || most > kMost || !(std::abs(value) <= 3.4e38)) {
    throw Error(ErrorKind::usage, "Pad cannot work with these settings")
        .wanted("pads from 0 to " + std::to_string(kMost) + " and a finite value")
        .got(std::to_string(top) + ", " + std::to_string(left) + ", " + std::to_string(bottom) + ", " +
             std::to_string(right) + " and " + std::to_string(value));
  }
}

Attributes Pad::attributes() const {
  const auto number = [](int64_t v) { return static_cast<double>(v); };
  return {{"pads", {number(how_.top), number(how_.left), number(how_.bottom), number(how_.right)}},
          {"mode", {number(static_cast<int64_t>(how_.mode))}},
          {"value", {how_.value}}};
}

Shape Pad::output_shape(std::span<const Shape> in, std::string_view where) const {
  const Shape& x = in[0];
  if (x.rank() != 3 || x.elements() < 1) {
    throw Error(ErrorKind::usage, "the input does not fit").where(where).wanted("(C, H, W)").got(x.text());
  }
  if (how_.mode == PadMode::reflect &&
      (std::max(how_.top, how_.bottom) >= x[1] || std::max(how_.left, how_.right) >= x[2])) {
    throw Error(ErrorKind::usage, "an image can be mirrored only as far as it goes")
        .where(where)
        .wanted("pads smaller than " + std::to_string(x[1]) + "x" + std::to_string(x[2]))
        .got(std::to_string(std::max(how_.top, how_.bottom)) + "x" +
             std::to_string(std::max(how_.left, how_.right)));
  }
  return {x[0], how_.top + x[1] + how_.bottom, how_.left + x[2] + how_.right};
}

std::span<const Implementation<float>> Pad::implementations(float) const {
  return kFloat;
}
std::span<const Implementation<double>> Pad::implementations(double) const {
  return kDouble;
}

std::shared_ptr<const Op> make_pad(const std::vector<int64_t>& pads, int64_t mode, double value) {
  if (mode < 0 || mode > 2) {
    throw Error(ErrorKind::usage, "Pad has no such mode")
        .wanted("0 constant, 1 reflect, 2 edge")
        .got(std::to_string(mode));
  }
  return std::make_shared<Pad>(pads.at(0), pads.at(1), pads.at(2), pads.at(3), static_cast<PadMode>(mode),
                               value);
}

}  // namespace unfold
