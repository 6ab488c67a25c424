// Runs an ONNX graph: every operator in the order of the file, values freed after their last use.
//
//   const Session session(read_model("net.onnx"));
//   std::vector<Tensor> y = session.run({{"x", x}}, pool);
//
// Nothing in a model is believed. The graph is checked when the session is made; sizes, which may depend on
// the inputs, while it runs. What is wrong is an Error of kind model that names the node and its operator.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "unfold/onnx/call.h"

namespace unfold::onnx {

class Session {
 public:
  /// Checks the graph: every operator is known in the model's opset, all that are not are named in one
  /// message; attributes are known and of the right kind; every input is made by an earlier node, and every
  /// name by one only. Computes what depends on no input. Throws model.
  explicit Session(Model model, const Limits& limits = {});

  /// The inputs that may be given: those with a stored value need not be. Sizes of -1 are free.
  const std::vector<ValueInfo>& inputs() const { return inputs_; }
  /// True if a value is stored for this input.
  bool has_default(std::string_view input) const {
    const auto found = slots_.find(input);
    return found != slots_.end() && constant(found->second);
  }
  const std::vector<ValueInfo>& outputs() const { return outputs_; }

  /// The inputs as messages have them: "'x' float32 (1, 3, ?, ?), ...".
  std::string inputs_text() const;

  /// The outputs, in the order of outputs(), for inputs by name. Borrowed tensors must outlive the results.
  /// May be called by several threads at once, each with a pool of its own; the bits do not depend on the
  /// pool's threads. Throws usage for an unknown or missing input, data for one of another type or shape than
  /// the model declares, model for what an operator refuses.
  std::vector<Tensor> run(const std::map<std::string, Tensor>& inputs, ThreadPool& pool) const;
  /// The same with one thread.
  std::vector<Tensor> run(const std::map<std::string, Tensor>& inputs) const;

 private:
  struct Step {
    size_t node;
    const Operator* row;
    std::string where;
    std::vector<int> inputs, outputs;  ///< slots; -1: left out
    std::vector<int> last_used;        ///< slots that no later step reads
  };
  class Memory;

  void declare_inputs();
  void find_operators();
  void connect();
  void find_outputs();
  void drop_unused();
  void fold();
  void find_last_uses();
  int slot(const std::string& name, size_t node) const;
  void check_attributes(const Node& node, const Step& step) const;
  const Tensor* constant(int slot) const;
  void check_input(const ValueInfo& declared, const Tensor& given) const;
  std::vector<Tensor> compute(const Step& step, const std::vector<const Tensor*>& values, Account& account,
                              ThreadPool& pool) const;

  Model model_;
  Limits limits_;
  std::map<std::string, int, std::less<>> slots_;  // of values by name
  std::vector<Tensor> constants_;                  // by slot; see is_constant_
  std::vector<char> is_constant_, is_read_;        // by slot
  std::map<int, std::string> refused_;             // slots of a type that is not read here
  std::vector<ValueInfo> inputs_, outputs_;
  std::vector<int> input_slots_, output_slots_;
  std::vector<Step> steps_;
};

}  // namespace unfold::onnx
