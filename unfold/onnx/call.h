// One node as it runs: what its operator is given, and where its outputs go.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "unfold/formats/onnx/model.h"
#include "unfold/onnx/operators.h"
#include "unfold/threads.h"

namespace unfold::onnx {

using unfold::dtype_of;  // of a C++ type, beside that of a number in a file

/// What a run will not go beyond: a model may ask for anything.
struct Limits {
  int64_t elements = int64_t{1} << 31;  ///< of one value
  int64_t bytes = int64_t{1} << 33;     ///< of all values alive at a time, beside the model's own
  int64_t work = int64_t{1} << 62;      ///< elements made and products added, all in all
};

/// What a run has used of its limits.
struct Account {
  Limits limits;
  int64_t bytes = 0, work = 0;
  Buffer scratch;  ///< of the node that runs
};

/// Sizes of axes, outermost first, as they are built up.
using Sizes = std::vector<int64_t>;

class Call {
 public:
  /// `where` names the node in messages; a null input and an output of -1 are left out.
  Call(const Node& node, const Operator& row, int64_t opset, std::string_view where,
       std::span<const Tensor* const> inputs, std::span<const int> outputs, Account& account,
       ThreadPool& pool)
      : node_(node),
        row_(row),
        opset_(opset),
        where_(where),
        inputs_(inputs),
        wanted_(outputs),
        account_(account),
        pool_(pool),
        outputs_(outputs.size()) {}

  int64_t opset() const { return opset_; }
  const Operator& row() const { return row_; }
  ThreadPool& pool() const { return pool_; }

  // Inputs.
  size_t inputs() const { return inputs_.size(); }
  bool given(size_t i) const { return i < inputs_.size() && inputs_[i]; }
  /// Refuses one that is left out.
  const Tensor& input(size_t i) const;
  /// The numbers of an input of at most one axis, int64 or int32.
  std::vector<int64_t> list(size_t i) const;
  /// The one number of an input of any numeric type.
  double scalar(size_t i) const;
  /// Refuses inputs a and b of different types.
  void same_type(size_t a, size_t b) const;

  // Attributes; the session has checked their kinds. One without a default must be there.
  int64_t integer(std::string_view name, std::optional<int64_t> otherwise = {}) const;
  double real(std::string_view name, double otherwise) const;
  std::string text(std::string_view name, std::string_view otherwise) const;
  /// Refuses a text that is none of `words`.
  std::string text(std::string_view name, std::string_view otherwise,
                   std::span<const std::string_view> words) const;
  std::optional<std::vector<int64_t>> integers(std::string_view name) const;
  template <class T>
  const T* attribute(std::string_view name) const {
    for (const Attribute& a : node_.attributes) {
      if (a.name == name) return std::get_if<T>(&a.value);
    }
    return nullptr;
  }

  // Outputs.
  size_t outputs() const { return outputs_.size(); }
  /// Whether somebody reads output i.
  bool wanted(size_t i) const { return i < wanted_.size() && wanted_[i] >= 0; }
  /// A new tensor, zeros; refused where a size is negative or a limit is passed.
  Tensor make(Dtype dtype, std::span<const int64_t> sizes) const;
  /// Room for the node's own use, 64-byte aligned, not zeroed; the next call of it, by any node, overwrites
  /// it.
  float* scratch(int64_t floats) const;
  /// Counts memory that the node itself asks for and gives back at its end, before it does.
  void charge(int64_t count, size_t bytes_each) const;
  void output(size_t i, Tensor value) { outputs_[i] = std::move(value); }
  std::vector<Tensor>& results() { return outputs_; }

  /// Counts steps of work beyond one for each element made. A run that passes its limit is refused.
  void work(int64_t a, int64_t b = 1, int64_t c = 1) const;
  /// The product, refused where it passes 2^62; factors are not negative.
  int64_t product(std::span<const int64_t> sizes) const;
  /// An axis of a value of this rank: negative ones count from the end.
  int64_t axis(int64_t axis, int64_t rank) const;
  /// A set of axes, sorted; refuses one that stands there twice.
  std::vector<int64_t> axes(std::span<const int64_t> axes, int64_t rank) const;

  /// Calls body(begin, end) for ranges of 0 .. n by the pool's workers; `least` elements are worth a task.
  void each_range(int64_t n, int64_t least, FunctionRef<void(int64_t begin, int64_t end)> body) const;

  [[noreturn]] void refuse(std::string_view what, std::string_view wanted = {},
                           std::string_view got = {}) const;

 private:
  void require_room(int64_t bytes, std::string_view otherwise) const;

  const Node& node_;
  const Operator& row_;
  int64_t opset_;
  std::string_view where_;
  std::span<const Tensor* const> inputs_;
  std::span<const int> wanted_;
  Account& account_;
  ThreadPool& pool_;
  std::vector<Tensor> outputs_;
  mutable int64_t own_bytes_ = 0;  // beside what the account has
};

/// The sizes of a tensor, to be changed.
inline Sizes sizes_of(const Tensor& t) {
  return {t.shape().sizes().begin(), t.shape().sizes().end()};
}

/// "(2, 3)".
std::string sizes_text(std::span<const int64_t> sizes);

}  // namespace unfold::onnx
