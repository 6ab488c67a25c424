#include "unfold/onnx/session.h"

#include <algorithm>
#include <set>
#include <utility>
#include <unordered_map>

#include "unfold/error.h"
#include "unfold/formats/printable.h"
#include "unfold/onnx/convert.h"

namespace unfold::onnx {
namespace {

std::string operator_text(const Node& node) {
  const std::string name = node.domain.empty() ? node.op_type : node.domain + "." + node.op_type;
  const std::string quoted = printable(name);
  return quoted.substr(1, quoted.size() - 2);
}

/// "node 3 'conv1', Conv".
std::string node_text(const Node& node, size_t index) {
  return "node " + std::to_string(index) + (node.name.empty() ? "" : " " + printable(node.name)) + ", " +
         operator_text(node);
}

Error bad_graph(std::string_view what) {
  return Error(ErrorKind::model, what).where("the graph");
}

}  // namespace

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

void Session::find_operators() {
  const auto declared = model_.opsets.find("");
  const int64_t opset = declared == model_.opsets.end() ? 0 : declared->second;
  std::map<std::string, std::vector<size_t>> unknown;
  for (size_t i = 0; i < model_.graph.nodes.size(); ++i) {
    const Node& node = model_.graph.nodes[i];
    const Operator* row = node.domain.empty() ? find_operator(node.op_type, opset) : nullptr;
    if (!row) unknown[operator_text(node)].push_back(i);
    steps_.push_back({i, row, node_text(node, i), {}, {}, {}});
  }
  if (unknown.empty()) return;
  constexpr size_t kMostNodes = 8;
  std::string list;
  for (const auto& [name, nodes] : unknown) {
    list += (list.empty() ? "" : "; ") + name + " (";
    for (size_t i = 0; i < std::min(nodes.size(), kMostNodes); ++i) {
      const Node& node = model_.graph.nodes[nodes[i]];
      list += (i ? ", node " : "node ") + std::to_string(nodes[i]);
      if (!node.name.empty()) list += " " + printable(node.name);
    }
    if (nodes.size() > kMostNodes) list += " and " + std::to_string(nodes.size() - kMostNodes) + " more";
    const auto& table = operators();
    const bool other_opset = std::ranges::find(table, name, &Operator::name) != table.end();
    list += other_opset ? ", known in other opsets)" : ")";
  }
  throw bad_graph("operators that are not known here")
      .wanted("those of docs/onnx.md")
      .got("opset " + std::to_string(opset) + ": " + list);
}

void Session::declare_inputs() {
  Graph& graph = model_.graph;
  const auto declare = [&](const std::string& name) {
    if (name.empty()) throw bad_graph("a value without a name");
    const auto [at, added] = slots_.try_emplace(name, static_cast<int>(slots_.size()));
    if (!added) throw bad_graph("two values have one name").got(printable(name));
    constants_.emplace_back();
    is_constant_.push_back(0);
    return at->second;
  };
  for (ValueInfo& input : graph.inputs) {
    const int slot = declare(input.name);
    if (!dtype_of(input.type)) refused_[slot] = input.type == 0 ? "no tensor" : type_name(input.type);
    inputs_.push_back(input);
    input_slots_.push_back(slot);
  }
  std::set<std::string_view> stored;
  for (TensorValue& weight : graph.initializers) {
    if (!stored.insert(weight.name).second)
      throw bad_graph("two stored tensors have one name").got(printable(weight.name));
    const auto found = slots_.find(weight.name);  // old files list stored tensors among the inputs
    const int slot = found == slots_.end() ? declare(weight.name) : found->second;
    if (!weight.refused.empty()) {
      refused_[slot] = weight.refused;
    } else {
      constants_[slot] = weight.values;
      is_constant_[slot] = 1;
    }
  }
}

int Session::slot(const std::string& name, size_t node) const {
  if (name.empty()) return -1;
  const Step& step = steps_[node];
  const auto found = slots_.find(name);
  if (found == slots_.end()) {
    const auto& nodes = model_.graph.nodes;
    for (size_t later = node; later < nodes.size(); ++later) {
      if (std::ranges::find(nodes[later].outputs, name) == nodes[later].outputs.end()) continue;
      throw Error(ErrorKind::model, "an input is made by a later node, or by this one")
          .where(step.where)
          .wanted("nodes in an order in which they can run")
          .got(printable(name) + " of " + node_text(nodes[later], later));
    }
    throw Error(ErrorKind::model, "an input that nothing makes").where(step.where).got(printable(name));
  }
  const auto refused = refused_.find(found->second);
  if (refused != refused_.end()) {
    throw Error(ErrorKind::model, "input " + printable(name) + " is of a type that is not known here")
        .where(step.where)
        .wanted(std::string(types_text(Types::any)))
        .got(refused->second);
  }
  return found->second;
}

void Session::check_attributes(const Node& node, const Step& step) const {
  constexpr std::string_view kKinds[] = {"",       "int",  "float",  "string",
                                         "tensor", "ints", "floats", "strings"};  // in the variant's order
  const auto rules = attribute_rules(*step.row);
  for (size_t i = 0; i < node.attributes.size(); ++i) {
    const Attribute& a = node.attributes[i];
    const auto bad = [&](std::string_view what) {
      return Error(ErrorKind::model, what).where(step.where + ", attribute " + printable(a.name));
    };
    for (size_t before = 0; before < i; ++before) {
      if (node.attributes[before].name == a.name) throw bad("an attribute stands there twice");
    }
    const auto rule = std::ranges::find(rules, a.name, &AttributeRule::name);
    if (rule == rules.end()) {
      throw bad("an attribute that this operator does not know")
          .wanted(step.row->attributes.empty() ? "none" : step.row->attributes);
    }
    const auto* unread = std::get_if<Unread>(&a.value);
    const std::string_view kind = kKinds[a.value.index()];
    const auto* tensor = std::get_if<TensorValue>(&a.value);
    if (tensor && kind == rule->kind && !tensor->refused.empty()) {
      throw bad("elements of a type that is not known here")
          .wanted(types_text(Types::any))
          .got(tensor->refused);
    }
    // An empty list has no elements that would tell its kind.
    const bool empty = unread && unread->kind == "nothing" && rule->kind.ends_with('s');
    if (kind != rule->kind && !empty) {
      throw bad("an attribute of another kind").wanted(rule->kind).got(unread ? unread->kind : kind);
    }
  }
}

void Session::connect() {
  for (Step& step : steps_) {
    const Node& node = model_.graph.nodes[step.node];
    const Operator& row = *step.row;
    check_attributes(node, step);
    const auto count = [&](std::string_view what, size_t least, size_t most, size_t got) {
      if (got >= least && got <= most) return;
      throw Error(ErrorKind::model, std::string("the number of ") + std::string(what) + " does not fit")
          .where(step.where)
          .wanted(least == most ? std::to_string(least)
                                : std::to_string(least) +
                                      (most >= size_t{kMany} ? " or more" : " to " + std::to_string(most)))
          .got(std::to_string(got));
    };
    count("inputs", row.least_inputs, row.most_inputs, node.inputs.size());
    count("outputs", 1, row.most_outputs, node.outputs.size());
    for (const std::string& name : node.inputs) step.inputs.push_back(slot(name, step.node));
    for (const std::string& name : node.outputs) {
      if (name.empty()) {
        step.outputs.push_back(-1);
        continue;
      }
      const auto [at, added] = slots_.try_emplace(name, static_cast<int>(slots_.size()));
      if (!added) {
        throw Error(ErrorKind::model, "an output whose name another value has")
            .where(step.where)
            .got(printable(name));
      }
      constants_.emplace_back();
      is_constant_.push_back(0);
      step.outputs.push_back(at->second);
    }
  }
}

void Session::find_outputs() {
  outputs_ = model_.graph.outputs;
  if (outputs_.empty()) throw bad_graph("no outputs");
  for (const ValueInfo& output : outputs_) {
    const auto found = slots_.find(output.name);
    if (found == slots_.end()) {
      throw bad_graph("an output that nothing makes").got(printable(output.name));
    }
    const auto refused = refused_.find(found->second);
    if (refused != refused_.end()) {
      throw bad_graph("output " + printable(output.name) + " is of a type that is not known here")
          .wanted(types_text(Types::any))
          .got(refused->second);
    }
    output_slots_.push_back(found->second);
  }
}

/// Steps whose outputs nobody reads do not run.
void Session::drop_unused() {
  is_read_.assign(slots_.size(), 0);
  for (const int slot : output_slots_) is_read_[slot] = 1;
  std::vector<Step> kept;
  for (size_t i = steps_.size(); i-- > 0;) {
    const auto read = [&](int slot) { return slot >= 0 && is_read_[slot]; };
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
  Account account{limits_};
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

void Session::check_input(const ValueInfo& declared, const Tensor& given) const {
  const auto where = "input " + printable(declared.name);
  if (dtype_of(declared.type) != given.dtype()) {
    throw Error(ErrorKind::data, "another type than the model declares")
        .where(where)
        .wanted(dtype_of(declared.type) ? type_text(*dtype_of(declared.type)) : type_name(declared.type))
        .got(type_text(given.dtype()));
  }
  if (!declared.shape) return;
  bool fits = declared.shape->size() == static_cast<size_t>(given.shape().rank());
  std::string wanted;
  for (size_t i = 0; i < declared.shape->size(); ++i) {
    const int64_t size = (*declared.shape)[i];
    fits = fits && (size < 0 || size == given.shape()[static_cast<int>(i)]);
    wanted += (i ? ", " : "") + (size < 0 ? "?" : std::to_string(size));
  }
  if (fits) return;
  throw Error(ErrorKind::data, "another shape than the model declares")
      .where(where)
      .wanted("(" + wanted + ")")
      .got(given.shape().text());
}

std::vector<Tensor> Session::compute(const Step& step, const std::vector<const Tensor*>& values,
                                     Account& account, ThreadPool& pool) const {
  const auto opset = model_.opsets.find("");
  const Node& node = model_.graph.nodes[step.node];
  const auto run = [&](std::span<const Tensor* const> inputs) {
    Call call(node, *step.row, opset == model_.opsets.end() ? 0 : opset->second, step.where, inputs, account,
              pool);
    step.row->run(call);
    return std::move(call.results());
  };
  try {
    std::vector<Tensor> results = with_halves(*step.row, values, run);
    for (size_t i = 0; i < results.size(); ++i) {
      if (results[i].raw() || node.outputs[i].empty()) continue;
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
  std::string names;
  for (const ValueInfo& input : inputs_) names += (names.empty() ? "" : ", ") + printable(input.name);
  for (const auto& [name, value] : inputs) {
    const auto declared = std::ranges::find(inputs_, name, &ValueInfo::name);
    if (declared == inputs_.end()) {
      throw Error(ErrorKind::usage, "the model has no input of this name").wanted(names).got(printable(name));
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
        .hint("the inputs are " + names);
  }

  Account account{limits_};
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
