#include "unfold/formats/onnx/writer.h"

#include <limits>
#include <protozero/pbf_writer.hpp>

#include "unfold/error.h"
#include "unfold/files.h"
#include "unfold/text.h"

namespace unfold::onnx {
namespace {

using protozero::pbf_writer;

constexpr uint64_t kMost = std::numeric_limits<int32_t>::max();  // what readers of Protocol Buffers accept

void refuse_unread(std::string_view where, std::string_view kind) {
  throw Error(ErrorKind::usage, "a part of the model was not read and cannot be written")
      .where(where)
      .got(kind);
}

void refuse_large() {
  throw Error(ErrorKind::usage, "the model is too large for an ONNX file").wanted("at most 2 GiB");
}

void write_tensor(pbf_writer&& w, const TensorValue& tensor) {
  if (!tensor.refused.empty()) refuse_unread("tensor " + printable(tensor.name), tensor.refused);
  const Tensor& values = tensor.values;
  for (const int64_t size : values.shape().sizes()) w.add_int64(1, size);
  w.add_int32(2, type_of(values.dtype()));
  if (!tensor.name.empty()) w.add_string(8, tensor.name);
  const Tensor plain = values.contiguous() ? values : values.clone();
  w.add_bytes(9, static_cast<const char*>(plain.raw()), plain.bytes());
}

/// The field of AttributeProto that holds a value, and its number in AttributeType.
struct ValueWriter {
  pbf_writer& w;
  std::string_view where;

  int32_t operator()(const Unread& v) const {
    refuse_unread(where, v.kind);
    return 0;
  }
  int32_t operator()(float v) const {
    w.add_float(2, v);
    return 1;
  }
  int32_t operator()(int64_t v) const {
    w.add_int64(3, v);
    return 2;
  }
  int32_t operator()(const std::string& v) const {
    w.add_bytes(4, v);
    return 3;
  }
  int32_t operator()(const TensorValue& v) const {
    write_tensor(pbf_writer(w, 5), v);
    return 4;
  }
  int32_t operator()(const std::vector<float>& v) const {
    for (const float number : v) w.add_float(7, number);
    return 6;
  }
  int32_t operator()(const std::vector<int64_t>& v) const {
    for (const int64_t number : v) w.add_int64(8, number);
    return 7;
  }
  int32_t operator()(const std::vector<std::string>& v) const {
    for (const std::string& text : v) w.add_bytes(9, text);
    return 8;
  }
};

void write_node(pbf_writer&& w, const Node& node) {
  for (const std::string& name : node.inputs) w.add_string(1, name);
  for (const std::string& name : node.outputs) w.add_string(2, name);
  if (!node.name.empty()) w.add_string(3, node.name);
  w.add_string(4, node.op_type);
  for (const Attribute& attribute : node.attributes) {
    pbf_writer a(w, 5);
    a.add_string(1, attribute.name);
    const std::string where = node.op_type + " " + printable(node.name) + ": " + printable(attribute.name);
    a.add_int32(20, std::visit(ValueWriter{a, where}, attribute.value));
  }
  if (!node.domain.empty()) w.add_string(7, node.domain);
}

void write_value_info(pbf_writer&& w, const ValueInfo& value) {
  w.add_string(1, value.name);
  if (value.type == 0 && !value.shape) return;
  pbf_writer type(w, 2);
  pbf_writer tensor(type, 1);
  if (value.type != 0) tensor.add_int32(1, value.type);
  if (!value.shape) return;
  std::string sizes;  // a message of its own: protozero leaves out nested ones that are empty
  for (size_t axis = 0; axis < value.shape->size(); ++axis) {
    std::string dimension;
    if (const int64_t size = (*value.shape)[axis]; size >= 0) {
      pbf_writer(dimension).add_int64(1, size);
    } else if (axis == 0) {
      pbf_writer(dimension).add_string(2, "N");
    }
    pbf_writer(sizes).add_message(1, dimension);
  }
  tensor.add_message(2, sizes);
}

void write_graph(pbf_writer&& w, const Graph& graph) {
  for (const Node& node : graph.nodes) write_node(pbf_writer(w, 1), node);
  w.add_string(2, graph.name);
  for (const TensorValue& tensor : graph.initializers) write_tensor(pbf_writer(w, 5), tensor);
  for (const ValueInfo& value : graph.inputs) write_value_info(pbf_writer(w, 11), value);
  for (const ValueInfo& value : graph.outputs) write_value_info(pbf_writer(w, 12), value);
}

}  // namespace

std::string serialize_model(const Model& model) {
  uint64_t values = 0;
  for (const TensorValue& tensor : model.graph.initializers) values += tensor.values.bytes();
  if (values > kMost) refuse_large();
  std::string bytes;
  bytes.reserve(values + (uint64_t{1} << 16));
  {
    pbf_writer w(bytes);
    w.add_int64(1, model.ir_version);
    if (!model.producer.empty()) w.add_string(2, model.producer);
    write_graph(pbf_writer(w, 7), model.graph);
    for (const auto& [domain, version] : model.opsets) {
      pbf_writer opset(w, 8);
      if (!domain.empty()) opset.add_string(1, domain);
      opset.add_int64(2, version);
    }
    for (const auto& [key, value] : model.metadata) {
      pbf_writer entry(w, 14);
      entry.add_string(1, key);
      entry.add_string(2, value);
    }
  }
  if (bytes.size() > kMost) refuse_large();
  return bytes;
}

void write_model(const std::filesystem::path& path, const Model& model) {
  write_file(path, serialize_model(model));
}

}  // namespace unfold::onnx
