// What every operator is: a shape rule, parameters, and a table of implementations whose forward and backward
// are twins. An operator is an immutable value without memory; a plan picks one implementation per step.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "unfold/parameters.h"
#include "unfold/tensor.h"

namespace unfold {

/// Which family of kernels runs a network; the same numbers from each within stated bounds.
enum class Engine {
  naive,   ///< plain loops, the definition
  im2col,  ///< explicit columns, one matrix product, col2im
  fast,    ///< patches read straight from the image; what it has no kernel for, im2col's
};

/// What the sums of training may cost in rounding.
enum class Numerics {
  exact,  ///< every output is one chain of fused multiply-adds
  fast,   ///< Winograd's short convolutions where they pay: errors of about 1e-6, relative, L2
};

/// One parameter an operator wants: "weight" becomes "conv1.weight" in a network.
struct ParameterSpec {
  std::string name;
  Shape shape;
  int64_t fan_in;
  std::optional<double> start = {};  ///< what every element begins with; otherwise they are drawn
  ParameterKind kind = ParameterKind::weight;
};

/// An operator's settings by name, as a model file stores them.
using Attributes = std::map<std::string, std::vector<double>>;

/// Parts a thread, where kernels cut themselves: a thread that falls behind leaves its last to the others.
inline constexpr int kPartsPerThread = 4;

/// What random operators key their numbers by, beside the node's name: the same numbers for any cut of the
/// batch, any layout, any number of threads, and after a resume.
struct Draws {
  uint64_t seed = 0, epoch = 0;
  const int64_t* samples = nullptr;  ///< each image's number in its data set; null: its place in the batch
};

/// One call of a kernel: some images in a row, seen by one worker. All tensors start at the first of these
/// images and have the kernel's layout.
template <class T>
struct Call {
  static constexpr int kMaxInputs = 8;

