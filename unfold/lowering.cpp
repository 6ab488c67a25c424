#include "unfold/lowering.h"

#include <algorithm>
#include <cstdlib>
#include <map>

#include "unfold/error.h"
#include "unfold/kernels/lanes.h"
#include "unfold/ops/fused.h"
#include "unfold/ops/kept.h"
#include "unfold/ops/shape_ops.h"

namespace unfold {
namespace {

/// Sixteen images of a value beyond this no longer fit a second-level cache beside their gradients.
constexpr int64_t kLaneElements = 1 << 15;

/// The kernel for a node with these input shapes, if there is one. `trunk` is the layout of images inside
/// the network.
template <class T>
const Implementation<T>* choose(const Op& op, const std::vector<Shape>& in, const LoweringOptions& options,
                                Layout trunk) {
  Call<T> sizes;
  sizes.n = lanes::kLanes;
  sizes.in = in[0].elements();
  sizes.shapes = in.data();
  sizes.window = op.window_shape(in);
  sizes.window.n = sizes.n;
  const auto suits = [&](const Implementation<T>& kernel) {
    return !kernel.suits || kernel.suits(op, sizes);
  };
  const auto table = op.implementations(T{});
  if (const char* forced = std::getenv("UNFOLD_KERNEL")) {
    for (const Implementation<T>& kernel : table) {
      if (std::string_view(forced) == kernel.name && suits(kernel)) return &kernel;
    }
  }
  for (const Implementation<T>& kernel : table) {
    const bool mine = kernel.engine == options.engine || kernel.engine == Engine::naive ||
                      (options.engine == Engine::fast && kernel.engine == Engine::im2col);
    const bool lies_so = kernel.layout == Layout::nchw ||
                         (kernel.layout == trunk && (trunk == Layout::chwn16 || in[0].rank() == 3));
    const bool allowed =
        lies_so && (kernel.exact || !options.exact) && (!kernel.parts || trunk == Layout::nhwc);
    if (mine && allowed && suits(kernel)) return &kernel;
  }
  return nullptr;
}

template <class T>
class Lowering {
  /// In double, all is naive; single images have nothing to fuse.
  static constexpr bool kFuses = std::is_same_v<T, float> && !kSmallBuild;

 public:
  Lowering(const Graph& graph, const LoweringOptions& options) : graph_(graph), options_(options) {
    if (options.training) {
      low_.by_layer = std::any_of(graph.nodes().begin(), graph.nodes().end(),
                                  [](const Node& node) { return node.op->whole_batch(); });
    }
    if (options.engine != Engine::fast || !std::is_same_v<T, float>) return;
    for (int v = 0; v < graph.values(); ++v) {
      if (graph.shape({v}).elements() > kLaneElements) low_.by_layer = true;
    }
    if (kSmallBuild) return;
    trunk_ = low_.by_layer ? Layout::nhwc : options.lanes ? Layout::chwn16 : Layout::nchw;
  }

  Lowered<T> run() {
    add_value(graph_.shape(graph_.input()), Layout::nchw);
    low_.value_of.assign(static_cast<size_t>(graph_.values()), -1);
    low_.value_of[0] = 0;
    const std::vector<Node>& nodes = graph_.nodes();
    for (size_t i = 0; i < nodes.size();) {
      if (does_nothing(i)) {
        low_.value_of[index(nodes[i].output)] = low_.value_of[index(nodes[i].inputs[0])];
        ++i;
        continue;
      }
      Node node = nodes[i];
      size_t count = 1;
      if constexpr (kFuses) {
        if (auto three = fused_first(i)) {
          node.op = std::move(three);
          count = 3;
        } else if (auto end = fused_residual(i)) {
          node.op = std::move(end);
          node.inputs.push_back(other_input(nodes[i + 1], nodes[i].output));
          count = 3;
        } else if (auto two = fused(i)) {
          node.op = std::move(two);
          count = 2;
        }
        if (flattened(i + count - 1)) ++count;
      }
      for (size_t k = 1; k < count; ++k) node.name += "+" + nodes[i + k].name;
      node.output = nodes[i + count - 1].output;
      add(node, nodes[i].name);
      i += count;
    }
    const int output = low_.value_of[static_cast<size_t>(graph_.output().index)];
    low_.value_of.back() = in_layout(output, Layout::nchw);
    mark_gradients();
    return std::move(low_);
  }

