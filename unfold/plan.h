// How a network will run: a kernel for every step, every byte placed, the batch cut into fixed shards.
//
// A step of training is three stages, each a grid of tasks and a barrier:
//   1. one task per shard of images: fill the input, all steps forward, the loss, all steps backward,
//   depth-first while the shard sits in the cache; small weight gradients go into the shard's own partial;
//   2. one task per piece of the gradient: the partials of the shards are added in a balanced tree, or the
//   piece's owner computes it from all shards, by one call or, walking them, by one call each;
//   3. the optimizer (train/optimizer.h).
// A shard is a fixed range of images and the tree is a fixed tree, so the number of threads cannot change a
// bit.
//
// Two workers come out even where shards are whole and their number is even: that is the batch's head, and up
// to 31 images behind it are its tail. While one worker has the last shard, one that finds no shard left
// begins with the second stage: it computes the owners' gradients from the head, to which stage 2 adds the
// tail, and those of the largest partial from the last shard. The cut depends on the batch alone.
//
// Networks with large values go layer by layer instead: each pass of each step is a grid of tasks over the
// whole batch (run_layers.cpp), and gradients of weights are summed over the images in order.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "unfold/graph.h"
#include "unfold/lowering.h"
#include "unfold/targets.h"
#include "unfold/threads.h"
#include "unfold/workspace.h"

namespace unfold {

/// Images of one shard. 16 is one vector of AVX-512: an engine may lay a shard's images side by side in the
/// lanes.
inline constexpr int64_t kShardImages = 16;

struct PlanOptions {
  int64_t batch = 1;
  bool training = false;  ///< gradients and loss, or forward only
  Engine engine = Engine::fast;
  Numerics numerics = Numerics::fast;
  bool input_gradient = false;  ///< also the gradient of the input (gradient checks, pictures)
  bool keep = false;            ///< training: every value and gradient stays readable after the run
  bool guards = false;          ///< for tests: memory between all tensors that nobody may touch
};

/// Writes images first .. first+count-1 of the batch to x, (count, C, H, W). Called from several threads at
/// once.
template <class T>
using Fill = FunctionRef<void(int64_t first, int64_t count, T* x)>;
/// Reads the network's output for images first .. first+count-1, (count, ...). Called from several threads at
/// once.
template <class T>
using Take = FunctionRef<void(int64_t first, int64_t count, const T* y)>;

/// What a training step says about one image.
struct ImageResult {
  double loss = 0;
  int32_t predicted = 0;  ///< the class with the largest logit
};

/// Immutable once built; any number of threads may run it, each run with a workspace of its own. Instantiated
/// for float and for double, where every step takes its reference kernel.
template <class T>
class Plan {
 public:
  /// Throws usage if the batch is below 1, or UNFOLD_KERNEL names a kernel that no layer can take.
  Plan(const Graph& graph, const PlanOptions& options);

  int64_t batch() const { return options_.batch; }
  int64_t shards() const { return (options_.batch + shard_images_ - 1) / shard_images_; }
  const PlanOptions& options() const { return options_; }

  /// Leaves the weights in the workspace as the kernels want them; every other run begins with it.
  void pack(const Parameters<T>& parameters, Workspace<T>& workspace, ThreadPool& pool) const;

  /// Forward only. An image gives the same bits in any batch and at any place in it. `packed`: these
  /// parameters lie packed in the workspace, and have not changed since.
  void forward(const Parameters<T>& parameters, Fill<T> fill, Take<T> take, Workspace<T>& workspace,
               ThreadPool& pool, bool packed = false) const;

  /// Forward, cross-entropy of the output against `targets` (of the batch), backward.
  /// Overwrites `gradient`, the gradient of the batch's mean loss, and `results` (batch). Random operators
  /// draw by `draws`.
  void gradient(const Parameters<T>& parameters, Fill<T> fill, const Targets& targets,
                Parameters<T>& gradient, ImageResult* results, Workspace<T>& workspace, ThreadPool& pool,
                const Draws& draws = {}) const;