  int64_t n = 0;                  ///< images
  int64_t first = 0;              ///< the first one's place in the batch
  int64_t batch = 0;              ///< images of the whole batch
  Conv2dShape window;             ///< sizes of convolution and pooling, with window.n = n
  int64_t in = 0, out = 0;        ///< elements of one image of x[0] and of y
  const Shape* shapes = nullptr;  ///< of one image of each input, (C, H, W) whatever the layout
  const T* x[kMaxInputs] = {};    ///< inputs, each (n, ...)
  T* y = nullptr;                 ///< output (n, ...)
  const T* dy = nullptr;          ///< gradient of y
  T* dx = nullptr;                ///< gradient of x[input], overwritten
  int input = 0;                  ///< which input dx belongs to
  const T* w = nullptr;           ///< weight and bias; bias may be null
  const T* b = nullptr;
  const T* mean = nullptr;  ///< running statistics, and, when training, where their next values go
  const T* var = nullptr;
  T* next_mean = nullptr;
  T* next_var = nullptr;
  T* dw = nullptr;  ///< gradients of rows row0 .. row1-1 of them, accumulated
  T* db = nullptr;
  int64_t row0 = 0, row1 = 0;
  int64_t col0 = 0, col1 = 0;    ///< columns of dw, for kernels that take all shards at once
  int64_t shard = 0;             ///< for these: elements from a shard's tensors to those of the next
  int64_t part = 0, parts = 1;   ///< which part of the output, for kernels that cut themselves
  bool training = false;         ///< whether a backward pass will follow
  const Draws* draws = nullptr;  ///< what random numbers are keyed by
  std::string_view name;         ///< of the node: the stream of its random numbers
  void* saved = nullptr;         ///< kept from forward for backward: saved() bytes
  T* packed = nullptr;   ///< the weights as pack() left them: packed() elements, one copy for all workers
  T* scratch = nullptr;  ///< temporary: scratch() elements, 64-byte aligned
};

class Op;

/// One way to compute an operator. Null pointers: nothing to do (no parameters, no extra memory).
template <class T>
struct Implementation {
  const char* name;      ///< "conv2d/im2col"; UNFOLD_KERNEL=conv2d/reference forces one
  Engine engine;         ///< the engine it belongs to; naive ones serve every engine as the last resort
  const char* numerics;  ///< how its sums run: part of the numerics key
  void (*forward)(const Op&, const Call<T>&);
  void (*backward_data)(const Op&, const Call<T>&);
  void (*backward_weights)(const Op&, const Call<T>&) = nullptr;
  int64_t (*scratch)(const Op&, const Call<T>&) = nullptr;  ///< elements a call with these sizes needs
  int64_t (*saved)(const Op&,
                   const Call<T>&) = nullptr;  ///< bytes a call with these sizes keeps for backward
  Layout layout = Layout::nchw;
  bool exact = true;  ///< every sum one plain chain; others only with Numerics::fast
  bool (*suits)(const Op&, const Call<T>&) = nullptr;  ///< which sizes it can take; null: all
  /// Whether a call computes part `part` of `parts` of its output, wherever the cuts lie: then all functions
  /// write their part only, and dw and db are the whole arrays, of which the part's rows are overwritten.
  /// Only in plans that go layer by layer.
  bool parts = false;
  /// Whether backward_weights takes all shards at once: n images, their shards Call::shard apart, and writes
  /// rows row0 .. row1-1 and columns col0 .. col1-1 of dw, rows of db. These are the whole arrays,
  /// overwritten or, where Call::first is not 0, added to, and no cut into rows and columns changes a bit.
  /// Only in plans that go shard by shard, for operators that split rows.
  bool shards = false;
  /// What takes the whole batch to know, before the first image of a pass goes on: `gather` is called on
  /// single images, then `merge` once on all of them. `saved` is then memory for the whole batch, the same in
  /// all calls. Only in plans that go layer by layer (Op::whole_batch).
  struct Batch {
    void (*gather)(const Op&, const Call<T>&) = nullptr;
    void (*merge)(const Op&, const Call<T>&) = nullptr;
  };
  Batch forward_batch = {}, backward_batch = {};  ///< merge of backward writes dw and db
  /// Turns dy, given as dx, into what the backward kernels want, in place; called on single images.
  void (*prepare)(const Op&, const Call<T>&) = nullptr;
  int64_t (*packed)(const Op&, const Call<T>&) = nullptr;  ///< elements of packed weights
  void (*pack)(const Op&, const Call<T>&) = nullptr;       ///< w -> packed, once a step, before forward
};

class Op {
 public:
  virtual ~Op() = default;

  virtual std::string_view type() const = 0;  ///< "Conv2d"
  virtual Attributes attributes() const { return {}; }
  virtual int inputs() const { return 1; }

  /// Shape of one image's output from the shapes of one image's inputs. Throws usage naming `where`.
  virtual Shape output_shape(std::span<const Shape> in, std::string_view where) const = 0;
  /// Weight, bias, running_mean, running_var: as many of these as it has, by these names.
  virtual std::vector<ParameterSpec> parameters(std::span<const Shape>) const { return {}; }
  /// Sizes for Call::window of one image; all zero for operators without a window.
  virtual Conv2dShape window_shape(std::span<const Shape>) const { return {}; }
  /// Multiply-adds of the forward pass of one image.
  virtual int64_t macs(std::span<const Shape>) const { return 0; }
  /// Whether rows of the weight's gradient may be computed apart (Call::row0, row1).
  virtual bool splits_rows() const { return false; }

  /// Whether a step of training needs sums over the whole batch here: the network then goes layer by layer.
  virtual bool whole_batch() const { return false; }

  /// Best first, the naive one last.
  virtual std::span<const Implementation<float>> implementations(float) const = 0;
  virtual std::span<const Implementation<double>> implementations(double) const = 0;
};

/// Makes an operator from its type and attributes, as a model file names them. Throws model if either is
/// unknown or out of range.
std::shared_ptr<const Op> make_op(std::string_view type, const Attributes& attributes);

/// Names of all operators make_op knows.
std::span<const std::string_view> op_types();

}  // namespace unfold
