#include "unfold/ops/pointwise.h"

#include <cmath>
#include <limits>

#include "unfold/error.h"
#include "unfold/kernels/lanes.h"
#include "unfold/kernels/pointwise.h"
#include "unfold/ops/kept.h"

namespace unfold {
namespace {

/// A setting's name in ONNX, and its default there.
struct Setting {
  const char* name = nullptr;
  double otherwise = 0;
};
struct Entry {
  std::string_view type;
  Setting a = {}, b = {};
};
constexpr double kLargest = std::numeric_limits<float>::max();

constexpr Entry kEntries[] = {
    // in the order of Pointwise
    {"LeakyRelu", {"alpha", 0.01}},
    {"Elu", {"alpha", 1.0}},
    {"HardSigmoid", {"alpha", 0.2}, {"beta", 0.5}},
    {"HardSwish"},
    {"Silu"},
    {"Clip", {"min", -kLargest}, {"max", kLargest}},
    {"Softplus"},
    {"Selu", {"alpha", 1.67326319217681884765625}, {"gamma", 1.05070102214813232421875}},
    {"Softsign"},
};
const Entry& entry_of(Pointwise kind) {
  return kEntries[static_cast<size_t>(kind)];
}

const PointwiseFunction& function_of(const Op& op) {
  return static_cast<const PointwiseOp&>(op).function();
}
template <class T, Layout kLayout>
int64_t elements(const Call<T>& c) {
  return (kLayout == Layout::chwn16 ? lanes::kLanes : c.n) * c.out;
}

template <class T>
void naive_forward(const Op& op, const Call<T>& c) {
  reference::pointwise_forward(function_of(op), c.n * c.out, c.x[0], c.y);
}
template <class T>
void naive_backward(const Op& op, const Call<T>& c) {
  reference::pointwise_backward(function_of(op), c.n * c.out, c.x[0], c.dy, c.dx);
}
template <Layout kLayout>
void vector_forward(const Op& op, const Call<float>& c) {
  pointwise_forward(function_of(op), elements<float, kLayout>(c), c.x[0], c.y);
}
template <Layout kLayout>
void vector_backward(const Op& op, const Call<float>& c) {
  pointwise_backward(function_of(op), elements<float, kLayout>(c), c.x[0], c.dy, c.dx);
}

template <Layout kLayout>
constexpr Implementation<float> vector(const char* name, Engine engine) {
  return {.name = name,
          .engine = engine,
          .numerics = "exp7 tanh4_4",
          .forward = vector_forward<kLayout>,
          .backward_data = vector_backward<kLayout>,
          .layout = kLayout};
}

constexpr Implementation<float> kFloat[] = {
    vector<Layout::nhwc>("pointwise/nhwc", Engine::fast),
    vector<Layout::chwn16>("pointwise/lanes", Engine::fast),
    vector<Layout::nchw>("pointwise/vector", Engine::im2col),
    {"pointwise/reference", Engine::naive, "libm", naive_forward<float>, naive_backward<float>},
};
constexpr Implementation<double> kDouble[] = {
    {"pointwise/reference", Engine::naive, "libm", naive_forward<double>, naive_backward<double>},
};

}  // namespace

PointwiseOp::PointwiseOp(const PointwiseFunction& function) : function_(function) {
  const auto& [kind, a, b] = function;
  if (!std::isfinite(a) || !std::isfinite(b) || (kind == Pointwise::clip && !(a <= b))) {
    throw Error(ErrorKind::usage, "the settings of a function cannot be")
        .where(entry_of(kind).type)
        .wanted(kind == Pointwise::clip ? "finite numbers, min at most max" : "finite numbers")
        .got(std::to_string(a) + " and " + std::to_string(b));
  }
}

std::string_view PointwiseOp::type() const {
  return entry_of(function_.kind).type;
}

Attributes PointwiseOp::attributes() const {
  const Entry& entry = entry_of(function_.kind);
  Attributes attributes;
  if (entry.a.name) attributes[entry.a.name] = {function_.a};
  if (entry.b.name) attributes[entry.b.name] = {function_.b};
  return attributes;
}

std::span<const Implementation<float>> PointwiseOp::implementations(float) const {
  return kept<kFloat>();
}
std::span<const Implementation<double>> PointwiseOp::implementations(double) const {
  return kept_double<kDouble>();
}

std::shared_ptr<const Op> make_pointwise(Pointwise kind, const Attributes& attributes) {
  const auto setting = [&](const Setting& s) {
    const auto found = s.name ? attributes.find(s.name) : attributes.end();
    return found == attributes.end() || found->second.size() != 1 ? s.otherwise : found->second[0];
  };
  const Entry& entry = entry_of(kind);
  return std::make_shared<PointwiseOp>(PointwiseFunction{kind, setting(entry.a), setting(entry.b)});
}

}  // namespace unfold
