// The checks of a session: what a graph must be before anything runs.
#include <algorithm>
#include <set>

#include "unfold/error.h"
#include "unfold/onnx/session.h"
#include "unfold/text.h"

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

}  // namespace unfold::onnx
