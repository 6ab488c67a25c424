// Running a plan: the stages, shard by shard. Building it is in plan.cpp.
#include <algorithm>

#include "unfold/error.h"
#include "unfold/kernels/activation.h"
#include "unfold/kernels/lanes.h"
#include "unfold/kernels/reference/softmax.h"
#include "unfold/plan.h"

namespace unfold {
namespace {

/// The loss step: each engine's own softmax. In place of the logits' gradient, dx.
template <class T>
void loss_step(const PlanOptions& how, int64_t n, int64_t classes, const T* x, const Targets& targets,
               T scale, double* loss, T* dx) {
  if constexpr (std::is_same_v<T, float>) {
    if (how.engine != Engine::naive) return cross_entropy(n, classes, x, targets, scale, loss, dx);
  }
  reference::cross_entropy(n, classes, x, targets, scale, loss, dx);
}

}  // namespace

template <class T>
void Plan<T>::check(const Parameters<T>& parameters, const Workspace<T>& workspace) const {
  if (parameters.table().buffer_elements() != table_->buffer_elements() ||
      workspace.layout().slab_bytes != memory_.slab_bytes ||
      workspace.layout().passing_bytes != memory_.passing_bytes ||
      workspace.layout().slabs != memory_.slabs) {
    throw Error(ErrorKind::usage, "these parameters or this workspace belong to another plan");
  }
}

template <class T>
Call<T> Plan<T>::call(const Step& step, int64_t first, int64_t n, const Slab& slab,
                      const Worker& worker) const {
  Call<T> c = sizes(step, n);
  c.first = first;
  c.draws = worker.draws;
  c.name = step.name;
  for (size_t k = 0; k < step.inputs.size(); ++k) {
    c.x[k] = at(slab, value_at_[static_cast<size_t>(step.inputs[k])]);
  }
  c.y = at(slab, value_at_[static_cast<size_t>(step.output)]);
  const int64_t dy = value_gradient_at_[static_cast<size_t>(step.output)];
  if (dy >= 0) c.dy = at(slab, dy);
  if (step.weight >= 0) c.w = worker.parameters.slice(step.weight);
  if (step.bias >= 0) c.b = worker.parameters.slice(step.bias);
  if (step.mean >= 0) {
    c.mean = worker.parameters.slice(step.mean);
    c.var = worker.parameters.slice(step.var);
    c.next_mean = worker.gradient ? worker.gradient->slice(step.mean) : nullptr;
    c.next_var = worker.gradient ? worker.gradient->slice(step.var) : nullptr;
  }
  if (step.saved >= 0) c.saved = slab + step.saved;
  if (step.packed >= 0) c.packed = worker.packed + step.packed;
  c.scratch = worker.scratch;
  return c;
}

template <class T>
void Plan<T>::forward_shard(int64_t first, int64_t n, const Slab& slab, const Worker& worker) const {
  for (size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    const Timed timed(worker.times ? &worker.times[i].forward : nullptr);
    step.kernel->forward(*step.op, call(step, first, n, slab, worker));
  }
}

/// One step's gradient of its weights from one shard, into the shard's partial.
template <class T>
void Plan<T>::backward_partial(size_t index, int64_t first, int64_t n, const Slab& slab,
                               const Worker& worker) const {
  const Step& step = steps_[index];
  const Timed timed(worker.times ? &worker.times[index].backward_weights : nullptr);
  Call<T> c = call(step, first, n, slab, worker);
  const ParameterSlice& weight = (*table_)[step.weight];
  const int64_t elements = weight.shape.elements();
  c.row0 = 0;
  c.row1 = weight.shape[0];
  c.dw = at(slab, step.partial);
  c.db = step.bias >= 0 ? c.dw + elements : nullptr;
  std::fill(c.dw, c.dw + parameter_elements(step), T{0});
  step.kernel->backward_weights(*step.op, c);
}

template <class T>
void Plan<T>::backward_shard(int64_t first, int64_t n, const Slab& slab, const Worker& worker,
                             Gate* shared) const {
  for (size_t i = steps_.size(); i-- > 0;) {
    const Step& step = steps_[i];
    if (!step.backward) continue;
    Call<T> c = call(step, first, n, slab, worker);
    if (shared && static_cast<int>(i) == shared_) {
      shared->pass();
    } else if (step.partial >= 0) {
      backward_partial(i, first, n, slab, worker);
    }
    for (size_t k = 0; k < step.inputs.size(); ++k) {
      const auto gradient = step.gradient[k];
      if (gradient == LoweredNode<T>::Gradient::none) continue;
      const Timed timed(worker.times ? &worker.times[i].backward_data : nullptr);
      T* target = at(slab, value_gradient_at_[static_cast<size_t>(step.inputs[k])]);
      c.input = static_cast<int>(k);
      c.dx = gradient == LoweredNode<T>::Gradient::add ? at(slab, addend_at_) : target;
      step.kernel->backward_data(*step.op, c);
      if (c.dx != target) {
        for (int64_t e = 0, end = elements(step.inputs[k], n); e < end; ++e) target[e] += c.dx[e];
      }
    }
  }
}

/// The weights of one of packs_, or part `part` of `parts` of them, for all shards.
template <class T>
void Plan<T>::pack_step(size_t index, int64_t part, int64_t parts, const Parameters<T>& parameters,
                        Workspace<T>& workspace) const {
  const Step& step = steps_[static_cast<size_t>(packs_[index])];
  Call<T> c = sizes(step, 1);
  c.part = part;
  c.parts = parts;
  c.w = parameters.slice(step.weight);
  c.packed = workspace.packed() + step.packed;
  step.kernel->pack(*step.op, c);
}

template <class T>
void Plan<T>::pack(const Parameters<T>& parameters, Workspace<T>& workspace, ThreadPool& pool) const {
  check(parameters, workspace);
  if (packs_.empty()) return;
  const int64_t parts = by_layer_ ? kPartsPerThread * pool.threads() : 1;
  pool.run(static_cast<int64_t>(packs_.size()) * parts, [&](int64_t index, int) {
    pack_step(static_cast<size_t>(index / parts), index % parts, parts, parameters, workspace);
  });
}

template <class T>
void Plan<T>::forward(const Parameters<T>& parameters, Fill<T> fill, Take<T> take, Workspace<T>& workspace,
                      ThreadPool& pool, bool packed) const {
  check(parameters, workspace);
  if (!packed) pack(parameters, workspace, pool);
  const Run run{parameters, workspace, pool};
  if (by_layer_) {
    for (int64_t shard = 0; shard < shards(); ++shard) {
      const int64_t first = shard * shard_images_, n = shard_images(shard);
      forward_layers(run, first, n, fill);
      take(first, n, at({workspace.slab(0)}, value_at_.back()));
    }
    return;
  }
  pool.run(shards(), [&](int64_t shard, int worker) {
    const Slab slab{workspace.slab(options_.training ? shard : worker), workspace.passing(worker)};
    const int64_t first = shard * shard_images_, n = shard_images(shard);
    fill(first, n, at(slab, value_at_.front()));
    forward_shard(first, n, slab, run.worker(worker));
    take(first, n, at(slab, value_at_.back()));
  });
}

/// The two stages of a gradient. The first begins with the packing of weights, for which shards wait once
/// they are filled. With a tail and several workers it has more tasks than shards: what a worker can do who
/// finds no shard left.
template <class T>
void Plan<T>::backward_stages(const Run& run, Parameters<T>& gradient, Seed seed, Fill<T> fill) const {
  if (by_layer_) {
    pack(run.parameters, run.workspace, run.pool);
    return backward_layers(run, gradient, seed, fill);
  }
  check(run.parameters, run.workspace);
  const bool tail = head_shards_ < shards(), ahead = tail && run.pool.threads() > 1;
  const int64_t last = shards() - 1, sums = ahead ? sums_ : 0, shared = ahead && shared_ >= 0 ? 1 : 0;
  const auto packs = static_cast<int64_t>(packs_.size());
  Gate packed(run.pool, packs), head(run.pool, head_shards_), dy(run.pool, 1);
  int owner = 0;  // the worker who has the last shard
  const auto one_shard = [&](int64_t shard, int worker) {
    Gate* const last_dy = shared && shard == last ? &dy : nullptr;
    const PassAtEnd pass(shard < head_shards_ ? &head : last_dy);
    if (last_dy) owner = worker;
    const Slab slab{run.workspace.slab(shard), run.workspace.passing(worker)};
    const int64_t first = shard * shard_images_, n = shard_images(shard);
    fill(first, n, at(slab, value_at_.front()));
    packed.wait();
    forward_shard(first, n, slab, run.worker(worker));
    seed(first, n, at(slab, value_at_.back()), at(slab, value_gradient_at_.back()));
    backward_shard(first, n, slab, run.worker(worker), last_dy);
  };
  run.pool.run(packs + shards() + sums + shared, [&](int64_t task, int worker) {
    if (task < packs) {
      const PassAtEnd pass(&packed);
      return pack_step(static_cast<size_t>(task), 0, 1, run.parameters, run.workspace);
    }
    const int64_t index = task - packs;
    if (index < shards()) return one_shard(index, worker);
    if (const int64_t piece = index - shards(); piece < sums) {
      head.wait();
      return sum_shards(pieces_[static_cast<size_t>(piece)], 0, head_shards_, gradient, run.workspace,
                        worker);
    }
    dy.wait();
    // The owner's memory still holds this shard: it was the last.
    const Slab slab{run.workspace.slab(last), run.workspace.passing(owner)};
    backward_partial(static_cast<size_t>(shared_), last * shard_images_, shard_images(last), slab,
                     run.worker(worker));
  });
  run.pool.run(static_cast<int64_t>(pieces_.size()), [&](int64_t index, int worker) {
    const Piece& piece = pieces_[static_cast<size_t>(index)];
    if (index < sums_) {
      if (!ahead) sum_shards(piece, 0, head_shards_, gradient, run.workspace, worker);
      if (tail) sum_shards(piece, head_shards_, shards(), gradient, run.workspace, worker);
      return;
    }
    StepTimes* times = run.workspace.times(worker);
    const Timed timed(times ? &times[piece.step].backward_weights : nullptr);
    if (steps_[static_cast<size_t>(piece.step)].partial >= 0) {
      add_partials(piece, gradient, run.workspace);
    } else {
      walk(piece, gradient, run.workspace, worker);
    }
  });
}

template <class T>
void Plan<T>::gradient(const Parameters<T>& parameters, Fill<T> fill, const Targets& targets,
                       Parameters<T>& gradient, ImageResult* results, Workspace<T>& workspace,
                       ThreadPool& pool, const Draws& draws) const {
  const int64_t classes = shapes_.back().elements();
  const T scale = T{1} / static_cast<T>(options_.batch);
  const auto seed = [&](int64_t first, int64_t n, const T* logits, T* dy) {
    double loss[kShardImages];
    loss_step(options_, n, classes, logits, targets.from(first), scale, loss, dy);
    for (int64_t i = 0; i < n; ++i) {
      const T* row = logits + i * classes;
      results[first + i] = {loss[i], static_cast<int32_t>(std::max_element(row, row + classes) - row)};
    }
  };
  backward_stages({parameters, workspace, pool, &draws, &gradient}, gradient, seed, fill);
}

template <class T>
void Plan<T>::gradient_from(const Parameters<T>& parameters, Fill<T> fill, Fill<T> give,
                            Parameters<T>& gradient, Workspace<T>& workspace, ThreadPool& pool,
                            const Draws& draws) const {
  const auto seed = [&](int64_t first, int64_t n, const T*, T* dy) { give(first, n, dy); };
  backward_stages({parameters, workspace, pool, &draws, &gradient}, gradient, seed, fill);
}

template <class T>
void Plan<T>::add_partials(const Piece& piece, Parameters<T>& gradient, Workspace<T>& workspace) const {
  const Step& step = steps_[static_cast<size_t>(piece.step)];
  const auto partial = [&](int64_t shard) { return at({workspace.slab(shard)}, step.partial) + piece.first; };
  for (int64_t stride = 1; stride < shards(); stride *= 2) {
    for (int64_t shard = 0; shard + stride < shards(); shard += 2 * stride) {
      T* to = partial(shard);
      const T* from = partial(shard + stride);
      for (int64_t i = 0; i < piece.count; ++i) to[i] += from[i];
    }
  }
  const int64_t weights = (*table_)[step.weight].shape.elements();
  const T* sum = partial(0);
  for (int64_t i = 0; i < piece.count; ++i) {
    const int64_t e = piece.first + i;
    (e < weights ? gradient.slice(step.weight)[e] : gradient.slice(step.bias)[e - weights]) = sum[i];
  }
}

/// A piece by a kernel that takes all shards at once: shards `shard` .. end-1, added where it is not the
/// first.
template <class T>
void Plan<T>::sum_shards(const Piece& piece, int64_t shard, int64_t end, Parameters<T>& gradient,
                         Workspace<T>& workspace, int worker) const {
  StepTimes* times = workspace.times(worker);
  const Timed timed(times ? &times[piece.step].backward_weights : nullptr);
  const Step& step = steps_[static_cast<size_t>(piece.step)];
  const Slab slab{workspace.slab(shard)};
  const int64_t first = shard * shard_images_;
  Call<T> c = sizes(step, std::min(end * shard_images_, options_.batch) - first);
  c.first = first;
  c.shard = memory_.slab_bytes / static_cast<int64_t>(sizeof(T));
  c.x[0] = at(slab, value_at_[static_cast<size_t>(step.inputs[0])]);
  c.dy = at(slab, value_gradient_at_[static_cast<size_t>(step.output)]);
  c.row0 = piece.row0;
  c.row1 = piece.row1;
  c.col0 = piece.first;
  c.col1 = piece.first + piece.count;
  c.dw = gradient.slice(step.weight);
  if (step.bias >= 0 && piece.first == 0) c.db = gradient.slice(step.bias);
  c.scratch = workspace.scratch(worker);
  step.kernel->backward_weights(*step.op, c);
}

template <class T>
void Plan<T>::walk(const Piece& piece, Parameters<T>& gradient, Workspace<T>& workspace, int worker) const {
  // A stack of partials adds shard 2k to 2k+1, then the pairs, and so on: the tree of add_partials().
  const Step& step = steps_[static_cast<size_t>(piece.step)];
  const Shape& shape = (*table_)[step.weight].shape;
  const int64_t rows = piece.row1 - piece.row0, row = shape.elements() / shape[0];
  // Of rows computed apart each has its bias; others have all of them, which may be more or fewer.
  const int64_t biases = step.op->splits_rows() ? rows : bias_elements(step), size = rows * row + biases;
  const int64_t level =
      (size * static_cast<int64_t>(sizeof(T)) + 63) / 64 * 64 / static_cast<int64_t>(sizeof(T));
  T* scratch = workspace.scratch(worker);
  // The kernels' own scratch lies first, the stack behind it.
  T* stack = reinterpret_cast<T*>(reinterpret_cast<std::byte*>(scratch) + kernel_scratch_bytes_);
  int64_t height = 0;
  const auto merge = [&](int64_t top) {  // adds the topmost partial to the one below it
    T* to = stack + (top - 2) * level;
    const T* from = stack + (top - 1) * level;
    for (int64_t i = 0; i < size; ++i) to[i] += from[i];
  };
  for (int64_t shard = 0; shard < shards(); ++shard) {
    const Slab slab{workspace.slab(shard)};
    Call<T> c = sizes(step, shard_images(shard));
    c.x[0] = at(slab, value_at_[static_cast<size_t>(step.inputs[0])]);
    c.dy = at(slab, value_gradient_at_[static_cast<size_t>(step.output)]);
    if (step.saved >= 0) c.saved = slab + step.saved;
    c.row0 = piece.row0;
    c.row1 = piece.row1;
    c.dw = stack + height * level;
    c.db = step.bias >= 0 ? c.dw + rows * row : nullptr;
    c.scratch = scratch;
    std::fill(c.dw, c.dw + size, T{0});
    step.kernel->backward_weights(*step.op, c);
    ++height;
    for (int64_t done = shard + 1; done % 2 == 0; done /= 2) merge(height--);
  }
  for (; height > 1; --height) merge(height);
  std::copy(stack, stack + rows * row, gradient.slice(step.weight) + piece.row0 * row);
  if (step.bias >= 0) {
    std::copy(stack + rows * row, stack + size, gradient.slice(step.bias) + piece.row0);
  }
}

template <class T>
std::vector<T> Plan<T>::read(const std::vector<int64_t>& places, ValueId value, int64_t image,
                             const Workspace<T>& workspace) const {
  const int v = value_of_.at(static_cast<size_t>(value.index));
  const int64_t offset = places.at(static_cast<size_t>(v));
  if (!options_.keep || offset < 0 || image < 0 || image >= options_.batch) {
    throw Error(ErrorKind::usage,
                "only a plan made with `keep` has its values, for the images of its batch, and gradients of "
                "what learns");
  }
  const Layout layout = layouts_[static_cast<size_t>(v)];
  const Shape& shape = shapes_[static_cast<size_t>(v)];
  const int64_t count = shape.elements(), at = image % shard_images_;
  const auto* first = reinterpret_cast<const T*>(workspace.slab(image / shard_images_) + offset);
  std::vector<T> values(static_cast<size_t>(count));
  for (int64_t e = 0; e < count; ++e) {
    const int64_t pixels = layout == Layout::nhwc ? count / shape[0] : count;
    const int64_t place = layout == Layout::nhwc ? e % pixels * shape[0] + e / pixels : e;
    values[static_cast<size_t>(e)] =
        layout == Layout::chwn16 ? first[e * lanes::kLanes + at] : first[at * count + place];
  }
  return values;
}

template <class T>
std::vector<T> Plan<T>::value(ValueId value, int64_t image, const Workspace<T>& workspace) const {
  return read(value_at_, value, image, workspace);
}

template <class T>
std::vector<T> Plan<T>::value_gradient(ValueId value, int64_t image, const Workspace<T>& workspace) const {
  return read(value_gradient_at_, value, image, workspace);
}

#define UNFOLD_INSTANTIATE(T)                                                                              \
  template Call<T> Plan<T>::call(const Step&, int64_t, int64_t, const Slab&, const Worker&) const;         \
  template void Plan<T>::pack(const Parameters<T>&, Workspace<T>&, ThreadPool&) const;                     \
  template void Plan<T>::forward(const Parameters<T>&, Fill<T>, Take<T>, Workspace<T>&, ThreadPool&, bool) \
      const;                                                                                               \
  template void Plan<T>::gradient(const Parameters<T>&, Fill<T>, const Targets&, Parameters<T>&,           \
                                  ImageResult*, Workspace<T>&, ThreadPool&, const Draws&) const;           \
  template void Plan<T>::gradient_from(const Parameters<T>&, Fill<T>, Fill<T>, Parameters<T>&,             \
                                       Workspace<T>&, ThreadPool&, const Draws&) const;                    \
  template std::vector<T> Plan<T>::value(ValueId, int64_t, const Workspace<T>&) const;                     \
  template std::vector<T> Plan<T>::value_gradient(ValueId, int64_t, const Workspace<T>&) const;
UNFOLD_INSTANTIATE(float)
UNFOLD_INSTANTIATE(double)
#undef UNFOLD_INSTANTIATE

}  // namespace unfold
