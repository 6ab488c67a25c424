// Running a plan layer by layer: each pass of each step is a grid of tasks over all images, and a barrier.
#include <algorithm>

#include "unfold/plan.h"

namespace unfold {

/// Tasks of one pass: parts of the output where the kernel can cut itself, else single images. How many parts
/// may depend on the threads, as no cut changes a bit.
template <class T>
int64_t Plan<T>::tasks(const Step& step, int64_t n, const ThreadPool& pool) const {
  if (!step.kernel->parts) return n;
  return pool.threads() == 1 ? 1 : kPartsPerThread * pool.threads();
}

/// The call of one task.
template <class T>
Call<T> Plan<T>::part(const Step& step, int64_t n, int64_t index, int64_t tasks, const Slab& slab,
                      const Worker& worker) const {
  if (step.kernel->parts) {
    Call<T> c = call(step, 0, n, slab, worker);
    c.part = index;
    c.parts = tasks;
    return c;
  }
  Call<T> c = call(step, index, 1, slab, worker);
  for (size_t k = 0; k < step.inputs.size(); ++k) {
    c.x[k] += index * shapes_[static_cast<size_t>(step.inputs[k])].elements();
  }
  c.y += index * step.out;
  if (c.dy) c.dy += index * step.out;
  if (c.saved && !step.kernel->forward_batch.gather)
    c.saved = static_cast<std::byte*>(c.saved) + index * step.kernel->saved(*step.op, c);
  return c;
}

/// What a pass of one step has to know of the whole batch: sums of each image, then their sum. Backward, dy
/// is made ready for it while it is in the cache.
template <class T>
void Plan<T>::batch(const Run& run, size_t index, const typename Implementation<T>::Batch& of,
                    double StepTimes::* time) const {
  if (!of.gather || !options_.training) return;
  const Step& step = steps_[index];
  const Slab slab{run.workspace.slab(0)};
  const int64_t n = options_.batch;
  const bool prepare = &of == &step.kernel->backward_batch && step.kernel->prepare;
  run.pool.run(n, [&](int64_t image, int worker) {
    const Worker w = run.worker(worker);
    const Timed timed(w.times ? &(w.times[index].*time) : nullptr);
    Call<T> c = part(step, n, image, n, slab, w);
    if (prepare) {
      c.dx = at(slab, value_gradient_at_[static_cast<size_t>(step.output)]) + image * step.out;
      step.kernel->prepare(*step.op, c);
    }
    of.gather(*step.op, c);
  });
  const Worker w = run.worker(0);
  const Timed timed(w.times ? &(w.times[index].*time) : nullptr);
  Call<T> c = call(step, 0, n, slab, w);
  if (step.weight >= 0) c.dw = run.gradient->slice(step.weight);
  if (step.bias >= 0) c.db = run.gradient->slice(step.bias);
  of.merge(*step.op, c);
}

template <class T>
void Plan<T>::forward_layers(const Run& run, int64_t first, int64_t n, Fill<T> fill) const {
  const Slab slab{run.workspace.slab(0)};
  run.pool.run(n, [&](int64_t image, int) {
    fill(first + image, 1, at(slab, value_at_.front()) + image * shapes_.front().elements());
  });
  for (size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    const int64_t count = tasks(step, n, run.pool);
    batch(run, i, step.kernel->forward_batch, &StepTimes::forward);
    run.pool.run(count, [&](int64_t index, int worker) {
      const Worker w = run.worker(worker);
      const Timed timed(w.times ? &w.times[i].forward : nullptr);
      step.kernel->forward(*step.op, part(step, n, index, count, slab, w));
    });
  }
}

template <class T>
void Plan<T>::backward_layers(const Run& run, Parameters<T>& gradient, Seed seed, Fill<T> fill) const {
  const Slab slab{run.workspace.slab(0)};
  forward_layers(run, 0, options_.batch, fill);
  const int64_t classes = shapes_.back().elements();
  const int64_t chunks = (options_.batch + kShardImages - 1) / kShardImages;
  run.pool.run(chunks, [&](int64_t chunk, int) {
    const int64_t first = chunk * kShardImages, n = std::min(kShardImages, options_.batch - first);
    seed(first, n, at(slab, value_at_.back()) + first * classes,
         at(slab, value_gradient_at_.back()) + first * classes);
  });
  for (size_t i = steps_.size(); i-- > 0;) {
    if (steps_[i].backward) backward_layer(run, i, gradient);
  }
}

/// One step backward. The gradients of its weights and of its first input both read dy alone, so they share a
/// barrier.
template <class T>
void Plan<T>::backward_layer(const Run& run, size_t index, Parameters<T>& gradient) const {
  using Gradient = typename LoweredNode<T>::Gradient;
  const Step& step = steps_[index];
  const int64_t n = options_.batch;
  const Slab slab{run.workspace.slab(0)};
  if (step.kernel->prepare && !step.kernel->backward_batch.gather) {
    run.pool.run(n, [&](int64_t image, int worker) {
      const Worker w = run.worker(worker);
      const Timed timed(w.times ? &w.times[index].backward_data : nullptr);
      Call<T> c = call(step, image, 1, slab, w);
      c.y += image * step.out;
      c.dx = at(slab, value_gradient_at_[static_cast<size_t>(step.output)]) + image * step.out;
      step.kernel->prepare(*step.op, c);
    });
  }
  batch(run, index, step.kernel->backward_batch, &StepTimes::backward_data);
  for (size_t k = 0; k < step.inputs.size(); ++k) {
    const auto input = static_cast<size_t>(step.inputs[k]);
    const int64_t in = shapes_[input].elements();
    const Gradient how = step.gradient[k];
    T* const target = how == Gradient::none ? nullptr : at(slab, value_gradient_at_[input]);
    T* const dx = how == Gradient::add ? at(slab, addend_at_) : target;
    // A kernel that cannot cut itself adds up dw over all images in one task.
    const bool has_weights = k == 0 && step.weight >= 0 && !step.kernel->backward_batch.merge;
    const int64_t weights = !has_weights ? 0 : step.kernel->parts ? tasks(step, n, run.pool) : 1;
    const int64_t data = how == Gradient::none ? 0 : tasks(step, n, run.pool);
    run.pool.run(weights + data, [&](int64_t task, int worker) {
      const Worker w = run.worker(worker);
      if (task < weights) {
        const Timed timed(w.times ? &w.times[index].backward_weights : nullptr);
        const Shape& shape = (*table_)[step.weight].shape;
        Call<T> c = step.kernel->parts ? part(step, n, task, weights, slab, w) : call(step, 0, n, slab, w);
        c.row1 = shape[0];
        c.dw = gradient.slice(step.weight);
        c.db = step.bias >= 0 ? gradient.slice(step.bias) : nullptr;
        if (!step.kernel->parts) {
          std::fill(c.dw, c.dw + shape.elements(), T{0});
          if (c.db) std::fill(c.db, c.db + bias_elements(step), T{0});
        }
        step.kernel->backward_weights(*step.op, c);
      } else {
        const Timed timed(w.times ? &w.times[index].backward_data : nullptr);
        Call<T> c = part(step, n, task - weights, data, slab, w);
        c.input = static_cast<int>(k);
        c.dx = step.kernel->parts ? dx : dx + c.first * in;
        step.kernel->backward_data(*step.op, c);
      }
    });
    if (how != Gradient::add) continue;
    run.pool.run(n, [&](int64_t image, int) {
      for (int64_t e = image * in; e < (image + 1) * in; ++e) target[e] += dx[e];
    });
  }
}

#define UNFOLD_INSTANTIATE(T)                                                         \
  template void Plan<T>::forward_layers(const Run&, int64_t, int64_t, Fill<T>) const; \
  template void Plan<T>::backward_layers(const Run&, Parameters<T>&, Seed, Fill<T>) const;
UNFOLD_INSTANTIATE(float)
UNFOLD_INSTANTIATE(double)
#undef UNFOLD_INSTANTIATE

}  // namespace unfold