  /// The same, from a given gradient of the output: `give` writes dy (count, ...) in place of the loss.
  void gradient_from(const Parameters<T>& parameters, Fill<T> fill, Fill<T> give, Parameters<T>& gradient,
                     Workspace<T>& workspace, ThreadPool& pool, const Draws& draws = {}) const;

  /// One image's value, or its gradient, as the last training run left it. Throws usage without
  /// PlanOptions::keep.
  std::vector<T> value(ValueId value, int64_t image, const Workspace<T>& workspace) const;
  std::vector<T> value_gradient(ValueId value, int64_t image, const Workspace<T>& workspace) const;

  /// One step as it will run; multiply-adds are those of the whole batch.
  struct StepInfo {
    std::string name, kernel;
    int64_t forward_macs = 0, backward_macs = 0;  ///< backward: data and weights, as far as they are computed
  };
  std::vector<StepInfo> steps() const;
  /// Name of the kernel that runs each node, in order.
  std::vector<std::string> kernels() const;
  /// What a run computes bit for bit, from shapes and engine without the batch: stored in checkpoints.
  std::string numerics_key() const;
  /// A table of the steps: shapes, kernel, numerics, multiply-adds, bytes.
  std::string text() const;
  MemoryLayout memory() const { return memory_; }

  /// With PlanOptions::guards: overwrites the memory between tensors with NaN, to be called before a run.
  void write_guards(Workspace<T>& workspace) const;
  /// Whether all of it is as write_guards left it: no kernel wrote beyond its tensors.
  bool guards_intact(Workspace<T>& workspace) const;

 private:
  struct Step : LoweredNode<T> {
    std::vector<Shape> shapes;  // of one image, by input
    Conv2dShape window;
    int64_t in = 0, out = 0;  // elements of one image of the first input and of the output
    int64_t saved = -1;       // offset in the slab
    int64_t packed = -1;      // offset in the packed weights, elements
    int64_t partial =
        -1;  // offset of this node's partial gradient in the slab, or -1: owner walks the shards
    int64_t macs = 0;
  };
  /// One task of the second stage.
  struct Piece {
    int step = 0;
    int64_t row0 = 0, row1 = 0;    // rows of the weight, for an owner
    int64_t first = 0, count = 0;  // elements of the partial, for a tree over the shards; an owner's columns
  };

  /// Calls body(start, bytes) for all memory between tensors.
  void each_guard(Workspace<T>& workspace, FunctionRef<void(std::byte*, int64_t)> body) const;
  int64_t bias_elements(const Step& step) const;
  int64_t parameter_elements(const Step& step) const;
  bool has_partial(const Step& step) const;  ///< or does an owner walk the shards?
  void share();
  void place();
  void cut_gradient();
  Call<T> sizes(const Step& step, int64_t n) const;  ///< a call of n images without pointers
  /// Elements of n images of a value: in lanes, those of a whole block.
  int64_t elements(int value, int64_t n) const;
  /// What all shards of a run share, and one worker's scratch.
  struct Worker {
    const Parameters<T>& parameters;
    T *packed, *scratch;
    StepTimes* times;  // by step, or null
    const Draws* draws;
    Parameters<T>* gradient;  // its twins of running statistics take their next values; null in inference
  };
  /// What a run is given, together.
  struct Run {
    const Parameters<T>& parameters;
    Workspace<T>& workspace;
    ThreadPool& pool;
    const Draws* draws = nullptr;
    Parameters<T>* gradient = nullptr;
    Worker worker(int index) const {
      return {parameters, workspace.packed(), workspace.scratch(index), workspace.times(index), draws,
              gradient};
    }
  };
  /// Turns the output y of some images into its gradient dy.
  using Seed = FunctionRef<void(int64_t first, int64_t n, const T* y, T* dy)>;

