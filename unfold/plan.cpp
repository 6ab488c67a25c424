#include "unfold/plan.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "unfold/error.h"
#include "unfold/kernels/lanes.h"

namespace unfold {
namespace {

constexpr int64_t kPartialElements = 1 << 14;  // weights up to this size get a partial gradient per shard
constexpr int64_t kPieceElements = 1 << 13;    // a piece of the gradient stays in the first-level cache
constexpr int64_t kGuardBytes = 64;            // a cache line
constexpr int64_t kPieceRows = 120, kPieceColumns = 64;  // of a gradient computed from all shards at once
constexpr int64_t kHeadImages = 2 * kShardImages;        // the head is a multiple of it, the tail is less
constexpr int64_t kLanesFrom = 4;  // images from which a block of lanes is faster than one image at a time

int64_t round_up(int64_t bytes) {
  return (bytes + 63) / 64 * 64;
}

/// Levels of the stack that adds up `shards` partials pair by pair.
int64_t levels(int64_t shards) {
  int64_t n = 1;
  while ((int64_t{1} << (n - 1)) < shards) ++n;
  return n;
}

/// Gives each tensor of a slab a place: one that is no longer read makes room for the next. First fit.
class Arena {
 public:
  /// `guarded`: nothing makes room, and behind each tensor lies one cache line at least that is nobody's.
  explicit Arena(bool guarded) : guarded_(guarded) {}

  /// Reserves `bytes` from step `first` to step `last`, both counted in.
  int64_t place(int64_t bytes, int first, int last) {
    const int64_t wanted = bytes;
    bytes = round_up(bytes);
    int64_t at = 0;
    if (guarded_) {
      at = end_;
      bytes += kGuardBytes;
      guards_.push_back({at + wanted, bytes - wanted});
    }
    for (bool moved = true; moved;) {
      moved = false;
      for (const Block& b : blocks_) {
        if (b.first <= last && first <= b.last && at < b.at + b.bytes && b.at < at + bytes) {
          at = b.at + b.bytes;
          moved = true;
        }
      }
    }
    blocks_.push_back({at, bytes, first, last});
    end_ = std::max(end_, at + bytes);
    return at;
  }
  int64_t end() const { return end_; }
  const std::vector<ByteRange>& guards() const { return guards_; }