 private:
  static size_t index(ValueId value) { return static_cast<size_t>(value.index); }

  /// Dropout in inference. The network's last node always has a step of its own.
  bool does_nothing(size_t i) const {
    const std::vector<Node>& nodes = graph_.nodes();
    return !options_.training && nodes[i].op->type() == "Dropout" && i + 1 < nodes.size();
  }

  int add_value(const Shape& shape, Layout layout) {
    low_.shapes.push_back(shape);
    low_.layouts.push_back(layout);
    return static_cast<int>(low_.shapes.size()) - 1;
  }

  /// Whether the next node alone reads what node i makes, and operators may be joined.
  bool is_next_only(size_t i) const {
    const std::vector<Node>& nodes = graph_.nodes();
    if (!options_.fuse || trunk_ == Layout::nchw || i + 1 >= nodes.size()) return false;
    const auto reads = [&](const Node& node) {
      return std::count(node.inputs.begin(), node.inputs.end(), nodes[i].output);
    };
    std::ptrdiff_t readers = 0;
    for (const Node& node : nodes) readers += reads(node);
    return readers == 1 && reads(nodes[i + 1]) == 1;
  }

  /// The same, where the next node reads nothing else.
  bool feeds_next(size_t i) const { return is_next_only(i) && graph_.nodes()[i + 1].inputs.size() == 1; }

  /// Of a node's two inputs, the one that is not `one`.
  static ValueId other_input(const Node& node, ValueId one) { return node.inputs[node.inputs[0] == one]; }

  /// Node i and the next two as one operator, if they end a residual block.
  std::shared_ptr<const Op> fused_residual(size_t i) const {
    const std::vector<Node>& nodes = graph_.nodes();
    if (!is_next_only(i) || nodes[i + 1].inputs.size() != 2 || !feeds_next(i + 1)) return nullptr;
    if (graph_.shape(other_input(nodes[i + 1], nodes[i].output)) != graph_.shape(nodes[i].output))
      return nullptr;
    return fuse_residual(*nodes[i].op, *nodes[i + 1].op, *nodes[i + 2].op);
  }

  /// Node i and the next as one operator, if there is a kernel for both.
  std::shared_ptr<const Op> fused(size_t i) const {
    const std::vector<Node>& nodes = graph_.nodes();
    if (!feeds_next(i)) return nullptr;
    return fuse(*nodes[i].op, *nodes[i + 1].op, graph_.shape(nodes[i].output), trunk_);
  }

  /// In lanes, a convolution of the network's input with the two nodes behind it, if there is a kernel for
  /// all.
  std::shared_ptr<const Op> fused_first(size_t i) const {
    const std::vector<Node>& nodes = graph_.nodes();
    if (trunk_ != Layout::chwn16 || options_.input_gradient ||
        nodes[i].inputs != std::vector<ValueId>{graph_.input()} || !feeds_next(i) || !feeds_next(i + 1)) {
      return nullptr;
    }
    const Shape in = graph_.shape(graph_.input());
    auto op = fuse(*nodes[i].op, *nodes[i + 1].op, *nodes[i + 2].op, in);
    return op && choose<T>(*op, {in}, options_, trunk_) ? op : nullptr;
  }

  /// Whether the next node flattens what node i makes for it alone. In lanes that moves nothing, so node i
  /// makes it flat.
  bool flattened(size_t i) const {
    return trunk_ == Layout::chwn16 && feeds_next(i) && graph_.nodes()[i + 1].op->type() == "Flatten";
  }