  /// One shard's tensors. Those that only the shard's own pass needs lie in the memory of the worker, who
  /// uses it for one shard after the other while it is in his cache; their offsets begin at kPassing.
  static constexpr int64_t kPassing = int64_t{1} << 48;
  struct Slab {
    std::byte *kept, *passing = nullptr;
    std::byte* operator+(int64_t offset) const {
      return offset < kPassing ? kept + offset : passing + (offset - kPassing);
    }
  };
  static T* at(const Slab& slab, int64_t offset) { return reinterpret_cast<T*>(slab + offset); }
  Call<T> call(const Step& step, int64_t first, int64_t n, const Slab& slab, const Worker& worker) const;
  void pack_step(size_t index, int64_t part, int64_t parts, const Parameters<T>& parameters,
                 Workspace<T>& workspace) const;
  void forward_shard(int64_t first, int64_t n, const Slab& slab, const Worker& worker) const;
  /// `shared`: passed where dW of shared_ could begin, which is then left to another task.
  void backward_shard(int64_t first, int64_t n, const Slab& slab, const Worker& worker, Gate* shared) const;
  void backward_partial(size_t index, int64_t first, int64_t n, const Slab& slab, const Worker& worker) const;
  void backward_stages(const Run& run, Parameters<T>& gradient, Seed seed, Fill<T> fill) const;

  // Layer by layer.
  int64_t tasks(const Step& step, int64_t n, const ThreadPool& pool) const;
  Call<T> part(const Step& step, int64_t n, int64_t index, int64_t tasks, const Slab& slab,
               const Worker& worker) const;
  void forward_layers(const Run& run, int64_t first, int64_t n, Fill<T> fill) const;
  void batch(const Run& run, size_t index, const typename Implementation<T>::Batch& of,
             double StepTimes::* time) const;
  void backward_layers(const Run& run, Parameters<T>& gradient, Seed seed, Fill<T> fill) const;
  void backward_layer(const Run& run, size_t index, Parameters<T>& gradient) const;
  void walk(const Piece& piece, Parameters<T>& gradient, Workspace<T>& workspace, int worker) const;
  void sum_shards(const Piece& piece, int64_t shard, int64_t end, Parameters<T>& gradient,
                  Workspace<T>& workspace, int worker) const;
  void add_partials(const Piece& piece, Parameters<T>& gradient, Workspace<T>& workspace) const;
  void check(const Parameters<T>& parameters, const Workspace<T>& workspace) const;
  int64_t shard_images(int64_t shard) const {
    return std::min(shard_images_, options_.batch - shard * shard_images_);
  }
  std::vector<T> read(const std::vector<int64_t>& places, ValueId value, int64_t image,
                      const Workspace<T>& workspace) const;

  PlanOptions options_;
  bool by_layer_ = false;
  int64_t shard_images_ = kShardImages;  // layer by layer in training: the batch
  std::shared_ptr<const ParameterTable> table_;
  std::vector<Step> steps_;
  std::vector<Piece> pieces_;
  int64_t head_shards_ = 0;                 // all of them, if there is no tail
  int64_t sums_ = 0;                        // the first pieces, from all shards by one call
  int shared_ = -1;                         // the step whose partial of the last shard is a task of its own
  std::vector<int> packs_;                  // steps whose weights are packed before each run
  std::vector<Shape> shapes_;               // of one image, by value
  std::vector<Layout> layouts_;             // by value
  std::vector<int> value_of_;               // by value of the graph
  std::vector<int64_t> value_at_;           // offset in the slab, by value
  std::vector<int64_t> value_gradient_at_;  // the same for gradients, or -1
  int64_t addend_at_ = -1;                  // where a gradient waits to be added
  int64_t kernel_scratch_bytes_ =
      0;  // the kernels' part of a worker's scratch; the owners' stack lies behind it
  MemoryLayout memory_;
  std::vector<ByteRange> guards_, passing_guards_, scratch_guards_,
      packed_guards_;  // of a slab, a worker's slab and scratch, the packed
};

}  // namespace unfold