 private:
  struct Block {
    int64_t at, bytes;
    int first, last;
  };
  bool guarded_;
  std::vector<Block> blocks_;
  std::vector<ByteRange> guards_;
  int64_t end_ = 0;
};

}  // namespace

template <class T>
Plan<T>::Plan(const Graph& graph, const PlanOptions& options)
    : options_(options), table_(graph.parameter_table()) {
  if (options.batch < 1) {
    throw Error(ErrorKind::usage, "the batch is empty")
        .wanted("at least 1 image")
        .got(std::to_string(options.batch));
  }
  if (graph.nodes().empty()) throw Error(ErrorKind::usage, "the network has no layers");
  if (options.training && graph.shape(graph.output()).rank() != 1) {
    throw Error(ErrorKind::usage, "the network's output is no row of class scores")
        .where(graph.nodes().back().name)
        .wanted("one axis (classes)")
        .got(graph.shape(graph.output()).text());
  }
  // Training sums over images, so its kernels must not depend on how many there are. In inference they may:
  // both layouts give the same bits.
  const bool lanes = options.training || options.batch >= kLanesFrom;
  Lowered<T> lowered = lower<T>(graph, {.engine = options.engine,
                                        .training = options.training,
                                        .lanes = lanes,
                                        .fuse = !options.keep && !std::getenv("UNFOLD_KERNEL"),
                                        .exact = options.numerics == Numerics::exact,
                                        .input_gradient = options.input_gradient});
  by_layer_ = lowered.by_layer;
  if (by_layer_ && options.training) shard_images_ = options.batch;
  shapes_ = std::move(lowered.shapes);
  layouts_ = std::move(lowered.layouts);
  value_of_ = std::move(lowered.value_of);
  for (LoweredNode<T>& node : lowered.nodes) {
    std::vector<Shape> in;
    for (const int value : node.inputs) in.push_back(shapes_[static_cast<size_t>(value)]);
    Step step;
    static_cast<LoweredNode<T>&>(step) = std::move(node);
    step.window = step.op->window_shape(in);
    step.in = in[0].elements();
    step.out = shapes_[static_cast<size_t>(step.output)].elements();
    step.macs = step.op->macs(in);
    if (options.training && step.op->whole_batch() && options.batch * step.in <= in[0][0]) {
      throw Error(ErrorKind::usage,
                  "one number a channel has no variance: training needs a larger batch or image")
          .where(step.name)
          .got(in[0].text() + " in a batch of " + std::to_string(options.batch));
    }
    step.shapes = std::move(in);
    steps_.push_back(std::move(step));
  }
  if (const char* forced = std::getenv("UNFOLD_KERNEL")) {
    const auto names = kernels();
    if (std::find(names.begin(), names.end(), forced) == names.end()) {
      throw Error(ErrorKind::usage, "UNFOLD_KERNEL names no kernel of this network's layers")
          .got(forced)
          .hint("unset it, or take a name that 'unfold summary --plan' shows, such as conv2d/reference");
    }
  }
  if (options_.training && !by_layer_) share();
  place();
  if (options_.training && !by_layer_) cut_gradient();
}

template <class T>
int64_t Plan<T>::bias_elements(const Step& step) const {
  return step.bias >= 0 ? (*table_)[step.bias].shape.elements() : 0;
}

template <class T>
int64_t Plan<T>::parameter_elements(const Step& step) const {
  return (*table_)[step.weight].shape.elements() + bias_elements(step);
}

template <class T>
bool Plan<T>::has_partial(const Step& step) const {
  return !by_layer_ && parameter_elements(step) <= kPartialElements && !step.op->splits_rows();
}

template <class T>
int64_t Plan<T>::elements(int value, int64_t n) const {
  const auto v = static_cast<size_t>(value);
  return (layouts_[v] == Layout::chwn16 ? lanes::kLanes : n) * shapes_[v].elements();
}

template <class T>
Call<T> Plan<T>::sizes(const Step& step, int64_t n) const {
  Call<T> c;
  c.n = n;
  c.batch = options_.batch;
  c.window = step.window;
  c.window.n = n;
  c.in = step.in;
  c.out = step.out;
  c.shapes = step.shapes.data();
  c.training = options_.training;
  return c;
}

/// Finds what a worker can do while another has the last shard: see plan.h.
template <class T>
void Plan<T>::share() {
  const int64_t head = options_.batch / kHeadImages * (kHeadImages / kShardImages);
  head_shards_ = head > 0 ? head : shards();
  if (head_shards_ == shards()) return;
  for (size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    // There is something to win where the shard's own worker goes on with dX.
    if (step.weight < 0 || !has_partial(step) || step.gradient[0] == LoweredNode<T>::Gradient::none) continue;
    if (shared_ < 0 || step.macs >= steps_[static_cast<size_t>(shared_)].macs) shared_ = static_cast<int>(i);
  }
}

template <class T>
void Plan<T>::place() {
  // Time: the input at 0, step i forward at i + 1, the loss at L + 1, step i backward at 2L + 1 - i, and at
  // `end` the owners of large weights, who walk all shards. A tensor lives from the step that makes it to the
  // last that reads it; what shared_ reads, until its shard is through.
  const int steps = static_cast<int>(steps_.size()), loss = steps + 1, end = 2 * steps + 2;
  const int64_t images = std::min(shard_images_, options_.batch);
  const bool training = options_.training;
  const size_t values = shapes_.size();
  /// When what step i reads is read for the last time.
  const auto read_by = [&](int i) {
    const Step& step = steps_[static_cast<size_t>(i)];
    if (!training || !step.backward) return i + 1;
    if (!by_layer_ && step.weight >= 0 && !has_partial(step)) return end;
    return i == shared_ ? end - 1 : 2 * steps + 1 - i;
  };
  std::vector<int> made(values, 0), read(values, 0), gradient_made(values, end), gradient_read(values, 0);
  read.back() = loss;
  gradient_made.back() = loss;
  for (int i = 0; i < steps; ++i) {
    const Step& step = steps_[static_cast<size_t>(i)];
    const int used = read_by(i);
    const auto y = static_cast<size_t>(step.output);
    made[y] = i + 1;
    read[y] = std::max(read[y], used);
    gradient_read[y] = used;
    for (size_t k = 0; k < step.inputs.size(); ++k) {
      const auto x = static_cast<size_t>(step.inputs[k]);
      read[x] = std::max(read[x], used);
      if (step.gradient[k] == LoweredNode<T>::Gradient::overwrite) gradient_made[x] = 2 * steps + 1 - i;
    }
  }
  if (options_.input_gradient) gradient_read.front() = end;
  if (options_.keep) {
    std::fill(read.begin(), read.end(), end);
    std::fill(gradient_read.begin(), gradient_read.end(), end);
  }

  // What the owners read later stays with the shard; the rest lies with the worker, for one shard after the
  // other.
  Arena kept(options_.guards), passing(options_.guards);
  const bool apart = training && !by_layer_;
  const auto lay = [&](int64_t bytes, int first, int last) {
    return apart && last < end ? kPassing + passing.place(bytes, first, last)
                               : kept.place(bytes, first, last);
  };
  const auto bytes = [&](size_t value) {
    return elements(static_cast<int>(value), images) * static_cast<int64_t>(sizeof(T));
  };
  for (size_t v = 0; v < values; ++v) {
    value_at_.push_back(lay(bytes(v), made[v], std::max(read[v], made[v])));
    const bool wanted = training && gradient_made[v] <= gradient_read[v];
    value_gradient_at_.push_back(wanted ? lay(bytes(v), gradient_made[v], gradient_read[v]) : -1);
  }
  constexpr auto size = static_cast<int64_t>(sizeof(T));
  int64_t scratch = 0, addend = 0;
  for (int i = 0; i < steps; ++i) {
    Step& step = steps_[static_cast<size_t>(i)];
    const int backward = 2 * steps + 1 - i;
    const int64_t saved = step.kernel->saved ? step.kernel->saved(*step.op, sizes(step, images)) : 0;
    step.saved = saved > 0 ? lay(saved, i + 1, read_by(i)) : -1;
    if (step.kernel->scratch) {
      scratch = std::max(scratch, step.kernel->scratch(*step.op, sizes(step, images)));
    }
    if (step.kernel->packed) {
      step.packed = memory_.packed_elements;
      const int64_t packed = step.kernel->packed(*step.op, sizes(step, images));
      memory_.packed_elements += round_up(packed);
      if (options_.guards) {
        memory_.packed_elements += kGuardBytes;
        packed_guards_.push_back(
            {(step.packed + packed) * size, (memory_.packed_elements - step.packed - packed) * size});
      }
      packs_.push_back(i);
    }
    for (size_t k = 0; k < step.inputs.size(); ++k) {
      if (step.gradient[k] == LoweredNode<T>::Gradient::add)
        addend = std::max(addend, elements(step.inputs[k], images));
    }
    if (training && step.weight >= 0 && has_partial(step)) {
      step.partial = lay(parameter_elements(step) * static_cast<int64_t>(sizeof(T)), backward, end);
    }
  }
  if (addend > 0) addend_at_ = lay(addend * size, loss, end - 1);
  memory_.slabs = by_layer_ ? 1 : options_.training ? shards() : 0;
  memory_.slab_bytes = round_up(kept.end());
  memory_.passing_bytes = round_up(passing.end());
  kernel_scratch_bytes_ = round_up(scratch * static_cast<int64_t>(sizeof(T)));
  if (options_.guards) {
    kernel_scratch_bytes_ += kGuardBytes;
    scratch_guards_.push_back({scratch * size, kernel_scratch_bytes_ - scratch * size});
  }
  guards_ = kept.guards();
  passing_guards_ = passing.guards();
  memory_.scratch_bytes = kernel_scratch_bytes_;
}

template <class T>
void Plan<T>::cut_gradient() {
  int64_t stack = 0;
  std::vector<Piece> others;  // than those that one call computes
  for (size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    if (step.weight < 0) continue;
    const Shape& shape = (*table_)[step.weight].shape;
    const int64_t rows = shape[0], row = shape.elements() / rows;
    const int64_t biases = bias_elements(step);
    const int index = static_cast<int>(i);
    if (step.partial >= 0) {
      for (int64_t first = 0; first < rows * row + biases; first += kPieceElements) {
        others.push_back({index, 0, 0, first, std::min(kPieceElements, rows * row + biases - first)});
      }
      continue;
    }
    if (step.kernel->shards) {
      for (int64_t r = 0; r < rows; r += kPieceRows) {
        for (int64_t c = 0; c < row; c += kPieceColumns) {
          pieces_.push_back({index, r, std::min(rows, r + kPieceRows), c, std::min(kPieceColumns, row - c)});
        }
      }
      continue;
    }
    const int64_t height = step.op->splits_rows()
                               ? std::clamp<int64_t>(kPieceElements / row, std::min<int64_t>(6, rows), rows)
                               : rows;
    for (int64_t r = 0; r < rows; r += height) {
      others.push_back({index, r, std::min(rows, r + height), 0, 0});
    }
    const int64_t size = height * row + std::max(height, biases);
    stack = std::max(stack, levels(shards()) * round_up(size * static_cast<int64_t>(sizeof(T))));
  }
  sums_ = static_cast<int64_t>(pieces_.size());
  pieces_.insert(pieces_.end(), others.begin(), others.end());
  memory_.scratch_bytes += stack;
  if (options_.guards) {
    scratch_guards_.push_back({memory_.scratch_bytes, kGuardBytes});
    memory_.scratch_bytes += kGuardBytes;
  }
}

template <class T>
std::vector<typename Plan<T>::StepInfo> Plan<T>::steps() const {
  std::vector<StepInfo> steps;
  for (const Step& step : steps_) {
    const int64_t macs = step.macs * options_.batch;
    const int64_t data = step.gradient[0] != LoweredNode<T>::Gradient::none ? macs : 0;
    const int64_t weights = step.weight >= 0 ? macs : 0;
    steps.push_back(
        {step.name, step.kernel->name, macs, options_.training && step.backward ? data + weights : 0});
  }
  return steps;
}

template <class T>
std::vector<std::string> Plan<T>::kernels() const {
  std::vector<std::string> names;
  for (const Step& step : steps_) names.emplace_back(step.kernel->name);
  return names;
}

template <class T>
std::string Plan<T>::numerics_key() const {
  std::string key = sizeof(T) == 8 ? "f64" : "f32";
  key += by_layer_ ? " by layer" : " shard=" + std::to_string(kShardImages);
  for (const Step& step : steps_) {
    key += std::string("; ") + step.name + " " + step.kernel->name + " " + step.kernel->numerics;
    if (step.kernel->shards) key += " tail<" + std::to_string(kHeadImages);
  }
  return key;
}

template <class T>
std::string Plan<T>::text() const {
  int name = 10, kernel = 22;  // widths
  for (const Step& s : steps_) {
    name = std::max(name, static_cast<int>(s.name.size()));
    kernel = std::max(kernel, static_cast<int>(std::strlen(s.kernel->name)));
  }
  std::string text;
  char line[256];
  std::snprintf(line, sizeof line, "%-*s %-*s %-20s %-34s %12s %12s\n", name, "step", kernel, "kernel",
                "output", "numerics", "MACs/image", "bytes/image");
  text += line;
  for (const Step& s : steps_) {
    std::snprintf(line, sizeof line, "%-*s %-*s %-20s %-34s %12lld %12lld\n", name, s.name.c_str(), kernel,
                  s.kernel->name, shapes_[static_cast<size_t>(s.output)].text().c_str(), s.kernel->numerics,
                  static_cast<long long>(s.macs),
                  static_cast<long long>(s.out) * static_cast<long long>(sizeof(T)));
    text += line;
  }
  std::snprintf(
      line, sizeof line,
      "%lld shard%s of %lld image%s%s: %lld bytes each; a worker: %lld bytes, and %lld of scratch\n",
      static_cast<long long>(shards()), shards() == 1 ? "" : "s", static_cast<long long>(shard_images_),
      shard_images_ == 1 ? "" : "s", by_layer_ ? ", layer by layer" : "",
      static_cast<long long>(memory_.slab_bytes), static_cast<long long>(memory_.passing_bytes),
      static_cast<long long>(memory_.scratch_bytes));
  return text + line;
}

template class Plan<float>;
template class Plan<double>;

}  // namespace unfold
