#include "unfold/explain/walk.h"

#include <algorithm>
#include <string>
#include <utility>

#include "unfold/error.h"
#include "unfold/threads.h"

namespace unfold {
namespace {

/// The best kernel that takes single images as they lie: im2col's, or the definition.
const Implementation<float>& kernel_for(const Op& op) {
  const auto table = op.implementations(float{});
  return *std::find_if(table.begin(), table.end(), [](const auto& k) { return k.engine != Engine::fast; });
}

Buffer scratch_for(const Implementation<float>& kernel, const Op& op, const Call<float>& call) {
  return kernel.scratch ? Buffer(static_cast<size_t>(kernel.scratch(op, call)) * sizeof(float)) : Buffer();
}

void require_count(size_t got, int64_t wanted, std::string_view what) {
  if (std::cmp_equal(got, wanted)) return;
  throw Error(ErrorKind::usage, std::string(what) + " of another size than the network's")
      .wanted(std::to_string(wanted))
      .got(std::to_string(got));
}

}  // namespace

Walk::Walk(const Model& model, std::vector<float> x) : model_(&model) {
  const FlushDenormals flush;
  const Graph& graph = model.graph;
  require_count(x.size(), graph.shape(graph.input()).elements(), "an image");
  const auto table = model.parameters.shared_table();
  if (!table || graph.parameter_table()->buffer_elements() != table->buffer_elements()) {
    throw Error(ErrorKind::usage, "these parameters belong to another network").where(model.name);
  }
  values_.resize(static_cast<size_t>(graph.values()));
  values_.front() = std::move(x);
  const auto parameter = [&](const Node& node, const char* name) -> const float* {
    const int index = table->find(node.name + name);
    return index < 0 ? nullptr : model.parameters.slice(index);
  };
  for (const Node& node : graph.nodes()) {
    Step& step = steps_.emplace_back();
    step.kernel = &kernel_for(*node.op);
    std::vector<float>& y = values_[static_cast<size_t>(node.output.index)];
    y.resize(static_cast<size_t>(graph.shape(node.output).elements()));
    step.shapes = graph.input_shapes(node);
    Call<float>& c = step.call;
    c.n = c.batch = 1;
    c.shapes = step.shapes.data();
    c.window = node.op->window_shape(step.shapes);
    c.window.n = 1;
    c.in = graph.shape(node.inputs[0]).elements();
    c.out = static_cast<int64_t>(y.size());
    c.name = node.name;
    for (size_t k = 0; k < node.inputs.size(); ++k) c.x[k] = value(node.inputs[k]).data();
    c.y = y.data();
    c.w = parameter(node, ".weight");
    c.b = parameter(node, ".bias");
    c.mean = parameter(node, ".running_mean");
    c.var = parameter(node, ".running_var");
    if (step.kernel->saved) step.saved = Buffer(static_cast<size_t>(step.kernel->saved(*node.op, c)));
    c.saved = step.saved.data();
    Call<float> run = c;
    Buffer scratch = scratch_for(*step.kernel, *node.op, c);
    run.scratch = reinterpret_cast<float*>(scratch.data());
    step.kernel->forward(*node.op, run);
  }
}

void Walk::step_back(size_t node, int input, std::span<const float> dy, ReluRule rule,
                     std::span<float> dx) const {
  const Op& op = *graph().nodes()[node].op;
  const Step& step = steps_[node];
  if (op.type() == "Dropout") {  // does nothing in inference, and has kept nothing to go back by
    std::copy(dy.begin(), dy.end(), dx.begin());
  } else if (op.type() == "Relu" && rule != ReluRule::gradient) {
    const float* y = step.call.y;
    for (size_t e = 0; e < dx.size(); ++e) {
      const bool open = rule == ReluRule::deconvnet || y[e] > 0;
      dx[e] = open ? std::max(dy[e], 0.0f) : 0.0f;
    }
  } else {
    Call<float> c = step.call;
    c.input = input;
    c.dy = dy.data();
    c.dx = dx.data();
    Buffer scratch = scratch_for(*step.kernel, op, c);
    c.scratch = reinterpret_cast<float*>(scratch.data());
    step.kernel->backward_data(op, c);
  }
}

std::vector<float> Walk::backward(ValueId from, std::span<const float> dy, ValueId to, ReluRule rule) const {
  const FlushDenormals flush;
  require_count(dy.size(), static_cast<int64_t>(value(from).size()), "a gradient");
  if (to.index < 0 || to.index > from.index) {
    throw Error(ErrorKind::usage, "a gradient goes back to an earlier value only");
  }
  std::vector<std::vector<float>> gradients(values_.size());  // empty: nothing has arrived
  gradients[static_cast<size_t>(from.index)].assign(dy.begin(), dy.end());
  // Node i makes value i + 1, and reads earlier ones only.
  for (auto v = static_cast<size_t>(from.index); v > static_cast<size_t>(to.index); --v) {
    const std::vector<float> given = std::move(gradients[v]);
    if (given.empty()) continue;
    const std::vector<ValueId>& inputs = graph().nodes()[v - 1].inputs;
    for (size_t k = 0; k < inputs.size(); ++k) {
      std::vector<float> dx(value(inputs[k]).size());
      step_back(v - 1, static_cast<int>(k), given, rule, dx);
      std::vector<float>& sum = gradients[static_cast<size_t>(inputs[k].index)];
      if (sum.empty()) sum.resize(dx.size());
      for (size_t e = 0; e < dx.size(); ++e) sum[e] += dx[e];
    }
  }
  std::vector<float>& arrived = gradients[static_cast<size_t>(to.index)];
  arrived.resize(value(to).size());
  return std::move(arrived);
}

std::vector<float> network_input(const Model& model, std::span<const uint8_t> image) {
  const Shape in = model.graph.shape(model.graph.input());
  const Preprocessing& how = model.preprocessing;
  require_count(image.size(), in[0] * how.image_h * how.image_w, "an image");
  std::vector<float> x(static_cast<size_t>(in.elements()));
  preprocess(how, image, x.data());
  return x;
}

std::vector<float> brightness(const Model& model, std::span<const float> x) {
  std::vector<float> light(x.begin(), x.end());
  const Preprocessing& how = model.preprocessing;
  const auto plane = static_cast<size_t>(how.out_h * how.out_w);
  for (size_t e = 0; e < light.size(); ++e) {
    const auto channel = static_cast<int64_t>(e / plane);
    light[e] = light[e] * static_cast<float>(how.std[channel]) + static_cast<float>(how.mean[channel]);
  }
  return light;
}

}  // namespace unfold
