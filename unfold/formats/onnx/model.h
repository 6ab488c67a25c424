// An ONNX model as its file has it: plain values, not yet checked for what they mean together.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "unfold/tensor.h"

namespace unfold::onnx {

/// The Dtype of one of ONNX's element types (TensorProto.DataType), if it is read here.
std::optional<Dtype> dtype_of(int32_t type);
/// And back.
int32_t type_of(Dtype dtype);
/// Its name in ONNX: "FLOAT", "INT8"; "type 99" for a number that stands for none.
std::string type_name(int32_t type);

/// A tensor of a file. Where its elements are of a type that is not read here, `refused` names it and
/// `values` is empty: an error only once somebody wants them.
struct TensorValue {
  std::string name;
  Tensor values;
  std::string refused;
};

/// What an attribute can hold that is not read here: a graph, a sparse tensor, a type ...
struct Unread {
  std::string kind;
};

struct Attribute {
  std::string name;
  std::variant<Unread, int64_t, float, std::string, TensorValue, std::vector<int64_t>, std::vector<float>,
               std::vector<std::string>>
      value;
};

/// One operation. An empty name among the inputs or outputs is one that is left out.
struct Node {
  std::string name, op_type, domain;
  std::vector<std::string> inputs, outputs;
  std::vector<Attribute> attributes;
};

/// An input or output of the graph.
struct ValueInfo {
  std::string name;
  int32_t type = 0;                           ///< element type; 0: none is given, or it is no tensor
  std::optional<std::vector<int64_t>> shape;  ///< -1: a size that is not fixed; nothing: any rank
};

struct Graph {
  std::string name;
  std::vector<Node> nodes;
  std::vector<TensorValue> initializers;
  std::vector<ValueInfo> inputs, outputs;  ///< old files list initializers among the inputs
};

struct Model {
  int64_t ir_version = 0;
  std::string producer;
  std::map<std::string, int64_t> opsets;        ///< version by domain; ONNX's own is ""
  std::map<std::string, std::string> metadata;  ///< metadata_props: what programs note about the model
  Graph graph;
};

}  // namespace unfold::onnx