  /// `owner` is the name its parameters go by.
  void add(const Node& node, const std::string& owner) {
    LoweredNode<T> lowered;
    lowered.name = node.name;
    lowered.op = node.op;
    lowered.weight = table_->find(owner + ".weight");
    lowered.bias = table_->find(owner + ".bias");
    lowered.mean = table_->find(owner + ".running_mean");
    lowered.var = table_->find(owner + ".running_var");
    lowered.kernel = choose<T>(*node.op, graph_.input_shapes(node), options_, trunk_);
    if (!lowered.kernel) {
      throw Error(ErrorKind::usage, "no kernel for this operator").where(node.name).got(node.op->type());
    }
    for (const ValueId value : node.inputs) {
      lowered.inputs.push_back(
          in_layout(low_.value_of[static_cast<size_t>(value.index)], lowered.kernel->layout));
    }
    lowered.output = add_value(graph_.shape(node.output), lowered.kernel->layout);
    low_.value_of[static_cast<size_t>(node.output.index)] = lowered.output;
    low_.nodes.push_back(std::move(lowered));
  }

  /// The value in this layout: itself, or a conversion of it, made once.
  int in_layout(int value, Layout layout) {
    const auto v = static_cast<size_t>(value);
    if (kSmallBuild || low_.layouts[v] == layout) return value;
    const auto made = converted_.find({value, layout});
    if (made != converted_.end()) return made->second;
    LoweredNode<T> node;
    const std::string from = low_.nodes.empty() || value == 0 ? "input" : producer(value);
    node.name = from + (layout == Layout::chwn16 ? ":lanes" : layout == Layout::nhwc ? ":nhwc" : ":rows");
    node.op = std::make_shared<Relayout>(low_.layouts[v], layout);
    node.kernel = &node.op->implementations(T{})[0];
    node.inputs = {value};
    node.output = add_value(low_.shapes[v], layout);
    converted_[{value, layout}] = node.output;
    low_.nodes.push_back(std::move(node));
    return low_.nodes.back().output;
  }

  std::string producer(int value) const {
    const auto at =
        std::find_if(low_.nodes.begin(), low_.nodes.end(), [&](const auto& n) { return n.output == value; });
    return at->name;
  }

  void mark_gradients() {
    // Forward: which values depend on a parameter (or on an input whose gradient is wanted).
    std::vector<bool> wants(low_.shapes.size(), false), reached(low_.shapes.size(), false);
    wants[0] = options_.input_gradient;
    for (const LoweredNode<T>& node : low_.nodes) {
      bool any = node.weight >= 0;
      for (const int value : node.inputs) any = any || wants[static_cast<size_t>(value)];
      wants[static_cast<size_t>(node.output)] = any;
    }
    // Backward: who reaches a value first overwrites its gradient, the others add.
    reached.back() = true;  // by the loss
    for (size_t i = low_.nodes.size(); i-- > 0;) {
      LoweredNode<T>& node = low_.nodes[i];
      const auto y = static_cast<size_t>(node.output);
      node.backward = reached[y] && wants[y];
      if (!node.backward) continue;
      for (size_t k = 0; k < node.inputs.size(); ++k) {
        const auto value = static_cast<size_t>(node.inputs[k]);
        if (!wants[value]) continue;
        node.gradient[k] =
            reached[value] ? LoweredNode<T>::Gradient::add : LoweredNode<T>::Gradient::overwrite;
        reached[value] = true;
      }
    }
  }

  const Graph& graph_;
  const LoweringOptions options_;
  const std::shared_ptr<const ParameterTable> table_ = graph_.parameter_table();
  Layout trunk_ = Layout::nchw;
  Lowered<T> low_;
  std::map<std::pair<int, Layout>, int> converted_;
};

}  // namespace

template <class T>
Lowered<T> lower(const Graph& graph, const LoweringOptions& options) {
  return Lowering<T>(graph, options).run();
}

template Lowered<float> lower(const Graph&, const LoweringOptions&);
template Lowered<double> lower(const Graph&, const LoweringOptions&);

}  // namespace unfold
