#include "unfold/onnx/session.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "unfold/error.h"
#include "unfold/onnx/convert.h"
#include "unfold/text.h"

namespace unfold::onnx {

/// The bytes of the values that are alive: a buffer that several of them share counts once.
class Session::Memory {
 public:
  void add(const Tensor& t) {
    auto& [users, bytes] = buffers_[t.raw()];
    if (users++ == 0) total_ += static_cast<int64_t>(bytes = t.bytes());
  }
  void remove(const Tensor& t) {
    const auto found = buffers_.find(t.raw());
    if (--found->second.first > 0) return;
    total_ -= static_cast<int64_t>(found->second.second);
    buffers_.erase(found);
  }
  int64_t total() const { return total_; }

 private:
  std::unordered_map<const void*, std::pair<int, size_t>> buffers_;
  int64_t total_ = 0;
};

Session::Session(Model model, const Limits& limits) : model_(std::move(model)), limits_(limits) {
  find_operators();
  declare_inputs();
  connect();
  find_outputs();
  drop_unused();
  fold();
  find_last_uses();
}

/// Outputs that nobody reads are left out, and steps that have no others do not run.
void Session::drop_unused() {
  is_read_.assign(slots_.size(), 0);
  for (const int slot : output_slots_) is_read_[slot] = 1;
  std::vector<Step> kept;
  for (size_t i = steps_.size(); i-- > 0;) {
    const auto read = [&](int slot) { return slot >= 0 && is_read_[slot]; };
    for (int& slot : steps_[i].outputs) slot = read(slot) ? slot : -1;
    if (std::ranges::none_of(steps_[i].outputs, read)) continue;
    for (const int slot : steps_[i].inputs) {
      if (slot >= 0) is_read_[slot] = 1;
    }
    kept.push_back(std::move(steps_[i]));
  }
  std::ranges::reverse(kept);
  steps_ = std::move(kept);
}

const Tensor* Session::constant(int slot) const {
  return is_constant_[slot] ? &constants_[slot] : nullptr;
}

/// What depends on no input is computed once.
void Session::fold() {
  constexpr int64_t kMostBytes = int64_t{64} << 20;  // what is larger may be cheaper to make than to keep
  std::vector<char> varies(slots_.size(), 0);
  for (const int slot : input_slots_) varies[slot] = 1;
  Account account;
  account.limits = limits_;
  ThreadPool alone(1);
  std::vector<Step> kept;
  for (Step& step : steps_) {
    std::vector<const Tensor*> values;
    bool known = true;
    for (const int slot : step.inputs) {
      values.push_back(slot < 0 ? nullptr : constant(slot));
      known = known && (slot < 0 || (!varies[slot] && values.back()));
    }
    if (known) {
      const int64_t before = account.bytes;
      std::vector<Tensor> results = compute(step, values, account, alone);
      account.bytes = before;
      int64_t bytes = 0;
      for (const Tensor& t : results) bytes += static_cast<int64_t>(t.bytes());
      if (bytes <= kMostBytes && bytes <= limits_.bytes - account.bytes) {
        account.bytes += bytes;
        for (size_t i = 0; i < results.size(); ++i) {
          if (step.outputs[i] < 0) continue;
          constants_[step.outputs[i]] = std::move(results[i]);
          is_constant_[step.outputs[i]] = 1;
        }
        continue;
      }
    }
    for (const int slot : step.outputs) {
      if (slot >= 0) varies[slot] = 1;
    }
    kept.push_back(std::move(step));
  }
  steps_ = std::move(kept);
}

void Session::find_last_uses() {
  std::vector<char> seen(slots_.size(), 0);
  for (const int slot : output_slots_) seen[slot] = 1;
  for (size_t i = steps_.size(); i-- > 0;) {
    Step& step = steps_[i];
    for (const std::vector<int>* slots : {&step.inputs, &step.outputs}) {
      for (const int slot : *slots) {
        if (slot >= 0 && !std::exchange(seen[slot], 1)) step.last_used.push_back(slot);
      }
    }
  }
}

namespace {

std::string declared_shape(const ValueInfo& value) {
  std::string text;
  for (const int64_t size : *value.shape) {
    text += (text.empty() ? "" : ", ") + (size < 0 ? "?" : std::to_string(size));
  }
  return "(" + text + ")";
}

std::string declared_type(const ValueInfo& value) {
  const auto dtype = dtype_of(value.type);
  return dtype ? std::string(type_text(*dtype)) : value.type == 0 ? "no tensor" : type_name(value.type);
}

}  // namespace

std::string Session::inputs_text() const {
  std::string text;
  for (const ValueInfo& input : inputs_) {
    text += (text.empty() ? "" : ", ") + printable(input.name) + " " + declared_type(input);
    if (input.shape) text += " " + declared_shape(input);
    if (has_default(input.name)) text += " (may be left out)";
  }
  return text.empty() ? "none" : text;
}

void Session::check_input(const ValueInfo& declared, const Tensor& given) const {
  const auto where = "input " + printable(declared.name);
  if (dtype_of(declared.type) != given.dtype()) {
    throw Error(ErrorKind::data, "another type than the model declares")
        .where(where)
        .wanted(declared_type(declared))
        .got(type_text(given.dtype()))
        .hint("numpy.save('x.npy', x.astype('" + declared_type(declared) + "')) writes one that fits");
  }
  if (!declared.shape) return;
  const auto sizes = given.shape().sizes();
  if (std::ranges::equal(*declared.shape, sizes, [](int64_t d, int64_t g) { return d < 0 || d == g; }))
    return;
  throw Error(ErrorKind::data, "another shape than the model declares")
      .where(where)
      .wanted(declared_shape(declared))
      .got(given.shape().text())
      .hint("the inputs are " + inputs_text());
}

std::vector<Tensor> Session::compute(const Step& step, const std::vector<const Tensor*>& values,
                                     Account& account, ThreadPool& pool) const {
  const auto opset = model_.opsets.find("");
  const Node& node = model_.graph.nodes[step.node];
  const auto run = [&](std::span<const Tensor* const> inputs) {
    Call call(node, *step.row, opset == model_.opsets.end() ? 0 : opset->second, step.where, inputs,
              step.outputs, account, pool);
    step.row->run(call);
    return std::move(call.results());
  };
  try {
    std::vector<Tensor> results = with_halves(*step.row, values, run);
    for (size_t i = 0; i < results.size(); ++i) {
      if (results[i].raw() || step.outputs[i] < 0) continue;
      throw Error(ErrorKind::model, "output " + std::to_string(i) + " is not computed here")
          .where(step.where);
    }
    return results;
  } catch (const Error& e) {
    // What a kernel says of sizes it was given does not name the node.
    if (e.kind() == ErrorKind::model || e.kind() == ErrorKind::runtime) throw;
    throw Error(ErrorKind::model, e.what()).where(step.where).hint(e.hint());
  }
}

std::vector<Tensor> Session::run(const std::map<std::string, Tensor>& inputs) const {
  ThreadPool alone(1);
  return run(inputs, alone);
}

std::vector<Tensor> Session::run(const std::map<std::string, Tensor>& inputs, ThreadPool& pool) const {
  const FlushDenormals flush;
  std::vector<Tensor> held(slots_.size());
  std::vector<const Tensor*> values(slots_.size(), nullptr);
  for (size_t slot = 0; slot < held.size(); ++slot) values[slot] = constant(static_cast<int>(slot));
  for (const auto& [name, value] : inputs) {
    const auto declared = std::ranges::find(inputs_, name, &ValueInfo::name);
    if (declared == inputs_.end()) {
      throw Error(ErrorKind::usage, "the model has no input of this name")
          .wanted(inputs_text())
          .got(printable(name));
    }
    check_input(*declared, value);
    const int slot = input_slots_[static_cast<size_t>(declared - inputs_.begin())];
    held[slot] = value.contiguous() ? value : value.clone();
    values[slot] = &held[slot];
  }
  for (size_t i = 0; i < inputs_.size(); ++i) {
    if (values[input_slots_[i]] || !is_read_[input_slots_[i]]) continue;
    throw Error(ErrorKind::usage, "an input of the model is missing")
        .wanted(printable(inputs_[i].name))
        .hint("the inputs are " + inputs_text());
  }

  Account account;
  account.limits = limits_;
  Memory memory;
  for (const Step& step : steps_) {
    std::vector<const Tensor*> arguments;
    for (const int slot : step.inputs) arguments.push_back(slot < 0 ? nullptr : values[slot]);
    std::vector<Tensor> results = compute(step, arguments, account, pool);
    for (size_t i = 0; i < results.size(); ++i) {
      const int slot = step.outputs[i];
      if (slot < 0) continue;
      held[slot] = std::move(results[i]);
      values[slot] = &held[slot];
      memory.add(held[slot]);
    }
    for (const int slot : step.last_used) {
      if (values[slot] != &held[slot] || std::ranges::find(input_slots_, slot) != input_slots_.end())
        continue;
      memory.remove(held[slot]);
      held[slot] = Tensor();
    }
    account.bytes = memory.total();
  }
  std::vector<Tensor> results;
  for (const int slot : output_slots_) results.push_back(*values[slot]);
  return results;
}

}  // namespace unfold::onnx
